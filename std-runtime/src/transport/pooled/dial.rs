//! A connection to where a URL leads: name, TCP, proxy, TLS.

use std::io;
use std::net::{SocketAddr, TcpStream};
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

/// Where to connect to, and what to ask for there.
struct Way<'a> {
    addrs: Vec<SocketAddr>,
    proxy: Option<&'a Proxy>,
    /// The host's own address, where a proxy wants to be told that.
    known: Option<SocketAddr>,
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

    async fn way(&self, uri: &Uri) -> Result<Way<'_>, TransportError> {
        let (host, port) = (host(uri)?, port(uri).ok_or(RequestError::Scheme)?);
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| !proxy.is_no_proxy(uri)) else {
            return Ok(Way { addrs: self.names.find(host, port).await?, proxy: None, known: None });
        };
        let known = match proxy.protocol() {
            ProxyProtocol::Socks5 => self.names.find(host, port).await?.first().copied(),
            // These look it up themselves.
            _ => None,
        };
        Ok(Way { addrs: self.names.find(proxy.host(), proxy.port()).await?, proxy: Some(proxy), known })
    }

    async fn go(
        &self,
        uri: &Uri,
        Way { addrs, proxy, known }: Way<'_>,
    ) -> Result<(Connection, Duration), TransportError> {
        let started = Instant::now();
        let socket = connect_any(&addrs, started + self.connect_timeout).await?;
        let took = started.elapsed();
        let open = Open::count(&self.counts);
        let mut wire = Wire::Tcp(socket);
        if let Some(proxy) = proxy {
            wire = self.through(proxy, wire, uri, known).await?;
        }
        if uri.scheme_str() == Some("https") {
            wire = self.secured(wire, host(uri)?).await?;
        }
        Ok((Connection::new(wire, self.silence, open), took))
    }

    /// Has the proxy at the other end of `wire` connect it to where `uri` leads.
    async fn through(
        &self,
        proxy: &Proxy,
        mut wire: Wire,
        uri: &Uri,
        known: Option<SocketAddr>,
    ) -> Result<Wire, TransportError> {
        let target = Target::of(uri, known).ok_or(RequestError::Url)?;
        if proxy.protocol() == ProxyProtocol::Https {
            wire = self.secured(wire, proxy.host()).await?;
        }
        let opened = if socks::is_spoken_by(proxy) {
            socks::open(&mut wire.socket(), proxy, target).await
        } else {
            tunnel::open(&mut wire, proxy, target, &self.user_agent).await
        };
        opened.map(|()| wire).map_err(|_| TransportError::Proxy)
    }

    async fn secured(&self, wire: Wire, host: &str) -> Result<Wire, TransportError> {
        let name = ServerName::try_from(without_brackets(host).to_owned()).map_err(|_| RequestError::Url)?;
        wire.with_tls(Arc::clone(&self.tls), name).await.map_err(|error| from_handshake(&error))
    }
}

/// Tries one address after the other. Each but the last gets half of the time that is left until `deadline`, so that a
/// dead first address (often IPv6 without a route) cannot use it all up. That time is over is for the caller to tell.
async fn connect_any(addrs: &[SocketAddr], deadline: Instant) -> Result<Async<TcpStream>, TransportError> {
    let Some((last, others)) = addrs.split_last() else { return Err(TransportError::Resolve) };
    for addr in others {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(Ok(socket)) = within(left / 2, connect(*addr)).await {
            return Ok(socket);
        }
    }
    connect(*last).await.map_err(|error| from_connect(&error))
}

async fn connect(addr: SocketAddr) -> io::Result<Async<TcpStream>> {
    let socket = Async::<TcpStream>::connect(addr).await?;
    // A request is one write; holding it back for more would only delay it.
    socket.get_ref().set_nodelay(true)?;
    Ok(socket)
}

fn host(uri: &Uri) -> Result<&str, TransportError> {
    uri.host().ok_or(RequestError::Url.into())
}

/// An address of IPv6 as it is written without a URL around it.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
