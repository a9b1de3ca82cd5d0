//! Templates that are relative to a document.

use tidegate::transport::reference;

/// Whether `reference` says where something is only together with where it was found.
pub(super) fn is_relative(reference: &str) -> bool {
    let (scheme, has_colon) = reference.split_once(':').map_or((reference, false), |(scheme, _)| (scheme, true));
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    !(has_colon && is_scheme)
}

/// What `reference` means in a document at `base`. It is left as it is where `base` is no URL with a host.
pub(super) fn resolved(base: &str, reference: &str) -> String {
    let Some((scheme, rest)) = base.split_once("://").filter(|_| is_relative(reference)) else {
        return reference.to_owned();
    };
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, below) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, _query) = below.split_at(below.find('?').unwrap_or(below.len()));
    let joined = reference::below(path, if reference.is_empty() { below } else { reference });
    format!("{scheme}://{authority}{joined}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_the_address_of_the_document() {
        let base = "http://a.test/b/c/tiles.json?key=k#f";
        for (reference, url) in [
            ("https://b.test/{z}/{x}/{y}", "https://b.test/{z}/{x}/{y}"),
            ("//b.test/{z}/{x}/{y}", "http://b.test/{z}/{x}/{y}"),
            ("/t/{z}/{x}/{y}?a=b:c", "http://a.test/t/{z}/{x}/{y}?a=b:c"),
            ("{z}/{x}/{y}.pbf", "http://a.test/b/c/{z}/{x}/{y}.pbf"),
            ("./{z}/{x}/{y}", "http://a.test/b/c/{z}/{x}/{y}"),
            ("../../../t/{z}/{x}/{y}", "http://a.test/t/{z}/{x}/{y}"),
            ("?tile={z}/{x}/{y}", "http://a.test/b/c/tiles.json?tile={z}/{x}/{y}"),
        ] {
            assert_eq!(resolved(base, reference), url, "{reference}");
        }
        assert_eq!(resolved("http://a.test", "{z}/{x}/{y}"), "http://a.test/{z}/{x}/{y}");
    }
}
