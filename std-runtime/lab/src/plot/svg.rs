//! Writing SVG: escaped text, and numbers that are always the same bytes.

use std::fmt::{self, Write as _};

/// An SVG document being written.
#[derive(Default)]
pub(super) struct Canvas {
    pub(super) out: String,
}

impl Canvas {
    /// Appends markup as it is; values go through [`Px`] and [`Text`].
    pub(super) fn push(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(markup);
    }

    /// A line of text. `class` says what it is and how it is aligned.
    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.push(format_args!(r#"<text class="{class}" x="{}" y="{}">{}</text>"#, Px(x), Px(y), Text(text)));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        self.push(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// A rectangle between two corners in any order.
    pub(super) fn rect(&mut self, class: &str, one: (f64, f64), other: (f64, f64)) {
        let (x, y) = (Px(one.0.min(other.0)), Px(one.1.min(other.1)));
        let (width, height) = (Px((one.0 - other.0).abs()), Px((one.1 - other.1).abs()));
        self.push(format_args!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#));
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            self.push(format_args!(r#"<path class="{class}" d="{d}"/>"#));
        }
    }
}

/// A coordinate, to a tenth of a pixel: `12`, `12.5`, never `-0` or `1e-7`.
pub(super) struct Px(pub(super) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Layout keeps coordinates far within this.
        let tenths = (self.0 * 10.0).round() as i64;
        let (sign, size) = (if tenths < 0 { "-" } else { "" }, tenths.unsigned_abs());
        match size % 10 {
            0 => write!(f, "{sign}{}", size / 10),
            tenth => write!(f, "{sign}{}.{tenth}", size / 10),
        }
    }
}

/// Text that is data, also within quotes. Control characters, which XML cannot hold, become U+FFFD.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// What may be an id: ASCII letters, digits, `-` and `_`, a letter first.
pub(super) fn id(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let id: String = text.chars().map(kept).collect();
    if id.starts_with(|c: char| c.is_ascii_alphabetic()) { id } else { format!("figure-{id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_one_spelling() {
        let spelled: Vec<String> =
            [0.0, -0.0, 0.04, -0.04, 12.0, 12.25, -3.96, 1e-9].iter().map(|&x| Px(x).to_string()).collect();
        assert_eq!(spelled, ["0", "0", "0", "0", "12", "12.3", "-4", "0"]);
    }

    #[test]
    fn text_cannot_become_markup() {
        let shown = Text("<b a='1' c=\"2\">&\u{0}\u{1b}\n\u{ffff}é</b>").to_string();
        assert_eq!(shown, "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd} \u{fffd}é&lt;/b&gt;");
        assert_eq!(id("p99 <latency>"), "p99--latency-");
        assert_eq!(id("9"), "figure-9");
        assert_eq!(id(""), "figure-");
    }
}
