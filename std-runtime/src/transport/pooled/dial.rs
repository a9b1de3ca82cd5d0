//! A connection to where a URL leads: name, TCP, proxy, TLS.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Async;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use ureq::{Proxy, ProxyProtocol};
use ureq_proto::http::Uri;

use super::config::{ConfigError, HttpConfig};
use super::connection::{Connection, Counts, Open, Silence};
use super::failure::{from_connect, from_handshake};
use super::redirect::port;
use super::resolve::Names;
use super::socks::{self, Target};
use super::wire::Wire;
use super::{settings, tunnel};
use crate::clock::within;
use crate::transport::error::RequestError;
use crate::transport::{Phase, TransportError};

/// Opens the connections of a client.
pub(super) struct Dial {
    names: Names,
    proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
    /// Told to proxies too.
    user_agent: String,
    resolve_timeout: Duration,
    connect_timeout: Duration,
    silence: Silence,
    pub(super) counts: Arc<Counts>,
}

/// The way to where a URL leads.
enum Way<'a> {
    Direct {
        addrs: Vec<SocketAddr>,
    },
    /// Over a proxy at one of `addrs`, which is asked for one of `targets`.
    Proxy {
        proxy: &'a Proxy,
        addrs: Vec<SocketAddr>,
        targets: Vec<Target<'a>>,
    },
}

/// A connection as far as it is made, and how long that of TCP took.
struct Opened {
    wire: Wire,
    open: Open,
    took: Duration,
}

impl Dial {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            names: Names::new(config.name_ttl),
            proxy: settings::proxy(config)?,
            tls: settings::tls(config)?,
            user_agent: config.user_agent.clone(),
            resolve_timeout: config.resolve_timeout,
            connect_timeout: config.connect_timeout,
            silence: Silence { read: config.read_timeout, send: config.send_timeout },
            counts: Arc::default(),
        })
    }

    /// Opens a connection to where `uri` leads, and says how long that of TCP took.
    pub(super) async fn open(&self, uri: &Uri) -> Result<(Connection, Duration), TransportError> {
        let late = |phase, after| TransportError::Timeout { phase, after };
        let way = within(self.resolve_timeout, self.way(uri)).await;
        let way = way.ok_or(late(Phase::Resolve, self.resolve_timeout))??;
        let opened = within(self.connect_timeout, self.go(uri, way)).await;
        opened.ok_or(late(Phase::Connect, self.connect_timeout))?
    }

    async fn way<'a>(&'a self, uri: &'a Uri) -> Result<Way<'a>, TransportError> {
        let (host, port) = (host(uri)?, port(uri).ok_or(RequestError::Scheme)?);
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| !proxy.is_no_proxy(uri)) else {
            return Ok(Way::Direct { addrs: self.names.find(host, port).await? });
        };
        let targets = match proxy.protocol() {
            ProxyProtocol::Socks5 => self.names.find(host, port).await?.into_iter().map(Target::Address).collect(),
            // These look it up themselves.
            _ => vec![Target::of(uri).ok_or(RequestError::Url)?],
        };
        Ok(Way::Proxy { proxy, addrs: self.names.find(proxy.host(), proxy.port()).await?, targets })
    }

    async fn go(&self, uri: &Uri, way: Way<'_>) -> Result<(Connection, Duration), TransportError> {
        let deadline = Instant::now() + self.connect_timeout;
        let opened = match way {
            Way::Direct { addrs } => self.connect(&addrs, deadline).await?,
            Way::Proxy { proxy, addrs, targets } => {
                let attempts = targets.iter().map(|target| self.through(proxy, &addrs, *target, deadline));
                first_of(attempts, deadline).await?
            }
        };
        let Opened { mut wire, open, took } = opened;
        if uri.scheme_str() == Some("https") {
            wire = self.secured(wire, host(uri)?).await?;
        }
        Ok((Connection::new(wire, self.silence, open), took))
    }

    async fn connect(&self, addrs: &[SocketAddr], deadline: Instant) -> Result<Opened, TransportError> {
        let started = Instant::now();
        let socket = first_of(addrs.iter().copied().map(connect), deadline).await?;
        Ok(Opened { wire: Wire::Tcp(socket), open: Open::count(&self.counts), took: started.elapsed() })
    }

    /// Has the proxy connect to `target`. Another target may do better where that is what it cannot reach: a proxy that
    /// cannot be reached itself, or that does not take the password, is not asked again.
    async fn through(
        &self,
        proxy: &Proxy,
        addrs: &[SocketAddr],
        target: Target<'_>,
        deadline: Instant,
    ) -> Attempt<Opened> {
        let mut opened = match self.to_proxy(proxy, addrs, deadline).await {
            Ok(opened) => opened,
            Err(error) => return Break(Err(error)),
        };
        let asked = if socks::is_spoken_by(proxy) {
            socks::open(&mut opened.wire.socket(), proxy, target).await
        } else {
            tunnel::open(&mut opened.wire, proxy, target, &self.user_agent).await
        };
        match asked {
            Ok(()) => Break(Ok(opened)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Continue(TransportError::Proxy),
            Err(_) => Break(Err(TransportError::Proxy)),
        }
    }

    async fn to_proxy(&self, proxy: &Proxy, addrs: &[SocketAddr], deadline: Instant) -> Result<Opened, TransportError> {
        let mut opened = self.connect(addrs, deadline).await?;
        if proxy.protocol() == ProxyProtocol::Https {
            opened.wire = self.secured(opened.wire, proxy.host()).await?;
        }
        Ok(opened)
    }

    async fn secured(&self, wire: Wire, host: &str) -> Result<Wire, TransportError> {
        let name = ServerName::try_from(without_brackets(host).to_owned()).map_err(|_| RequestError::Url)?;
        wire.with_tls(Arc::clone(&self.tls), name).await.map_err(|error| from_handshake(&error))
    }
}

/// What comes of one address: `Continue` where the next one may do better.
type Attempt<T> = ControlFlow<Result<T, TransportError>, TransportError>;

/// Tries one address after the other. Each but the last gets half of the time that is left until `deadline`, so that a
/// dead first address (often IPv6 without a route) cannot use it all up. That time is over is for the caller to tell.
async fn first_of<T>(
    mut attempts: impl ExactSizeIterator<Item = impl Future<Output = Attempt<T>>>,
    deadline: Instant,
) -> Result<T, TransportError> {
    while let Some(attempt) = attempts.next() {
        if attempts.len() == 0 {
            return match attempt.await {
                Break(ended) => ended,
                Continue(error) => Err(error),
            };
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(Break(ended)) = within(left / 2, attempt).await {
            return ended;
        }
    }
    Err(TransportError::Resolve)
}

async fn connect(addr: SocketAddr) -> Attempt<Async<TcpStream>> {
    let connected = async {
        let socket = Async::<TcpStream>::connect(addr).await?;
        // A request is one write; holding it back for more would only delay it.
        socket.get_ref().set_nodelay(true)?;
        Ok(socket)
    };
    match connected.await {
        Ok(socket) => Break(Ok(socket)),
        Err(error) => Continue(from_connect(&error)),
    }
}

fn host(uri: &Uri) -> Result<&str, TransportError> {
    uri.host().ok_or(RequestError::Url.into())
}

/// An address of IPv6 as it is written without a URL around it.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use super::super::config;
    use super::*;

    /// The addresses of any name here, of which the first cannot be reached from where the proxy is.
    const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];

    /// A SOCKS5 proxy that answers a greeting with `method`, and then tells which address it was asked for.
    fn proxy(method: u8) -> (SocketAddr, Receiver<Option<IpAddr>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let addr = listener.local_addr().expect("an address");
        let (asked, heard) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 10];
                let _ = stream.read(&mut [0; 3]);
                let _ = stream.write_all(&[5, method]);
                let address =
                    stream.read_exact(&mut request).ok().map(|()| IpAddr::from([4, 5, 6, 7].map(|at| request[at])));
                let reply = if address == Some(ADDRESSES[1]) { 0 } else { 4 };
                let _ = stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
                let _ = asked.send(address);
            }
        });
        (addr, heard)
    }

    fn open_over(proxy: SocketAddr) -> Result<(), TransportError> {
        let proxy = config::Proxy::Url(format!("socks5://{proxy}"));
        let mut dial = Dial::new(&HttpConfig { proxy, ..HttpConfig::default() }).expect("it is valid");
        dial.names = Names::with_lookup(Duration::from_secs(60), |_| Ok(ADDRESSES.to_vec()));
        async_io::block_on(dial.open(&Uri::from_static("http://tiles.test/"))).map(drop)
    }

    #[test]
    fn a_proxy_that_cannot_reach_one_address_of_a_host_is_asked_for_the_next() {
        let (addr, heard) = proxy(0);
        assert_eq!(open_over(addr), Ok(()));
        assert_eq!(heard.iter().take(2).collect::<Vec<_>>(), ADDRESSES.map(Some));
    }

    #[test]
    fn a_proxy_that_lets_nobody_in_is_asked_once() {
        let (addr, heard) = proxy(0xff);
        assert_eq!(open_over(addr), Err(TransportError::Proxy));
        assert_eq!((heard.recv(), heard.try_recv().is_err()), (Ok(None), true));
    }
}
