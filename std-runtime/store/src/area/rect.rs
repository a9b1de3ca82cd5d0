//! Rectangles of columns and rows at one zoom.

/// Columns `left` to `right` and rows `top` to `bottom`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) top: u32,
    pub(super) bottom: u32,
}

impl Rect {
    pub(super) fn has(&self, column: u32, row: u32) -> bool {
        (self.left..=self.right).contains(&column) && (self.top..=self.bottom).contains(&row)
    }

    /// What both have in common.
    pub(super) fn clip(&self, other: &Self) -> Option<Self> {
        let common = Self {
            left: self.left.max(other.left),
            right: self.right.min(other.right),
            top: self.top.max(other.top),
            bottom: self.bottom.min(other.bottom),
        };
        (common.left <= common.right && common.top <= common.bottom).then_some(common)
    }
}

/// How many tiles the rectangles hold together, those in several of them counted once.
///
/// Cuts the plane into columns between neighbouring edges; within one the rows held are a union of intervals. For n
/// rectangles that is O(n² log n), whatever their size.
pub(super) fn union_count(rects: &[Rect]) -> u64 {
    let mut edges: Vec<u64> = rects.iter().flat_map(|r| [u64::from(r.left), u64::from(r.right) + 1]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.windows(2).map(|edge| (edge[1] - edge[0]) * rows_at(rects, edge[0])).sum()
}

/// How many rows the rectangles hold together in one column.
fn rows_at(rects: &[Rect], column: u64) -> u64 {
    let here = |r: &&Rect| u64::from(r.left) <= column && column <= u64::from(r.right);
    let mut spans: Vec<(u32, u32)> = rects.iter().filter(here).map(|r| (r.top, r.bottom)).collect();
    spans.sort_unstable();
    let mut rows = 0;
    let mut next = 0; // the first row not counted yet
    for (top, bottom) in spans {
        let (from, to) = (u64::from(top).max(next), u64::from(bottom) + 1);
        rows += to.saturating_sub(from);
        next = next.max(to);
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_rect() -> impl Strategy<Value = Rect> {
        (0..12_u32, 0..6_u32, 0..12_u32, 0..6_u32).prop_map(|(left, width, top, height)| Rect {
            left,
            right: left + width,
            top,
            bottom: top + height,
        })
    }

    proptest! {
        #[test]
        fn the_union_count_is_that_of_counting_cells(rects in prop::collection::vec(any_rect(), 0..6)) {
            let cells = (0..20).flat_map(|x| (0..20).map(move |y| (x, y)));
            let naive = cells
                .filter(|(x, y)| {
                    let cell = Rect { left: *x, right: *x, top: *y, bottom: *y };
                    rects.iter().any(|rect| rect.clip(&cell).is_some())
                })
                .count();
            prop_assert_eq!(union_count(&rects), naive as u64);
        }
    }
}
