use std::{io::Write as _, vec::Vec};

use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::*;

extern crate std;

/// Bytes that compress as tiles do: runs, repeated words, and noise between.
fn sample(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        match next() % 4 {
            0 => bytes.extend(core::iter::repeat_n(next() as u8, (next() % 300) as usize)),
            1 => bytes.extend_from_slice(b"countries name population "),
            2 => bytes.extend((0..next() % 40).map(|_| next() as u8)),
            _ => bytes.extend((0..next() % 60).map(|_| b'a' + (next() % 5) as u8)),
        }
    }
    bytes.truncate(len);
    bytes
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// The verdict on `stream` handed over in pieces of `piece` bytes.
fn check(stream: &[u8], piece: usize) -> Result<u64, GzipError> {
    let mut check = GzipCheck::new();
    stream.chunks(piece).try_for_each(|bytes| check.push(bytes))?;
    check.finish()
}

#[test]
fn what_a_compressor_writes_is_accepted_at_any_level_and_in_pieces_of_any_size() {
    for (seed, len) in [(1, 0), (2, 1), (3, 57), (4, 3_000), (5, 12_000)] {
        let bytes = sample(seed, len);
        for level in [0, 1, 5, 9] {
            let stream = gzip(&bytes, level);
            for piece in [1, 2, 7, 512, stream.len()] {
                assert_eq!(check(&stream, piece), Ok(len as u64), "{len} bytes at level {level}, pieces of {piece}");
            }
        }
    }
}

#[test]
fn fixed_codes_are_followed() {
    // A block with fixed codes, which compressors choose for very short input: "a" ten times.
    let stream = gzip(b"aaaaaaaaaa", 9);
    assert_eq!(stream[10] >> 1 & 3, 1, "the compressor's choice is a fixed block");
    assert_eq!(check(&stream, 1), Ok(10));
}

#[test]
fn a_stream_cut_off_anywhere_is_incomplete() {
    for level in [0, 1, 9] {
        let stream = gzip(&sample(6, 900), level);
        for end in 0..stream.len() {
            assert_eq!(check(&stream[..end], 512), Err(GzipError::Incomplete), "cut at {end} of {}", stream.len());
        }
    }
}

#[test]
fn a_header_with_every_optional_part_is_read() {
    let mut encoder = GzBuilder::new()
        .filename("14_8802_5373.mvt")
        .comment("a tile")
        .extra(std::vec![7; 300])
        .write(Vec::new(), Compression::best());
    encoder.write_all(&sample(7, 500)).expect("writing to memory");
    let stream = encoder.finish().expect("writing to memory");
    assert_eq!(check(&stream, 3), Ok(500));
}

#[test]
fn the_header_check_is_skipped() {
    let mut stream = gzip(b"tile", 9);
    stream[3] |= HEADER_CRC;
    stream.splice(10..10, [0xaa, 0xbb]);
    assert_eq!(check(&stream, 1), Ok(4));
}

#[test]
fn what_is_no_gzip_is_told_apart() {
    assert_eq!(check(b"<html><body>503", 4), Err(GzipError::Magic));
    assert_eq!(check(b"\x89PNG\r\n\x1a\n", 8), Err(GzipError::Magic));
    let stream = gzip(b"tile", 9);
    for (at, byte, error) in [(2, 9, GzipError::Header), (3, 0x20, GzipError::Header)] {
        let mut bad = stream.clone();
        bad[at] = byte;
        assert_eq!(check(&bad, 5), Err(error));
    }
}

#[test]
fn a_trailer_with_another_length_and_bytes_after_the_trailer_are_refused() {
    let mut stream = gzip(b"tile", 9);
    stream.push(0);
    assert_eq!(check(&stream, 64), Err(GzipError::Trailing));
    stream.pop();
    let last = stream.len() - 1;
    stream[last] ^= 1;
    assert_eq!(check(&stream, 64), Err(GzipError::Length));
}

#[test]
fn broken_blocks_are_told_by_what_is_wrong() {
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let broken = |data: &[u8]| {
        let stream: Vec<u8> = header.iter().chain(data).copied().collect();
        match check(&stream, 64) {
            Err(GzipError::Deflate(error)) => error,
            other => panic!("{data:x?}: {other:?}"),
        }
    };
    assert_eq!(broken(&[0b111]), DeflateError::BlockKind);
    assert_eq!(broken(&[0b001, 4, 0, 0, 0]), DeflateError::StoredLength);
    // 31 + 257 codes for literals: two more than there are.
    assert_eq!(broken(&[0b1111_1101, 0xff, 0xff]), DeflateError::CodeLengths);
    // A fixed block that begins with a copy (length 3, symbol 257 = 0000001) from distance 1 (00000).
    assert_eq!(broken(&[0b0000_0011, 0b0000_0010, 0, 0]), DeflateError::Distance);
    // A fixed block with symbol 286 = 11000110, which has no meaning.
    assert_eq!(broken(&[0b0001_1011, 0b0000_0011, 0]), DeflateError::Symbol);
}

/// Changed bits may go unnoticed (a literal for another), but most do not, and none may panic or run for ever.
#[test]
fn flipped_bits_are_mostly_found_and_never_accepted_with_another_length() {
    let bytes = sample(8, 700);
    let stream = gzip(&bytes, 9);
    let (mut found, mut unnoticed) = (0, 0);
    for bit in 8 * 10..8 * (stream.len() - 8) {
        let mut bad = stream.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match check(&bad, 100) {
            Ok(len) => {
                assert_eq!(len, bytes.len() as u64);
                unnoticed += 1;
            }
            Err(_) => found += 1,
        }
    }
    assert!(found > unnoticed, "{found} found, {unnoticed} unnoticed");
}
