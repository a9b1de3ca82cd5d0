//! Which hosts a rule is for, by name.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The hosts that a rule is for: one by name, those below a domain, or all of them. Ports are no part of it.
///
/// The more it says, the greater it is: a name is above `*.domain`, a longer domain above a shorter one, and `*` below all.
///
/// ```
/// use tidegate::config::HostPattern;
///
/// let below: HostPattern = "*.example.org".parse()?;
/// assert!(below.matches("a.tiles.example.org") && below.matches("TILES.example.org."));
/// assert!(!below.matches("example.org") && !below.matches("notexample.org"));
/// assert!("tiles.example.org".parse::<HostPattern>()? > below && below > "*".parse()?);
/// # Ok::<(), tidegate::config::BadHostPattern>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(Kind);

/// In ascending order of how much it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    All,
    /// The length first: it decides the order.
    Below(usize, String),
    Name(String),
}

/// A name that no host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not the name of a host; give it without scheme, port and path, as in \"tiles.example.org\", \"*.example.org\" or \"*\""
)]
pub struct BadHostPattern;

impl HostPattern {
    /// Whether the rule is for this host.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = plain(host);
        match &self.0 {
            Kind::All => true,
            Kind::Below(_, domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Kind::Name(name) => host == *name,
        }
    }

    /// Whether it is for every host.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self.0, Kind::All)
    }
}

impl FromStr for HostPattern {
    type Err = BadHostPattern;

    fn from_str(text: &str) -> Result<Self, BadHostPattern> {
        if text == "*" {
            return Ok(Self(Kind::All));
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |domain| (true, domain));
        let name = plain(name);
        let is_v6 = !below && name.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        match (is_v6 || is_name, below) {
            (false, _) => Err(BadHostPattern),
            (true, true) => Ok(Self(Kind::Below(name.len(), name))),
            (true, false) => Ok(Self(Kind::Name(name))),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::All => f.write_str("*"),
            Kind::Below(_, domain) => write!(f, "*.{domain}"),
            Kind::Name(name) => f.write_str(name),
        }
    }
}

/// In lower case, without the brackets of an address and the dot at the end of a full name.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn a_name_is_one_host_however_it_is_spelled() {
        for host in ["tiles.example.org", "Tiles.Example.ORG", "tiles.example.org."] {
            assert!(pattern("TILES.example.org.").matches(host), "{host}");
        }
        assert!(!pattern("tiles.example.org").matches("a.tiles.example.org"));
        assert!(pattern("127.0.0.1").matches("127.0.0.1") && pattern("[::1]").matches("::1"));
    }

    #[test]
    fn what_says_more_goes_first() {
        let mut patterns = ["*", "a.b.example.org", "*.example.org", "*.b.example.org"].map(pattern);
        patterns.sort();
        assert_eq!(
            patterns.map(|pattern| pattern.to_string()),
            ["*", "*.example.org", "*.b.example.org", "a.b.example.org"]
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in
            ["", "*.", ".", "a..b", "https://a.test", "a.test:80", "a.test/x", "a b", "*a.test", "a.*.test", "u@a"]
        {
            assert_eq!(bad.parse::<HostPattern>(), Err(BadHostPattern), "{bad}");
        }
    }
}
