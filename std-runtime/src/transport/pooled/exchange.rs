//! One request through ureq, on the thread of a worker.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::{self, HeaderMap, HeaderName, HeaderValue, Uri, header};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};

use super::config::{ConfigError, HttpConfig};
use super::failure::{Clocks, lower};
use super::idle::{Idle, Keeping};
use super::redirect::{same_origin, target};
use super::resolve::Names;
use super::settings::{self, TRANSFER_HEADERS};
use super::socket::{Counts, Dial};
use super::workers::Work;
use super::{Arc, current};
use crate::config::HostPattern;
use crate::template::host::is_openstreetmap;
use crate::transport::body::BodyPool;
use crate::transport::error::{RedirectError, RequestError};
use crate::transport::headers::Headers;
use crate::transport::request::parse_url;
use crate::transport::{Body, Phase, Request, Response, Timing, TransportError};

/// What all workers of a client share: the connections, the names, the buffers and the settings.
#[derive(Debug)]
pub(super) struct Exchange {
    agent: ureq::Agent,
    headers: HeaderMap,
    host_headers: Vec<(HostPattern, HeaderMap)>,
    spare_openstreetmap: bool,
    bodies: BodyPool,
    pub(super) counts: Arc<Counts>,
    pub(super) idle: Arc<Idle>,
    max_redirects: u32,
    max_body_bytes: usize,
    clocks: Clocks,
}

impl Exchange {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, ConfigError> {
        let counts = Arc::new(Counts::default());
        let dial =
            Dial { read_timeout: config.read_timeout, send_timeout: config.send_timeout, counts: Arc::clone(&counts) };
        let idle = Arc::new(Idle::new(config.max_idle_connections, config.max_connections, config.max_idle_age));
        let connector = Keeping {
            connector: ().chain(ConnectProxyConnector::default()).chain(dial).chain(RustlsConnector::default()),
            idle: Arc::clone(&idle),
            is_proxied: settings::proxy(config)?.is_some(),
        };
        Ok(Self {
            agent: ureq::Agent::with_parts(settings::agent(config)?, connector, Names::new(config.name_ttl)),
            headers: settings::headers(config)?,
            host_headers: settings::host_headers(config)?,
            spare_openstreetmap: config.spare_openstreetmap,
            bodies: BodyPool::new(config.max_connections),
            counts,
            idle,
            max_redirects: config.max_redirects,
            max_body_bytes: config.max_body_bytes,
            clocks: Clocks { resolve: config.resolve_timeout, connect: config.connect_timeout },
        })
    }

    /// Closes the idle connections and lets no new ones be made.
    pub(super) fn close(&self) {
        self.idle.close();
        self.agent.clone().shutdown();
    }

    /// Runs one request, redirects included, and reads the whole body.
    fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let started = Instant::now();
        let first = parse_url(request.url)?;
        let mut uri = first.clone();
        let mut headers = self.headers_with(&request.headers)?;
        let mut redirects = 0;
        loop {
            self.add_headers_of_host(&uri, &mut headers);
            let (head, body) = self.send(uri.clone(), headers)?;
            let next = if self.max_redirects == 0 { None } else { target(&uri, head.status, &head.headers)? };
            let Some(next) = next else {
                let head_complete = Instant::now();
                let body = self.receive(body)?;
                return Ok(Response {
                    status: head.status.as_u16(),
                    headers: kept(&head.headers),
                    body,
                    timing: Timing {
                        queued: Duration::ZERO,
                        connect: current::seen().connect,
                        head: head_complete - started,
                        body: head_complete.elapsed(),
                    },
                    redirects,
                });
            };
            if redirects == self.max_redirects {
                return Err(RedirectError::TooMany { max: self.max_redirects }.into());
            }
            redirects += 1;
            // To the end, or the connection could not be used again.
            self.receive(body)?;
            headers =
                if same_origin(&first, &next) { self.headers_with(&request.headers)? } else { self.harmless_headers() };
            uri = next;
        }
    }

    /// One request and the head of its answer.
    fn send(&self, uri: Uri, headers: HeaderMap) -> Result<(http::response::Parts, ureq::Body), TransportError> {
        if self.spare_openstreetmap && uri.host().is_some_and(is_openstreetmap) {
            return Err(TransportError::UsagePolicy);
        }
        let mut request = http::Request::new(());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        current::note(|seen| seen.phase = Phase::Head);
        let response = self.agent.run(request).map_err(|error| lower(error, self.clocks))?;
        Ok(response.into_parts())
    }

    fn headers_with(&self, more: &[(&'static str, String)]) -> Result<HeaderMap, TransportError> {
        let mut headers = self.headers.clone();
        for (name, value) in more {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| RequestError::Header)?;
            let value = HeaderValue::from_str(value).map_err(|_| RequestError::Header)?;
            if TRANSFER_HEADERS.contains(&name) {
                return Err(RequestError::Header.into());
            }
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// What is for the host that is asked now, whether it was chosen or a redirect leads there: somebody named it.
    fn add_headers_of_host(&self, uri: &Uri, headers: &mut HeaderMap) {
        let host = uri.host().unwrap_or_default();
        for (_, more) in self.host_headers.iter().filter(|(hosts, _)| hosts.matches(host)) {
            headers.extend(more.clone());
        }
    }

    /// What may go to a host that nobody chose: who asks, and what for. Keys, and whatever else was added, stay behind.
    fn harmless_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in [header::ACCEPT, header::ACCEPT_ENCODING, header::USER_AGENT] {
            if let Some(value) = self.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        headers
    }

    /// Reads a body to its end, as far as it may be that long.
    fn receive(&self, mut source: ureq::Body) -> Result<Body, TransportError> {
        current::note(|seen| seen.phase = Phase::Body);
        let max = self.max_body_bytes;
        let too_large = TransportError::BodyTooLarge { max };
        let mut wanted = match source.content_length().map(usize::try_from) {
            None => 1,
            // One byte more than it should have, so that the end is read too and the connection can be used again.
            Some(Ok(stated)) if stated <= max => stated + 1,
            Some(_) => return Err(too_large),
        };
        let mut body = self.bodies.take();
        let mut reader = source.as_reader();
        loop {
            let room = (max - body.len()).saturating_add(1);
            let spare = body.spare(wanted);
            let end = spare.len().min(room);
            let read = match reader.read(&mut spare[..end]) {
                Ok(0) => return Ok(body),
                Ok(read) => read,
                Err(error) => return Err(self.broken_off(error, &body)),
            };
            body.advance(read);
            if body.len() > max {
                return Err(too_large);
            }
            wanted = 1;
        }
    }

    fn broken_off(&self, error: std::io::Error, body: &Body) -> TransportError {
        match lower(error.into(), self.clocks) {
            TransportError::Closed { .. } => TransportError::IncompleteBody { received: body.len() },
            other => other,
        }
    }
}

impl Work for Exchange {
    fn run(&self, request: Request) -> Result<Response, TransportError> {
        self.exchange(request)
    }

    fn tidy(&self) -> Option<Duration> {
        self.idle.tidy(Instant::now())
    }

    fn tidy_after(&self) -> Duration {
        self.idle.grace()
    }
}

/// The headers that matter, in their own small form.
fn kept(headers: &HeaderMap) -> Headers {
    // A length beside another framing is to be ignored (RFC 9112 §6.3).
    let is_framed = headers.contains_key(header::TRANSFER_ENCODING);
    let lines = headers.iter().filter(|(name, _)| !(is_framed && *name == header::CONTENT_LENGTH));
    lines.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}
