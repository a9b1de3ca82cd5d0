//! Which format a body is of, by its bytes.
//!
//! The bytes decide, not the header: servers send JPEG as `image/png` and everything as `text/plain`, and what decoders
//! read is the bytes.

use std::fmt;

use super::{Defect, images, vector};

/// A format of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    WebP,
    /// AVIF.
    Avif,
    /// A Mapbox vector tile.
    Mvt,
}

impl Format {
    /// The usual extension of a file, without a dot: `png`, `jpg`, `webp`, `avif` or `pbf`.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Avif => "avif",
            Self::Mvt => "pbf",
        }
    }

    /// The format of a file extension or of an archive's metadata, in any case; `mvt` and `jpeg` are known too.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "webp" => Self::WebP,
            "avif" => Self::Avif,
            "pbf" | "mvt" => Self::Mvt,
            _ => return None,
        })
    }

    /// The media type to serve it with.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
            Self::Mvt => "application/vnd.mapbox-vector-tile",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// What came in place of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// A web page.
    Html,
    /// XML: a service exception, or a listing of a storage bucket.
    Xml,
    /// JSON.
    Json,
    /// Other text.
    Text,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => "a web page",
            Self::Xml => "XML",
            Self::Json => "JSON",
            Self::Text => "text",
        })
    }
}

/// How a tile is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Truncated,
    Corrupt,
}

/// Finds the format of a tile, and checks it from beginning to end.
pub(super) fn find(tile: &[u8], media_type: Option<&str>) -> Result<Format, Defect> {
    let (format, end) = match tile {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => (Format::Png, images::png(tile)),
        [0xff, 0xd8, 0xff, ..] => (Format::Jpeg, images::jpeg(tile)),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => (Format::WebP, images::webp(tile)),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => (Format::Avif, images::avif(tile)),
        _ => match (vector::tile(tile), page(tile, media_type)) {
            (Ok(()), _) => (Format::Mvt, Ok(tile.len())),
            (Err(_), Some(page)) => return Err(Defect::ContentType(page)),
            (Err(Flaw::Corrupt), None) => return Err(Defect::Unknown),
            (Err(Flaw::Truncated), None) => (Format::Mvt, Err(Flaw::Truncated)),
        },
    };
    match end {
        Err(Flaw::Truncated) => Err(Defect::Truncated(format)),
        Err(Flaw::Corrupt) => Err(Defect::Corrupt(format)),
        Ok(end) => match tile.get(end..) {
            Some(rest) if !is_padding(rest) => Err(Defect::Trailing { format, extra: rest.len() }),
            _ => Ok(format),
        },
    }
}

/// What kind of page this is, by its first characters or else by what the server says it is.
fn page(body: &[u8], media_type: Option<&str>) -> Option<Page> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    match text.first() {
        Some(b'<') if contains_any(text, &[b"<!doctype html", b"<html"]) => return Some(Page::Html),
        Some(b'<') => return Some(Page::Xml),
        Some(b'{' | b'[') => return Some(Page::Json),
        _ => {}
    }
    let media_type = media_type?.to_ascii_lowercase();
    Some(match media_type.as_str() {
        "text/html" | "application/xhtml+xml" => Page::Html,
        "application/xml" | "text/xml" | "application/vnd.ogc.se_xml" => Page::Xml,
        "application/json" | "application/problem+json" => Page::Json,
        // What many servers say of everything: text only where it is.
        other if other.starts_with("text/") && is_text(text) => Page::Text,
        _ => return None,
    })
}

/// Whether one of the words, in lower case, stands near the beginning.
fn contains_any(text: &[u8], words: &[&[u8]]) -> bool {
    let head = text[..text.len().min(PAGE_HEAD_BYTES)].to_ascii_lowercase();
    words.iter().any(|word| head.windows(word.len()).any(|window| window == *word))
}

fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(PAGE_HEAD_BYTES)];
    head.iter().all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace() || b >= 0x80)
}

/// What may follow the end of an image without harm.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b == 0 || b.is_ascii_whitespace())
}

/// Where a page tells what it is.
const PAGE_HEAD_BYTES: usize = 512;
