//! An area seen at one zoom: which nodes of the quadtree have tiles of it, and how many.

use super::Region;
use super::node::Node;
use super::rect::{Rect, union_count};

/// The parts of an area at one zoom.
pub(super) struct Field {
    zoom: u8,
    parts: Vec<Rect>,
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
                Region::Bbox(bbox) => parts.extend(bbox.rects(zoom)),
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
        let span = node.span(self.zoom);
        let mut touching = Vec::new();
        for index in candidates {
            match self.parts[index as usize].clip(&span) {
                None => {}
                Some(common) if common == span => return Cover::Everything,
                Some(_) => touching.push(index),
            }
        }
        if touching.is_empty() { Cover::Nothing } else { Cover::Parts(touching) }
    }

    /// How many tiles of the area lie below a node with that cover.
    pub(super) fn count(&self, node: &Node, cover: &Cover) -> u64 {
        match cover {
            Cover::Nothing => 0,
            Cover::Everything => 1 << (2 * (self.zoom - node.zoom)),
            Cover::Parts(parts) => {
                let span = node.span(self.zoom);
                let clipped = parts.iter().filter_map(|index| self.parts[*index as usize].clip(&span));
                union_count(&clipped.collect::<Vec<_>>())
            }
        }
    }
}
