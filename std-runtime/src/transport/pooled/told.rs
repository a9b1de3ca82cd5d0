//! The headers of a request: what is told to whom.

use ureq_proto::http::{HeaderName, header};

use super::settings::Header;

/// What a host is told. Of those with the same name, a header of this request goes before one of all requests, and one of
/// this host before both.
pub(super) struct Told<'a> {
    /// Those of all requests.
    pub(super) all: &'a [Header],
    /// Those of this request alone.
    pub(super) own: &'a [Header],
    /// Those for this very host: somebody named it, so they are for it also where a redirect leads there.
    pub(super) of_host: Vec<&'a Header>,
    /// False for a host that nobody chose, to which a redirect leads: keys, and whatever else was added, stay behind.
    pub(super) is_chosen: bool,
}

impl Told<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Header> {
        let own = if self.is_chosen { self.own } else { &[] };
        let all = self.all.iter().filter(move |header| match self.is_chosen {
            true => lacks(own, header),
            false => HARMLESS.contains(&header.0),
        });
        let others = all.chain(own).filter(|header| lacks(self.of_host.iter().copied(), header));
        others.chain(self.of_host.iter().copied())
    }
}

/// Whether none of `headers` has the name of this one.
pub(super) fn lacks<'a>(headers: impl IntoIterator<Item = &'a Header>, (name, _): &Header) -> bool {
    headers.into_iter().all(|(other, _)| other != name)
}

/// Who asks, and what for.
const HARMLESS: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_ENCODING, header::USER_AGENT];

#[cfg(test)]
mod tests {
    use ureq_proto::http::HeaderValue;

    use super::*;

    const fn header(name: HeaderName, value: &'static str) -> Header {
        (name, HeaderValue::from_static(value))
    }

    fn lines(told: &Told<'_>) -> Vec<String> {
        told.iter().map(|(name, value)| format!("{name}={}", value.to_str().expect("text"))).collect()
    }

    #[test]
    fn the_host_goes_before_the_request_and_the_request_before_all() {
        let all = [header(header::ACCEPT, "all"), header(header::COOKIE, "all"), header(header::USER_AGENT, "all")];
        let own = [header(header::COOKIE, "own"), header(header::ETAG, "own"), header(header::USER_AGENT, "own")];
        let of_host = [header(header::USER_AGENT, "host"), header(header::VIA, "host")];
        let mut told = Told { all: &all, own: &own, of_host: of_host.iter().collect(), is_chosen: true };
        assert_eq!(lines(&told), ["accept=all", "cookie=own", "etag=own", "user-agent=host", "via=host"]);
        told.is_chosen = false;
        assert_eq!(lines(&told), ["accept=all", "user-agent=host", "via=host"]);
    }
}
