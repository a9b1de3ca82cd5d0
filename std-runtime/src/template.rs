//! URLs with holes for a tile's place, in the notation that people paste.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `{z}` or `{zoom}` | zoom |
//! | `{x}` | column, from the west |
//! | `{y}` | row, from the north (XYZ) |
//! | `{-y}` | row, from the south (TMS) |
//! | `{quadkey}` or `{q}` | the digits of Bing Maps |
//! | `{s}` | `a`, `b` or `c` |
//! | `{switch:one,two}` | one of the list |
//! | `{r}` or `{ratio}` | nothing, or `@2x` with [`UrlTemplate::high_resolution`] |
//!
//! Which of several hosts a tile is asked of follows from its place, so that caches on the way stay warm. A URL that
//! does not say where the tile goes gets `/{z}/{x}/{y}.png` at the end of its path.
//!
//! Further placeholders ([`Placeholder`]) can be added by whoever knows another scheme.

mod error;
pub(crate) mod host;

use std::fmt::{self, Write};

pub use error::TemplateError;

use tidegate_core::TileId;

use crate::transport::request::parse_url;

/// A URL with placeholders, checked once, expanded for each tile.
///
/// `Debug` and `Display` show neither user info nor query, where keys live.
///
/// ```
/// use tidegate::template::UrlTemplate;
/// use tidegate_core::TileId;
///
/// let template = UrlTemplate::parse("https://{s}.tiles.test/{z}/{x}/{y}{r}.png?key=k3y")?;
/// let mut url = String::new();
/// template.expand(TileId::new(3, 5, 2)?, &mut url);
/// assert_eq!(url, "https://b.tiles.test/3/5/2.png?key=k3y"); // (5 + 2) mod 3 = 1
/// assert_eq!(template.to_string(), "https://{s}.tiles.test/{z}/{x}/{y}{r}.png?…");
///
/// let base = UrlTemplate::parse("http://127.0.0.1:8001")?;
/// assert_eq!(base.to_string(), "http://127.0.0.1:8001/{z}/{x}/{y}.png");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UrlTemplate {
    parts: Vec<Part>,
    /// Every host that some tile may be asked of. Never empty.
    hosts: Vec<String>,
    /// What may be printed.
    shown: String,
    ratio: &'static str,
}

/// A placeholder beyond the usual ones. It alone says where the tile is, so a URL with it needs no `{z}`.
#[derive(Clone, Copy, Debug)]
pub struct Placeholder {
    /// What stands between the braces.
    pub name: &'static str,
    /// Appends what the tile becomes.
    pub expand: fn(TileId, &mut String),
}

#[derive(Clone)]
enum Part {
    Text(String),
    Zoom,
    Column,
    Row,
    RowFromSouth,
    Ratio,
    /// One of several, by the tile's place. Never empty.
    Pick(Vec<String>),
    Other(fn(TileId, &mut String)),
}

impl UrlTemplate {
    /// Reads a template, or a base URL to which `/{z}/{x}/{y}.png` belongs.
    ///
    /// # Errors
    /// Everything that [`TemplateError`] lists.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, &[])
    }

    /// Like [`parse`](Self::parse), with further placeholders.
    ///
    /// # Errors
    /// Everything that [`TemplateError`] lists.
    pub fn parse_with(text: &str, further: &[Placeholder]) -> Result<Self, TemplateError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(TemplateError::NoScheme)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(TemplateError::Scheme(scheme.to_owned()));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host_parts = split(authority, further)?;
        if host_parts.iter().any(Part::is_place) {
            return Err(TemplateError::InHost);
        }
        let mut path = path.to_owned();
        let mut path_parts = split(&path, further)?;
        if !path_parts.iter().any(Part::is_place) {
            path = with_default_place(&path);
            path_parts = split(&path, further)?;
        }
        check_complete(&path_parts)?;

        let mut template = Self {
            parts: std::iter::once(Part::Text(format!("{}://", scheme.to_ascii_lowercase())))
                .chain(host_parts)
                .chain(path_parts)
                .collect(),
            hosts: Vec::new(),
            shown: shown(scheme, authority, &path),
            ratio: "",
        };
        template.hosts = template.all_hosts()?;
        Ok(template)
    }

    /// The hosts of all choices together. What the transport will read is read here already.
    fn all_hosts(&self) -> Result<Vec<String>, TemplateError> {
        let lengths = self.parts.iter().filter_map(|part| match part {
            Part::Pick(choices) => Some(choices.len()),
            _ => None,
        });
        // The choices of a tile repeat with the least common multiple of how many there are of each.
        let period = lengths.fold(1_usize, |period, length| period.saturating_mul(length / gcd(period, length)));
        let (mut hosts, mut sample) = (Vec::new(), String::new());
        for place in 0..u32::try_from(period).unwrap_or(u32::MAX).min(HOSTS_SEEN_MAX) {
            let tile = TileId::new(30, place, 0).map_err(|_| TemplateError::Host)?;
            self.expand(tile, &mut sample);
            let uri = parse_url(std::mem::take(&mut sample)).map_err(|_| TemplateError::Host)?;
            let host = bare_host(uri.host().unwrap_or_default());
            // `http://[:2@]/` gets as far as this.
            if host.is_empty() {
                return Err(TemplateError::Host);
            }
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// Has `{r}` ask for tiles of twice the resolution.
    #[must_use = "the template is changed by value"]
    pub fn high_resolution(mut self) -> Self {
        self.ratio = "@2x";
        self
    }

    /// Writes the URL of a tile into `url`, in place of what it holds. Allocates only where `url` has to grow.
    pub fn expand(&self, tile: TileId, url: &mut String) {
        url.clear();
        for part in &self.parts {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Text(text) => url.write_str(text),
                Part::Zoom => write!(url, "{}", tile.z()),
                Part::Column => write!(url, "{}", tile.x()),
                Part::Row => write!(url, "{}", tile.y()),
                Part::RowFromSouth => write!(url, "{}", tile.tms_row()),
                Part::Ratio => url.write_str(self.ratio),
                Part::Pick(choices) => url.write_str(pick(choices, tile)),
                Part::Other(expand) => {
                    expand(tile, url);
                    Ok(())
                }
            };
        }
    }

    /// The host, in lower case, without port and brackets; of several the first.
    #[must_use]
    pub fn host(&self) -> &str {
        self.hosts.first().map_or("", String::as_str)
    }

    /// Every host that tiles are asked of, the first one first.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// True unless every host is this machine or one of a private network: loopback, private, link-local and shared
    /// addresses, `localhost`, `.local`, `.internal`, `.home.arpa`, and names without a dot.
    ///
    /// It says what the name looks like; nothing is looked up.
    #[must_use]
    pub fn is_public_host(&self) -> bool {
        self.hosts().any(host::is_public)
    }

    /// The extension of the tiles' names, where the last part of the path has one: `png` of `/{z}/{x}/{y}.png?key=…`.
    ///
    /// ```
    /// use tidegate::template::UrlTemplate;
    ///
    /// let extension = |text| UrlTemplate::parse(text).map(|template| template.extension().map(str::to_owned));
    /// assert_eq!(extension("https://tiles.example.org/{z}/{x}/{y}{r}.webp?key=k"), Ok(Some("webp".to_owned())));
    /// assert_eq!(extension("https://tiles.example.org/{z}/{x}/{y}"), Ok(None));
    /// ```
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        let path = self.shown.split(['?', '#']).next()?;
        let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
        (!extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(extension)
    }

    /// The first host that is one of the tile servers of the OpenStreetMap Foundation, whose policy forbids bulk use.
    #[must_use]
    pub fn openstreetmap(&self) -> Option<&str> {
        self.hosts().find(|host| host::is_openstreetmap(host))
    }
}

impl Part {
    /// Whether it says, in part or alone, where the tile is.
    fn is_place(&self) -> bool {
        match self {
            Self::Zoom | Self::Column | Self::Row | Self::RowFromSouth | Self::Other(_) => true,
            Self::Text(_) | Self::Ratio | Self::Pick(_) => false,
        }
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UrlTemplate").field(&self.shown).finish()
    }
}

/// Takes a piece of a template apart.
fn split(text: &str, further: &[Placeholder]) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(open);
        let inner = from_brace.strip_prefix('{').ok_or(TemplateError::Brace)?;
        let (name, after) = inner.split_once('}').ok_or(TemplateError::Brace)?;
        literal_part(literal, &mut parts)?;
        parts.push(placeholder(name, further)?);
        rest = after;
    }
    literal_part(rest, &mut parts)?;
    Ok(parts)
}

fn literal_part(text: &str, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
    match text.chars().find(|&c| !c.is_ascii_graphic() || "\"<>\\^`|#".contains(c)) {
        Some('#') => return Err(TemplateError::Fragment),
        Some(character) => return Err(TemplateError::Character(character)),
        None => {}
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    Ok(())
}

fn placeholder(name: &str, further: &[Placeholder]) -> Result<Part, TemplateError> {
    Ok(match name {
        "z" | "zoom" => Part::Zoom,
        "x" => Part::Column,
        "y" => Part::Row,
        "-y" => Part::RowFromSouth,
        "r" | "ratio" => Part::Ratio,
        "quadkey" | "q" => Part::Other(quadkey),
        "s" => Part::Pick(["a", "b", "c"].map(str::to_owned).to_vec()),
        _ => match name.strip_prefix("switch:") {
            Some(choices) => Part::Pick(choices.split(',').map(choice).collect::<Result<_, _>>()?),
            None => {
                let known = further.iter().find(|placeholder| placeholder.name == name);
                Part::Other(known.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?.expand)
            }
        },
    })
}

fn choice(text: &str) -> Result<String, TemplateError> {
    literal_part(text, &mut Vec::new())?;
    if text.is_empty() { Err(TemplateError::EmptyChoice) } else { Ok(text.to_owned()) }
}

/// The path with the usual place of a tile at its end, before a query.
fn with_default_place(path: &str) -> String {
    let (folder, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    format!("{}/{{z}}/{{x}}/{{y}}.png{query}", folder.trim_end_matches('/'))
}

/// Refuses a path under which different tiles would have the same URL.
fn check_complete(parts: &[Part]) -> Result<(), TemplateError> {
    let has = |wanted: fn(&Part) -> bool| parts.iter().any(wanted);
    if has(|part| matches!(part, Part::Other(_))) {
        return Ok(());
    }
    for (is_there, name) in [
        (has(|part| matches!(part, Part::Zoom)), "z"),
        (has(|part| matches!(part, Part::Column)), "x"),
        (has(|part| matches!(part, Part::Row | Part::RowFromSouth)), "y"),
    ] {
        if !is_there {
            return Err(TemplateError::Missing(name));
        }
    }
    Ok(())
}

fn shown(scheme: &str, authority: &str, path: &str) -> String {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (folder, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    format!("{}://{host}{folder}{}", scheme.to_ascii_lowercase(), if query.is_empty() { "" } else { "?…" })
}

fn bare_host(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn quadkey(tile: TileId, url: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(url, "{}", tile.show_quadkey());
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// More hosts than anybody names. Of a template with more, the transport still sees each.
const HOSTS_SEEN_MAX: u32 = 1_024;

/// The choice of a tile. Column and row together are below 2^31.
fn pick(choices: &[String], tile: TileId) -> &str {
    let sum = usize::try_from(tile.x() + tile.y()).unwrap_or(0);
    sum.checked_rem(choices.len()).and_then(|index| choices.get(index)).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, z: u8, x: u32, y: u32) -> String {
        let mut url = "what was there before".to_owned();
        UrlTemplate::parse(template).unwrap().expand(TileId::new(z, x, y).unwrap(), &mut url);
        url
    }

    fn refused(template: &str) -> TemplateError {
        UrlTemplate::parse(template).expect_err(template)
    }

    #[test]
    fn placeholders_become_the_tile() {
        assert_eq!(expand("http://a.test/{z}/{x}/{y}.png", 11, 327, 791), "http://a.test/11/327/791.png");
        assert_eq!(expand("http://a.test/{zoom}/{x}/{-y}", 11, 327, 791), "http://a.test/11/327/1256");
        assert_eq!(expand("HTTPS://a.test/t?x={x}&y={y}&z={z}", 1, 0, 1), "https://a.test/t?x=0&y=1&z=1");
        assert_eq!(expand("http://a.test/{quadkey}?n={q}", 3, 3, 5), "http://a.test/213?n=213");
    }

    #[test]
    fn the_same_tile_always_asks_the_same_host_and_all_hosts_are_asked() {
        let template = UrlTemplate::parse("http://{switch:one,two}.test/{z}/{x}/{y}{r}.png").unwrap().high_resolution();
        let mut url = String::new();
        for (x, y, host) in [(0, 0, "one"), (1, 0, "two"), (0, 1, "two"), (1, 1, "one")] {
            template.expand(TileId::new(1, x, y).unwrap(), &mut url);
            assert_eq!(url, format!("http://{host}.test/1/{x}/{y}@2x.png"));
        }
        assert_eq!(template.host(), "one.test");
        let last = TileId::new(30, (1 << 30) - 1, (1 << 30) - 1).unwrap();
        template.expand(last, &mut url);
        assert!(url.starts_with("http://one.test/30/"), "{url}");
    }

    #[test]
    fn a_base_url_gets_the_usual_place_before_its_query() {
        for (base, expected) in [
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001/0/0/0.png"),
            ("http://127.0.0.1:8001/", "http://127.0.0.1:8001/0/0/0.png"),
            (" https://a.test/tiles/ \n", "https://a.test/tiles/0/0/0.png"),
            ("https://a.test/tiles?key=k", "https://a.test/tiles/0/0/0.png?key=k"),
            ("https://a.test?key=k", "https://a.test/0/0/0.png?key=k"),
            ("https://{s}.a.test", "https://a.a.test/0/0/0.png"),
        ] {
            assert_eq!(expand(base, 0, 0, 0), expected);
        }
    }

    #[test]
    fn a_further_placeholder_stands_for_the_place() {
        let id = Placeholder { name: "hilbert", expand: |tile, url| url.push_str(&tile.hilbert_id().to_string()) };
        let template = UrlTemplate::parse_with("http://t{switch:0,1}.test/{hilbert}.jpg", &[id]).unwrap();
        let mut url = String::new();
        template.expand(TileId::new(1, 1, 0).unwrap(), &mut url);
        assert_eq!(url, "http://t1.test/4.jpg");
        assert_eq!(refused("http://a.test/{hilbert}"), TemplateError::Unknown("hilbert".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused(""), TemplateError::NoScheme);
        assert_eq!(refused("tiles.test/{z}/{x}/{y}"), TemplateError::NoScheme);
        assert_eq!(refused("ftp://tiles.test/{z}/{x}/{y}"), TemplateError::Scheme("ftp".to_owned()));
        for no_host in
            ["http://", "http:///{z}/{x}/{y}", "http://:80/{z}/{x}/{y}", "http://a.test:port/", "http://[:2@]/"]
        {
            assert_eq!(refused(no_host), TemplateError::Host, "{no_host}");
        }
        assert_eq!(refused("http://a.test/{z}/{x}/{Y}"), TemplateError::Unknown("Y".to_owned()));
        assert_eq!(refused("http://a.test/{z}/{x}/{y}?k={apikey}"), TemplateError::Unknown("apikey".to_owned()));
        assert_eq!(refused("http://a.test/{z/{x}/{y}"), TemplateError::Unknown("z/{x".to_owned()));
        assert_eq!(refused("http://a.test/{z}/{x}/{y"), TemplateError::Brace);
        assert_eq!(refused("http://a.test/z}/{x}/{y}"), TemplateError::Brace);
        assert_eq!(refused("http://{x}.test/{z}/{x}/{y}"), TemplateError::InHost);
        assert_eq!(refused("http://a.test/{x}/{y}"), TemplateError::Missing("z"));
        assert_eq!(refused("http://a.test/{z}/{y}"), TemplateError::Missing("x"));
        assert_eq!(refused("http://a.test/{z}/{x}"), TemplateError::Missing("y"));
        assert_eq!(refused("http://a.test/my tiles/{z}/{x}/{y}"), TemplateError::Character(' '));
        assert_eq!(refused("http://karten.example/stra\u{df}e/{z}/{x}/{y}"), TemplateError::Character('\u{df}'));
        assert_eq!(refused("http://a.test/{z}/{x}/{y}#top"), TemplateError::Fragment);
        assert_eq!(refused("http://{switch:a,,b}.test/{z}/{x}/{y}"), TemplateError::EmptyChoice);
        assert_eq!(
            TemplateError::Unknown("apikey".to_owned()).to_string(),
            "{apikey} in the URL template is not known: use {z}, {x}, {y} or {-y}, {s}, {switch:a,b}, {r}, or the value itself"
        );
    }

    #[test]
    fn neither_user_nor_key_is_ever_printed() {
        let template = UrlTemplate::parse("https://anna:s3cret@A.test:8443/{z}/{x}/{y}.png?key=k3y").unwrap();
        assert_eq!(template.to_string(), "https://A.test:8443/{z}/{x}/{y}.png?…");
        assert_eq!(format!("{template:?}"), "UrlTemplate(\"https://A.test:8443/{z}/{x}/{y}.png?…\")");
        assert_eq!(template.host(), "a.test");
    }
}
