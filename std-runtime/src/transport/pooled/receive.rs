//! Asking over a connection: the request out, the head of the answer in, and then its body.
//!
//! The protocol itself is ureq-proto's, a state machine without sockets: how a request is written, what a head says about
//! the body behind it, and how chunks are put together again. All bytes stay in the buffer that they were received into:
//! the request is written there first, and the head is cut off in front of the body, so that only chunks are ever copied.

use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, SendRequest};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{HeaderMap, Response, StatusCode, Version, header};

use super::connection::Connection;
use super::settings::HEAD_BYTES_MAX;
use crate::transport::body::BodyPool;
use crate::transport::error::RequestError;
use crate::transport::{Body, Phase, TransportError};

/// The head of an answer, and what came with it.
pub(super) struct Head {
    pub(super) response: Response<()>,
    /// What there is to read; `None` where there is no body.
    framing: Option<Call<RecvBody>>,
    /// What was received behind the head.
    received: Body,
}

/// Sends a request and waits for the head of its answer.
pub(super) async fn ask(
    connection: &mut Connection,
    mut call: Call<SendRequest>,
    bodies: &BodyPool,
) -> Result<Head, TransportError> {
    let mut received = bodies.take();
    while !call.can_proceed() {
        let request = received.spare(1);
        let written = call.write(request).map_err(|_| RequestError::Header)?;
        connection.send(&request[..written]).await?;
    }
    // Nothing else follows a `GET`, which has no body.
    let Ok(Some(SendRequestResult::RecvResponse(mut call))) = call.proceed() else {
        return Err(TransportError::Protocol);
    };
    let mut taken = 0;
    let response = loop {
        let read = connection.receive(received.spare(1), Phase::Head).await?;
        if read == 0 {
            return Err(connection.closed());
        }
        received.advance(read);
        if let Some(response) = head(&mut call, &mut received, &mut taken)? {
            break response;
        }
        if received.len() >= HEAD_BYTES_MAX {
            return Err(TransportError::Protocol);
        }
    };
    let framing = match call.proceed().ok_or(TransportError::Protocol)? {
        RecvResponseResult::RecvBody(call) => Some(call),
        RecvResponseResult::Redirect(_) | RecvResponseResult::Cleanup(_) => None,
    };
    Ok(Head { response, framing, received })
}

/// Takes the head off the front of what was received, once it is there as a whole. `taken` counts what was taken off, those
/// before it included: they come unasked, and a server could go on with them for ever.
fn head(
    call: &mut Call<ureq_proto::client::state::RecvResponse>,
    received: &mut Body,
    taken: &mut usize,
) -> Result<Option<Response<()>>, TransportError> {
    loop {
        let (length, response) = call.try_response(received, false).map_err(|_| TransportError::Protocol)?;
        *taken += length;
        if *taken > HEAD_BYTES_MAX {
            return Err(TransportError::Protocol);
        }
        received.skip(length);
        // One that only says that another one follows is passed over.
        if response.is_some() || length == 0 {
            return Ok(response);
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
        let Some(mut call) = framing else {
            let is_quiet = received.is_empty();
            received.truncate(0);
            return Ok((received, keeps && is_quiet));
        };
        match call.body_mode() {
            BodyMode::NoBody => Ok((Body::default(), false)),
            BodyMode::LengthDelimited(stated) => {
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
            BodyMode::CloseDelimited => loop {
                if received.len() > max {
                    return Err(too_large);
                }
                match connection.receive(received.spare(1), Phase::Body).await {
                    Ok(0) => return Ok((received, false)),
                    Ok(read) => received.advance(read),
                    Err(error) => return Err(Broken::Off(error).after(received.len())),
                }
            },
            BodyMode::Chunked => {
                let mut body = bodies.take();
                // Bytes since the last one of the body.
                let mut around = 0;
                while !call.can_proceed() {
                    let (used, made) = call.read(&received, body.spare(1)).map_err(|_| TransportError::Protocol)?;
                    received.skip(used);
                    body.advance(made);
                    if body.len() > max {
                        return Err(too_large);
                    }
                    around = if made == 0 { around + used } else { 0 };
                    // What says how long a chunk is takes no such room, nor does what follows the last of them.
                    if around > HEAD_BYTES_MAX || (used == 0 && received.len() >= HEAD_BYTES_MAX) {
                        return Err(TransportError::Protocol);
                    }
                    if used == 0 && made == 0 {
                        received.rewind();
                        let read = receive(connection, received.spare(1)).await;
                        match read {
                            Ok(read) => received.advance(read),
                            // It is complete with its last chunk (RFC 9112 §8); only the line after that is missing.
                            Err(Broken::Ended) if call.is_ended_chunked() => return Ok((body, false)),
                            Err(error) => return Err(error.after(body.len())),
                        }
                    }
                }
                Ok((body, keeps && received.is_empty()))
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

/// Whether the server keeps the connection open after this answer (RFC 9112 §9.3).
fn keeps_alive(response: &Response<()>) -> bool {
    let says = |option| has_option(response.headers(), option);
    match response.version() {
        _ if says("close") || response.status() == StatusCode::SWITCHING_PROTOCOLS => false,
        // HTTP/1.0 knows no coding of transfer: where such an answer ends is anybody's guess (RFC 9112 §6.1).
        Version::HTTP_10 if response.headers().contains_key(header::TRANSFER_ENCODING) => false,
        Version::HTTP_10 => says("keep-alive"),
        _ => true,
    }
}

fn has_option(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_kept_as_its_version_and_its_options_say() {
        for (version, option, keeps) in [
            (Version::HTTP_11, "", true),
            (Version::HTTP_11, "Keep-Alive", true),
            (Version::HTTP_11, "close", false),
            (Version::HTTP_11, "x, Close", false),
            (Version::HTTP_10, "", false),
            (Version::HTTP_10, "Keep-Alive", true),
            (Version::HTTP_10, "keep-alive, close", false),
        ] {
            let response = Response::builder().version(version).header("connection", option).body(()).expect("a head");
            assert_eq!(keeps_alive(&response), keeps, "{version:?} {option:?}");
        }
        let switched = Response::builder().status(101).body(()).expect("a head");
        assert!(!keeps_alive(&switched));
        for (version, keeps) in [(Version::HTTP_11, true), (Version::HTTP_10, false)] {
            let head = Response::builder().version(version).header("connection", "keep-alive");
            let coded = head.header("transfer-encoding", "chunked").body(()).expect("a head");
            assert_eq!(keeps_alive(&coded), keeps, "{version:?} with a coding of transfer");
        }
    }
}
