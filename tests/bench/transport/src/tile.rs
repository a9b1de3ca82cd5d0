//! The tile that is served: a PNG of 20 KiB, which tidegate checks to its last byte while the others take it as it is.

/// How large it is: what a rendered tile of a town takes.
pub const BYTES: usize = 20 * 1024;

/// A PNG as far as its chunks and their checksums go. Nobody here decodes its pixels.
pub fn png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    // 256 × 256, 8 bits, true colour.
    chunk(&mut png, b"IHDR", &[0, 0, 1, 0, 0, 0, 1, 0, 8, 2, 0, 0, 0]);
    let rest = BYTES - png.len() - 2 * CHUNK_OVERHEAD;
    let mut noise = fastrand::Rng::with_seed(20);
    let data: Vec<u8> = std::iter::repeat_with(|| noise.u8(..)).take(rest).collect();
    chunk(&mut png, b"IDAT", &data);
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("20 KiB at most");
    png.extend_from_slice(&length.to_be_bytes());
    let begin = png.len();
    png.extend_from_slice(kind);
    png.extend_from_slice(data);
    let checksum = crc32fast::hash(&png[begin..]);
    png.extend_from_slice(&checksum.to_be_bytes());
}

/// Length, kind and checksum.
const CHUNK_OVERHEAD: usize = 12;
