//! From our settings to those of the libraries, all in this place.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use ureq_proto::http::{HeaderName, HeaderValue, header};

use super::config::{ConfigError, HttpConfig, Proxy, Roots};
use super::socks;
use crate::config::HostPattern;
use crate::transport::error::RequestError;

/// A header that is sent. A list of them is short, and cheaper to go through than a map is to make.
pub(super) type Header = (HeaderName, HeaderValue);

/// The headers of every request, the fixed ones among them. No name comes twice.
pub(super) fn headers(config: &HttpConfig) -> Result<Vec<Header>, ConfigError> {
    let mut headers = vec![
        (header::ACCEPT, HeaderValue::from_static("*/*")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
    ];
    let agent = ("user-agent".to_owned(), config.user_agent.clone());
    insert(&mut headers, std::iter::once(&agent).chain(&config.headers))?;
    Ok(headers)
}

/// The headers of the requests to some hosts.
pub(super) fn host_headers(config: &HttpConfig) -> Result<Vec<(HostPattern, Vec<Header>)>, ConfigError> {
    let read = |rule: &super::config::HostHeaders| {
        let mut headers = Vec::new();
        insert(&mut headers, &rule.headers)?;
        Ok((rule.hosts.clone(), headers))
    };
    config.host_headers.iter().map(read).collect()
}

fn insert<'a>(
    into: &mut Vec<Header>,
    headers: impl IntoIterator<Item = &'a (String, String)>,
) -> Result<(), ConfigError> {
    for (name, value) in headers {
        let refuse = |reason| ConfigError::Header { name: name.clone(), reason };
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse("its name may only hold letters, digits and hyphens"))?;
        if TRANSFER_HEADERS.contains(&parsed) {
            return Err(refuse("the client sets it by itself"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| refuse("its value may only hold visible ASCII"))?;
        if value.is_empty() {
            return Err(refuse("its value is empty"));
        }
        set(into, (parsed, value));
    }
    Ok(())
}

/// Adds a header, or puts it in the place of the one of that name.
fn set(headers: &mut Vec<Header>, header: Header) {
    match headers.iter_mut().find(|(name, _)| *name == header.0) {
        Some(place) => *place = header,
        None => headers.push(header),
    }
}

/// The headers of one request alone.
pub(super) fn headers_of(request: &[(&'static str, String)]) -> Result<Vec<Header>, RequestError> {
    let mut headers = Vec::new();
    for (name, value) in request {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| RequestError::Header)?;
        let value = HeaderValue::from_str(value).map_err(|_| RequestError::Header)?;
        if TRANSFER_HEADERS.contains(&name) {
            return Err(RequestError::Header);
        }
        set(&mut headers, (name, value));
    }
    Ok(headers)
}

pub(super) fn proxy(config: &HttpConfig) -> Result<Option<ureq::Proxy>, ConfigError> {
    let proxy = match &config.proxy {
        Proxy::Direct => None,
        Proxy::Environment => match ureq::Proxy::try_from_env() {
            // ureq passes over what it cannot read, and would go there directly.
            None if PROXY_VARIABLES
                .iter()
                .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) =>
            {
                return Err(ConfigError::Proxy);
            }
            proxy => proxy,
        },
        Proxy::Url(url) => Some(ureq::Proxy::new(url).map_err(|_| ConfigError::Proxy)?),
    };
    let is_usable = |proxy: &ureq::Proxy| {
        matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https) || socks::is_spoken_by(proxy)
    };
    if proxy.as_ref().is_none_or(is_usable) { Ok(proxy) } else { Err(ConfigError::Proxy) }
}

/// TLS 1.2 and 1.3 by the processor's own ciphers; names are told in the clear, as servers of many hosts need it.
pub(super) fn tls(config: &HttpConfig) -> Result<Arc<ClientConfig>, ConfigError> {
    let roots = match &config.roots {
        Roots::Bundled => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Roots::Pem(pem) => authorities(pem)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // An error would be a provider without ciphers for these versions.
    let builder = builder.map_err(|_| ConfigError::Roots)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, ConfigError> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| ConfigError::Roots)?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(ConfigError::Roots) } else { Ok(roots) }
}

/// A larger head is no answer to a request for a tile.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A server of tiles sends thirty at most.
pub(super) const HEADERS_MAX: usize = 128;

/// Where ureq looks for a proxy.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Headers that say how the message is transferred, or what is done with it here; a wrong one would break the framing.
const TRANSFER_HEADERS: [HeaderName; 9] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::RANGE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
