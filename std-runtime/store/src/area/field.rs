//! An area seen at one zoom: which nodes of the quadtree have tiles of it, and how many.

use super::Region;
use super::capsule::{Capsule, Lie};
use super::node::Node;
use super::rect::{Rect, union_count};

/// The parts of an area at one zoom.
pub(super) struct Field {
    zoom: u8,
    parts: Vec<Part>,
}

#[derive(Clone, Copy)]
enum Part {
    Rect(Rect),
    Capsule(Capsule),
}

/// How much of what lies below a node belongs to the area.
pub(super) enum Cover {
    Nothing,
    Everything,
    /// What belongs to it is found among these parts.
    Parts(Vec<u32>),
}

impl Field {
    pub(super) fn new(regions: &[Region], zoom: u8) -> Self {
        let mut parts = Vec::new();
        for region in regions {
            match region {
                Region::Bbox(bbox) => parts.extend(bbox.rects(zoom).map(Part::Rect)),
                Region::Corridor(corridor) => parts.extend(corridor.capsules.iter().copied().map(Part::Capsule)),
            }
        }
        Self { zoom, parts }
    }

    pub(super) fn zoom(&self) -> u8 {
        self.zoom
    }

    /// The cover of the whole world.
    pub(super) fn cover_root(&self) -> Cover {
        self.cover(&Node::ROOT, 0..self.parts.len() as u32)
    }

    /// The cover of a child of a node with the cover `above`.
    pub(super) fn cover_child(&self, child: &Node, above: &Cover) -> Cover {
        match above {
            Cover::Nothing => Cover::Nothing,
            Cover::Everything => Cover::Everything,
            Cover::Parts(parts) => self.cover(child, parts.iter().copied()),
        }
    }

    fn cover(&self, node: &Node, candidates: impl Iterator<Item = u32>) -> Cover {
        let mut touching = Vec::new();
        for index in candidates {
            match self.parts[index as usize].lie(node, self.zoom) {
                Lie::Outside => {}
                Lie::Inside => return Cover::Everything,
                Lie::Crossing => touching.push(index),
            }
        }
        if touching.is_empty() { Cover::Nothing } else { Cover::Parts(touching) }
    }

    /// How many tiles of the area lie below a node with that cover.
    pub(super) fn count(&self, node: &Node, cover: &Cover) -> u64 {
        let parts = match cover {
            Cover::Nothing => return 0,
            Cover::Everything => return 1 << (2 * (self.zoom - node.zoom)),
            Cover::Parts(_) if node.zoom == self.zoom => return 1,
            Cover::Parts(parts) => parts,
        };
        let span = node.span(self.zoom);
        let clipped = |index: &u32| match &self.parts[*index as usize] {
            Part::Rect(rect) => Some(rect.clip(&span)),
            Part::Capsule(_) => None,
        };
        match parts.iter().map(clipped).collect::<Option<Vec<_>>>() {
            // Rectangles alone are counted by their edges, however many tiles they hold.
            Some(rects) => union_count(&rects.into_iter().flatten().collect::<Vec<_>>()),
            None => {
                let children = (0..4).map(|step| node.child(step));
                children.map(|child| self.count(&child, &self.cover_child(&child, cover))).sum()
            }
        }
    }
}

impl Part {
    /// How the tiles at `zoom` below a node lie to this part. At that zoom itself, touching is enough.
    fn lie(&self, node: &Node, zoom: u8) -> Lie {
        match self {
            Self::Capsule(capsule) => capsule.lie(node),
            Self::Rect(rect) => {
                let span = node.span(zoom);
                match rect.clip(&span) {
                    None => Lie::Outside,
                    Some(common) if common == span => Lie::Inside,
                    Some(_) => Lie::Crossing,
                }
            }
        }
    }
}
