//! Building the archive from the records of its tiles.
//!
//! Nothing is held in memory but buffers of a fixed size: sorting on disk brings the records into the order that each
//! step needs.
//!
//! 1. By tile: of several records for one tile the latest counts.
//! 2. By content: tiles with the same bytes share the copy of the first of them.
//! 3. By copy: copies get their places in the order in which a reader goes through the tiles ("clustered").
//! 4. By tile again: the directories.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::log::{Blob, Record};
use crate::TileId;
use crate::extent::Extent;
use crate::extsort::{Sorted, Sorter};
use crate::format::{Gzip, TileFormat, gzip};
use crate::layers::Layers;
use crate::metadata::Metadata;
use crate::pmtiles::{
    COMPRESSION_GZIP, COMPRESSION_NONE, Entry, HEAD_BYTES_MAX, HEADER_BYTES, Header, Section, e7, encode,
};

/// Where the bytes of tiles are read from.
pub(super) trait Blobs {
    /// Reads the bytes at `blob` into `out`.
    fn read(&mut self, blob: &Blob, out: &mut Vec<u8>) -> io::Result<()>;
}

/// Collects the records of an archive's tiles, in any order, and writes it.
pub(super) struct Builder {
    folder: PathBuf,
    records: Sorter<36>,
}

/// More entries than these do not go into the root even where they would fit, so that the first request stays small.
const ROOT_ENTRIES_MAX: u64 = 4096;
const ROOT_BYTES_MAX: usize = HEAD_BYTES_MAX - HEADER_BYTES;
/// Entries in a leaf directory; doubled until the root has room for the pointers to all leaves, some 2,000.
const LEAF_ENTRIES_MIN: usize = 4096;

impl Builder {
    /// A builder that keeps its temporary files on the file system of `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), records: Sorter::new(folder) }
    }

    pub(super) fn add(&mut self, record: Record) -> io::Result<()> {
        let Record { id, blob, at } = record;
        // The complement sorts the latest record of a tile first.
        self.records.push(pack([&id.to_be_bytes(), &(!at).to_be_bytes(), &blob.to_bytes()]))
    }

    /// Writes the archive of all tiles that were added; at least one was.
    pub(super) fn write(
        self,
        blobs: &mut impl Blobs,
        format: TileFormat,
        metadata: &Metadata,
        out: &mut File,
    ) -> io::Result<()> {
        let folder = &self.folder;
        let (by_content, extent) = latest(self.records.finish()?, folder)?;
        let Some(extent) = extent else { return Ok(()) };
        let mut by_copy = share(by_content, blobs, folder)?;
        let mut placed = place(&mut by_copy, folder)?;
        let mut directories = Directories::new(&mut placed.tiles, folder)?;

        let mut metadata = metadata.clone();
        if format == TileFormat::Mvt && metadata.vector_layers.is_none() {
            metadata.vector_layers = layers(&mut by_copy, blobs)?.to_json();
        }
        let json = gzip(&metadata.to_json());
        let root = Section { offset: HEADER_BYTES as u64, length: directories.root.len() as u64 };
        let json_section = Section { offset: root.offset + root.length, length: json.len() as u64 };
        let leaves = Section { offset: json_section.offset + json_section.length, length: directories.leaf_bytes };
        let data = Section { offset: leaves.offset + leaves.length, length: placed.bytes };
        let bounds = extent.bounds_or(metadata.bounds);
        let [west, south, east, north] = bounds;
        let header = Header {
            root,
            metadata: json_section,
            leaves,
            data,
            tile_count: placed.tiles.count(),
            entry_count: directories.entry_count,
            content_count: placed.content_count,
            clustered: true,
            internal_compression: COMPRESSION_GZIP,
            tile_compression: if format == TileFormat::Mvt { COMPRESSION_GZIP } else { COMPRESSION_NONE },
            format,
            zoom_min: extent.zoom_min,
            zoom_max: extent.zoom_max,
            bounds: bounds.map(e7),
            center: [e7(west.midpoint(east)), e7(south.midpoint(north))],
            center_zoom: extent.zoom_center(),
        };
        let mut out = BufWriter::new(out);
        out.write_all(&header.encode())?;
        out.write_all(&directories.root)?;
        out.write_all(&json)?;
        directories.leaves.rewind()?;
        io::copy(&mut directories.leaves, &mut out)?;
        let mut tile = Vec::new();
        for copy in copies(&mut by_copy)? {
            blobs.read(&copy?, &mut tile)?;
            out.write_all(&tile)?;
        }
        out.flush()
    }
}

/// Keeps the latest record of each tile; gives them ordered by content, and what they cover.
fn latest(mut records: Sorted<36>, folder: &Path) -> io::Result<(Sorted<28>, Option<Extent>)> {
    let mut by_content = Sorter::new(folder);
    let mut extent: Option<Extent> = None;
    let mut last = None;
    for record in records.records()? {
        let record = record?;
        let id = u64_at(&record, 0);
        if last == Some(id) {
            continue;
        }
        last = Some(id);
        let tile = TileId::from_hilbert_id(id).map_err(io::Error::other)?;
        extent = Some(extent.map_or(Extent::of(tile), |extent| extent.with(tile)));
        let blob = Blob::from_bytes(&record[16..]);
        by_content.push(pack([
            &blob.hash.to_be_bytes(),
            &blob.length.to_be_bytes(),
            &id.to_be_bytes(),
            &blob.offset.to_be_bytes(),
        ]))?;
    }
    Ok((by_content.finish()?, extent))
}

/// Lets tiles with the same bytes share the copy of the first of them: (tile whose copy it is, tile, copy).
fn share(mut by_content: Sorted<28>, blobs: &mut impl Blobs, folder: &Path) -> io::Result<Sorted<36>> {
    let mut by_copy = Sorter::new(folder);
    let mut shared: Option<(u64, Blob)> = None;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for record in by_content.records()? {
        let record = record?;
        let id = u64_at(&record, 12);
        let blob = Blob { hash: u64_at(&record, 0), length: u32_at(&record, 8), offset: u64_at(&record, 20) };
        let (owner, copy) = match shared {
            Some((owner, copy)) if (copy.hash, copy.length) == (blob.hash, blob.length) => {
                if copy.offset != blob.offset {
                    blobs.read(&copy, &mut ours)?;
                    blobs.read(&blob, &mut theirs)?;
                }
                // Other bytes with the same hash, as good as impossible by accident, keep a copy of their own.
                if copy.offset == blob.offset || ours == theirs { (owner, copy) } else { (id, blob) }
            }
            _ => (id, blob),
        };
        if owner == id && shared.is_none_or(|(_, last)| (last.hash, last.length) != (blob.hash, blob.length)) {
            shared = Some((id, blob));
        }
        by_copy.push(pack([&owner.to_be_bytes(), &id.to_be_bytes(), &copy.to_bytes()]))?;
    }
    by_copy.finish()
}

/// The tiles in order, each with the place of its copy.
struct Placed {
    tiles: Sorted<20>,
    content_count: u64,
    /// Of all copies together.
    bytes: u64,
}

/// Gives the copies their places, one behind the other.
fn place(by_copy: &mut Sorted<36>, folder: &Path) -> io::Result<Placed> {
    let mut tiles = Sorter::new(folder);
    let (mut offset, mut bytes, mut content_count) = (0, 0, 0);
    for record in by_copy.records()? {
        let record = record?;
        let blob = Blob::from_bytes(&record[16..]);
        // A copy's owner is the first tile that uses it, so it comes first.
        if owns_its_copy(&record) {
            offset = bytes;
            bytes += u64::from(blob.length);
            content_count += 1;
        }
        tiles.push(pack([&record[8..16], &u64::to_be_bytes(offset), &blob.length.to_be_bytes()]))?;
    }
    Ok(Placed { tiles: tiles.finish()?, content_count, bytes })
}

/// The copies, in the order of their places.
fn copies(by_copy: &mut Sorted<36>) -> io::Result<impl Iterator<Item = io::Result<Blob>>> {
    let owners = by_copy.records()?.filter(|record| record.as_ref().map_or(true, owns_its_copy));
    Ok(owners.map(|record| record.map(|record| Blob::from_bytes(&record[16..]))))
}

/// Which layers the vector tiles have. Each copy is read once.
fn layers(by_copy: &mut Sorted<36>, blobs: &mut impl Blobs) -> io::Result<Layers> {
    let mut layers = Layers::default();
    let mut tile = Vec::new();
    for record in by_copy.records()? {
        let record = record?;
        let id = TileId::from_hilbert_id(u64_at(&record, 8)).map_err(io::Error::other)?;
        if owns_its_copy(&record) {
            blobs.read(&Blob::from_bytes(&record[16..]), &mut tile)?;
        }
        layers.add(id.z(), &tile);
    }
    Ok(layers)
}

fn owns_its_copy(record: &[u8; 36]) -> bool {
    record[..8] == record[8..16]
}

/// The root directory, ready to be written, and the leaves behind it.
struct Directories {
    root: Vec<u8>,
    leaves: File,
    leaf_bytes: u64,
    /// Of tiles, in all directories.
    entry_count: u64,
}

impl Directories {
    fn new(tiles: &mut Sorted<20>, folder: &Path) -> io::Result<Self> {
        let entry_count = runs(tiles)?.try_fold(0, |count: u64, entry| entry.map(|_| count + 1))?;
        if entry_count <= ROOT_ENTRIES_MAX {
            let root = gzip(&encode(&runs(tiles)?.collect::<io::Result<Vec<_>>>()?));
            if root.len() <= ROOT_BYTES_MAX {
                return Ok(Self { root, leaves: tempfile::tempfile_in(folder)?, leaf_bytes: 0, entry_count });
            }
        }
        let mut leaf_entries = LEAF_ENTRIES_MIN;
        loop {
            let mut leaves = tempfile::tempfile_in(folder)?;
            let pointers = write_leaves(tiles, leaf_entries, &mut leaves)?;
            let root = gzip(&encode(&pointers));
            if root.len() <= ROOT_BYTES_MAX {
                let leaf_bytes = leaves.stream_position()?;
                return Ok(Self { root, leaves, leaf_bytes, entry_count });
            }
            leaf_entries *= 2;
        }
    }
}

/// Writes directories of `leaf_entries` entries each; returns the entries that lead to them.
fn write_leaves(tiles: &mut Sorted<20>, leaf_entries: usize, leaves: &mut File) -> io::Result<Vec<Entry>> {
    let mut gzip = Gzip::new();
    let (mut pointers, mut leaf, mut offset) = (Vec::new(), Vec::new(), 0);
    let mut entries = runs(tiles)?.peekable();
    while let Some(entry) = entries.next() {
        leaf.push(entry?);
        if leaf.len() == leaf_entries || entries.peek().is_none() {
            let bytes = gzip.pack(&encode(&leaf));
            leaves.write_all(&bytes)?;
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            pointers.push(Entry { id: leaf[0].id, offset, length, run: 0 });
            offset += u64::from(length);
            leaf.clear();
        }
    }
    Ok(pointers)
}

/// The tiles as entries: neighbours on the curve with the same copy are one run.
fn runs(tiles: &mut Sorted<20>) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let mut tiles = tiles.records()?.map(|record| {
        let record = record?;
        Ok(Entry { id: u64_at(&record, 0), offset: u64_at(&record, 8), length: u32_at(&record, 16), run: 1 })
    });
    let mut tiles = std::iter::from_fn(move || tiles.next()).peekable();
    Ok(std::iter::from_fn(move || {
        let mut run: Entry = match tiles.next()? {
            Ok(entry) => entry,
            error => return Some(error),
        };
        let continues = |run: &Entry, next: &io::Result<Entry>| {
            next.as_ref().is_ok_and(|next| next.offset == run.offset && next.id == run.id + u64::from(run.run))
        };
        while run.run < u32::MAX && tiles.next_if(|next| continues(&run, next)).is_some() {
            run.run += 1;
        }
        Some(Ok(run))
    }))
}

/// The parts one behind the other; together they are as long as the record.
fn pack<const SIZE: usize, const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; SIZE] {
    let mut record = [0; SIZE];
    let mut at = 0;
    for part in parts {
        record[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, SIZE);
    record
}

fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| record[at + i]))
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|i| record[at + i]))
}

impl Blob {
    fn to_bytes(self) -> [u8; 20] {
        pack([&self.offset.to_be_bytes(), &self.hash.to_be_bytes(), &self.length.to_be_bytes()])
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self { offset: u64_at(bytes, 0), hash: u64_at(bytes, 8), length: u32_at(bytes, 16) }
    }
}
