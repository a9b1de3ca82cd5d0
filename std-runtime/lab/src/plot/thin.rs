//! No more points than the screen can show.

use super::scale::Mapping;
use super::{Bar, Span};

/// A point in pixels; without y it is a gap in the line.
pub(super) type Pixel = (f64, Option<f64>);

/// Points in ascending order of x, at most five for each column of pixels: the first, the highest, the lowest and the
/// last in their order, and a gap if there is one.
pub(super) fn thinned(points: &[(f64, f64)], x: &Mapping, y: &Mapping) -> Vec<Pixel> {
    let mut pixels: Vec<Pixel> = points.iter().filter_map(|&(at, value)| Some((x.px(at)?, y.px(value)))).collect();
    pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
    pixels.chunk_by(|a, b| a.0.floor() == b.0.floor()).flat_map(of_column).collect()
}

fn of_column(pixels: &[Pixel]) -> Vec<Pixel> {
    let drawn = || pixels.iter().enumerate().filter_map(|(index, &(_, y))| Some((index, y?)));
    let highest = drawn().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index);
    let lowest = drawn().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index);
    let gap = pixels.iter().position(|(_, y)| y.is_none());
    let mut kept = vec![0, pixels.len() - 1];
    kept.extend([highest, lowest, gap].into_iter().flatten());
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(|index| pixels[index]).collect()
}

/// Spans in ascending order of x; those that share a column become one from the lowest to the highest.
pub(super) fn merged(spans: &[Span], x: &Mapping) -> Vec<Span> {
    let mut spans: Vec<(f64, Span)> = spans.iter().filter_map(|&span| Some((x.px(span.x)?.floor(), span))).collect();
    spans.sort_by(|a, b| a.1.x.total_cmp(&b.1.x));
    let one = |column: &[(f64, Span)]| {
        let (_, first) = *column.first()?;
        let low = column.iter().fold(first.low, |low, (_, span)| low.min(span.low));
        let high = column.iter().fold(first.high, |high, (_, span)| high.max(span.high));
        Some(Span { low, high, ..first })
    };
    spans.chunk_by(|a, b| a.0 == b.0).filter_map(one).collect()
}

/// Bars in ascending order; of those that begin in the same column the highest.
pub(super) fn highest(bars: &[Bar], x: &Mapping) -> Vec<Bar> {
    let mut bars: Vec<(f64, Bar)> = bars.iter().filter_map(|&bar| Some((x.px(bar.from)?.floor(), bar))).collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0));
    let one = |column: &[(f64, Bar)]| column.iter().map(|&(_, bar)| bar).max_by(|a, b| a.y.total_cmp(&b.y));
    bars.chunk_by(|a, b| a.0 == b.0).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Axis;
    use super::*;

    fn hundred_wide(values: &[f64]) -> Mapping {
        Mapping::new(&Axis::linear(""), values.iter().copied(), 5, true).over(0.0, 100.0)
    }

    #[test]
    fn a_million_points_keep_every_spike_and_little_else() {
        let points: Vec<(f64, f64)> =
            (0..1_000_000).map(|i| (f64::from(i), if i == 777_777 { 9.0 } else { f64::from(i % 5) })).collect();
        let (x, y) = (hundred_wide(&[0.0, 1e6]), hundred_wide(&[0.0, 10.0]));
        let kept = thinned(&points, &x, &y);
        assert!((200..=404).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().any(|&(_, height)| height == y.px(9.0)), "the spike is gone");
    }

    #[test]
    fn a_gap_stays_a_gap_and_disorder_is_sorted() {
        let axis = hundred_wide(&[0.0, 10.0]);
        let points = [(3.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (f64::NAN, 4.0)];
        let xs: Vec<(f64, bool)> = thinned(&points, &axis, &axis).iter().map(|(x, y)| (*x, y.is_some())).collect();
        assert_eq!(xs, [(10.0, true), (20.0, false), (30.0, true)]);
    }

    #[test]
    fn spans_and_bars_of_one_column_keep_their_extremes() {
        let axis = hundred_wide(&[0.0, 1_000.0]);
        let span = |x, low, high| Span { x, low, y: low, high };
        let spans = merged(&[span(2.0, 5.0, 6.0), span(1.0, 1.0, 2.0), span(500.0, 3.0, 3.0)], &axis);
        assert_eq!(spans, [Span { x: 1.0, low: 1.0, y: 1.0, high: 6.0 }, span(500.0, 3.0, 3.0)]);
        let bar = |from, y| Bar { from, to: from + 1.0, y };
        assert_eq!(highest(&[bar(1.0, 4.0), bar(2.0, 9.0), bar(500.0, 1.0)], &axis), [bar(2.0, 9.0), bar(500.0, 1.0)]);
    }
}
