//! Nodes of the quadtree, visited along the Hilbert curve.

use super::rect::Rect;

/// A tile on the way down to those of the zoom wanted, with the way the curve runs through it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) zoom: u8,
    pub(super) x: u32,
    pub(super) y: u32,
    curve: Curve,
}

impl Node {
    pub(super) const ROOT: Self = Self { zoom: 0, x: 0, y: 0, curve: Curve { swap: false, flip: false } };

    /// The child that the curve reaches as number `step` (0 to 3).
    pub(super) fn child(&self, step: u8) -> Self {
        let (right, down) = self.curve.quadrant(step);
        Self { zoom: self.zoom + 1, x: 2 * self.x + right, y: 2 * self.y + down, curve: self.curve.inside(step) }
    }

    /// The tiles at `zoom` below this node.
    pub(super) fn span(&self, zoom: u8) -> Rect {
        let depth = zoom - self.zoom;
        let last = (1 << depth) - 1;
        let (left, top) = (self.x << depth, self.y << depth);
        Rect { left, right: left + last, top, bottom: top + last }
    }
}

/// The four ways a Hilbert curve runs through a square: the plain one starts at the top left, goes down, and ends at
/// the top right. Swapping the axes and turning by 180 degrees make the other three.
///
/// This is the orientation of PMTiles, so that tiles come in the order of their PMTiles ids.
#[derive(Clone, Copy, Debug)]
struct Curve {
    swap: bool,
    flip: bool,
}

impl Curve {
    fn quadrant(self, step: u8) -> (u32, u32) {
        let (mut right, mut down) = (step >= 2, step == 1 || step == 2);
        if self.swap {
            (right, down) = (down, right);
        }
        (u32::from(right != self.flip), u32::from(down != self.flip))
    }

    /// How the curve runs within the quadrant of that step: mirrored in the first and the last one.
    fn inside(self, step: u8) -> Self {
        let mirrored = step == 0 || step == 3;
        Self { swap: self.swap != mirrored, flip: self.flip != (step == 3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(node: Node, zoom: u8, out: &mut Vec<(u32, u32)>) {
        if node.zoom == zoom {
            return out.push((node.x, node.y));
        }
        (0..4).for_each(|step| leaves(node.child(step), zoom, out));
    }

    #[test]
    fn the_curve_is_that_of_pmtiles() {
        let mut order = Vec::new();
        leaves(Node::ROOT, 1, &mut order);
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (1, 0)]);
        order.clear();
        leaves(Node::ROOT, 12, &mut order);
        let first_of_zoom = (4_usize.pow(12) - 1) / 3;
        assert_eq!(order[19_078_479 - first_of_zoom], (3423, 1763), "the specification's example");
    }

    #[test]
    fn every_step_of_the_curve_goes_to_a_neighbour() {
        let mut order = Vec::new();
        leaves(Node::ROOT, 6, &mut order);
        assert_eq!(order.len(), 4096);
        for pair in order.windows(2) {
            assert_eq!(pair[0].0.abs_diff(pair[1].0) + pair[0].1.abs_diff(pair[1].1), 1, "{pair:?}");
        }
    }
}
