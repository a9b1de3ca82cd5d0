//! Bodies in buffers that are used again.
//!
//! Tiles come by the ten thousand and are alike in size. A body goes back to its pool when it is dropped, so that a
//! steady run allocates no bodies at all; the pool is bounded and keeps no giant.

use std::fmt;
use std::ops::Deref;

use crossbeam_channel::{Receiver, Sender, bounded};

/// The bytes of a response, in a buffer that returns to its pool on drop.
#[derive(Default)]
pub struct Body {
    /// Initialised to its full length, so that the next body is read into it without clearing it first.
    buffer: Vec<u8>,
    /// Where the body begins: what came before it, the head of the answer, is not copied away.
    start: usize,
    /// Where it ends.
    filled: usize,
    home: Option<Sender<Vec<u8>>>,
}

impl Body {
    /// Takes the bytes out for keeping. The pool makes a new buffer when it needs one.
    #[must_use]
    pub fn detach(mut self) -> Vec<u8> {
        self.home = None;
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.truncate(self.filled);
        bytes.drain(..self.start);
        bytes.shrink_to_fit();
        bytes
    }

    /// The unused rest of the buffer, at least one byte long, for reading into.
    pub(crate) fn spare(&mut self, wanted: usize) -> &mut [u8] {
        let needed = self.filled.saturating_add(wanted.max(1));
        if self.buffer.len() < needed {
            let doubled = self.buffer.len().saturating_mul(2);
            self.buffer.resize(needed.max(doubled).max(FIRST_BYTES), 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// The same for up to `missing` bytes that the other side has announced, at least one and no more than that. At most
    /// [`ANNOUNCED_BYTES_MAX`] are reserved on its word alone: the room grows as they come.
    pub(crate) fn spare_for(&mut self, missing: usize) -> &mut [u8] {
        let spare = self.spare(missing.min(ANNOUNCED_BYTES_MAX));
        let room = spare.len().min(missing.max(1));
        &mut spare[..room]
    }

    /// Adds `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Counts `read` bytes of [`spare`](Self::spare) as body.
    pub(crate) fn advance(&mut self, read: usize) {
        debug_assert!(read <= self.buffer.len() - self.filled);
        self.filled = (self.filled + read).min(self.buffer.len());
    }

    /// Takes `count` bytes off its front: they were no body.
    pub(crate) fn skip(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start = (self.start + count).min(self.filled);
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
        }
    }

    /// Moves it to the front of its buffer, so that there is the most room behind it.
    pub(crate) fn rewind(&mut self) {
        self.buffer.copy_within(self.start..self.filled, 0);
        (self.start, self.filled) = (0, self.filled - self.start);
    }

    /// Takes what is beyond `length` off its end.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.filled = self.filled.min(self.start.saturating_add(length));
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }
}

/// A copy of its own, which belongs to no pool.
impl Clone for Body {
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, filled: bytes.len(), buffer: bytes, home: None }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(home) = self.home.take()
            && self.buffer.len() <= KEPT_BYTES_MAX
        {
            // A full pool, or none any more: the buffer is simply freed.
            let _ = home.try_send(std::mem::take(&mut self.buffer));
        }
    }
}

/// Shows the length only: a body is thousands of bytes of somebody's map.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

/// Where bodies come from and go back to.
///
/// Invariant: holds at most as many buffers as it was made for, each of at most [`KEPT_BYTES_MAX`] bytes.
#[derive(Debug)]
pub(crate) struct BodyPool {
    free: Receiver<Vec<u8>>,
    home: Sender<Vec<u8>>,
}

impl BodyPool {
    /// A pool that keeps up to `buffers` unused buffers, and makes none before they are asked for.
    pub(crate) fn new(buffers: usize) -> Self {
        let (home, free) = bounded(buffers);
        Self { free, home }
    }

    /// An empty body, in a used buffer where there is one.
    pub(crate) fn take(&self) -> Body {
        let buffer = self.free.try_recv().unwrap_or_default();
        Body { buffer, start: 0, filled: 0, home: Some(self.home.clone()) }
    }
}

/// What a new buffer starts with: most tiles come in one read, their head with them.
const FIRST_BYTES: usize = 32 * 1024;
/// Larger buffers are freed, so that one 8 MiB body does not stay around for good. Most tiles are below 100 KiB.
pub(crate) const KEPT_BYTES_MAX: usize = 256 * 1024;
/// More than that is not reserved before it comes. Most tiles fit, and the pool keeps that much anyhow.
const ANNOUNCED_BYTES_MAX: usize = KEPT_BYTES_MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &BodyPool, text: &[u8]) -> Body {
        let mut body = pool.take();
        body.push(text);
        body
    }

    #[test]
    fn a_dropped_body_lends_its_buffer_to_the_next_one() {
        let pool = BodyPool::new(1);
        let first = filled(&pool, b"first tile");
        let address = first.as_ptr();
        drop(first);
        let second = filled(&pool, b"second");
        assert_eq!(second.as_ptr(), address);
        assert_eq!(&*second, b"second");
    }

    #[test]
    fn a_detached_body_is_exactly_its_bytes_and_does_not_return() {
        let pool = BodyPool::new(1);
        let bytes = filled(&pool, b"kept").detach();
        assert_eq!(bytes, b"kept");
        assert!(pool.free.is_empty());
    }

    #[test]
    fn the_pool_keeps_no_more_buffers_than_agreed_and_none_that_is_huge() {
        let pool = BodyPool::new(2);
        let bodies: Vec<Body> = (0..5).map(|_| filled(&pool, b"x")).collect();
        drop(bodies);
        assert_eq!(pool.free.len(), 2);
        let mut huge = pool.take();
        let _ = huge.spare(KEPT_BYTES_MAX + 1);
        drop(huge);
        assert_eq!(pool.free.len(), 1);
    }

    #[test]
    fn an_announced_length_takes_no_more_room_than_what_has_come_warrants() {
        let (mut body, length) = (BodyPool::new(1).take(), 64 * ANNOUNCED_BYTES_MAX);
        while body.len() < length {
            let missing = length - body.len();
            let room = body.spare_for(missing).len();
            assert!((1..=missing).contains(&room), "{room} of {missing}");
            let most = 2 * (ANNOUNCED_BYTES_MAX + body.len());
            assert!(body.buffer.len() <= most, "{} reserved after {} bytes", body.buffer.len(), body.len());
            body.advance(room.min(40_000));
        }
        assert_eq!(body.len(), length);
    }

    #[test]
    fn what_was_no_body_is_taken_off_either_end_without_a_copy() {
        let pool = BodyPool::new(1);
        let mut body = filled(&pool, b"headtilerest");
        let address = body.as_ptr();
        body.skip(4);
        body.truncate(4);
        assert_eq!((&*body, body.as_ptr()), (&b"tile"[..], address.wrapping_add(4)));
        body.rewind();
        assert_eq!((&*body, body.as_ptr()), (&b"tile"[..], address));
        body.skip(1);
        assert_eq!(body.clone().detach(), b"ile");
        assert_eq!(body.detach(), b"ile");
    }

    #[test]
    fn a_body_of_which_nothing_is_left_has_its_whole_buffer_again() {
        let mut body = filled(&BodyPool::new(1), b"head");
        let room = body.spare(1).len();
        body.skip(4);
        assert_eq!((body.len(), body.spare(1).len()), (0, room + 4));
    }

    #[test]
    fn a_body_outlives_its_pool() {
        let pool = BodyPool::new(1);
        let body = filled(&pool, b"late");
        drop(pool);
        assert_eq!(&*body, b"late");
    }
}
