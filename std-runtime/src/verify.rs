//! Nothing is called a tile that was not looked into.
//!
//! A complete transfer is not yet a tile: servers send error pages with status 200, proxies cut bodies and correct the
//! length, disks flip bits. Each of those would be stored, served and drawn for months. Checking costs microseconds.
//!
//! What is checked: the body's length against `Content-Length`; that a packed body unpacks, checksum and length
//! included; that it is not a page; and that a known format begins *and ends* as it should. Pixels are not decoded.
//!
//! How sure is it that a body cut short is found, where its length was corrected to match?
//!
//! | format | found by | always? |
//! |---|---|---|
//! | gzip | checksum and length at its end | yes, short of a cut between two members |
//! | PNG | its chunks and the checksums of the critical ones, to `IEND` | yes |
//! | JPEG | its segments, to the end marker | yes |
//! | WebP | the length at its start, and its chunks | yes |
//! | AVIF | its boxes | yes, unless its last box says "to the end of the file" |
//! | vector tile | the lengths of its layers | no: a cut exactly between two layers leaves a shorter, valid tile |
//!
//! White space and zero bytes after the end of an image are let through: some servers append a line break.

mod format;
mod gzip;
mod images;
mod vector;

use thiserror::Error;

pub use format::{Format, Page};

use crate::transport::{Field, Response};

/// What is expected of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The one format that will do; `None` for any that is known.
    pub format: Option<Format>,
    /// What a body of no bytes means.
    pub empty: EmptyBody,
    /// How large a packed body may become. The sender decides how small a bomb is.
    pub max_unpacked_bytes: usize,
}

/// What a body of no bytes with status 200 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyBody {
    /// A fault of the server.
    Defect,
    /// There is nothing there: some servers of vector tiles say so in this way.
    NoTile,
}

impl Expect {
    /// Any known format, no empty body, 32 MiB unpacked.
    pub const DEFAULT: Self = Self { format: None, empty: EmptyBody::Defect, max_unpacked_bytes: 32 << 20 };
}

impl Default for Expect {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a body turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// A tile, from its first byte to its last.
    Tile {
        /// Its format.
        format: Format,
        /// Whether the body is the tile, or gzip with the tile inside.
        packed: bool,
    },
    /// An empty body, which was said to mean that there is no tile.
    NoTile,
}

/// Why a body is not a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Defect {
    /// More or fewer bytes than `Content-Length` says.
    #[error("the body has {received} bytes where Content-Length says {stated}")]
    Length {
        /// What the header says.
        stated: u64,
        /// What came.
        received: u64,
    },
    /// No bytes at all.
    #[error("the body is empty: if this server means \"no tile\" by that, allow it")]
    Empty,
    /// A page where a tile should be.
    #[error("the body is {0}, not a tile: look at it in a browser, it may say why")]
    ContentType(Page),
    /// Nothing that is known here.
    #[error("the body is of no known tile format (png, jpg, webp, avif, vector tile)")]
    Unknown,
    /// A tile, but of another format than the one asked for.
    #[error("the tile is {found} where {expected} is expected: check the URL template's extension")]
    Format {
        /// What was asked for.
        expected: Format,
        /// What came.
        found: Format,
    },
    /// The end is missing.
    #[error("the {0} tile is cut short")]
    Truncated(Format),
    /// Its structure or a checksum is wrong.
    #[error("the {0} tile is corrupt")]
    Corrupt(Format),
    /// Something follows its end.
    #[error("{extra} bytes follow the end of the {format} tile: two answers may have been mixed up")]
    Trailing {
        /// The format of what comes first.
        format: Format,
        /// How many bytes follow it.
        extra: usize,
    },
    /// A `Content-Encoding` that was not asked for.
    #[error("the body has a Content-Encoding other than gzip, which was not asked for")]
    Encoding,
    /// Said to be gzip, and is not.
    #[error("the body is not gzip, as its Content-Encoding says it is")]
    NotGzip,
    /// The end of the gzip stream is missing.
    #[error("the gzip body is cut short")]
    GzipTruncated,
    /// The gzip stream, its checksum or its length is wrong.
    #[error("the gzip body is corrupt")]
    GzipCorrupt,
    /// Packed twice.
    #[error("the body is gzip inside of gzip: the server packs tiles that are packed already")]
    DoubleGzip,
    /// Larger than allowed when unpacked.
    #[error("the body unpacks to more than {max} bytes: raise max_unpacked_bytes if such tiles are expected")]
    TooLarge {
        /// The limit.
        max: usize,
    },
}

/// Looks into the body of a response with status 200.
///
/// `unpacked` is a buffer to use again from call to call. After an `Ok` with `packed` it holds the tile itself.
///
/// ```
/// use tidegate::transport::scripted::answer;
/// use tidegate::verify::{check, Defect, Expect, Page};
///
/// let page = answer(200, &[("content-type", "text/html")], b"<!DOCTYPE html><title>Sorry</title>");
/// assert_eq!(check(&page, &Expect::DEFAULT, &mut Vec::new()), Err(Defect::ContentType(Page::Html)));
/// ```
///
/// # Errors
/// The first thing that is wrong.
pub fn check(response: &Response, expect: &Expect, unpacked: &mut Vec<u8>) -> Result<Checked, Defect> {
    let body: &[u8] = &response.body;
    let received = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if let Some(stated) = response.headers.content_length()
        && stated != received
    {
        return Err(Defect::Length { stated, received });
    }

    let is_gzip = gzip::is_gzip(body);
    match response.headers.get(Field::ContentEncoding).map(str::to_ascii_lowercase).as_deref() {
        None | Some("identity") => {}
        Some("gzip" | "x-gzip") if is_gzip || body.is_empty() => {}
        Some("gzip" | "x-gzip") => return Err(Defect::NotGzip),
        Some(_) => return Err(Defect::Encoding),
    }
    let tile = if is_gzip {
        gzip::unpack(body, expect.max_unpacked_bytes, unpacked)?;
        if gzip::is_gzip(unpacked) {
            return Err(Defect::DoubleGzip);
        }
        unpacked
    } else {
        body
    };
    if tile.is_empty() {
        return match expect.empty {
            EmptyBody::Defect => Err(Defect::Empty),
            EmptyBody::NoTile => Ok(Checked::NoTile),
        };
    }

    let found = format::find(tile, response.headers.media_type())?;
    match expect.format {
        Some(expected) if expected != found => Err(Defect::Format { expected, found }),
        _ => Ok(Checked::Tile { format: found, packed: is_gzip }),
    }
}

#[cfg(test)]
mod tests;
