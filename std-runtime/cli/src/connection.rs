//! How requests get to servers: connections, a proxy, whom to trust, and what is said of this client.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use tidegate::{
    config::CONCURRENCY_MAX,
    transport::{
        HttpConfig,
        pooled::config::{ConfigError, Proxy, Roots},
    },
};

use crate::{
    args::{concurrency, timeout, whole},
    exit::Fatal,
    fetch::Again,
    hosts::Hosts,
    print_config::{Row, given},
};

/// The flags of the HTTP client.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// The most connections open at once, 1 to 200; there are never more attempts in flight. 100 where absent
    #[arg(long, value_name = "N", value_parser = concurrency)]
    max_connections: Option<u16>,
    /// The most idle connections kept, 0 to 200. 20 where absent
    #[arg(long, value_name = "N", value_parser = whole::<u16>(0, u64::from(CONCURRENCY_MAX)))]
    max_idle_connections: Option<u16>,
    /// How long an idle connection is kept, 1ms to 1h: less than the server does. 15s where absent
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    max_idle_age: Option<Duration>,
    /// Go through a proxy, as in http://proxy:3128, https://name:word@proxy, socks5://proxy or, for one that looks names up,
    /// socks5h://proxy; or `environment`, for what ALL_PROXY, HTTPS_PROXY or HTTP_PROXY and NO_PROXY say. None where absent,
    /// whatever the environment says
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Trust only the certificates in this PEM file, those of an authority of your own. Mozilla's list where absent
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// What this client calls itself; give a way to reach you when you use other people's servers, as in
    /// "MyMap/1.2 (+https://my.map; me@my.map)"
    #[arg(short = 'A', long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// A header for each request, as in "X-Api-Key: value"; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send the correlation id of each attempt as x-correlation-id to every source: only where all are yours; see --config
    /// for some of them
    #[arg(long)]
    pub(crate) send_correlation_id: bool,
}

impl ConnectionArgs {
    /// How many connections may be open.
    pub(crate) fn max_connections(&self) -> u16 {
        self.max_connections.unwrap_or(HttpConfig::default().max_connections as u16)
    }

    /// Adds how servers are reached.
    pub(crate) fn again(&self, again: &mut Again) {
        again.url("--proxy", self.proxy.as_deref());
        again.path("--cacert", self.cacert.as_deref());
        again.flag("--user-agent", self.user_agent.as_deref());
        for _ in &self.headers {
            again.hidden("--header");
        }
    }

    /// The settings of a client for so many attempts at once, each of which has so much time, with the headers that hosts
    /// want.
    ///
    /// # Errors
    /// Where a flag cannot be used; the message names it.
    pub(crate) fn http_config(
        &self,
        concurrency: u16,
        attempt_timeout: Duration,
        hosts: &Hosts,
    ) -> Result<HttpConfig, Fatal> {
        let default = HttpConfig::default();
        let config = HttpConfig {
            // A connection for each attempt that may be in flight is enough, and never more than asked for.
            max_connections: usize::from(self.max_connections().min(concurrency)),
            max_idle_connections: self.max_idle_connections.map_or(default.max_idle_connections, usize::from),
            max_idle_age: self.max_idle_age.unwrap_or(default.max_idle_age),
            proxy: match self.proxy.as_deref() {
                None => Proxy::Direct,
                Some(ENVIRONMENT) => Proxy::Environment,
                Some(url) => Proxy::Url(url.to_owned()),
            },
            roots: self.cacert.as_ref().map_or(Ok(Roots::Bundled), roots)?,
            user_agent: self.user_agent.clone().unwrap_or(default.user_agent),
            headers: self.headers.iter().map(|header| split_header(header)).collect::<Result<_, _>>()?,
            host_headers: hosts.headers(),
            spare_openstreetmap: true,
            // The attempt's own clock runs out first, and says so.
            read_timeout: default.read_timeout.max(attempt_timeout),
            ..default
        };
        config.validate().map_err(unusable)?;
        Ok(config)
    }

    /// What is in force, for `--print-config`. Secrets are left out.
    ///
    /// # Errors
    /// As [`ConnectionArgs::http_config`].
    pub(crate) fn rows(&self, concurrency: u16, attempt_timeout: Duration, hosts: &Hosts) -> Result<Vec<Row>, Fatal> {
        let config = self.http_config(concurrency, attempt_timeout, hosts)?;
        let headers: Vec<&str> = config.headers.iter().map(|(name, _)| name.as_str()).collect();
        let headers = if headers.is_empty() { "none".to_owned() } else { headers.join(", ") };
        let proxy = match config.proxy {
            Proxy::Direct => "none".to_owned(),
            Proxy::Environment => "as the environment says".to_owned(),
            Proxy::Url(url) => without_login(&url),
        };
        let roots = self.cacert.as_ref().map_or("Mozilla's list".to_owned(), |path| path.display().to_string());
        let (idle, age) = (config.max_idle_connections.to_string(), format!("{:?}", config.max_idle_age));
        Ok(vec![
            Row::new("max-connections", self.max_connections().to_string(), given(self.max_connections.is_some())),
            Row::new("max-idle-connections", idle, given(self.max_idle_connections.is_some())),
            Row::new("max-idle-age", age, given(self.max_idle_age.is_some())),
            Row::new("proxy", proxy, given(self.proxy.is_some())),
            Row::new("trusted certificates", roots, given(self.cacert.is_some())),
            Row::new("user-agent", config.user_agent, given(self.user_agent.is_some())),
            Row::new("headers", headers, given(!self.headers.is_empty())),
        ])
    }
}

/// A flag that the client cannot work with. The values stay out of the message: there are secrets among them.
fn unusable(error: ConfigError) -> Fatal {
    Fatal::usage(match error {
        ConfigError::Header { name, reason } if name.eq_ignore_ascii_case("user-agent") => {
            format!("--user-agent: {reason}; give something like \"MyMap/1.2 (+https://my.map; me@my.map)\"")
        }
        ConfigError::Header { ref name, reason } => {
            format!("--header: {name:?} cannot be sent, {reason}; leave it out, or write it as in \"X-Api-Key: value\"")
        }
        ConfigError::Proxy => format!("--proxy: {error}"),
        ConfigError::Roots => format!("--cacert: {error}"),
        // Checked when they were read.
        ConfigError::Range { .. } | ConfigError::Time { .. } => error.to_string(),
    })
}

fn roots(path: &PathBuf) -> Result<Roots, Fatal> {
    fs::read(path).map(Roots::Pem).map_err(|error| {
        Fatal::usage(format!("--cacert={}: {error}; give a PEM file that can be read", path.display()))
    })
}

fn split_header(header: &str) -> Result<(String, String), Fatal> {
    match header.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        Some(_) | None => {
            // Not shown: what lacks its colon may be a secret all the same.
            Err(Fatal::usage("--header: no name and value; give them as in \"X-Api-Key: value\""))
        }
    }
}

/// A URL without the name and the word in front of its host.
fn without_login(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// The proxy that is the environment's.
const ENVIRONMENT: &str = "environment";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    fn config(flags: &[&str]) -> Result<HttpConfig, String> {
        let alone = Alone::try_parse_from([&["x"], flags].concat()).map_err(|error| error.to_string())?;
        alone.connection.http_config(50, Duration::from_secs(10), &Hosts::default()).map_err(|fatal| fatal.to_string())
    }

    #[test]
    fn what_is_not_given_is_as_the_library_has_it_and_as_the_help_says() {
        let default = HttpConfig { max_connections: 50, spare_openstreetmap: true, ..HttpConfig::default() };
        assert_eq!(config(&[]), Ok(default));
        let help = Alone::command().render_long_help().to_string();
        let HttpConfig { max_connections, max_idle_connections, max_idle_age, .. } = HttpConfig::default();
        for value in [max_connections.to_string(), max_idle_connections.to_string(), format!("{max_idle_age:?}")] {
            assert!(help.contains(&format!("{value} where absent")), "{value} in {help}");
        }
    }

    #[test]
    fn each_flag_reaches_the_client() {
        let flags = ["--max-connections=7", "--max-idle-connections=0", "--max-idle-age=2m", "--user-agent=a/1"];
        let given = config(&[&flags[..], &["--proxy", "socks5h://a:b@p:1", "-H", "X-Key: a: b"]].concat());
        assert_eq!(
            given,
            Ok(HttpConfig {
                max_connections: 7,
                max_idle_connections: 0,
                max_idle_age: Duration::from_secs(120),
                user_agent: "a/1".to_owned(),
                proxy: Proxy::Url("socks5h://a:b@p:1".to_owned()),
                headers: vec![("X-Key".to_owned(), "a: b".to_owned())],
                spare_openstreetmap: true,
                ..HttpConfig::default()
            })
        );
        assert_eq!(config(&["--proxy", "environment"]).map(|config| config.proxy), Ok(Proxy::Environment));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_the_way_out_and_without_its_value() {
        for (flags, parts) in [
            (["--user-agent", "s3cret\n"], ["--user-agent: ", "MyMap/1.2"]),
            (["--user-agent", ""], ["--user-agent: ", "MyMap/1.2"]),
            (["--header", "Host: s3cret"], ["--header: \"Host\"", "the client sets it by itself"]),
            (["--header", "X-Key: s3cret\x7f"], ["--header: \"X-Key\"", "X-Api-Key: value"]),
            (["--header", "s3cret"], ["--header: ", "X-Api-Key: value"]),
            (["--proxy", "gopher://a:s3cret@b"], ["--proxy: ", "http://host:port"]),
            (["--cacert", "/nowhere"], ["--cacert=/nowhere: ", "PEM file that can be read"]),
            (["--cacert", "/dev/null"], ["--cacert: ", "BEGIN CERTIFICATE"]),
            (["--max-idle-age", "2h"], ["--max-idle-age", "give 1ms to 3600s"]),
        ] {
            let said = config(&flags).expect_err("it cannot be used");
            assert!(parts.iter().all(|part| said.contains(part)) && !said.contains("s3cret"), "{flags:?}: {said}");
        }
    }

    #[test]
    fn a_proxy_is_shown_without_its_login() {
        for (url, shown) in [
            ("http://anna:s3cret@proxy:3128", "http://proxy:3128"),
            ("anna:s3cret@proxy", "proxy"),
            ("socks5://proxy", "socks5://proxy"),
        ] {
            assert_eq!(without_login(url), shown);
        }
    }
}
