//! Raw, gzip, zstd and brotli, one tile at a time, as a server or an archive would do it.

use std::error::Error;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::best_of;
use super::tiles::Tiles;

/// One way to write a tile.
struct Encoding {
    name: &'static str,
    encode: fn(&[u8]) -> std::io::Result<Vec<u8>>,
    decode: fn(&[u8]) -> std::io::Result<Vec<u8>>,
}

/// Each at the level that servers use on the fly, and at the one that is used once and for all.
const ALL: [Encoding; 7] = [
    Encoding { name: "raw", encode: |raw| Ok(raw.to_vec()), decode: |raw| Ok(raw.to_vec()) },
    Encoding { name: "gzip 6", encode: |raw| gzip(raw, 6), decode: gunzip },
    Encoding { name: "gzip 9", encode: |raw| gzip(raw, 9), decode: gunzip },
    Encoding { name: "zstd 3", encode: |raw| zstd::encode_all(raw, 3), decode: |zstd| zstd::decode_all(zstd) },
    Encoding { name: "zstd 19", encode: |raw| zstd::encode_all(raw, 19), decode: |zstd| zstd::decode_all(zstd) },
    Encoding { name: "brotli 5", encode: |raw| brotli(raw, 5), decode: unbrotli },
    Encoding { name: "brotli 11", encode: |raw| brotli(raw, 11), decode: unbrotli },
];

/// Encodes and decodes every tile in every way, and prints a table.
pub fn print(tiles: &Tiles) -> Result<(), Box<dyn Error>> {
    let count = tiles.raw.len();
    let raw_bytes: usize = tiles.raw.iter().map(Vec::len).sum();
    println!("\n{:<12}{:>14}{:>12}{:>16}{:>16}", "encoding", "bytes", "of raw", "encode, each", "decode, each");
    for Encoding { name, encode, decode } in ALL {
        let all = |from: &[Vec<u8>], how: fn(&[u8]) -> std::io::Result<Vec<u8>>| {
            best_of(PASSES, || Ok(from.iter().map(|tile| how(tile)).collect::<Result<Vec<_>, _>>()?))
        };
        let (encoding, encoded) = all(&tiles.raw, encode)?;
        let (decoding, decoded) = all(&encoded, decode)?;
        if decoded != tiles.raw {
            return Err(format!("{name}: a tile came back changed").into());
        }
        let bytes: usize = encoded.iter().map(Vec::len).sum();
        let share = format!("{:.1} %", bytes as f64 * 100.0 / raw_bytes as f64);
        let each = |time: std::time::Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6 / count as f64);
        println!("{name:<12}{bytes:>14}{share:>12}{:>16}{:>16}", each(encoding), each(decoding));
    }
    Ok(())
}

fn gzip(raw: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(raw)?;
    encoder.finish()
}

fn gunzip(gzip: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut raw)?;
    Ok(raw)
}

fn brotli(raw: &[u8], quality: i32) -> std::io::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality, ..Default::default() };
    brotli::BrotliCompress(&mut &raw[..], &mut encoded, &parameters)?;
    Ok(encoded)
}

fn unbrotli(mut brotli: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    brotli::BrotliDecompress(&mut brotli, &mut raw)?;
    Ok(raw)
}

const PASSES: u32 = 3;
