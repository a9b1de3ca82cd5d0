//! The opening words to a SOCKS5 proxy (RFC 1928), with a password where it has one (RFC 1929).
//!
//! `socks5` looks the host's name up here, `socks5h` leaves that to the proxy.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ureq::{Proxy, ProxyProtocol};
use ureq_proto::http::Uri;

use super::dial::without_brackets;
use super::redirect::port;

/// Where a proxy is to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Address(SocketAddr),
    Name(&'a str, u16),
}

impl<'a> Target<'a> {
    /// The host of `uri` as it stands there; `None` where the URL has no host that can be told.
    pub(super) fn of(uri: &'a Uri) -> Option<Self> {
        let host = uri.host()?;
        let port = port(uri)?;
        Some(match without_brackets(host).parse::<IpAddr>() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host, port),
        })
    }

    /// Its type, address and port as they go on the wire. A name longer than a byte can tell is none.
    fn encoded(self) -> io::Result<Vec<u8>> {
        let (mut bytes, port) = match self {
            Self::Address(SocketAddr::V4(address)) => ([&[1], &address.ip().octets()[..]].concat(), address.port()),
            Self::Address(SocketAddr::V6(address)) => ([&[4], &address.ip().octets()[..]].concat(), address.port()),
            Self::Name(name, port) => ([&[3, length(name)?], name.as_bytes()].concat(), port),
        };
        bytes.extend_from_slice(&port.to_be_bytes());
        Ok(bytes)
    }
}

/// As other proxies are told it.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Whether that is a proxy to speak to in this way.
pub(super) fn is_spoken_by(proxy: &Proxy) -> bool {
    matches!(proxy.protocol(), ProxyProtocol::Socks5 | ProxyProtocol::Socks5h)
}

/// Asks the proxy at the other end of `wire` to connect to `target`. After it, `wire` leads there.
///
/// # Errors
/// The proxy's refusal, or its going away.
pub(super) async fn open(
    wire: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    target: Target<'_>,
) -> io::Result<()> {
    converse(wire, proxy.username().map(|name| (name, proxy.password().unwrap_or(""))), target).await
}

async fn converse(
    wire: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<(&str, &str)>,
    target: Target<'_>,
) -> io::Result<()> {
    let methods: &[u8] = if login.is_some() { &[VERSION, 2, PASSWORD, NO_LOGIN] } else { &[VERSION, 1, NO_LOGIN] };
    wire.write_all(methods).await?;
    match (read::<2>(wire).await?, login) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, PASSWORD], Some((name, word))) => {
            wire.write_all(&[&[1, length(name)?], name.as_bytes(), &[length(word)?], word.as_bytes()].concat()).await?;
            if read::<2>(wire).await? != [1, 0] {
                return Err(ErrorKind::PermissionDenied.into());
            }
        }
        _ => return Err(ErrorKind::PermissionDenied.into()),
    }
    wire.write_all(&[&[VERSION, CONNECT, 0], &target.encoded()?[..]].concat()).await?;
    let [version, reply, _, kind] = read::<4>(wire).await?;
    if (version, reply) != (VERSION, 0) {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    // What follows is the proxy's own address on the other side, and its port. Nothing beyond it may be taken away.
    let address = match kind {
        1 => 4,
        3 => usize::from(read::<1>(wire).await?[0]),
        4 => 16,
        _ => return Err(ErrorKind::InvalidData.into()),
    };
    let mut own = [0; u8::MAX as usize + 2];
    wire.read_exact(&mut own[..address + 2]).await
}

async fn read<const N: usize>(wire: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    wire.read_exact(&mut bytes).await.map(|()| bytes)
}

/// As one byte; what does not fit cannot be told.
fn length(text: &str) -> io::Result<u8> {
    u8::try_from(text.len()).map_err(|_| ErrorKind::InvalidInput.into())
}

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_lite::future::block_on;

    use super::*;

    /// A proxy that says what it was told to, whatever it hears.
    struct Script {
        replies: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl AsyncRead for Script {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(self.replies.read(buffer))
        }
    }

    impl AsyncWrite for Script {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.heard.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// How it went, what the proxy heard, and how much of its words was left for whoever comes next.
    fn talk(
        replies: &[&[u8]],
        login: Option<(&str, &str)>,
        target: Target<'_>,
    ) -> (Result<(), ErrorKind>, Vec<u8>, usize) {
        let mut script = Script { replies: Cursor::new(replies.concat()), heard: Vec::new() };
        let ended = block_on(converse(&mut script, login, target)).map_err(|error| error.kind());
        let left = replies.concat().len() - script.replies.position() as usize;
        (ended, script.heard, left)
    }

    const NAME: Target<'_> = Target::Name("tiles.test", 443);
    const DONE: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 0, 80];

    #[test]
    fn a_host_is_asked_for_by_name_and_nothing_after_the_reply_is_taken() {
        let (ended, heard, left) = talk(&[&[5, 0], DONE, b"tile"], None, NAME);
        assert_eq!((ended, left), (Ok(()), 4));
        assert_eq!(heard, [&[5, 1, 0, 5, 1, 0, 3, 10][..], b"tiles.test", &[1, 187]].concat());
    }

    #[test]
    fn an_address_is_told_as_such_and_a_reply_may_hold_any_kind_of_address() {
        for own in [&[1, 10, 0, 0, 1][..], &[3, 4, b'h', b'o', b's', b't'], &[&[4][..], &[0; 16]].concat()] {
            let target = Target::Address("[::1]:80".parse().expect("an address"));
            let (ended, heard, left) = talk(&[&[5, 0, 5, 0, 0], own, &[0, 80], b"tile"], None, target);
            assert_eq!((ended, left), (Ok(()), 4), "{own:?}");
            assert_eq!(heard[3..], [&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat());
        }
    }

    #[test]
    fn a_password_is_told_only_to_a_proxy_that_asks_for_it() {
        let login = Some(("anna", "s3cret"));
        let (ended, heard, _) = talk(&[&[5, 2, 1, 0], DONE], login, NAME);
        assert_eq!(ended, Ok(()));
        assert!(heard.starts_with(b"\x05\x02\x02\x00\x01\x04anna\x06s3cret\x05\x01\x00"), "{heard:?}");
        let (ended, heard, _) = talk(&[&[5, 0], DONE], login, NAME);
        assert_eq!(ended, Ok(()));
        assert!(!heard.windows(6).any(|six| six == b"s3cret"));
    }

    #[test]
    fn refusals_and_nonsense_are_errors() {
        let login = Some(("anna", "s3cret"));
        for (replies, login, kind) in [
            (&[5, 0xff][..], None, ErrorKind::PermissionDenied),
            (&[5, 2], None, ErrorKind::PermissionDenied),
            (&[5, 2, 1, 1], login, ErrorKind::PermissionDenied),
            (&[4, 0], None, ErrorKind::PermissionDenied),
            (&[5, 0, 5, 5, 0, 1], None, ErrorKind::ConnectionRefused),
            (&[5, 0, 5, 0, 0, 2], None, ErrorKind::InvalidData),
            (b"HTTP/1.1 400", None, ErrorKind::PermissionDenied),
        ] {
            assert_eq!(talk(&[replies], login, NAME).0, Err(kind), "{replies:?}");
        }
        let long = "x".repeat(256);
        assert_eq!(talk(&[&[5, 0], DONE], None, Target::Name(&long, 80)).0, Err(ErrorKind::InvalidInput));
        assert_eq!(talk(&[&[5, 2, 1, 0], DONE], Some((&long, "")), NAME).0, Err(ErrorKind::InvalidInput));
    }

    #[test]
    fn words_cut_short_anywhere_are_an_error() {
        let words = [&[5, 2, 1, 0], DONE].concat();
        for length in 0..words.len() {
            let ended = talk(&[&words[..length]], Some(("anna", "s3cret")), NAME).0;
            assert_eq!(ended, Err(ErrorKind::UnexpectedEof), "{length}");
        }
    }

    #[test]
    fn the_target_is_what_the_url_says() {
        let uri = |text: &'static str| Uri::from_static(text);
        assert_eq!(Target::of(&uri("https://tiles.test/x")), Some(NAME));
        assert_eq!(Target::of(&uri("http://[::1]/x")), "[::1]:80".parse().ok().map(Target::Address));
        assert_eq!(Target::of(&uri("http://tiles.test:81/")), Some(Target::Name("tiles.test", 81)));
    }
}
