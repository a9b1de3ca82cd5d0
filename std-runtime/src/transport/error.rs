//! Why a request brought no response, by kind.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// Why a request brought no response.
///
/// Small and `Copy`, so that it can be counted, logged and kept by the million. No variant carries a URL, a header
/// or a text from the server: what is printed tells what happened and never where.
///
/// An HTTP status is not an error here, whatever it is: it comes as a [`Response`](super::Response).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The request itself cannot be sent, to no server and at no time.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The host name has no address, or the name server did not answer usefully.
    #[error("host name not found: check the host in the URL, and the name server")]
    Resolve,
    /// No connection: refused, unreachable, no route.
    #[error("could not connect ({0}): check that the server runs and that its port is reachable")]
    Connect(io::ErrorKind),
    /// The proxy refused or broke the tunnel.
    #[error("the proxy did not open a tunnel: check its address, credentials and rules")]
    Proxy,
    /// No secure connection.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server cut the connection (a TCP reset, or a write to a closed connection).
    #[error("connection reset by the server{}", stale_note(*stale))]
    Reset {
        /// See [`TransportError::maybe_stale`].
        stale: bool,
    },
    /// The server closed the connection before the head of its answer was complete.
    #[error("connection closed before an answer{}", stale_note(*stale))]
    Closed {
        /// See [`TransportError::maybe_stale`].
        stale: bool,
    },
    /// The connection ended inside the body.
    #[error("body ended early, after {received} bytes")]
    IncompleteBody {
        /// Bytes of the body that did arrive.
        received: usize,
    },
    /// The body is larger than the client was told to take.
    #[error("body is larger than {max} bytes: raise max_body_bytes if such tiles are expected")]
    BodyTooLarge {
        /// The limit.
        max: usize,
    },
    /// What came is not HTTP/1.1 as this client understands it.
    #[error("the server does not speak proper HTTP/1.1")]
    Protocol,
    /// A redirect that is not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// A server whose usage policy forbids bulk work, and [`HttpConfig::spare_openstreetmap`] is set. Nothing was sent there.
    ///
    /// [`HttpConfig::spare_openstreetmap`]: super::HttpConfig::spare_openstreetmap
    #[error(
        "this is, or a redirect leads to, a server of OpenStreetMap, whose usage policy forbids bulk work: use a tile server of your own, or a provider that allows it"
    )]
    UsagePolicy,
    /// One of the client's own clocks ran out. The caller's total deadline is not among them: that one drops the future.
    #[error("no progress for {after:?} while {phase}")]
    Timeout {
        /// What the request was waiting for.
        phase: Phase,
        /// How long it was willing to wait.
        after: Duration,
    },
    /// This process, not the server, ran out of something: descriptors, memory, ports.
    #[error("this process is out of {0}: lower the concurrency or raise the limit")]
    Exhausted(Resource),
    /// The client was closed.
    #[error("the HTTP client was closed")]
    ShutDown,
    /// Any other failure of the connection.
    #[error("connection failed ({0})")]
    Io(io::ErrorKind),
    /// The HTTP library panicked on this exchange; its connection is gone.
    #[error("the HTTP library panicked: please report it with the server's software and version")]
    Panicked,
}

impl TransportError {
    /// True where the request went out on a connection that had been used before and not one byte of an answer came.
    ///
    /// A server may close an idle connection in the very moment in which the client takes it up again; it has then
    /// not seen the request. But a server that reads a request and hangs up looks the same from here. Therefore the
    /// transport does not send such a request a second time by itself, which would show up as two requests at the
    /// server and as one attempt here: the caller decides, and counts.
    #[must_use]
    pub fn maybe_stale(&self) -> bool {
        matches!(self, Self::Reset { stale: true } | Self::Closed { stale: true })
    }
}

fn stale_note(stale: bool) -> &'static str {
    if stale { ", on a connection that had been idle: lower max_idle_age if this happens often" } else { "" }
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not an absolute URL.
    #[error("not an absolute URL: it has to look like https://host/path, without spaces")]
    Url,
    /// Neither `http` nor `https`.
    #[error("unsupported URL scheme: use http or https")]
    Scheme,
    /// A header name or value that must not go on the wire, or a header that the client sets by itself.
    #[error(
        "a request header cannot be sent: look for line breaks in it, and leave the transfer headers to the client"
    )]
    Header,
}

/// Why there is no secure connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The server's certificate is not trusted, has expired, or is for another name.
    #[error(
        "the server's certificate is not valid for this client: check its name and dates, or add its authority to the roots"
    )]
    Certificate,
    /// No agreement on a protocol, or the other side does not speak TLS.
    #[error("TLS handshake failed: check that the port speaks TLS 1.2 or 1.3")]
    Handshake,
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RedirectError {
    /// More redirects in a row than allowed.
    #[error("more than {max} redirects: use the final address in the URL template, or raise max_redirects")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// From `https` to `http`, or to something that is neither.
    #[error("redirect to an insecure or unknown scheme refused: put the wanted address into the URL template")]
    Scheme,
    /// To a port that is none. The default one may belong to somebody else.
    #[error("redirect to a port that is no number from 0 to 65535: ask the server's operator, or use another address")]
    Port,
    /// No usable `Location`.
    #[error("redirect without a usable Location: ask the server's operator, or use another address")]
    Location,
}

/// What a request is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The address of the host.
    Resolve,
    /// The connection: TCP, proxy and TLS.
    Connect,
    /// The request to leave.
    Send,
    /// The head of the answer.
    Head,
    /// The next bytes of the body.
    Body,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the host",
            Self::Connect => "connecting",
            Self::Send => "sending the request",
            Self::Head => "waiting for an answer",
            Self::Body => "receiving the body",
        })
    }
}

/// Something this process has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// File descriptors, of the process or of the machine.
    Descriptors,
    /// Memory, socket buffers included.
    Memory,
    /// Local ports, or there is no local address from which the server's could be reached.
    LocalAddresses,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "file descriptors",
            Self::Memory => "memory",
            Self::LocalAddresses => "local addresses or ports",
        })
    }
}

// Kept small because every attempt's result carries one.
const _: () = assert!(size_of::<TransportError>() <= 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reused_connection_without_a_byte_of_answer_may_be_stale() {
        assert!(TransportError::Reset { stale: true }.maybe_stale());
        assert!(TransportError::Closed { stale: true }.maybe_stale());
        assert!(!TransportError::Reset { stale: false }.maybe_stale());
        assert!(!TransportError::IncompleteBody { received: 0 }.maybe_stale());
    }

    #[test]
    fn messages_say_what_happened_and_what_to_change() {
        let timeout = TransportError::Timeout { phase: Phase::Body, after: Duration::from_secs(2) };
        assert_eq!(timeout.to_string(), "no progress for 2s while receiving the body");
        assert_eq!(
            TransportError::Exhausted(Resource::Descriptors).to_string(),
            "this process is out of file descriptors: lower the concurrency or raise the limit"
        );
        assert_eq!(
            TransportError::Redirect(RedirectError::TooMany { max: 3 }).to_string(),
            "more than 3 redirects: use the final address in the URL template, or raise max_redirects"
        );
    }
}
