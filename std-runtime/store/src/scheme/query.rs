//! Query strings for services that are asked by key and value.

/// `base` with `pairs` in its query, in place of those it has under the same keys, whatever their case.
///
/// People paste the address of a capabilities document, so what asks for that has to go; what tells one map of a server
/// from another has to stay.
pub(super) fn with_query(base: &str, pairs: &[(&str, String)]) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let replaced = |part: &&str| {
        let key = part.split('=').next().unwrap_or_default();
        pairs.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(key))
    };
    let kept = query.split('&').filter(|part| !part.is_empty() && !replaced(part)).map(str::to_owned);
    let added = pairs.iter().map(|(key, value)| format!("{key}={value}"));
    format!("{path}?{}", kept.chain(added).collect::<Vec<_>>().join("&"))
}

/// Text as a value in a query: percent-encoded, but for what may stand there and is easier to read as it is.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_replace_those_with_the_same_key_and_leave_the_others() {
        let pairs = [("service", "WMS".to_owned()), ("layers", "a,b".to_owned())];
        for base in ["http://a.test/ows?map=x.map&SERVICE=WMTS&&layers=", "http://a.test/ows?map=x.map"] {
            assert_eq!(with_query(base, &pairs), "http://a.test/ows?map=x.map&service=WMS&layers=a,b");
        }
        assert_eq!(with_query("http://a.test/ows", &pairs[..1]), "http://a.test/ows?service=WMS");
    }

    #[test]
    fn values_are_encoded() {
        assert_eq!(encoded("image/png; mode=8bit"), "image/png%3B%20mode%3D8bit");
        assert_eq!(encoded("Straßen {z}&x"), "Stra%C3%9Fen%20%7Bz%7D%26x");
    }
}
