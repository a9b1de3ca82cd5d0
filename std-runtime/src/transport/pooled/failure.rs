//! From the errors of the system and of the libraries to ours.

use std::io::{self, ErrorKind};

use crate::transport::error::{Resource, TlsError, TransportError};

/// An error of a connection that stood; `stale` as in [`TransportError::maybe_stale`].
pub(super) fn from_established(error: &io::Error, stale: bool) -> TransportError {
    if let Some(tls) = tls_inside(error) {
        return tls.into();
    }
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            TransportError::Reset { stale }
        }
        // TLS that ends without saying so.
        ErrorKind::UnexpectedEof => TransportError::Closed { stale },
        kind => exhausted(error).unwrap_or(TransportError::Io(kind)),
    }
}

/// An error of an attempt to connect.
pub(super) fn from_connect(error: &io::Error) -> TransportError {
    exhausted(error).unwrap_or(TransportError::Connect(error.kind()))
}

/// An error of agreeing on TLS.
pub(super) fn from_handshake(error: &io::Error) -> TransportError {
    match error.kind() {
        ErrorKind::UnexpectedEof => TlsError::Handshake.into(),
        _ => from_established(error, false),
    }
}

/// What the TLS library has to say about it.
fn tls_inside(error: &io::Error) -> Option<TlsError> {
    Some(match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => TlsError::Certificate,
        _ => TlsError::Handshake,
    })
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

    #[test]
    fn what_this_process_lacks_is_told_apart_from_what_the_server_does() {
        let full = from_connect(&io::Error::from_raw_os_error(DESCRIPTOR_ERRORS[0]));
        assert_eq!(full, TransportError::Exhausted(Resource::Descriptors));
        let refused = from_connect(&ErrorKind::ConnectionRefused.into());
        assert_eq!(refused, TransportError::Connect(ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_reset_an_end_and_their_staleness_are_told_apart() {
        for stale in [false, true] {
            let reset = from_established(&ErrorKind::ConnectionReset.into(), stale);
            assert_eq!(reset, TransportError::Reset { stale });
            let closed = from_established(&ErrorKind::UnexpectedEof.into(), stale);
            assert_eq!(closed, TransportError::Closed { stale });
        }
        assert_eq!(from_handshake(&ErrorKind::UnexpectedEof.into()), TlsError::Handshake.into());
        let reset = from_handshake(&ErrorKind::ConnectionReset.into());
        assert_eq!(reset, TransportError::Reset { stale: false });
    }

    #[test]
    fn a_certificate_is_told_apart_from_a_handshake() {
        let inside = |error| from_handshake(&io::Error::new(ErrorKind::InvalidData, error));
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(inside(expired), TransportError::Tls(TlsError::Certificate));
        assert_eq!(inside(rustls::Error::DecryptError), TransportError::Tls(TlsError::Handshake));
    }
}
