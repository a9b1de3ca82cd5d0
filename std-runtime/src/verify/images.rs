//! Where images end.
//!
//! Each function walks the parts that its format is made of and returns where the image ends, without decoding it.

use super::format::{Flaw, is_padding};

/// PNG (ISO/IEC 15948): chunks of length, type, data and checksum, from `IHDR` to `IEND`. Checksums of ancillary chunks
/// are left alone, as decoders do: some writers get them wrong.
pub(super) fn png(image: &[u8]) -> Result<usize, Flaw> {
    let mut at = 8;
    let mut has_data = false;
    loop {
        let length = be32(image, at)?;
        let end = add(at, 12, length)?;
        // The checksum covers type and data.
        let covered = image.get(at + 4..end - 4).ok_or(Flaw::Truncated)?;
        let stated = be32(image, end - 4)?;
        let kind = covered.first_chunk::<4>().ok_or(Flaw::Corrupt)?;
        if at == 8 && (kind != b"IHDR" || length != 13) {
            return Err(Flaw::Corrupt);
        }
        let is_critical = kind[0].is_ascii_uppercase();
        if is_critical && checksum(covered) as usize != stated {
            return Err(Flaw::Corrupt);
        }
        has_data |= kind == b"IDAT";
        at = end;
        if kind == b"IEND" {
            return if has_data { Ok(at) } else { Err(Flaw::Corrupt) };
        }
    }
}

/// JPEG (ITU T.81): segments with lengths, and between them scans in which a marker byte is always escaped. The end
/// marker is looked for only where one can stand, as thumbnails in the metadata have end markers of their own.
pub(super) fn jpeg(image: &[u8]) -> Result<usize, Flaw> {
    let mut at = 2;
    let mut has_scan = false;
    loop {
        if byte(image, at)? != 0xff {
            return Err(Flaw::Corrupt);
        }
        // Any number of fill bytes may precede the marker.
        while byte(image, at)? == 0xff {
            at += 1;
        }
        let marker = byte(image, at)?;
        at += 1;
        match marker {
            0xd9 => return if has_scan { Ok(at) } else { Err(Flaw::Corrupt) },
            0x00 | 0x01 | 0xd0..=0xd8 => return Err(Flaw::Corrupt),
            _ => {}
        }
        let length = be16(image, at)?;
        if length < 2 {
            return Err(Flaw::Corrupt);
        }
        at += length;
        if marker == 0xda {
            has_scan = true;
            at = end_of_scan(image, at)?;
        }
    }
}

/// The next marker that is neither an escaped data byte nor a restart.
fn end_of_scan(image: &[u8], from: usize) -> Result<usize, Flaw> {
    let mut at = from;
    loop {
        let scan = image.get(at..).ok_or(Flaw::Truncated)?;
        at += scan.iter().position(|&b| b == 0xff).ok_or(Flaw::Truncated)?;
        match byte(image, at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Ok(at),
        }
    }
}

/// WebP (RFC 9649): a RIFF file that states its length, made of chunks of even size.
pub(super) fn webp(image: &[u8]) -> Result<usize, Flaw> {
    let end = add(8, 0, le32(image, 4)?)?;
    if end > image.len() {
        return Err(Flaw::Truncated);
    }
    let mut at = 12;
    let mut has_image = false;
    while at < end {
        let kind = image.get(at..at + 4).ok_or(Flaw::Truncated)?;
        has_image |= matches!(kind, b"VP8 " | b"VP8L" | b"ANMF");
        let length = le32(image, at + 4)?;
        at = add(at, 8, length)?;
        // The padding of the last chunk is left away by some writers.
        if length % 2 == 1 && at < end {
            at += 1;
        }
    }
    if at == end && has_image { Ok(end) } else { Err(Flaw::Corrupt) }
}

/// AVIF (ISO/IEC 14496-12 and 23008-12): boxes with lengths, of which one names the brand, one describes and one holds
/// the picture.
pub(super) fn avif(image: &[u8]) -> Result<usize, Flaw> {
    let mut at = 0;
    let (mut has_description, mut has_data) = (false, false);
    while image.get(at..).is_some_and(|rest| !is_padding(rest)) {
        let (header, length) = match be32(image, at)? {
            0 => (8, image.len() - at),
            1 => (16, usize::try_from(be64(image, at + 8)?).map_err(|_| Flaw::Truncated)?),
            length => (8, length),
        };
        let end = add(at, 0, length)?;
        if length < header {
            return Err(Flaw::Corrupt);
        }
        let content = image.get(at + header..end).ok_or(Flaw::Truncated)?;
        match (at, image.get(at + 4..at + 8).ok_or(Flaw::Truncated)?) {
            (0, b"ftyp") if names_avif(content) => {}
            (0, _) => return Err(Flaw::Corrupt),
            (_, b"meta") => {
                has_description = true;
                // Small pictures may be held by the description itself.
                has_data |= content.windows(4).any(|name| name == b"idat");
            }
            (_, b"mdat") => has_data = true,
            _ => {}
        }
        at = end;
    }
    // A cut between two boxes leaves whole ones only.
    if has_description && has_data { Ok(at) } else { Err(Flaw::Truncated) }
}

/// Whether one of the brands is a still or moving AVIF. The second of the four-byte fields is a version.
fn names_avif(brands: &[u8]) -> bool {
    let fields = brands.chunks_exact(4).enumerate();
    fields.filter(|(index, _)| *index != 1).any(|(_, brand)| matches!(brand, b"avif" | b"avis"))
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, Flaw> {
    bytes.get(at).copied().ok_or(Flaw::Truncated)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Flaw> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Flaw::Truncated)
}

fn be16(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    field(bytes, at).map(|raw| usize::from(u16::from_be_bytes(raw)))
}

fn be32(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    usize::try_from(u32::from_be_bytes(field(bytes, at)?)).map_err(|_| Flaw::Truncated)
}

fn le32(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    usize::try_from(u32::from_le_bytes(field(bytes, at)?)).map_err(|_| Flaw::Truncated)
}

fn be64(bytes: &[u8], at: usize) -> Result<u64, Flaw> {
    field(bytes, at).map(u64::from_be_bytes)
}

/// A position that lies beyond what can be addressed lies beyond the end.
fn add(at: usize, fixed: usize, length: usize) -> Result<usize, Flaw> {
    at.checked_add(fixed).and_then(|sum| sum.checked_add(length)).ok_or(Flaw::Truncated)
}
