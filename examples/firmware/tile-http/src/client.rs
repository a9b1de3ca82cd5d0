//! One request, one answer, over a stream that the caller connects and closes.

use embedded_io_async::{Read, Write};

use crate::{
    framing::{BodyReader, FramingError},
    head::{Field, Head, HeadError, HeadReader},
    tile::{Tile, TileCheck, TileError},
};

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    host: &'a str,
    path: &'a str,
    user_agent: &'a str,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Answer {
    /// The status: 200 to 999.
    pub status: u16,
    /// `Retry-After` as it was sent.
    pub retry_after: Option<Field>,
    /// `Date` as it was sent.
    pub date: Option<Field>,
    /// With status 200, the tile, which was received whole and is sound. The body of any other answer is not read.
    pub tile: Option<Tile>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error<E> {
    /// The stream failed: a reset, for one.
    Stream(E),
    /// The server closed before the end of the head.
    Closed,
    /// What came is no HTTP, or leaves the body's end in doubt.
    Head(HeadError),
    /// The body is cut off, or its chunks are broken.
    Framing(FramingError),
    /// The body came whole, or as far as it was read, and is no tile.
    Tile(TileError),
}

impl<'a> Request<'a> {
    /// A request for `path` (with its query, if any) at `host` (with its port, unless it is 80).
    ///
    /// `None` unless each is of visible ASCII alone and not empty, and `path` begins with a slash: anything else could
    /// smuggle in a header. The user agent may have spaces.
    pub fn new(host: &'a str, path: &'a str, user_agent: &'a str) -> Option<Self> {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let agent = !user_agent.is_empty() && user_agent.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (visible(host) && visible(path) && path.starts_with('/') && agent).then_some(Self { host, path, user_agent })
    }

    async fn send<S: Write>(&self, stream: &mut S) -> Result<(), S::Error> {
        // Not flushed: a socket sends by itself, and embassy-net's flush would wait for the acknowledgement too.
        for part in [
            "GET ",
            self.path,
            " HTTP/1.1\r\nHost: ",
            self.host,
            "\r\nUser-Agent: ",
            self.user_agent,
            "\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        ] {
            stream.write_all(part.as_bytes()).await?;
        }
        Ok(())
    }
}

/// Asks for a tile and checks it with a fresh `check` as it comes in, [`READ_BYTES`] at a time.
///
/// Takes as long as the server lets it: put a deadline around it. Dropping the future leaves the stream in the middle of
/// an answer, fit only to be aborted.
///
/// # Errors
/// There is no answer that could be trusted. An answer with another status than 200 is no error.
pub async fn get<S: Read + Write>(
    stream: &mut S,
    request: &Request<'_>,
    check: &mut TileCheck,
) -> Result<Answer, Error<S::Error>> {
    request.send(stream).await.map_err(Error::Stream)?;
    let mut buffer = [0; READ_BYTES];
    let mut reader = HeadReader::new();
    let (head, rest) = loop {
        let length = stream.read(&mut buffer).await.map_err(Error::Stream)?;
        let mut bytes = buffer.get(..length).filter(|bytes| !bytes.is_empty()).ok_or(Error::Closed)?;
        if let Some(head) = reader.push(&mut bytes).map_err(Error::Head)? {
            break (head, length.saturating_sub(bytes.len())..length);
        }
    };
    let Head { status, framing, retry_after, date } = head;
    let tile = match status {
        200 => Some(receive(stream, &mut buffer, rest, BodyReader::new(framing), check).await?),
        _ => None,
    };
    Ok(Answer { status, retry_after, date, tile })
}

/// Reads the body, of which `rest` of the buffer has come with the head.
async fn receive<S: Read>(
    stream: &mut S,
    buffer: &mut [u8; READ_BYTES],
    rest: core::ops::Range<usize>,
    mut body: BodyReader,
    check: &mut TileCheck,
) -> Result<Tile, Error<S::Error>> {
    let mut bytes = buffer.get(rest).unwrap_or_default();
    loop {
        while !bytes.is_empty() && !body.is_complete() {
            let data = body.take(&mut bytes).map_err(Error::Framing)?;
            check.push(data).map_err(Error::Tile)?;
        }
        if body.is_complete() {
            break;
        }
        let length = stream.read(buffer).await.map_err(Error::Stream)?;
        bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            body.close().map_err(Error::Framing)?;
            break;
        }
    }
    check.finish().map_err(Error::Tile)
}

/// How much is read at a time. Part of the size of [`get`]'s future.
pub const READ_BYTES: usize = 512;

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
