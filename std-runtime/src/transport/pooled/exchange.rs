//! One request and its answer, redirects included.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq_proto::http::{HeaderMap, Uri, header};

use super::config::{ConfigError, HttpConfig};
use super::connection::Connection;
use super::dial::Dial;
use super::idle::{Idle, Peer};
use super::receive::{Head, ask};
use super::redirect::{same_origin, target};
use super::settings::{self, Header};
use super::told::{Told, lacks};
use crate::config::HostPattern;
use crate::template::host::is_openstreetmap;
use crate::transport::body::BodyPool;
use crate::transport::error::{RedirectError, RequestError};
use crate::transport::headers::Headers;
use crate::transport::request::parse_url;
use crate::transport::{Request, Response, Timing, TransportError};

/// What all requests of a client share: the connections, the names, the buffers and the settings.
pub(super) struct Exchange {
    pub(super) dial: Dial,
    pub(super) idle: Arc<Idle>,
    headers: Vec<Header>,
    host_headers: Vec<(HostPattern, Vec<Header>)>,
    spare_openstreetmap: bool,
    bodies: BodyPool,
    max_redirects: u32,
    max_body_bytes: usize,
}

impl Exchange {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            dial: Dial::new(config)?,
            idle: Idle::new(config.max_idle_connections, config.max_connections, config.max_idle_age),
            headers: settings::headers(config)?,
            host_headers: settings::host_headers(config)?,
            spare_openstreetmap: config.spare_openstreetmap,
            bodies: BodyPool::new(config.max_connections),
            max_redirects: config.max_redirects,
            max_body_bytes: config.max_body_bytes,
        })
    }

    /// Runs one request, redirects included, and reads the whole body.
    pub(super) async fn run(&self, request: Request) -> Result<Response, TransportError> {
        let started = Instant::now();
        let first = parse_url(request.url)?;
        let own = settings::headers_of(&request.headers)?;
        let mut uri = first.clone();
        let mut redirects = 0;
        let mut asked_at = started;
        loop {
            if self.spare_openstreetmap && uri.host().is_some_and(is_openstreetmap) {
                return Err(TransportError::UsagePolicy);
            }
            let is_chosen = redirects == 0 || same_origin(&first, &uri);
            let of_host = self.headers_of_host(&uri);
            let told = Told { all: &self.headers, own: &own, of_host, is_chosen };
            let peer = Peer::of(&uri).ok_or(RequestError::Url)?;
            let (mut connection, connect) = self.connection(&uri, &peer, asked_at).await?;
            let head = ask(&mut connection, &uri, &told, &self.bodies).await?;
            let next = match self.max_redirects {
                0 => None,
                _ => target(&uri, head.response.status(), head.response.headers())?,
            };
            let head_complete = Instant::now();
            let (status, headers) = (head.response.status(), kept(head.response.headers()));
            let body = self.receive(connection, peer, head).await?;
            let Some(next) = next else {
                let now = Instant::now();
                let timing = Timing {
                    queued: Duration::ZERO,
                    connect,
                    head: head_complete - started,
                    body: now - head_complete,
                };
                return Ok(Response { status: status.as_u16(), headers, body, timing, redirects });
            };
            if redirects == self.max_redirects {
                return Err(RedirectError::TooMany { max: self.max_redirects }.into());
            }
            redirects += 1;
            (uri, asked_at) = (next, Instant::now());
        }
    }

    /// A connection that waits for a request, or else a new one, and how long that took.
    async fn connection(
        &self,
        uri: &Uri,
        peer: &Peer,
        now: Instant,
    ) -> Result<(Connection, Option<Duration>), TransportError> {
        if let Some(connection) = self.idle.take(peer, now, Connection::is_quiet) {
            return Ok((connection.reused(), None));
        }
        // Seldom, and larger than all else that a request keeps.
        let (connection, took) = Box::pin(self.dial.open(uri)).await?;
        Ok((connection, Some(took)))
    }

    /// Reads a body to its end, or its connection could not be used again.
    async fn receive(
        &self,
        mut connection: Connection,
        peer: Peer,
        head: Head,
    ) -> Result<crate::transport::Body, TransportError> {
        let (body, may_go_on) = head.body(&mut connection, &self.bodies, self.max_body_bytes).await?;
        if may_go_on && connection.is_drained() {
            self.idle.put(connection, peer, Instant::now());
        }
        Ok(body)
    }

    /// What is for the host that is asked now, whether it was chosen or a redirect leads there; the later rule counts.
    fn headers_of_host(&self, uri: &Uri) -> Vec<&Header> {
        let host = uri.host().unwrap_or_default();
        let mut headers: Vec<&Header> = Vec::new();
        for (_, more) in self.host_headers.iter().filter(|(hosts, _)| hosts.matches(host)) {
            headers.retain(|header| lacks(more, header));
            headers.extend(more);
        }
        headers
    }
}

/// The headers that matter, in their own small form.
fn kept(headers: &HeaderMap) -> Headers {
    // A length beside another framing is to be ignored (RFC 9112 §6.3).
    let is_framed = headers.contains_key(header::TRANSFER_ENCODING);
    let lines = headers.iter().filter(|(name, _)| !(is_framed && *name == header::CONTENT_LENGTH));
    lines.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}
