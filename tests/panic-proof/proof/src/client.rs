//! The parsers of the firmware's HTTP client.

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll},
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use tile_http::{
    Answer, Error, Request, Tile, TileCheck, client,
    framing::{BodyReader, Framing, FramingError},
    gzip::{GzipCheck, GzipError},
    head::{Head, HeadError, HeadReader},
    tile::TileError,
};

#[unsafe(no_mangle)]
pub fn proven_head_new() -> HeadReader {
    HeadReader::new()
}

#[unsafe(no_mangle)]
pub fn proven_head_push(reader: &mut HeadReader, bytes: &mut &[u8]) -> Result<Option<Head>, HeadError> {
    HeadReader::push(reader, bytes)
}

#[unsafe(no_mangle)]
pub fn proven_body_new(framing: Framing) -> BodyReader {
    BodyReader::new(framing)
}

#[unsafe(no_mangle)]
pub fn proven_body_take<'a>(reader: &mut BodyReader, bytes: &mut &'a [u8]) -> Result<&'a [u8], FramingError> {
    BodyReader::take(reader, bytes)
}

#[unsafe(no_mangle)]
pub fn proven_body_end(reader: &BodyReader) -> Result<bool, FramingError> {
    BodyReader::close(reader).map(|()| BodyReader::is_complete(reader))
}

#[unsafe(no_mangle)]
pub fn proven_gzip_new() -> GzipCheck {
    GzipCheck::new()
}

#[unsafe(no_mangle)]
pub fn proven_gzip_push(check: &mut GzipCheck, bytes: &[u8]) -> Result<(), GzipError> {
    GzipCheck::push(check, bytes)
}

#[unsafe(no_mangle)]
pub fn proven_gzip_finish(check: &GzipCheck) -> Result<u64, GzipError> {
    GzipCheck::finish(check)
}

#[unsafe(no_mangle)]
pub fn proven_tile_new(size_max: u32) -> TileCheck {
    TileCheck::new(size_max)
}

#[unsafe(no_mangle)]
pub fn proven_tile_push(check: &mut TileCheck, bytes: &[u8]) -> Result<(), TileError> {
    TileCheck::push(check, bytes)
}

#[unsafe(no_mangle)]
pub fn proven_tile_finish(check: &TileCheck) -> Result<Tile, TileError> {
    TileCheck::finish(check)
}

#[unsafe(no_mangle)]
pub fn proven_request_new<'a>(host: &'a str, path: &'a str, user_agent: &'a str) -> Option<Request<'a>> {
    Request::new(host, path, user_agent)
}

/// A stream that takes everything and says what it was given, over and over.
pub struct Stream<'a>(&'a [u8]);

impl ErrorType for Stream<'_> {
    type Error = ErrorKind;
}

impl Read for Stream<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        Ok(buffer.iter_mut().zip(self.0).map(|(place, &byte)| *place = byte).count())
    }
}

impl Write for Stream<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// The stream never keeps it waiting, so one poll is all there is.
#[unsafe(no_mangle)]
pub fn proven_get(
    mut stream: Stream<'_>,
    request: &Request<'_>,
    check: &mut TileCheck,
    context: &mut Context<'_>,
) -> Poll<Result<Answer, Error<ErrorKind>>> {
    let answer = client::get(&mut stream, request, check);
    pin!(answer).poll(context)
}
