//! The log that tiles are appended to until the archive is built from it.
//!
//! A PMTiles archive begins with an index of what follows, so it can only be written once all tiles are there. Until
//! then they are kept in the order in which they came: a record of 32 bytes, then the tile. Every append is one write at
//! the end of the file; what a kill leaves of the last one is cut off when the log is opened again. Each tile's
//! hash stands in its record, and opening checks them all.
//!
//! A tile that was seen shortly before is not stored again; its record points back at the first copy. Half of most maps
//! is the same few tiles of sea.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::files::{self, Durability};

/// An append-only file of tiles.
pub(super) struct Log {
    file: File,
    durability: Durability,
    /// Where the next record goes.
    end: u64,
    recent: Recent,
    /// For the next record and its tile, and for reading one back.
    scratch: Vec<u8>,
}

/// Where the bytes of a tile are, and what they hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) hash: u64,
}

/// One record of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) blob: Blob,
    /// Where the record is: of two for the same tile, the later one counts.
    pub(super) at: u64,
}

const MAGIC: [u8; 8] = *b"tgtiles\x01";
const RECORD_BYTES: u64 = 32;

/// Whether the tiles themselves are read and hashed when the log is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Nothing,
    Tiles,
}

impl Log {
    /// Opens the log, creating it if need be. Calls `each` with every record whose tile is whole, and cuts off what
    /// comes after the last whole record.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open, [`io::ErrorKind::InvalidData`] when the file is
    /// something else.
    pub(super) fn open(
        path: &Path,
        durability: Durability,
        each: impl FnMut(Record) -> io::Result<()>,
    ) -> io::Result<Self> {
        let file = match files::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                File::options().read(true).write(true).open(path)?
            }
            created => created?,
        };
        files::lock(&file, path)?;
        let mut log = Self { file, durability, end: 0, recent: Recent::new(), scratch: Vec::new() };
        log.end = log.scan(Trust::Nothing, each)?;
        if log.end == 0 {
            if !log.is_ours()? {
                let why = "a file of that name is there that is no such log; move it away";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            log.file.set_len(0)?;
            log.append_at_end(&MAGIC)?;
        } else {
            log.file.set_len(log.end)?;
        }
        Ok(log)
    }

    /// Calls `each` with every record, without reading the tiles.
    pub(super) fn records(&mut self, each: impl FnMut(Record) -> io::Result<()>) -> io::Result<()> {
        self.scan(Trust::Tiles, each).map(drop)
    }

    /// Whether nothing was ever appended.
    pub(super) fn is_empty(&self) -> bool {
        self.end == MAGIC.len() as u64
    }

    /// Appends a tile. When that fails, the log is as it was before.
    pub(super) fn append(&mut self, id: u64, tile: &[u8]) -> io::Result<()> {
        let length = u32::try_from(tile.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let hash = XxHash3_64::oneshot(tile);
        let seen = match self.recent.find(hash, length) {
            Some(blob) => self.holds(&blob, tile)?.then_some(blob),
            None => None,
        };
        let blob = seen.unwrap_or(Blob { offset: self.end + RECORD_BYTES, length, hash });
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(&encode(id, &blob));
        if seen.is_none() {
            bytes.extend_from_slice(tile);
        }
        let appended = self.append_at_end(&bytes);
        self.scratch = bytes;
        appended?;
        self.recent.remember(blob);
        Ok(())
    }

    /// Reads a tile into `out`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it no longer hashes to what its record says.
    pub(super) fn read(&mut self, blob: &Blob, out: &mut Vec<u8>) -> io::Result<()> {
        out.resize(blob.length as usize, 0);
        self.file.seek(SeekFrom::Start(blob.offset))?;
        self.file.read_exact(out)?;
        let whole = XxHash3_64::oneshot(out) == blob.hash;
        if whole { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "a tile changed on disk")) }
    }

    fn append_at_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        let mut written = self.file.write_all(bytes);
        if written.is_ok() && self.durability == Durability::PowerCut {
            written = self.file.sync_data();
        }
        match written {
            Ok(()) => self.end += bytes.len() as u64,
            // Gives back what a full disk took of it. If that fails too, opening the log again cuts it off.
            Err(_) => drop(self.file.set_len(self.end)),
        }
        written
    }

    fn holds(&mut self, blob: &Blob, tile: &[u8]) -> io::Result<bool> {
        let mut stored = std::mem::take(&mut self.scratch);
        let read = self.read(blob, &mut stored);
        let same = read.is_ok() && stored == tile;
        self.scratch = stored;
        Ok(same)
    }

    /// Whether a file that does not begin like a log is what a kill or, with zeros, a power cut left of one.
    fn is_ours(&mut self) -> io::Result<bool> {
        self.file.rewind()?;
        let mut head = Vec::new();
        (&self.file).take(MAGIC.len() as u64).read_to_end(&mut head)?;
        Ok(MAGIC.starts_with(&head) || head.iter().all(|byte| *byte == 0))
    }

    /// Returns where the last whole record ends; 0 where the file does not even begin like a log.
    fn scan(&mut self, trust: Trust, mut each: impl FnMut(Record) -> io::Result<()>) -> io::Result<u64> {
        let file_bytes = self.file.metadata()?.len();
        self.file.rewind()?;
        let mut reader = BufReader::new(&self.file);
        let mut magic = [0; MAGIC.len()];
        if !fill(&mut reader, &mut magic)? || magic != MAGIC {
            return Ok(0);
        }
        let mut at = MAGIC.len() as u64;
        let mut bytes = [0; RECORD_BYTES as usize];
        while fill(&mut reader, &mut bytes)? {
            let Some((id, blob)) = decode(&bytes) else { break };
            let mut next = at + RECORD_BYTES;
            let whole = if blob.offset == next {
                next += u64::from(blob.length);
                if next > file_bytes {
                    break;
                }
                trust == Trust::Tiles || hash_of(&mut reader, &mut self.scratch, blob.length)? == blob.hash
            } else {
                // The record points back. It was written when the cache held that tile, and scanning fills the cache as
                // appending did: what is not in it now is a copy that was found damaged.
                trust == Trust::Tiles || self.recent.find(blob.hash, blob.length) == Some(blob)
            };
            if trust == Trust::Tiles && blob.offset == at + RECORD_BYTES {
                reader.seek_relative(blob.length.into())?;
            }
            if whole {
                if trust == Trust::Nothing {
                    self.recent.remember(blob);
                }
                each(Record { id, blob, at })?;
            }
            at = next;
        }
        Ok(at)
    }
}

/// The tiles that were appended last, one for each remainder of the hash.
struct Recent(Box<[Option<Blob>]>);

impl Recent {
    const SLOTS: usize = 1024;

    fn new() -> Self {
        Self(vec![None; Self::SLOTS].into())
    }

    fn find(&self, hash: u64, length: u32) -> Option<Blob> {
        self.0[hash as usize % Self::SLOTS].filter(|blob| blob.hash == hash && blob.length == length)
    }

    fn remember(&mut self, blob: Blob) {
        self.0[blob.hash as usize % Self::SLOTS] = Some(blob);
    }
}

fn encode(id: u64, blob: &Blob) -> [u8; RECORD_BYTES as usize] {
    let mut bytes = [0; RECORD_BYTES as usize];
    bytes[..8].copy_from_slice(&id.to_le_bytes());
    bytes[8..16].copy_from_slice(&blob.offset.to_le_bytes());
    bytes[16..24].copy_from_slice(&blob.hash.to_le_bytes());
    bytes[24..28].copy_from_slice(&blob.length.to_le_bytes());
    let check = check(&bytes);
    bytes[28..].copy_from_slice(&check);
    bytes
}

fn decode(bytes: &[u8; RECORD_BYTES as usize]) -> Option<(u64, Blob)> {
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let length = u32::from_le_bytes(std::array::from_fn(|i| bytes[24 + i]));
    let blob = Blob { offset: u64_at(8), length, hash: u64_at(16) };
    (bytes[28..] == check(bytes)).then(|| (u64_at(0), blob))
}

/// Tells a record from whatever a power cut leaves in its place.
fn check(record: &[u8; RECORD_BYTES as usize]) -> [u8; 4] {
    (XxHash3_64::oneshot(&record[..28]) as u32).to_le_bytes()
}

/// Fills `out`, or says that the file ends before.
fn fill(reader: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(out) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

fn hash_of(reader: &mut impl Read, scratch: &mut Vec<u8>, length: u32) -> io::Result<u64> {
    scratch.resize(length as usize, 0);
    reader.read_exact(scratch)?;
    Ok(XxHash3_64::oneshot(scratch))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn open(path: &Path) -> (Log, Vec<Record>) {
        let mut records = Vec::new();
        let log = Log::open(path, Durability::Process, |record| {
            records.push(record);
            Ok(())
        });
        (log.unwrap(), records)
    }

    /// A log of tiles 7 (two bytes), 8 (the same), 9 (three bytes).
    fn three(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("log");
        let (mut log, _) = open(&path);
        log.append(7, b"aa").unwrap();
        log.append(8, b"aa").unwrap();
        log.append(9, b"bbb").unwrap();
        path
    }

    #[test]
    fn tiles_come_back_and_the_same_one_is_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = three(&folder);
        assert_eq!(fs::metadata(&path).unwrap().len(), 8 + 3 * 32 + 2 + 3);
        let (mut log, records) = open(&path);
        let mut tile = Vec::new();
        let expected: [(u64, &[u8]); 3] = [(7, b"aa"), (8, b"aa"), (9, b"bbb")];
        for (record, (id, bytes)) in records.iter().zip(expected) {
            log.read(&record.blob, &mut tile).unwrap();
            assert_eq!((record.id, &tile[..]), (id, bytes));
        }
        assert_eq!(records.len(), 3);
        assert_eq!(records[0].blob, records[1].blob);
    }

    #[test]
    fn wherever_the_file_is_cut_the_whole_records_before_are_kept_and_appending_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = three(&folder);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let kept = [42, 74, 109].iter().filter(|end| **end <= cut).count();
            let (mut log, records) = open(&path);
            assert_eq!(records.iter().map(|record| record.id).collect::<Vec<_>>(), [7, 8, 9][..kept], "cut at {cut}");
            log.append(10, b"more").unwrap();
            drop(log);
            assert_eq!(open(&path).1.last().unwrap().id, 10, "cut at {cut}");
        }
    }

    #[test]
    fn a_tile_that_changed_on_disk_is_left_out_with_those_that_point_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = three(&folder);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8 + 32] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open(&path).1.iter().map(|record| record.id).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn a_file_that_is_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (content, is_ours) in [(&b"what the server said"[..], false), (b"tgt", true), (&[0; 40], true), (b"", true)]
        {
            std::fs::write(&path, content).unwrap();
            let opened = Log::open(&path, Durability::Process, |_| Ok(())).map(drop);
            assert_eq!(opened.map_err(|error| error.kind()), is_ours.then_some(()).ok_or(io::ErrorKind::InvalidData));
            assert_eq!(std::fs::read(&path).unwrap(), if is_ours { &MAGIC } else { content });
        }
    }

    #[test]
    fn a_second_process_is_told_that_the_log_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = three(&folder);
        let _first = open(&path);
        let second = Log::open(&path, Durability::Process, |_| Ok(()));
        assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
