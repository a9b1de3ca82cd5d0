//! Sorting more records than memory holds.
//!
//! Records are byte arrays of one size that compare byte by byte; numbers in them are big-endian. A buffer of
//! 256 KiB is sorted and written out as a run whenever it is full, and runs are merged sixteen at a time, so memory does
//! not grow with the number of records. Of equal records one is kept. Runs live in unnamed temporary files, which end with the process, however it
//! ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Collects records, to be read back in order.
pub(crate) struct Sorter<const SIZE: usize> {
    folder: PathBuf,
    buffer: Vec<[u8; SIZE]>,
    runs: Vec<Run>,
}

/// Records in order, each different from the one before.
pub(crate) struct Sorted<const SIZE: usize> {
    file: File,
    count: u64,
}

struct Run {
    file: File,
    /// How often its records were merged. Runs are merged with others of their level, so each record is written a
    /// logarithmic number of times.
    level: u32,
}

const BUFFER_BYTES: usize = 256 << 10;
const RUNS_MERGED: usize = 16;
/// For each run that is read or written.
const IO_BUFFER_BYTES: usize = 8 << 10;

impl<const SIZE: usize> Sorter<SIZE> {
    /// A sorter that keeps its temporary files on the file system of `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), buffer: Vec::new(), runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, record: [u8; SIZE]) -> io::Result<()> {
        // All at once: growing step by step would leave holes behind in the heap. What is not used is not backed.
        self.buffer.reserve_exact(BUFFER_BYTES / SIZE - self.buffer.len());
        self.buffer.push(record);
        if self.buffer.len() < BUFFER_BYTES / SIZE {
            return Ok(());
        }
        self.write_run()?;
        while let Some(start) = self.runs.len().checked_sub(RUNS_MERGED)
            && self.runs[start..].iter().all(|run| run.level == self.runs[start].level)
        {
            let runs = self.runs.split_off(start);
            let level = runs[0].level + 1;
            let file = self.merge(runs)?;
            self.runs.push(Run { file, level });
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<Sorted<SIZE>> {
        self.write_run()?;
        // Small runs are the last ones; merging from that end rewrites little.
        while self.runs.len() > 1 {
            let runs = self.runs.split_off(self.runs.len().saturating_sub(RUNS_MERGED));
            let file = self.merge(runs)?;
            self.runs.push(Run { file, level: 0 });
        }
        let file = match self.runs.pop() {
            Some(run) => run.file,
            None => tempfile::tempfile_in(&self.folder)?,
        };
        let count = file.metadata()?.len() / SIZE as u64;
        Ok(Sorted { file, count })
    }

    fn write_run(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.buffer.sort_unstable();
        self.buffer.dedup();
        let mut file = tempfile::tempfile_in(&self.folder)?;
        file.write_all(self.buffer.as_flattened())?;
        self.buffer.clear();
        self.runs.push(Run { file, level: 0 });
        Ok(())
    }

    fn merge(&self, runs: Vec<Run>) -> io::Result<File> {
        let mut sources = Vec::new();
        let mut heads = BinaryHeap::new();
        for run in runs {
            let mut source = Records::<_, SIZE>::new(run.file)?;
            if let Some(record) = source.next().transpose()? {
                heads.push(Reverse((record, sources.len())));
            }
            sources.push(source);
        }
        let mut out = BufWriter::with_capacity(IO_BUFFER_BYTES, tempfile::tempfile_in(&self.folder)?);
        let mut last = None;
        while let Some(Reverse((record, index))) = heads.pop() {
            if last != Some(record) {
                out.write_all(&record)?;
                last = Some(record);
            }
            if let Some(next) = sources[index].next().transpose()? {
                heads.push(Reverse((next, index)));
            }
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<const SIZE: usize> Sorted<SIZE> {
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The records from the first one on. One reader at a time: they share the file's position.
    pub(crate) fn records(&mut self) -> io::Result<Records<&File, SIZE>> {
        Records::new(&self.file)
    }

    /// The first record that is not less than `least`.
    pub(crate) fn seek(&mut self, least: &[u8]) -> io::Result<Option<[u8; SIZE]>> {
        let from = self.count_below(least)?;
        if from < self.count { self.record(from).map(Some) } else { Ok(None) }
    }

    /// How many records are less than `least`.
    pub(crate) fn count_below(&self, least: &[u8]) -> io::Result<u64> {
        let (mut from, mut to) = (0, self.count);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.record(middle)?[..] < *least { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// The record with that number, from 0.
    pub(crate) fn record(&self, index: u64) -> io::Result<[u8; SIZE]> {
        let mut record = [0; SIZE];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(index * SIZE as u64))?;
        file.read_exact(&mut record)?;
        Ok(record)
    }
}

/// Reads records one after the other.
pub(crate) struct Records<F: Read, const SIZE: usize>(BufReader<F>);

impl<F: Read + Seek, const SIZE: usize> Records<F, SIZE> {
    fn new(mut file: F) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self(BufReader::with_capacity(IO_BUFFER_BYTES, file)))
    }
}

impl<F: Read, const SIZE: usize> Iterator for Records<F, SIZE> {
    type Item = io::Result<[u8; SIZE]>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = [0; SIZE];
        match self.0.read_exact(&mut record) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            read => Some(read.map(|()| record)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scrambled(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1000
    }

    /// Sorts `count` scrambled numbers, padded to 1 KiB so that few of them fill the buffer.
    fn sorted(count: u64) -> Sorted<1024> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        for n in 0..count {
            let mut record = [0; 1024];
            record[..8].copy_from_slice(&scrambled(n).to_be_bytes());
            sorter.push(record).unwrap();
        }
        sorter.finish().unwrap()
    }

    #[test]
    fn any_number_of_records_comes_back_complete_in_order_and_without_repeats() {
        // One buffer holds 256 records and 16 runs are merged at once: none, one run, several, and two levels of merging.
        for count in [0, 1, 255, 256, 257, 3000, 256 * 18] {
            let mut sorted = sorted(count);
            let records: Vec<_> = sorted.records().unwrap().map(|record| record.unwrap()).collect();
            assert_eq!(sorted.count(), records.len() as u64);
            let expected: BTreeSet<_> = (0..count).map(scrambled).collect();
            let found: Vec<_> = records.iter().map(|r| u64::from_be_bytes(r[..8].try_into().unwrap())).collect();
            assert_eq!(found, Vec::from_iter(expected));
        }
    }

    #[test]
    fn seeking_finds_the_first_record_that_is_not_less() {
        let mut sorted = sorted(600);
        let all: Vec<_> = sorted.records().unwrap().map(|record| record.unwrap()).collect();
        for wanted in 0..1001_u64 {
            let naive = all.iter().find(|record| record[..8] >= wanted.to_be_bytes()[..]).copied();
            assert!(sorted.seek(&wanted.to_be_bytes()).unwrap() == naive, "{wanted}");
        }
    }
}
