//! Legends, and what tells one series from another.

use super::layout::{flow, shortened, text_width};
use super::svg::{Canvas, Px};
use super::theme::COLORS;
use super::{Series, Shape, Tone};

/// One entry of a legend.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) swatch: Swatch<'a>,
    pub(super) class: String,
}

pub(super) enum Swatch<'a> {
    Shade,
    Series(&'a Series, usize),
}

/// Entries in lines between two edges, the first one indented; gives back where the next thing goes.
pub(super) fn legend(
    canvas: &mut Canvas,
    entries: &[Entry<'_>],
    indent: f64,
    (left, right): (f64, f64),
    top: f64,
) -> f64 {
    let names: Vec<String> = entries.iter().map(|entry| shortened(entry.name, right - left - SWATCH)).collect();
    let widths: Vec<f64> = names.iter().map(|name| text_width(name) + SWATCH + 12.0).collect();
    // The last entry of a line needs no room behind it.
    let places = flow(&widths, indent, right - left + 12.0);
    for ((entry, name), &(x, line)) in entries.iter().zip(&names).zip(&places) {
        let (x, middle) = (left + x, top + 10.0 + line as f64 * LINE);
        canvas.push(format_args!(r#"<g class="{}">"#, entry.class));
        match entry.swatch {
            Swatch::Shade => {
                canvas.rect("tg-band", (x, middle - 5.0), (x + 16.0, middle + 5.0));
                canvas.rect("tg-strip", (x, middle - 5.0), (x + 16.0, middle - 2.0));
            }
            Swatch::Series(series, index) => swatch(canvas, series, index, x, middle),
        }
        canvas.push(format_args!("</g>"));
        canvas.text("tg-name", x + SWATCH, middle + 4.0, name);
    }
    top + places.last().map_or(0.0, |&(_, line)| (line + 1) as f64 * LINE)
}

fn swatch(canvas: &mut Canvas, series: &Series, index: usize, x: f64, middle: f64) {
    match series.shape {
        Shape::Line(_) | Shape::Step(_) => {
            let class = if series.dashed { "tg-line tg-dashed" } else { "tg-line" };
            canvas.line(class, (x, middle), (x + 16.0, middle));
        }
        Shape::Area(_) => canvas.rect("tg-area", (x, middle - 5.0), (x + 16.0, middle + 5.0)),
        Shape::Points(_) => canvas.path("tg-point", &marker_path(marker(series, index), x + 8.0, middle)),
        Shape::Bars(_) => canvas.rect("tg-bar", (x, middle - 5.0), (x + 16.0, middle + 5.0)),
    }
}

pub(super) fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "tg-bad",
        Tone::Warn => "tg-warn",
        Tone::Info => "tg-info",
    }
}

pub(super) fn color_class(series: &Series, index: usize) -> String {
    format!("tg-c{}", series.color.unwrap_or(index) % COLORS)
}

/// Which marker: it goes with the colour, so that either alone tells series apart.
pub(super) fn marker(series: &Series, index: usize) -> usize {
    series.color.unwrap_or(index) % COLORS
}

/// Circle, square, triangle, diamond, cross; all about as large.
pub(super) fn marker_path(marker: usize, x: f64, y: f64) -> String {
    let at = |dx: f64, dy: f64| format!("{} {}", Px(x + dx), Px(y + dy));
    match marker {
        0 => format!("M{}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z", at(-4.5, 0.0)),
        1 => format!("M{}h8v8h-8Z", at(-4.0, -4.0)),
        2 => format!("M{}l5.2 9h-10.4Z", at(0.0, -5.5)),
        3 => format!("M{}l5.5 5.5l-5.5 5.5l-5.5 -5.5Z", at(0.0, -5.5)),
        _ => format!("M{}h3.4v-3.4h3.4v3.4h3.4v3.4h-3.4v3.4h-3.4v-3.4h-3.4Z", at(-5.1, -1.7)),
    }
}

/// From one line of text to the next.
pub(super) const LINE: f64 = 18.0;
/// What a swatch and the space behind it take.
const SWATCH: f64 = 22.0;
