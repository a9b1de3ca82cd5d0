//! Fetching a tile with a few hundred bytes of RAM: a GET whose body is checked while it streams.
//!
//! > Nothing is reported as received that was not checked, and nothing is held: a tile of any size costs the same RAM.
//!
//! Each part is a plain state machine that takes bytes in pieces of any size; only [`get`] knows of a stream.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | [`head`] | the status line and the headers | status, framing, `Retry-After`, `Date` |
//! | [`framing`] | what follows the head | the body's bytes and where they end |
//! | [`tile`] | the body's bytes | length, CRC-32, or why it is not a tile |
//! | [`gzip`] | a gzip stream | whether it is complete and sound, without inflating it |
//! | [`client`] | a connected stream | an [`Answer`], or an [`Error`] |
//!
//! On purpose there are no redirects, no TLS, no name lookup, no connection reuse (a fault of one attempt never reaches
//! the next) and no clock: the caller puts a deadline around [`get`] and drops it.
#![no_std]
#![forbid(unsafe_code)]

mod bits;
pub mod client;
mod crc32;
mod deflate;
pub mod framing;
pub mod gzip;
pub mod head;
mod huffman;
pub mod tile;

pub use client::{Answer, Error, Request, get};
pub use tile::{Tile, TileCheck};
