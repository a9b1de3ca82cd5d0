//! A figure as SVG, from top to bottom: title, bands' legend, marks, panels, horizontal axis.

use super::layout::{shortened, text_width};
use super::legend::{Entry, LINE, Swatch, color_class, legend, marker, marker_path, tone_class};
use super::scale::{Mapping, told};
use super::svg::{Canvas, Px, Text, id};
use super::theme::STYLE;
use super::thin::{highest, merged, thinned};
use super::{Figure, Panel, Scale, Series, Shape, Span, Tone};

/// Everything that is the same for all panels.
struct Frame<'a> {
    figure: &'a Figure,
    id: String,
    x: Mapping,
    left: f64,
    right: f64,
}

pub(super) fn figure(figure: &Figure, alone: bool) -> String {
    let width = f64::from(figure.width.clamp(240, 4_000));
    let ys: Vec<Mapping> = figure.panels.iter().map(vertical).collect();
    let names = ys.iter().flat_map(|y| y.ticks.iter().map(|(_, name)| text_width(name)));
    let left = names.fold(24.0, f64::max).min(width / 3.0) + 14.0;
    let right = width - 16.0;
    let ticks = ((right - left) / 70.0) as usize;
    // Half a decade of nothing on either side would be most of a short logarithmic axis.
    let grow = figure.x.scale != Scale::Log;
    let x =
        Mapping::new(&figure.x, figure.panels.iter().flat_map(|panel| &panel.series).flat_map(x_values), ticks, grow);
    let frame = Frame { figure, id: id(&figure.id), x: x.over(left, right), left, right };

    let mut canvas = Canvas::default();
    let mut top = 26.0;
    canvas.text("tg-title", 8.0, 20.0, &shortened(&figure.title, (width - 16.0) * 0.8));
    top = frame.band_legend(&mut canvas, top);
    let mark_lines = frame.mark_lines();
    let marks_height = mark_lines.iter().flatten().map(|&(_, line)| line + 1).max().unwrap_or(0) as f64 * LINE;
    for (index, (panel, y)) in figure.panels.iter().zip(ys).enumerate() {
        top = frame.panel_legend(&mut canvas, panel, top);
        if index == 0 {
            frame.mark_names(&mut canvas, &mark_lines, top);
            top += marks_height;
        }
        top += 6.0;
        let bottom = top + f64::from(panel.height.clamp(40, 2_000));
        let last = index + 1 == figure.panels.len();
        frame.panel(&mut canvas, panel, index, &y.over(bottom, top), (top, bottom), last);
        top = bottom + 12.0;
    }
    let bottom = frame.horizontal_axis(&mut canvas, top);
    document(&frame, &canvas.out, width, bottom, alone)
}

fn document(frame: &Frame<'_>, body: &str, width: f64, height: f64, alone: bool) -> String {
    let Frame { figure, id, .. } = frame;
    let mut canvas = Canvas::default();
    let (width, height) = (Px(width), Px(height));
    let namespace = if alone { r#" xmlns="http://www.w3.org/2000/svg""# } else { "" };
    canvas.push(format_args!(
        r#"<svg{namespace} class="tg-plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="{id}-title {id}-desc">"#
    ));
    canvas.push(format_args!(r#"<title id="{id}-title">{}</title>"#, Text(&figure.title)));
    canvas.push(format_args!(r#"<desc id="{id}-desc">{}</desc>"#, Text(&figure.description)));
    if alone {
        canvas.push(format_args!("<style>{STYLE}</style>"));
    }
    canvas.push(format_args!(r#"<rect class="tg-back" width="{width}" height="{height}"/>{body}</svg>"#));
    canvas.out
}

impl Frame<'_> {
    /// What the shades mean, below the title; gives back where the next thing goes.
    fn band_legend(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let mut distinct: Vec<(&str, Tone)> = Vec::new();
        for band in self.figure.bands.iter().chain(self.figure.panels.iter().flat_map(|panel| &panel.bands)) {
            if !distinct.contains(&(band.label.as_str(), band.tone)) {
                distinct.push((&band.label, band.tone));
            }
        }
        let entries: Vec<Entry> = distinct
            .into_iter()
            .map(|(name, tone)| Entry { name, swatch: Swatch::Shade, class: tone_class(tone).to_owned() })
            .collect();
        legend(canvas, &entries, 0.0, (8.0, self.right), top)
    }

    /// The vertical axis' name and the series' names above a panel; gives back where the next thing goes.
    fn panel_legend(&self, canvas: &mut Canvas, panel: &Panel, top: f64) -> f64 {
        let label = shortened(&panel.y.label, self.right - 8.0);
        canvas.text("tg-soft", 8.0, top + 14.0, &label);
        let entries: Vec<Entry> = panel
            .series
            .iter()
            .enumerate()
            .filter(|(_, series)| !series.name.is_empty())
            .map(|(index, series)| Entry {
                name: &series.name,
                swatch: Swatch::Series(series, index),
                class: color_class(series, index),
            })
            .collect();
        let indent = if label.is_empty() { 0.0 } else { text_width(&label) + 18.0 };
        legend(canvas, &entries, indent, (8.0, self.right), top).max(top + LINE)
    }

    /// For each mark that is in sight the left end of its name and the line on which nothing is in its way.
    fn mark_lines(&self) -> Vec<Option<(f64, usize)>> {
        let mut taken: Vec<f64> = Vec::new();
        let place = |mark: &super::Mark| {
            let x = self.within(mark.x)?;
            let width = text_width(&mark.label);
            let from = (x - width / 2.0).clamp(8.0, (self.right - width).max(8.0));
            let line = taken.iter().position(|&end| end < from).unwrap_or(taken.len());
            taken.resize(taken.len().max(line + 1), 0.0);
            taken[line] = from + width + 8.0;
            Some((from, line))
        };
        self.figure.marks.iter().map(place).collect()
    }

    fn mark_names(&self, canvas: &mut Canvas, lines: &[Option<(f64, usize)>], top: f64) {
        for (mark, place) in self.figure.marks.iter().zip(lines) {
            let Some((from, line)) = *place else { continue };
            canvas.text("tg-name", from, top + 14.0 + line as f64 * LINE, &shortened(&mark.label, self.right - from));
        }
    }

    fn panel(&self, canvas: &mut Canvas, panel: &Panel, index: usize, y: &Mapping, rows: (f64, f64), last: bool) {
        let (top, bottom) = rows;
        let clip = format!("{}-clip{index}", self.id);
        canvas.push(format_args!(r#"<clipPath id="{clip}">"#));
        // Wide enough for a marker that stands on the edge.
        canvas.rect("", (self.left - 6.0, top - 6.0), (self.right + 6.0, bottom + 6.0));
        canvas.push(format_args!("</clipPath>"));
        for (value, name) in &y.ticks {
            let Some(at) = y.px(*value) else { continue };
            canvas.line("tg-grid", (self.left, at), (self.right, at));
            canvas.text("tg-soft tg-right", self.left - 6.0, at + 4.0, name);
        }
        for at in self.x.ticks.iter().filter_map(|&(value, _)| self.within(value)) {
            canvas.line("tg-grid", (at, top), (at, if last { bottom + 4.0 } else { bottom }));
        }
        for band in self.figure.bands.iter().chain(&panel.bands) {
            let (Some(from), Some(to)) = (self.x.px(band.from), self.x.px(band.to)) else { continue };
            let (from, to) = (from.clamp(self.left, self.right), to.clamp(self.left, self.right));
            canvas.push(format_args!(r#"<g class="{}">"#, tone_class(band.tone)));
            canvas.rect("tg-band", (from, top), (to, bottom));
            canvas.rect("tg-strip", (from, top), (to.max(from + 1.0), top + 3.0));
            canvas.push(format_args!("</g>"));
        }
        canvas.push(format_args!(r##"<g clip-path="url(#{clip})">"##));
        for (index, series) in panel.series.iter().enumerate() {
            canvas.push(format_args!(r#"<g class="{}">"#, color_class(series, index)));
            self.series(canvas, panel, series, index, y);
            canvas.push(format_args!("</g>"));
        }
        canvas.push(format_args!("</g>"));
        let floor = y.floor_px();
        canvas.line("tg-base", (self.left, floor), (self.right, floor));
        for at in self.figure.marks.iter().filter_map(|mark| self.within(mark.x)) {
            canvas.line("tg-mark", (at, top), (at, bottom));
        }
        if panel.series.iter().all(|series| x_values(series).next().is_none()) {
            canvas.text("tg-soft tg-middle", (self.left + self.right) / 2.0, (top + bottom) / 2.0, "no data");
        }
    }

    fn series(&self, canvas: &mut Canvas, panel: &Panel, series: &Series, index: usize, y: &Mapping) {
        let line = if series.dashed { "tg-line tg-dashed" } else { "tg-line" };
        match &series.shape {
            Shape::Line(points) => canvas.path(line, &line_path(&thinned(points, &self.x, y), false)),
            Shape::Step(points) => canvas.path(line, &line_path(&thinned(points, &self.x, y), true)),
            Shape::Area(spans) => canvas.path("tg-area", &area_path(&merged(spans, &self.x), &self.x, y)),
            Shape::Points(spans) => {
                for span in merged(spans, &self.x) {
                    self.point(canvas, panel, span, marker(series, index), y);
                }
            }
            Shape::Bars(bars) => {
                for bar in highest(bars, &self.x) {
                    let (Some(from), Some(to), Some(at)) = (self.x.px(bar.from), self.x.px(bar.to), y.px(bar.y)) else {
                        continue;
                    };
                    // A hair apart where there is room for it.
                    let gap = if to - from > 4.0 { 1.0 } else { 0.0 };
                    canvas.rect("tg-bar", (from, at), ((to - gap).max(from + 0.5), y.floor_px()));
                }
            }
        }
    }

    fn point(&self, canvas: &mut Canvas, panel: &Panel, span: Span, marker: usize, y: &Mapping) {
        let (Some(x), Some(at)) = (self.x.px(span.x), y.px(span.y)) else { return };
        canvas.push(format_args!("<g>"));
        let told = format!("{} {}, {} {}", self.figure.x.label, told(span.x), panel.y.label, told(span.y));
        canvas.push(format_args!("<title>{}</title>", Text(&told)));
        if let (Some(low), Some(high)) = (y.px(span.low), y.px(span.high))
            && low - high >= 1.0
        {
            let (l, r) = (Px(x - 4.0), Px(x + 4.0));
            let (low, high, x) = (Px(low), Px(high), Px(x));
            canvas.path("tg-whisker", &format!("M{l} {low}H{r}M{x} {low}V{high}M{l} {high}H{r}"));
        }
        canvas.path("tg-point", &marker_path(marker, x, at));
        canvas.push(format_args!("</g>"));
    }

    /// The horizontal axis below the last panel; gives back the height of the picture.
    fn horizontal_axis(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let mut free_from = 0.0;
        for (value, name) in &self.x.ticks {
            let Some(at) = self.within(*value) else { continue };
            let width = text_width(name);
            let centre = at.min(self.right + 12.0 - width / 2.0);
            // Names that would touch their neighbour are left out; the grid line stays.
            if centre - width / 2.0 >= free_from {
                canvas.text("tg-soft tg-middle", centre, top + 4.0, name);
                free_from = centre + width / 2.0 + 4.0;
            }
        }
        let label = shortened(&self.figure.x.label, self.right - self.left);
        canvas.text("tg-soft tg-middle", (self.left + self.right) / 2.0, top + 4.0 + LINE, &label);
        top + 4.0 + LINE + 10.0
    }

    /// The pixel of a value on the horizontal axis, if it is in sight.
    fn within(&self, value: f64) -> Option<f64> {
        self.x.px(value).filter(|&at| (self.left - 0.5..=self.right + 0.5).contains(&at))
    }
}

fn vertical(panel: &Panel) -> Mapping {
    let values = panel.series.iter().flat_map(y_values);
    // Bars stand on zero, so it has to be in sight.
    let bars = panel.series.iter().any(|series| matches!(series.shape, Shape::Bars(_)));
    let count = (f64::from(panel.height) / 40.0).clamp(2.0, 8.0) as usize;
    Mapping::new(&panel.y, values.chain(bars.then_some(0.0)), count, true)
}

fn x_values(series: &Series) -> Box<dyn Iterator<Item = f64> + '_> {
    match &series.shape {
        Shape::Line(points) | Shape::Step(points) => Box::new(points.iter().map(|&(x, _)| x)),
        Shape::Area(spans) | Shape::Points(spans) => Box::new(spans.iter().map(|span| span.x)),
        Shape::Bars(bars) => Box::new(bars.iter().flat_map(|bar| [bar.from, bar.to])),
    }
}

fn y_values(series: &Series) -> Box<dyn Iterator<Item = f64> + '_> {
    match &series.shape {
        Shape::Line(points) | Shape::Step(points) => Box::new(points.iter().map(|&(_, y)| y)),
        Shape::Area(spans) => Box::new(spans.iter().flat_map(|span| [span.low, span.high])),
        Shape::Points(spans) => Box::new(spans.iter().flat_map(|span| [span.low, span.y, span.high])),
        Shape::Bars(bars) => Box::new(bars.iter().map(|bar| bar.y)),
    }
}

fn line_path(points: &[super::thin::Pixel], stepped: bool) -> String {
    let mut path = Canvas::default();
    let mut pen_down = false;
    for &(x, y) in points {
        match y {
            None => {
                if stepped && pen_down {
                    path.push(format_args!("H{}", Px(x)));
                }
                pen_down = false;
            }
            Some(y) if !pen_down => {
                path.push(format_args!("M{} {}", Px(x), Px(y)));
                pen_down = true;
            }
            Some(y) if stepped => path.push(format_args!("H{}V{}", Px(x), Px(y))),
            Some(y) => path.push(format_args!("L{} {}", Px(x), Px(y))),
        }
    }
    path.out
}

/// Along the upper edge, and back along the lower one; an edge that cannot be drawn ends the area and begins another.
fn area_path(spans: &[Span], x: &Mapping, y: &Mapping) -> String {
    let mut path = Canvas::default();
    let pixels: Vec<Option<(f64, f64, f64)>> =
        spans.iter().map(|span| Some((x.px(span.x)?, y.px(span.low)?, y.px(span.high)?))).collect();
    for piece in pixels.split(Option::is_none) {
        let piece: Vec<&(f64, f64, f64)> = piece.iter().flatten().collect();
        for (index, (x, _, high)) in piece.iter().enumerate() {
            path.push(format_args!("{}{} {}", if index == 0 { 'M' } else { 'L' }, Px(*x), Px(*high)));
        }
        for (x, low, _) in piece.iter().rev() {
            path.push(format_args!("L{} {}", Px(*x), Px(*low)));
        }
        if !piece.is_empty() {
            path.push(format_args!("Z"));
        }
    }
    path.out
}
