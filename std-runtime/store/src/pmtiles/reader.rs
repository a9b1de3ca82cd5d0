//! Finding tiles in a PMTiles archive on disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::directory::{DirectoryError, Entry, decode};
use super::header::{COMPRESSION_GZIP, COMPRESSION_NONE, HEADER_BYTES, Header, HeaderError, Section};
use crate::metadata::Metadata;

/// Reads an archive by random access. Holds its root directory and the last leaf directory that was used.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    header: Header,
    root: Vec<Entry>,
    leaf: Option<(u64, Vec<Entry>)>,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum PmtilesError {
    /// The file system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no PMTiles 3.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A directory is damaged.
    #[error("a directory is damaged: {0}")]
    Directory(#[from] DirectoryError),
    /// Leaf directories lead to leaf directories to leaf directories.
    #[error("its directories are nested more than {DEPTH_MAX} deep")]
    Depth,
    /// A section or a tile lies beyond the end of the file.
    #[error("it ends before its {0} does; it was not copied completely")]
    Truncated(&'static str),
    /// A directory is larger than any writer makes it.
    #[error("its {0} is larger than {SECTION_BYTES_MAX} bytes")]
    TooLarge(&'static str),
    /// Directories in a compression that cannot be read here.
    #[error("its directories use compression number {0}; only none (1) and gzip (2) can be read")]
    Compression(u8),
    /// The metadata is no JSON object.
    #[error("its metadata is not a JSON object: {0}")]
    Metadata(#[from] serde_json::Error),
}

/// How deep directories may be nested: a root, leaves, and two levels more than any known writer makes.
const DEPTH_MAX: u8 = 4;
/// No directory and no metadata is larger than this, so a damaged length cannot ask for all the memory.
const SECTION_BYTES_MAX: u64 = 64 << 20;

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self, PmtilesError> {
        let mut file = File::open(path)?;
        let mut head = [0; HEADER_BYTES];
        let read = file.read_exact(&mut head);
        let header = match read.as_ref().map_err(io::Error::kind) {
            // What there is of it says whether it ever was one.
            Err(io::ErrorKind::UnexpectedEof) if head.starts_with(b"PMTiles") => {
                return Err(PmtilesError::Truncated("header"));
            }
            Err(io::ErrorKind::UnexpectedEof) => return Err(HeaderError::Magic.into()),
            _ => read.map_err(PmtilesError::Io).and_then(|()| Ok(Header::decode(&head)?))?,
        };
        let file_bytes = file.metadata()?.len();
        let sections = [
            ("root directory", header.root),
            ("metadata", header.metadata),
            ("leaf directories", header.leaves),
            ("tile data", header.data),
        ];
        for (name, section) in sections {
            if section.offset.checked_add(section.length).is_none_or(|end| end > file_bytes) {
                return Err(PmtilesError::Truncated(name));
            }
        }
        let mut reader = Self { file, header, root: Vec::new(), leaf: None };
        reader.root = decode(&reader.unpacked("root directory", header.root)?)?;
        Ok(reader)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn metadata(&mut self) -> Result<Metadata, PmtilesError> {
        let section = self.header.metadata;
        let bounds = self.header.bbox();
        if section.length == 0 {
            return Ok(Metadata { bounds, ..Metadata::default() });
        }
        let json = self.unpacked("metadata", section)?;
        Ok(Metadata { bounds, ..Metadata::from_json(&json)? })
    }

    /// The entry that holds the tile with that id.
    pub(crate) fn find(&mut self, id: u64) -> Result<Option<Entry>, PmtilesError> {
        let mut found = holder(&self.root, id);
        for _ in 1..DEPTH_MAX {
            match found {
                Some(entry) if entry.run == 0 => {
                    if self.leaf.as_ref().is_none_or(|(offset, _)| *offset != entry.offset) {
                        self.leaf = Some((entry.offset, self.directory(entry)?));
                    }
                    found = self.leaf.as_ref().and_then(|(_, entries)| holder(entries, id));
                }
                Some(entry) if id - entry.id >= u64::from(entry.run) => return Ok(None),
                found => return Ok(found),
            }
        }
        Err(PmtilesError::Depth)
    }

    /// Reads the bytes of an entry into `tile`.
    pub(crate) fn read(&mut self, entry: &Entry, tile: &mut Vec<u8>) -> Result<(), PmtilesError> {
        let section = self.within("tile data", self.header.data, entry)?;
        self.bytes(section, tile)
    }

    /// Calls `each` with every run of tiles, in the order of ids.
    pub(crate) fn visit<E: From<PmtilesError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let root = self.root.clone();
        self.visit_below(&root, 1, &mut each)
    }

    fn visit_below<E: From<PmtilesError>>(
        &mut self,
        entries: &[Entry],
        depth: u8,
        each: &mut impl FnMut(&mut Self, Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        for entry in entries {
            if entry.run > 0 {
                each(self, *entry)?;
            } else if depth == DEPTH_MAX {
                return Err(PmtilesError::Depth.into());
            } else {
                let leaf = self.directory(*entry)?;
                self.visit_below(&leaf, depth + 1, each)?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, leaf: Entry) -> Result<Vec<Entry>, PmtilesError> {
        let section = self.within("leaf directories", self.header.leaves, &leaf)?;
        Ok(decode(&self.unpacked("leaf directory", section)?)?)
    }

    /// Where in the file an entry's bytes are.
    fn within(&self, name: &'static str, section: Section, entry: &Entry) -> Result<Section, PmtilesError> {
        let length = u64::from(entry.length);
        let inside = entry.offset.checked_add(length).is_some_and(|end| end <= section.length);
        let inside = inside.then(|| Section { offset: section.offset + entry.offset, length });
        inside.ok_or(PmtilesError::Truncated(name))
    }

    fn unpacked(&mut self, name: &'static str, section: Section) -> Result<Vec<u8>, PmtilesError> {
        if section.length > SECTION_BYTES_MAX {
            return Err(PmtilesError::TooLarge(name));
        }
        let mut packed = Vec::new();
        self.bytes(section, &mut packed)?;
        match self.header.internal_compression {
            COMPRESSION_NONE => Ok(packed),
            COMPRESSION_GZIP => {
                let mut bytes = Vec::new();
                MultiGzDecoder::new(&packed[..]).take(SECTION_BYTES_MAX + 1).read_to_end(&mut bytes)?;
                let fits = bytes.len() as u64 <= SECTION_BYTES_MAX;
                if fits { Ok(bytes) } else { Err(PmtilesError::TooLarge(name)) }
            }
            other => Err(PmtilesError::Compression(other)),
        }
    }

    fn bytes(&mut self, section: Section, out: &mut Vec<u8>) -> Result<(), PmtilesError> {
        // The length was checked against the file's, so this asks for no more than there is.
        out.resize(section.length as usize, 0);
        self.file.seek(SeekFrom::Start(section.offset))?;
        Ok(self.file.read_exact(out)?)
    }
}

/// The last entry that begins at or before `id`.
fn holder(entries: &[Entry], id: u64) -> Option<Entry> {
    let after = entries.partition_point(|entry| entry.id <= id);
    after.checked_sub(1).map(|index| entries[index])
}
