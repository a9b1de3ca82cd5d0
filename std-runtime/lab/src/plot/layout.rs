//! How much room text takes, guessed: a picture does not know which font its reader has.

/// The width of `text` in pixels at a font size of 12, on the generous side.
pub(super) fn text_width(text: &str) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 3.6,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 10.8,
        'A'..='Z' => 8.4,
        // Chinese, Japanese and Korean, and everything after: as wide as high.
        '\u{2e80}'.. => 12.0,
        _ => 7.0,
    };
    text.chars().map(width).sum()
}

/// `text` cut to `width` pixels at a font size of 12, with `…` where something is missing.
pub(super) fn shortened(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept) + 12.0 > width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// Where each of the items, so many pixels wide, goes when they are set in lines of `width`: (x, line). The first line
/// begins at `indent`.
pub(super) fn flow(widths: &[f64], indent: f64, width: f64) -> Vec<(f64, usize)> {
    let (mut x, mut line) = (indent, 0);
    let place = |&item: &f64| {
        if x + item > width && x > 0.0 {
            (x, line) = (0.0, line + 1);
        }
        let at = (x, line);
        x += item;
        at
    };
    widths.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_too_long_for_its_place_is_cut_where_it_shows() {
        assert_eq!(shortened("throughput", 200.0), "throughput");
        let cut = shortened("throughput of everything there is", 100.0);
        assert!(cut.ends_with('…') && cut.starts_with("throughput") && text_width(&cut) <= 106.0, "{cut}");
        assert_eq!(shortened("地図", 10.0), "…");
    }

    #[test]
    fn items_go_to_the_next_line_when_they_do_not_fit() {
        assert_eq!(flow(&[40.0, 40.0, 40.0], 30.0, 100.0), [(30.0, 0), (0.0, 1), (40.0, 1)]);
        assert_eq!(flow(&[400.0, 10.0], 0.0, 100.0), [(0.0, 0), (0.0, 1)]);
    }
}
