//! From the library's errors to ours.
//!
//! The resolver, the connector and the sockets raise a [`TransportError`] inside of ureq's catch-all and it is taken
//! out again here, so that what they know is not lost on the way.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::Timeout;

use super::current;
use crate::transport::error::{Phase, RequestError, Resource, TlsError, TransportError};

/// Carries our own error through ureq.
pub(super) fn raise(error: TransportError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// The clocks that ureq keeps, for its errors do not say how long they ran. The sockets keep the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) resolve: Duration,
    pub(super) connect: Duration,
}

/// What a failed exchange means.
pub(super) fn lower(error: ureq::Error, clocks: Clocks) -> TransportError {
    match error {
        ureq::Error::Other(inner) => inner.downcast().map_or(TransportError::Protocol, |error| *error),
        ureq::Error::Io(error) => from_exchange(&error),
        ureq::Error::Timeout(Timeout::Resolve) => {
            TransportError::Timeout { phase: Phase::Resolve, after: clocks.resolve }
        }
        ureq::Error::Timeout(_) => TransportError::Timeout { phase: Phase::Connect, after: clocks.connect },
        ureq::Error::HostNotFound => TransportError::Resolve,
        ureq::Error::BadUri(_) => RequestError::Url.into(),
        ureq::Error::Http(_) => RequestError::Header.into(),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => TransportError::Proxy,
        ureq::Error::Rustls(error) => from_tls(&error).into(),
        ureq::Error::Tls(_) | ureq::Error::Pem(_) | ureq::Error::TlsRequired => TlsError::Handshake.into(),
        ureq::Error::ConnectionFailed => TransportError::Connect(ErrorKind::Other),
        // Malformed or oversized heads, broken chunks; and what the settings rule out.
        _ => TransportError::Protocol,
    }
}

/// An error of a connection that stood.
pub(super) fn from_established(error: &io::Error) -> TransportError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            TransportError::Reset { stale: current::seen().maybe_stale() }
        }
        kind => exhausted(error).unwrap_or(TransportError::Io(kind)),
    }
}

/// An error of an attempt to connect.
pub(super) fn from_connect(error: &io::Error) -> TransportError {
    exhausted(error).unwrap_or(TransportError::Connect(error.kind()))
}

/// An error that ureq or the TLS library made of what it read.
fn from_exchange(error: &io::Error) -> TransportError {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_tls(tls).into();
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => TransportError::Closed { stale: current::seen().maybe_stale() },
        _ => from_established(error),
    }
}

fn from_tls(error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => TlsError::Certificate,
        _ => TlsError::Handshake,
    }
}

/// What this machine lacks, where that is the cause.
fn exhausted(error: &io::Error) -> Option<TransportError> {
    let resource = match (error.kind(), error.raw_os_error()) {
        (ErrorKind::AddrNotAvailable, _) => Resource::LocalAddresses,
        (ErrorKind::OutOfMemory, _) => Resource::Memory,
        (_, Some(code)) if DESCRIPTOR_ERRORS.contains(&code) => Resource::Descriptors,
        _ => return None,
    };
    Some(TransportError::Exhausted(resource))
}

/// `ENFILE` and `EMFILE`, which have no `ErrorKind`; the numbers are the same on every Unix.
#[cfg(unix)]
const DESCRIPTOR_ERRORS: [i32; 2] = [23, 24];
/// `WSAEMFILE`.
#[cfg(not(unix))]
const DESCRIPTOR_ERRORS: [i32; 1] = [10_024];

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCKS: Clocks = Clocks { resolve: Duration::from_secs(1), connect: Duration::from_secs(2) };

    #[test]
    fn our_own_errors_come_out_of_the_library_as_they_went_in() {
        let error = TransportError::Timeout { phase: Phase::Resolve, after: Duration::from_secs(3) };
        assert_eq!(lower(raise(error), CLOCKS), error);
        // Through a reader, as a body or TLS hands it on.
        assert_eq!(lower(raise(error).into_io().into(), CLOCKS), error);
    }

    #[test]
    fn what_this_process_lacks_is_told_apart_from_what_the_server_does() {
        let full = from_connect(&io::Error::from_raw_os_error(DESCRIPTOR_ERRORS[0]));
        assert_eq!(full, TransportError::Exhausted(Resource::Descriptors));
        let refused = from_connect(&ErrorKind::ConnectionRefused.into());
        assert_eq!(refused, TransportError::Connect(ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_certificate_is_told_apart_from_a_handshake() {
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let lowered = lower(io::Error::new(ErrorKind::InvalidData, expired).into(), CLOCKS);
        assert_eq!(lowered, TransportError::Tls(TlsError::Certificate));
        let lowered = lower(io::Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError).into(), CLOCKS);
        assert_eq!(lowered, TransportError::Tls(TlsError::Handshake));
    }
}
