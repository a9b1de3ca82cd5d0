//! From our settings to ureq's, all in this place.

use ureq::http::{HeaderMap, HeaderName, HeaderValue, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::config::{ConfigError, HttpConfig, Proxy, Roots};
use super::socks;
use crate::config::HostPattern;

/// The headers of every request, the fixed ones among them.
pub(super) fn headers(config: &HttpConfig) -> Result<HeaderMap, ConfigError> {
    let mut map = HeaderMap::new();
    map.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    map.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let agent = ("user-agent".to_owned(), config.user_agent.clone());
    insert(&mut map, std::iter::once(&agent).chain(&config.headers))?;
    Ok(map)
}

/// The headers of the requests to some hosts.
pub(super) fn host_headers(config: &HttpConfig) -> Result<Vec<(HostPattern, HeaderMap)>, ConfigError> {
    let read = |rule: &super::config::HostHeaders| {
        let mut map = HeaderMap::new();
        insert(&mut map, &rule.headers)?;
        Ok((rule.hosts.clone(), map))
    };
    config.host_headers.iter().map(read).collect()
}

fn insert<'a>(map: &mut HeaderMap, headers: impl IntoIterator<Item = &'a (String, String)>) -> Result<(), ConfigError> {
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
        map.insert(parsed, value);
    }
    Ok(())
}

/// ureq's settings: all of those that it has defaults for, so that no default of its decides anything here.
pub(super) fn agent(config: &HttpConfig) -> Result<ureq::config::Config, ConfigError> {
    Ok(ureq::config::Config::builder()
        .http_status_as_error(false)
        .https_only(false)
        .ip_family(ureq::config::IpFamily::Any)
        .tls_config(tls(config)?)
        .proxy(proxy(config)?)
        .no_delay(true)
        // Followed by the exchange itself, which knows what may go where.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::Never)
        .save_redirect_history(false)
        // Also for a proxy; the requests carry their own.
        .user_agent(&config.user_agent)
        .accept("")
        .accept_encoding("")
        // Its buffer for heads is the input buffer, which has to be larger.
        .max_response_header_size(HEAD_BYTES_MAX)
        .input_buffer_size(INPUT_BYTES)
        .output_buffer_size(OUTPUT_BYTES)
        // Kept by ourselves.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_idle_age(config.max_idle_age)
        .allow_non_standard_methods(false)
        // The sockets keep the clocks of reading and writing. A total one here would cost two system calls a read.
        .timeout_global(None)
        .timeout_per_call(None)
        .timeout_per_read(None)
        .timeout_per_write(None)
        .timeout_resolve(Some(config.resolve_timeout))
        .timeout_connect(Some(config.connect_timeout))
        .timeout_send_request(None)
        .timeout_await_100(None)
        .timeout_send_body(None)
        .timeout_recv_response(None)
        .timeout_recv_body(None)
        .build())
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

fn tls(config: &HttpConfig) -> Result<TlsConfig, ConfigError> {
    let roots = match &config.roots {
        Roots::Bundled => RootCerts::WebPki,
        Roots::Pem(pem) => RootCerts::from(certificates(pem)?),
    };
    Ok(TlsConfig::builder().root_certs(roots).use_sni(true).disable_verification(false).build())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, ConfigError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| ConfigError::Roots)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(ConfigError::Roots) } else { Ok(certificates) }
}

/// A tile with its head mostly comes in one read. ureq's own default costs 256 KiB per connection.
const INPUT_BYTES: usize = 32 * 1024;
/// A request is a few hundred bytes.
const OUTPUT_BYTES: usize = 4 * 1024;
/// Below `INPUT_BYTES`, so that a larger head is told as one rather than as a closed connection.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Where ureq looks for a proxy.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Headers that say how the message is transferred, or what is done with it here; a wrong one would break the framing.
pub(super) const TRANSFER_HEADERS: [HeaderName; 9] = [
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
