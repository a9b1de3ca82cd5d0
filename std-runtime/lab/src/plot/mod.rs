//! Small pictures for reports and for the simulator: panels over one shared axis, as SVG.
//!
//! A [`Figure`] is plain data, [`Figure::to_svg`] a pure function of it: the same figure gives the same bytes. A picture
//! reads in light and dark, standing alone or inside a page, because its colours are chosen by the reader's own setting
//! (`prefers-color-scheme`) and can be overridden through the CSS variables `--tg-ink`, `--tg-soft`, `--tg-grid`, `--tg-bg`
//! and `--tg-0` to `--tg-4`. They stay apart for colour-blind readers, and no meaning rests on colour alone: points
//! differ in shape, and what is fitted or given can be dashed.
//!
//! Its size is bounded by its width, not by its data: a line keeps the first, least, greatest and last point of each
//! column of pixels (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", 2014), which draws the
//! same line.
//!
//! Values that are not finite leave a gap, values of 0 and less leave one on a logarithmic axis. Nothing is refused: a
//! figure without data says so.
//!
//! ```
//! use tidegate_lab::plot::{Axis, Figure, Panel, Series};
//!
//! let served = [(1.0, 50.0), (10.0, 480.0), (20.0, 790.0), (50.0, 800.0)];
//! let mut figure = Figure::new("throughput", "Throughput", Axis::from_zero("in flight"));
//! figure.panels.push(Panel::new(Axis::from_zero("tiles per second"), vec![Series::line("measured", served)]));
//! assert!(figure.to_svg().starts_with("<svg "));
//! ```

mod draw;
mod layout;
mod legend;
mod scale;
mod svg;
mod theme;
mod thin;

pub(crate) use svg::Text;
pub use theme::STYLE;

/// A title, a horizontal axis, and panels above each other that share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Unique within a page; anything but ASCII letters, digits, `-` and `_` is replaced.
    pub id: String,
    /// One line above everything.
    pub title: String,
    /// What there is to see, for those who cannot see it.
    pub description: String,
    /// In pixels before scaling; 480 unless changed, at least 240.
    pub width: u32,
    /// The horizontal axis of all panels.
    pub x: Axis,
    /// From top to bottom.
    pub panels: Vec<Panel>,
    /// Stretches of the horizontal axis, shaded in all panels. Their legend and that of all panels' own is below the title.
    pub bands: Vec<Band>,
    /// Points of the horizontal axis, marked in all panels.
    pub marks: Vec<Mark>,
}

impl Figure {
    /// An empty figure, 480 pixels wide.
    pub fn new(id: impl Into<String>, title: impl Into<String>, x: Axis) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            description: String::new(),
            width: 480,
            x,
            panels: Vec::new(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// A picture that stands alone: a file, or the source of an `<img>`.
    #[must_use = "drawing writes nothing"]
    pub fn to_svg(&self) -> String {
        draw::figure(self, true)
    }

    /// The same to be put into a page that has [`STYLE`] in its head once.
    #[must_use = "drawing writes nothing"]
    pub fn to_inline_svg(&self) -> String {
        draw::figure(self, false)
    }
}

/// What an axis measures and how it is divided.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// How values are laid out along it.
    pub scale: Scale,
    /// From where to where, instead of what the data need: the same for pictures that are to be compared.
    pub range: Option<(f64, f64)>,
}

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from the least to the greatest.
    Linear,
    /// Evenly, and zero is always in sight: for anything whose height is compared.
    FromZero,
    /// Each factor alike. What is 0 or less is not drawn.
    Log,
    /// Evenly, values in seconds, divided as clocks are: 15 s, 5 min, 6 h.
    Time,
}

impl Axis {
    /// Evenly, from the least to the greatest value.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None }
    }

    /// Evenly, with zero in sight.
    pub fn from_zero(label: impl Into<String>) -> Self {
        Self { scale: Scale::FromZero, ..Self::linear(label) }
    }

    /// Each factor alike.
    pub fn log(label: impl Into<String>) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// Seconds, divided as clocks are.
    pub fn time(label: impl Into<String>) -> Self {
        Self { scale: Scale::Time, ..Self::linear(label) }
    }
}

/// One vertical axis and what is drawn against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The vertical axis.
    pub y: Axis,
    /// Of the plotted area, in pixels before scaling; 180 unless changed, at least 40.
    pub height: u32,
    /// Drawn in this order, the last on top.
    pub series: Vec<Series>,
    /// Stretches of the horizontal axis, shaded in this panel alone.
    pub bands: Vec<Band>,
}

impl Panel {
    /// A panel 180 pixels high.
    pub fn new(y: Axis, series: Vec<Series>) -> Self {
        Self { y, height: 180, series, bands: Vec::new() }
    }
}

/// One set of values with a name in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend; none if empty.
    pub name: String,
    /// The values and how they are drawn.
    pub shape: Shape,
    /// Which of the five colours, counted on from there; by its place in the panel if `None`.
    pub color: Option<usize>,
    /// Whether its line is broken: for what was fitted, expected or given rather than measured.
    pub dashed: bool,
}

/// Values and how they are drawn. In order of x within a series, or they are sorted.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Points (x, y) joined by straight lines.
    Line(Vec<(f64, f64)>),
    /// Points (x, y); each y holds until the next x.
    Step(Vec<(f64, f64)>),
    /// The area between two curves.
    Area(Vec<Span>),
    /// Points, with a whisker from low to high.
    Points(Vec<Span>),
    /// Bars standing on zero.
    Bars(Vec<Bar>),
}

/// A value with a low and a high one beside it: a median and its spread, or the two edges of an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Where on the horizontal axis.
    pub x: f64,
    /// The lower end.
    pub low: f64,
    /// The value itself; an area does not show it.
    pub y: f64,
    /// The upper end.
    pub high: f64,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Its left edge.
    pub from: f64,
    /// Its right edge.
    pub to: f64,
    /// Its top.
    pub y: f64,
}

impl Series {
    fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self { name: name.into(), shape, color: None, dashed: false }
    }

    /// Points joined by straight lines.
    pub fn line(name: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Self::new(name, Shape::Line(points.into()))
    }

    /// Points whose value holds until the next.
    pub fn step(name: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Self::new(name, Shape::Step(points.into()))
    }

    /// The area between two curves.
    pub fn area(name: impl Into<String>, spans: impl Into<Vec<Span>>) -> Self {
        Self::new(name, Shape::Area(spans.into()))
    }

    /// Points with whiskers.
    pub fn points(name: impl Into<String>, spans: impl Into<Vec<Span>>) -> Self {
        Self::new(name, Shape::Points(spans.into()))
    }

    /// Bars standing on zero.
    pub fn bars(name: impl Into<String>, bars: impl Into<Vec<Bar>>) -> Self {
        Self::new(name, Shape::Bars(bars.into()))
    }

    /// The same in a colour of its own choice, 0 to 4 and on from 0 again.
    pub fn color(self, color: usize) -> Self {
        Self { color: Some(color), ..self }
    }

    /// The same with a broken line.
    pub fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }
}

/// A stretch of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it is; bands of the same name stand in the legend once.
    pub label: String,
    /// How it is shaded.
    pub tone: Tone,
}

/// How a stretch is shaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something is shut: an open breaker, an outage.
    Bad,
    /// Something is being tried: a half-open breaker, a slowdown.
    Warn,
    /// Something is meant to be so: a pause, a phase of a scenario.
    Info,
}

/// A point of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where it is.
    pub x: f64,
    /// What it is.
    pub label: String,
}

#[cfg(test)]
mod tests;
