//! Where a reference leads that is relative to an address: RFC 3986 §5.2, on text, since the braces of a template are in no URL.

/// The path and query that `reference` means at `path`, which is one without a query.
///
/// Neither names a host: whoever has whole addresses tells these apart before.
pub fn below(path: &str, reference: &str) -> String {
    without_dots(&match reference.chars().next() {
        None => path.to_owned(),
        Some('/') => reference.to_owned(),
        Some('?') => format!("{path}{reference}"),
        Some(_) => format!("{}/{reference}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
    })
}

/// The path with `.` and `..` taken out; `..` at the top stays at the top.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let folder = if path.ends_with("/.") || path.ends_with("/..") { "/" } else { "" };
    format!("/{}{folder}{query}", kept.join("/"))
}
