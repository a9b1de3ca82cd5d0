//! Asking over a connection: the request out, the head of the answer in, and then its body.
//!
//! All bytes stay in the buffer that they were received into: the request is written there first, and the head is cut off in
//! front of the body, so that only chunks are ever copied.

use ureq_proto::http::{Response, StatusCode, Uri};
use ureq_proto::parser::try_parse_response;

use super::ask;
use super::chunks::{Chunks, Malformed, Part};
use super::connection::Connection;
use super::framing::{Framing, keeps_alive};
use super::settings::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::told::Told;
use crate::transport::body::BodyPool;
use crate::transport::{Body, Phase, TransportError};

/// The head of an answer, and what came with it.
pub(super) struct Head {
    pub(super) response: Response<()>,
    framing: Framing,
    /// What was received behind the head.
    received: Body,
}

/// Sends a request and waits for the head of its answer.
pub(super) async fn ask(
    connection: &mut Connection,
    uri: &Uri,
    told: &Told<'_>,
    bodies: &BodyPool,
) -> Result<Head, TransportError> {
    let mut received = bodies.take();
    ask::write(&mut received, uri, told);
    connection.send(&received).await?;
    received.skip(received.len());
    let mut taken = 0;
    let response = loop {
        let read = connection.receive(received.spare(1), Phase::Head).await?;
        if read == 0 {
            return Err(connection.closed());
        }
        received.advance(read);
        if let Some(response) = head(&mut received, &mut taken)? {
            break response;
        }
        if received.len() >= HEAD_BYTES_MAX {
            return Err(TransportError::Protocol);
        }
    };
    let framing = Framing::of(&response)?;
    Ok(Head { response, framing, received })
}

/// Takes the head off the front of what was received, once it is there as a whole. `taken` counts what was taken off, those
/// before it included: they come unasked, and a server could go on with them for ever.
fn head(received: &mut Body, taken: &mut usize) -> Result<Option<Response<()>>, TransportError> {
    loop {
        let parsed = try_parse_response::<HEADERS_MAX>(received).map_err(|_| TransportError::Protocol)?;
        let Some((length, response)) = parsed else { return Ok(None) };
        *taken += length;
        if *taken > HEAD_BYTES_MAX {
            return Err(TransportError::Protocol);
        }
        received.skip(length);
        // One that only says that another one follows is passed over.
        if !response.status().is_informational() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(response));
        }
    }
}

impl Head {
    /// Reads the body to its end, and says whether the connection may carry another request.
    pub(super) async fn body(
        self,
        connection: &mut Connection,
        bodies: &BodyPool,
        max: usize,
    ) -> Result<(Body, bool), TransportError> {
        let Self { response, framing, mut received } = self;
        let keeps = keeps_alive(&response);
        let too_large = TransportError::BodyTooLarge { max };
        match framing {
            Framing::Nothing => {
                let is_quiet = received.is_empty();
                received.truncate(0);
                Ok((received, keeps && is_quiet))
            }
            Framing::Length(stated) => {
                let stated = usize::try_from(stated).ok().filter(|stated| *stated <= max).ok_or(too_large)?;
                while received.len() < stated {
                    let missing = stated - received.len();
                    let read = receive(connection, received.spare_for(missing)).await;
                    received.advance(read.map_err(|error| error.after(received.len()))?);
                }
                let is_all = received.len() == stated;
                received.truncate(stated);
                Ok((received, keeps && is_all))
            }
            Framing::Close => loop {
                if received.len() > max {
                    return Err(too_large);
                }
                match connection.receive(received.spare(1), Phase::Body).await {
                    Ok(0) => return Ok((received, false)),
                    Ok(read) => received.advance(read),
                    Err(error) => return Err(Broken::Off(error).after(received.len())),
                }
            },
            Framing::Chunks => {
                let mut body = bodies.take();
                let mut chunks = Chunks::default();
                // Bytes since the last one of the body.
                let mut around = 0;
                loop {
                    match chunks.next(&received).map_err(|Malformed| TransportError::Protocol)? {
                        Part::Body(count) => {
                            if body.len() + count > max {
                                return Err(too_large);
                            }
                            body.push(&received[..count]);
                            received.skip(count);
                            around = 0;
                        }
                        Part::Around(count) => {
                            received.skip(count);
                            around += count;
                            // Lines after the last chunk could go on for ever.
                            if around > HEAD_BYTES_MAX {
                                return Err(TransportError::Protocol);
                            }
                        }
                        Part::Unfinished => {
                            received.rewind();
                            match receive(connection, received.spare(1)).await {
                                Ok(read) => received.advance(read),
                                // It is complete with its last chunk (RFC 9112 §8); only the line after that is missing.
                                Err(Broken::Ended) if chunks.is_whole() => return Ok((body, false)),
                                Err(error) => return Err(error.after(body.len())),
                            }
                        }
                        Part::End => return Ok((body, keeps && received.is_empty())),
                    }
                }
            }
        }
    }
}

/// Why a body does not go on.
enum Broken {
    /// The connection ended.
    Ended,
    Off(TransportError),
}

impl Broken {
    /// What that means where so many bytes of the body were there.
    fn after(self, received: usize) -> TransportError {
        match self {
            Self::Ended | Self::Off(TransportError::Closed { .. }) => TransportError::IncompleteBody { received },
            Self::Off(error) => error,
        }
    }
}

/// Reads more of a body that has not ended.
async fn receive(connection: &mut Connection, buffer: &mut [u8]) -> Result<usize, Broken> {
    match connection.receive(buffer, Phase::Body).await {
        Ok(0) => Err(Broken::Ended),
        Ok(read) => Ok(read),
        Err(error) => Err(Broken::Off(error)),
    }
}
