//! The command that tries again what a fetch gave up, to be copied and run.
//!
//! It names the archive, the source and how that is reached, and nothing secret: a URL with a query or user info, and what
//! headers say, are left to whoever knows them.

use std::path::Path;

/// A command line in the making.
pub(crate) struct Again {
    line: String,
    is_open: bool,
}

impl Again {
    /// The replay of the letters in a file.
    pub(crate) fn replay(letters: &Path) -> Self {
        Self { line: format!("tidegate replay {}", quoted(&letters.to_string_lossy())), is_open: false }
    }

    /// Adds a flag, where it was given.
    pub(crate) fn flag(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line.push_str(&format!(" {name} {}", quoted(value)));
        }
    }

    /// Adds a flag with a path.
    pub(crate) fn path(&mut self, name: &str, value: Option<&Path>) {
        self.flag(name, value.map(Path::to_string_lossy).as_deref());
    }

    /// Adds a flag with a URL.
    pub(crate) fn url(&mut self, name: &str, url: Option<&str>) {
        match url {
            Some(url) if holds_secrets(url) => self.hidden(name),
            url => self.flag(name, url),
        }
    }

    /// Adds a flag whose value is not to be shown.
    pub(crate) fn hidden(&mut self, name: &str) {
        self.line.push_str(&format!(" {name} …"));
        self.is_open = true;
    }

    /// What is said of it.
    pub(crate) fn advice(self) -> String {
        let open = if self.is_open { "; what … stands for is not shown, since it may be secret" } else { "" };
        format!("`{}` tries them again{open}", self.line)
    }
}

/// Whether there may be a key in a URL: in its query, or before its host.
fn holds_secrets(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    rest.contains(['?', '#']) || authority.contains('@')
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:,+=@%".contains(&byte);
    match text.bytes().all(is_plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        for (text, word) in [
            ("tiles/world.mbtiles", "tiles/world.mbtiles"),
            ("my tiles", "'my tiles'"),
            ("it's", r"'it'\''s'"),
            ("http://a.test/{z}/{x}/{y}.png", "'http://a.test/{z}/{x}/{y}.png'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }

    #[test]
    fn a_url_is_shown_unless_it_may_hold_a_key() {
        for (url, is_shown) in [
            ("http://a.test/{z}/{x}/{y}@2x.png", true),
            ("http://a.test:8080", true),
            ("http://a.test/{z}/{x}/{y}.png?key=k", false),
            ("http://a.test?key=k", false),
            ("http://anna:word@a.test/{z}/{x}/{y}.png", false),
        ] {
            let mut again = Again::replay(Path::new("dead"));
            again.url("--url-template", Some(url));
            let advice = again.advice();
            assert_eq!(advice.contains(url), is_shown, "{advice}");
            assert_eq!(advice.contains("--url-template …` tries them again; what … stands for"), !is_shown, "{advice}");
        }
    }
}
