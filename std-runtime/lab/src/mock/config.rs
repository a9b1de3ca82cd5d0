//! What a mock server is told at its start.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::rules::{Faults, RuleError};
use super::tiles::{TileSource, TilesError};

/// The settings of a [`Mock`](super::Mock). All are plain data; [`Mock::start`](super::Mock::start) checks them.
///
/// # Default
/// A free port, the embedded tiles and no fault; 4,096 connections, 60 s idle, 10 s for a head, `max-age=3600`.
#[derive(Clone, Debug, PartialEq)]
pub struct MockConfig {
    /// The port on 127.0.0.1; 0 is a free one.
    pub port: u16,
    /// Where the tiles come from.
    pub tiles: TileSource,
    /// Vector tiles of this many bytes, 64 to 67,108,864, are made for every zoom above those of the archive. Their
    /// bytes depend on the tile alone.
    pub synthetic_bytes: Option<usize>,
    /// How the server misbehaves from the start.
    pub faults: Faults,
    /// Connections that may be open at a time, 1 to 65,536. Above it none is accepted until one ends.
    pub max_connections: usize,
    /// How long a connection may do nothing, 10 ms to an hour. It is closed within a quarter of a second after that.
    pub idle_timeout: Duration,
    /// How long a head may take from its first to its last byte, 10 ms to an hour.
    pub head_timeout: Duration,
    /// The value of `Cache-Control` in answers with a tile and in 304; empty: none.
    pub cache_control: String,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            port: 0,
            tiles: TileSource::default(),
            synthetic_bytes: None,
            faults: Faults::default(),
            max_connections: 4_096,
            idle_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            cache_control: "max-age=3600".to_owned(),
        }
    }
}

impl MockConfig {
    pub(super) fn validate(&self) -> Result<(), MockError> {
        if !(1..=CONNECTIONS_MAX).contains(&self.max_connections) {
            return Err(MockError::Connections { max: self.max_connections });
        }
        for (name, span) in [("idle", self.idle_timeout), ("head", self.head_timeout)] {
            if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&span) {
                return Err(MockError::Timeout { name, span });
            }
        }
        if !self.cache_control.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(MockError::CacheControl { value: self.cache_control.clone() });
        }
        Ok(self.faults.validate()?)
    }
}

/// A mock server that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MockError {
    /// The port is taken or not allowed.
    #[error("the mock server cannot listen on {addr}: {source}; choose another port, or 0 for a free one")]
    Bind {
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The tiles cannot be served.
    #[error(transparent)]
    Tiles(#[from] TilesError),
    /// A rule cannot be obeyed.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A number of connections out of range.
    #[error("the mock server cannot hold {max} connections; choose from 1 to {CONNECTIONS_MAX}")]
    Connections {
        /// The number.
        max: usize,
    },
    /// A timeout out of range.
    #[error("the {name} timeout of {span:?} is out of range; choose from {TIMEOUT_MIN:?} to {TIMEOUT_MAX:?}")]
    Timeout {
        /// Which one.
        name: &'static str,
        /// Its value.
        span: Duration,
    },
    /// A value that cannot be sent in a header.
    #[error("`{}` cannot be sent as Cache-Control; write printable ASCII on one line", value.escape_debug())]
    CacheControl {
        /// The value.
        value: String,
    },
    /// The server's thread could not be started.
    #[error("the thread of the mock server cannot be started: {0}; end other threads or raise the limit")]
    Thread(#[source] io::Error),
}

/// As many as there are local ports to come from.
const CONNECTIONS_MAX: usize = 65_536;
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_good() {
        assert!(MockConfig::default().validate().is_ok());
    }

    #[test]
    fn each_setting_out_of_range_is_named() {
        let said = |change: fn(&mut MockConfig)| {
            let mut config = MockConfig::default();
            change(&mut config);
            config.validate().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(
            said(|c| c.max_connections = 0),
            "the mock server cannot hold 0 connections; choose from 1 to 65536"
        );
        assert!(said(|c| c.idle_timeout = Duration::ZERO).contains("idle timeout of 0ns"));
        assert!(said(|c| c.head_timeout = Duration::from_secs(3_601)).contains("head timeout of 3601s"));
        assert!(said(|c| c.cache_control = "a\r\nb".to_owned()).contains(r"`a\r\nb`"));
        assert!(said(|c| c.faults.bandwidth = Some(0)).contains("bandwidth"));
    }
}
