//! PMTiles version 3, as far as it is a format: the header, directories, and reading by random access.

mod directory;
mod header;
mod reader;

pub use directory::DirectoryError;
pub(crate) use directory::{Entry, encode};
pub use header::HeaderError;
pub(crate) use header::{COMPRESSION_GZIP, COMPRESSION_NONE, HEADER_BYTES, Header, Section, e7};
pub use reader::PmtilesError;
pub(crate) use reader::Reader;

/// The header and the root directory together are no longer than this, so that one request gets both.
pub(crate) const HEAD_BYTES_MAX: usize = 16_384;
