//! What a host's name tells about it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Neither this machine nor one of a private network. `host` is in lower case and without brackets.
pub(super) fn is_public(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(ip)) => is_public_v4(ip),
        Ok(IpAddr::V6(ip)) => ip.to_ipv4_mapped().map_or_else(|| is_public_v6(ip), is_public_v4),
        Err(_) => {
            let name = host.trim_end_matches('.');
            name.contains('.') && !PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        }
    }
}

/// One of the OpenStreetMap Foundation's own, in any case. Allocates nothing: it is asked for each request.
pub(crate) fn is_openstreetmap(host: &str) -> bool {
    let name = host.trim_end_matches('.').as_bytes();
    ["openstreetmap.org", "osm.org"].iter().any(|domain| {
        let below = name.len().checked_sub(domain.len()).map(|below| name.split_at(below));
        below.is_some_and(|(rest, end)| {
            end.eq_ignore_ascii_case(domain.as_bytes()) && (rest.is_empty() || rest.ends_with(b"."))
        })
    })
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    // 100.64.0.0/10 is shared behind a provider's address translation (RFC 6598).
    let shared = a == 100 && (64..128).contains(&b);
    !(a == 0 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_broadcast() || shared)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
}

/// Names that are never a public host's (RFC 6761, RFC 6762, RFC 8375; `.internal` is reserved by ICANN).
const PRIVATE_SUFFIXES: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];

#[cfg(test)]
mod tests {
    use crate::template::UrlTemplate;

    #[test]
    fn public_hosts_are_told_from_private_ones() {
        let is_public = |host: &str| UrlTemplate::parse(&format!("http://{host}/")).unwrap().is_public_host();
        for private in [
            "localhost",
            "tiles.localhost",
            "127.0.0.1:8001",
            "127.8.9.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1:80",
            "169.254.1.1",
            "100.64.0.1",
            "[::1]:8001",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:192.168.0.1]",
            "printer.local",
            "NAS.Local.",
            "tileserver",
            "tiles.corp.internal",
            "map.home.arpa",
        ] {
            assert!(!is_public(private), "{private}");
        }
        for public in
            ["tiles.example.org", "8.8.8.8", "172.32.0.1", "100.128.0.1", "[2001:db8::1]", "local.example.org"]
        {
            assert!(is_public(public), "{public}");
        }
    }

    #[test]
    fn one_public_host_among_private_ones_makes_the_template_public() {
        let template = UrlTemplate::parse("http://{switch:localhost,tiles.example.org}/").unwrap();
        assert!(template.is_public_host());
        assert_eq!(template.hosts().collect::<Vec<_>>(), ["localhost", "tiles.example.org"]);
    }

    #[test]
    fn the_servers_of_openstreetmap_are_known() {
        let is_osm = |url: &str| UrlTemplate::parse(url).unwrap().openstreetmap().is_some();
        for osm in [
            "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
            "https://{s}.tile.openstreetmap.org/{z}/{x}/{y}.png",
            "https://Tile.OpenStreetMap.org.:443/{z}/{x}/{y}.png",
            "https://vector.openstreetmap.org/{z}/{x}/{y}.mvt",
            "https://tile.osm.org/{z}/{x}/{y}.png",
            "http://anna:s3cret@tile.openstreetmap.org:8080/{z}/{x}/{y}.png",
            "https://{switch:tiles.example.org,tile.openstreetmap.org}/{z}/{x}/{y}.png",
            "https://{switch:a.,tile.}{switch:example.org,example.net,openstreetmap.org}/{z}/{x}/{y}.png",
        ] {
            assert!(is_osm(osm), "{osm}");
        }
        for other in [
            "https://tile.openstreetmap.org.example.test/{z}/{x}/{y}.png",
            "https://notopenstreetmap.org/{z}/{x}/{y}.png",
            "https://tile.openstreetmap.de/{z}/{x}/{y}.png",
            "http://127.0.0.1/tile.openstreetmap.org/{z}/{x}/{y}.png",
            "https://tile.openstreetmap.org@tiles.example.org/{z}/{x}/{y}.png",
        ] {
            assert!(!is_osm(other), "{other}");
        }
    }
}
