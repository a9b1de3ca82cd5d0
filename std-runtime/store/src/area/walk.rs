//! The walk down the quadtree that visits the tiles of one zoom in Hilbert order.

use super::field::{Cover, Field};
use super::node::Node;

/// Visits the tiles of a [`Field`], each once, in Hilbert order.
///
/// Holds one frame a zoom level, whatever the number of tiles.
pub(super) struct Walk {
    field: Field,
    frames: Vec<Frame>,
    /// How many tiles are still to come.
    left: u64,
}

struct Frame {
    node: Node,
    cover: Cover,
    /// The next child to look at, 0 to 4.
    step: u8,
}

impl Walk {
    /// The `count` tiles that come after the first `skip`.
    pub(super) fn new(field: Field, skip: u64, count: u64) -> Self {
        let cover = field.cover_root();
        let mut walk = Self { field, frames: vec![Frame { node: Node::ROOT, cover, step: 0 }], left: count };
        walk.skip_tiles(skip);
        walk
    }

    /// Goes down to the tile with that ordinal, passing by whole branches before it.
    fn skip_tiles(&mut self, mut ordinal: u64) {
        if ordinal == 0 {
            return;
        }
        while let Some((child, cover)) = self.next_child() {
            let count = self.field.count(&child, &cover);
            if count <= ordinal {
                ordinal -= count;
            } else {
                self.frames.push(Frame { node: child, cover, step: 0 });
            }
            if ordinal == 0 {
                return;
            }
        }
    }

    /// The next child with tiles of the area, of the deepest frame that still has one.
    fn next_child(&mut self) -> Option<(Node, Cover)> {
        loop {
            let frame = self.frames.last_mut()?;
            if frame.step == 4 || frame.node.zoom == self.field.zoom() {
                self.frames.pop();
                continue;
            }
            let child = frame.node.child(frame.step);
            frame.step += 1;
            match self.field.cover_child(&child, &frame.cover) {
                Cover::Nothing => {}
                cover => return Some((child, cover)),
            }
        }
    }
}

impl Iterator for Walk {
    /// Column and row.
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let node = self.frames.last()?.node;
            if node.zoom == self.field.zoom() {
                self.frames.pop();
                return Some((node.x, node.y));
            }
            let (node, cover) = self.next_child()?;
            self.frames.push(Frame { node, cover, step: 0 });
        }
    }
}
