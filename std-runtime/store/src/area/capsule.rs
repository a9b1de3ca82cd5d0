//! Line segments with a distance around them, on the unit square of the map.

use super::node::Node;

/// All points within `radius` of the segment from `a` to `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capsule {
    a: [f64; 2],
    b: [f64; 2],
    radius: f64,
}

/// A square: its corner with the least coordinates, and its side.
struct Square {
    corner: [f64; 2],
    side: f64,
}

/// How a node lies to a capsule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    Outside,
    Crossing,
    Inside,
}

impl Capsule {
    pub(super) fn new(a: [f64; 2], b: [f64; 2], radius: f64) -> Self {
        Self { a, b, radius }
    }

    /// The capsule where it meets the unit square, which may be on both of its sides: the world goes on beyond them.
    pub(super) fn around_the_world(self) -> impl Iterator<Item = Self> {
        let (least, most) = (self.a[0].min(self.b[0]) - self.radius, self.a[0].max(self.b[0]) + self.radius);
        // Longitudes come within -360 to 360 and a step, so two worlds to either side are enough.
        (-2..=2).map(f64::from).filter(move |shift| least + shift <= 1.0 && most + shift >= 0.0).map(move |shift| {
            Self { a: [self.a[0] + shift, self.a[1]], b: [self.b[0] + shift, self.b[1]], radius: self.radius }
        })
    }

    /// From one end to the other, where the world is 1 across.
    pub(super) fn length(&self) -> f64 {
        (self.b[0] - self.a[0]).hypot(self.b[1] - self.a[1])
    }

    /// The place after this share of it.
    pub(super) fn at(&self, share: f64) -> [f64; 2] {
        [0, 1].map(|axis| self.a[axis] + (self.b[axis] - self.a[axis]) * share)
    }

    pub(super) fn lie(&self, node: &Node) -> Lie {
        let side = 1.0 / (1_u64 << node.zoom) as f64;
        let square = Square { corner: [f64::from(node.x) * side, f64::from(node.y) * side], side };
        let near = |corner| self.distance_squared(corner) <= self.radius * self.radius;
        let corners = square.corners().map(near);
        if corners == [true; 4] {
            // A capsule is convex: with its corners the square is inside.
            return Lie::Inside;
        }
        // Two convex shapes come nearest to each other at a corner of one of them, unless they cross.
        let ends_near = [self.a, self.b].iter().any(|end| square.distance_squared(*end) <= self.radius * self.radius);
        if corners.contains(&true) || ends_near || square.is_crossed(self.a, self.b) {
            Lie::Crossing
        } else {
            Lie::Outside
        }
    }

    /// From a point to the segment.
    fn distance_squared(&self, point: [f64; 2]) -> f64 {
        let along = [self.b[0] - self.a[0], self.b[1] - self.a[1]];
        let to_point = [point[0] - self.a[0], point[1] - self.a[1]];
        let length_squared = dot(along, along);
        let share = if length_squared > 0.0 { (dot(to_point, along) / length_squared).clamp(0.0, 1.0) } else { 0.0 };
        let apart = [to_point[0] - share * along[0], to_point[1] - share * along[1]];
        dot(apart, apart)
    }
}

impl Square {
    fn corners(&self) -> [[f64; 2]; 4] {
        let ([left, top], side) = (self.corner, self.side);
        [[left, top], [left + side, top], [left, top + side], [left + side, top + side]]
    }

    fn distance_squared(&self, point: [f64; 2]) -> f64 {
        let apart = [0, 1].map(|axis| {
            let (from, to) = (self.corner[axis], self.corner[axis] + self.side);
            point[axis] - point[axis].clamp(from, to)
        });
        dot(apart, apart)
    }

    /// Whether the segment has a point in the square: what is left of it within each pair of sides.
    fn is_crossed(&self, a: [f64; 2], b: [f64; 2]) -> bool {
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        for axis in [0, 1] {
            let (low, high) = (self.corner[axis] - a[axis], self.corner[axis] + self.side - a[axis]);
            let along = b[axis] - a[axis];
            if along == 0.0 {
                if low > 0.0 || high < 0.0 {
                    return false;
                }
            } else {
                from = from.max((low / along).min(high / along));
                to = to.min((low / along).max(high / along));
            }
        }
        from <= to
    }
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(zoom: u8, x: u32, y: u32) -> Node {
        let mut node = Node::ROOT;
        while node.zoom < zoom {
            let holds = |child: &Node| {
                let up = zoom - child.zoom;
                (child.x, child.y) == (x >> up, y >> up)
            };
            node = (0..4).map(|step| node.child(step)).find(holds).unwrap();
        }
        node
    }

    #[test]
    fn nodes_lie_outside_across_or_inside() {
        let capsule = Capsule::new([0.3, 0.3], [0.7, 0.3], 0.1);
        assert_eq!(capsule.lie(&Node::ROOT), Lie::Crossing);
        assert_eq!(capsule.lie(&node(4, 8, 4)), Lie::Inside);
        assert_eq!(capsule.lie(&node(4, 8, 15)), Lie::Outside);
        assert_eq!(capsule.lie(&node(2, 0, 2)), Lie::Outside, "the corner is rounded off");
    }

    #[test]
    fn a_thin_segment_through_a_node_without_its_corners_or_ends_crosses_it() {
        let capsule = Capsule::new([0.1, 0.26], [0.9, 0.27], 1e-6);
        assert_eq!(capsule.lie(&node(3, 4, 2)), Lie::Crossing);
        assert_eq!(capsule.lie(&node(3, 4, 3)), Lie::Outside);
    }

    #[test]
    fn what_reaches_over_an_edge_of_the_world_comes_back_at_the_other() {
        let shifts = |a: f64, b: f64| Capsule::new([a, 0.5], [b, 0.5], 0.01).around_the_world().count();
        assert_eq!((shifts(0.5, 0.6), shifts(0.995, 0.996), shifts(0.9, 1.1), shifts(-0.5, -0.4)), (1, 2, 2, 1));
    }
}
