//! Every setting of the HTTP client, in one place.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::settings;
use crate::config::HostPattern;

/// Settings of an [`HttpTransport`](super::HttpTransport), as plain data.
///
/// # Default
///
/// | setting | value |
/// |---|---|
/// | `max_connections` | 100 |
/// | `max_idle_connections` | 20 |
/// | `max_idle_age` | 15 s |
/// | `resolve_timeout` | 5 s |
/// | `connect_timeout` | 5 s |
/// | `send_timeout` | 5 s |
/// | `read_timeout` | 30 s |
/// | `name_ttl` | 60 s |
/// | `max_redirects` | 3 |
/// | `max_body_bytes` | 8 MiB |
/// | `proxy` | [`Proxy::Direct`] |
/// | `roots` | [`Roots::Bundled`] |
/// | `user_agent` | `tidegate/` and the version |
/// | `headers` | none |
/// | `host_headers` | none |
/// | `spare_openstreetmap` | false |
///
/// Fixed: HTTP/1.1, `Accept-Encoding: gzip` with bodies handed over as they were sent, a buffer of 32 KiB or more per
/// request under way and none per idle connection, heads up to 16 KiB, the ones that only announce another included. There is
/// no total deadline here: the caller drops the future.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Requests that may be under way at the same time, each on a connection of its own. 1 to [`CONNECTIONS_MAX`]. Further
    /// ones wait for their turn.
    pub max_connections: usize,
    /// Connections kept open without being used, to all hosts together. 0 to [`CONNECTIONS_MAX`]. One that has been idle
    /// for less than a second is not counted, unless it is 0: then each request has a connection of its own.
    pub max_idle_connections: usize,
    /// How long a connection may lie idle before it is closed. Keep it below what the servers allow (nginx: 75 s,
    /// Apache: 5 s), or requests run into connections that are being closed.
    pub max_idle_age: Duration,
    /// For finding the address of a host that is not known yet.
    pub resolve_timeout: Duration,
    /// For one connection: all addresses, the proxy, and TLS together.
    pub connect_timeout: Duration,
    /// Longest standstill while the request leaves.
    pub send_timeout: Duration,
    /// Longest silence while waiting for the head, or for more of the body. A server that renders on demand is silent
    /// until it has finished.
    pub read_timeout: Duration,
    /// How long the address of a host is used before it is asked for again, in the background.
    pub name_ttl: Duration,
    /// Redirects followed per request, never from `https` to `http`. 0 to [`REDIRECTS_MAX`]; with 0 the redirect itself
    /// is the response.
    pub max_redirects: u32,
    /// Largest body that is taken. 1 to [`BODY_BYTES_MAX`].
    pub max_body_bytes: usize,
    /// The way to the servers.
    pub proxy: Proxy,
    /// Whom to trust in TLS.
    pub roots: Roots,
    /// Who asks. Public servers want the application, its version and a contact: `MyMap/1.2 (+https://my.map; me@my.map)`.
    pub user_agent: String,
    /// Headers of every request. They are not sent on to another host by a redirect.
    pub headers: Vec<(String, String)>,
    /// Headers of the requests to some hosts alone, also where a redirect leads there; the later of two with the same name
    /// counts, and both go before `headers`.
    pub host_headers: Vec<HostHeaders>,
    /// Sends nothing to the tile servers of the OpenStreetMap Foundation, not even where a redirect leads there: for bulk
    /// work, which their usage policy forbids.
    pub spare_openstreetmap: bool,
}

/// Headers for some hosts alone. `Debug` does not show them: keys live there.
#[derive(Clone, PartialEq, Eq)]
pub struct HostHeaders {
    /// Which hosts.
    pub hosts: HostPattern,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// The way to the servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// No proxy, whatever the environment says.
    #[default]
    Direct,
    /// As in `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` (the first of them that is set serves all requests), and
    /// `NO_PROXY`.
    Environment,
    /// This one: `http://user:password@host:port`, `https://`, `socks5://` or `socks5h://`. One of HTTP has to allow
    /// `CONNECT`, also to port 80; `socks5h` looks names up at the proxy, `socks5` here.
    Url(String),
}

/// Whom to trust in TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Roots {
    /// Mozilla's list, as of this build.
    #[default]
    Bundled,
    /// Only the certificates in this PEM text, a company's own authority for example.
    Pem(Vec<u8>),
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_connections: 100,
            max_idle_connections: 20,
            max_idle_age: Duration::from_secs(15),
            resolve_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            name_ttl: Duration::from_secs(60),
            max_redirects: 3,
            max_body_bytes: 8 * 1024 * 1024,
            proxy: Proxy::Direct,
            roots: Roots::Bundled,
            user_agent: concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned(),
            headers: Vec::new(),
            host_headers: Vec::new(),
            spare_openstreetmap: false,
        }
    }
}

/// Why a configuration is refused. The message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A number outside of its range.
    #[error("{name} is {value}: choose a value from {min} to {max}")]
    Range {
        /// The setting.
        name: &'static str,
        /// What it was set to.
        value: usize,
        /// The smallest value.
        min: usize,
        /// The largest value.
        max: usize,
    },
    /// A time that is zero or absurdly long.
    #[error("{name} is {value:?}: choose a time above zero, at most {TIMEOUT_MAX:?}")]
    Time {
        /// The setting.
        name: &'static str,
        /// What it was set to.
        value: Duration,
    },
    /// A header that HTTP does not allow, or that is the client's own business. Its value is not shown.
    #[error("header {name:?} cannot be sent: {reason}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A proxy that cannot be used. Its address is not shown, as it may hold a password.
    #[error("the proxy cannot be used: write it as http://host:port, or with https, socks5 or socks5h in front")]
    Proxy,
    /// No certificate in the PEM text, or a broken one.
    #[error("the PEM text of the TLS roots holds no usable certificate: it has to contain BEGIN CERTIFICATE blocks")]
    Roots,
}

impl HttpConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that cannot be used: a number or time out of range, an unusable `user_agent` or header (also
    /// `host`, `connection`, and other headers that describe the transfer), an unusable proxy, or PEM without a certificate.
    pub fn validate(&self) -> Result<(), ConfigError> {
        range("max_connections", self.max_connections, 1, CONNECTIONS_MAX)?;
        range("max_idle_connections", self.max_idle_connections, 0, CONNECTIONS_MAX)?;
        range("max_redirects", usize::try_from(self.max_redirects).unwrap_or(usize::MAX), 0, REDIRECTS_MAX)?;
        range("max_body_bytes", self.max_body_bytes, 1, BODY_BYTES_MAX)?;
        for (name, value) in [
            ("max_idle_age", self.max_idle_age),
            ("resolve_timeout", self.resolve_timeout),
            ("connect_timeout", self.connect_timeout),
            ("send_timeout", self.send_timeout),
            ("read_timeout", self.read_timeout),
            ("name_ttl", self.name_ttl),
        ] {
            if value.is_zero() || value > TIMEOUT_MAX {
                return Err(ConfigError::Time { name, value });
            }
        }
        settings::headers(self)?;
        settings::host_headers(self)?;
        settings::proxy(self)?;
        settings::tls(self)?;
        Ok(())
    }
}

fn range(name: &'static str, value: usize, min: usize, max: usize) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError::Range { name, value, min, max }) }
}

/// Shows that there are headers, a proxy and roots, but not what is in them: keys and passwords live there.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("max_connections", &self.max_connections)
            .field("max_idle_connections", &self.max_idle_connections)
            .field("max_idle_age", &self.max_idle_age)
            .field("resolve_timeout", &self.resolve_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("send_timeout", &self.send_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("name_ttl", &self.name_ttl)
            .field("max_redirects", &self.max_redirects)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("proxy", &self.proxy)
            .field("roots", &self.roots)
            .field("user_agent", &self.user_agent)
            .field("headers", &self.headers.len())
            .field("host_headers", &self.host_headers)
            .field("spare_openstreetmap", &self.spare_openstreetmap)
            .finish()
    }
}

impl fmt::Debug for HostHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostHeaders").field("hosts", &self.hosts).field("headers", &self.headers.len()).finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "Direct",
            Self::Environment => "Environment",
            Self::Url(_) => "Url",
        })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("Bundled"),
            Self::Pem(pem) => write!(f, "Pem({} bytes)", pem.len()),
        }
    }
}

/// Most connections, and so most requests under way: servers of tiles are given no more by one client.
pub const CONNECTIONS_MAX: usize = 200;
/// Most redirects that can be allowed.
pub const REDIRECTS_MAX: usize = 10;
/// Largest body that can be allowed, 1 GiB: it is held in memory.
pub const BODY_BYTES_MAX: usize = 1 << 30;
/// Longest timeout, an hour.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut HttpConfig)) -> String {
        let mut config = HttpConfig::default();
        change(&mut config);
        config.validate().expect_err("should be refused").to_string()
    }

    #[test]
    fn the_default_is_valid_and_as_documented() {
        let config = HttpConfig::default();
        assert_eq!(config.validate(), Ok(()));
        assert_eq!((config.max_connections, config.max_idle_connections), (100, 20));
        assert_eq!(config.max_idle_age, Duration::from_secs(15));
        assert_eq!([config.resolve_timeout, config.connect_timeout, config.send_timeout], [Duration::from_secs(5); 3]);
        assert_eq!((config.read_timeout, config.name_ttl), (Duration::from_secs(30), Duration::from_secs(60)));
        assert_eq!((config.max_redirects, config.max_body_bytes), (3, 8 << 20));
        assert_eq!((config.proxy, config.roots), (Proxy::Direct, Roots::Bundled));
        assert_eq!((config.host_headers, config.spare_openstreetmap), (vec![], false));
    }

    #[test]
    fn each_refusal_names_the_setting_its_value_and_the_way_out() {
        assert_eq!(refused(|c| c.max_connections = 0), "max_connections is 0: choose a value from 1 to 200");
        assert_eq!(refused(|c| c.max_connections = 201), "max_connections is 201: choose a value from 1 to 200");
        assert_eq!(
            refused(|c| c.max_idle_connections = 201),
            "max_idle_connections is 201: choose a value from 0 to 200"
        );
        assert_eq!(refused(|c| c.max_redirects = 11), "max_redirects is 11: choose a value from 0 to 10");
        assert_eq!(refused(|c| c.max_body_bytes = 0), "max_body_bytes is 0: choose a value from 1 to 1073741824");
        assert_eq!(
            refused(|c| c.read_timeout = Duration::ZERO),
            "read_timeout is 0ns: choose a time above zero, at most 3600s"
        );
        assert_eq!(
            refused(|c| c.connect_timeout = Duration::MAX),
            format!("connect_timeout is {:?}: choose a time above zero, at most 3600s", Duration::MAX)
        );
        assert_eq!(
            refused(|c| c.headers = vec![("Host".into(), "example.org".into())]),
            "header \"Host\" cannot be sent: the client sets it by itself"
        );
        assert_eq!(
            refused(|c| c.headers = vec![("X-Key".into(), "a\r\nX-Evil: b".into())]),
            "header \"X-Key\" cannot be sent: its value may only hold visible ASCII"
        );
        assert_eq!(refused(|c| c.user_agent.clear()), "header \"user-agent\" cannot be sent: its value is empty");
        for unusable in ["socks4://127.0.0.1:1080", "gopher://127.0.0.1", "", "http://"] {
            assert!(refused(|c| c.proxy = Proxy::Url(unusable.into())).contains("socks5h in front"), "{unusable}");
        }
        assert!(refused(|c| c.roots = Roots::Pem(b"nonsense".to_vec())).contains("BEGIN CERTIFICATE"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = HttpConfig {
            proxy: Proxy::Url("http://anna:s3cret@proxy:3128".into()),
            headers: vec![("X-Api-Key".into(), "k3y".into())],
            host_headers: vec![HostHeaders {
                hosts: "a.test".parse().unwrap(),
                headers: vec![("X-Api-Key".into(), "k3y".into())],
            }],
            ..HttpConfig::default()
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("k3y"), "{shown}");
    }
}
