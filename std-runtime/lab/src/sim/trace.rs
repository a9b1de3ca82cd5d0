//! What a run did, in eight bytes.

use tidegate_core::Outcome;

use super::agenda::Event;
use crate::mock::dice::mix;

/// A running hash over everything that happens, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn event(&mut self, at_ns: u64, event: Event) {
        let (kind, who, stamp) = match event {
            Event::Arrival { client, stamp } => (1, client, stamp),
            Event::Thought { client, stamp } => (2, client, stamp),
            Event::Timer { place, stamp } => (3, place, stamp),
            Event::Request { server: _, place, stamp } => (4, place, stamp),
            Event::Answer { place, stamp, reply: _ } => (5, place, stamp),
            Event::Down { fleet, restart } => (6, u32::from(fleet), u32::from(restart)),
            Event::Up { fleet, restart } => (7, u32::from(fleet), u32::from(restart)),
        };
        self.add(at_ns);
        self.add((u64::from(who) << 32 | u64::from(stamp)) ^ (kind << 60));
    }

    pub(super) fn settled(&mut self, place: u32, outcome: Outcome) {
        let kind = match outcome {
            Outcome::Success => 1,
            Outcome::Empty => 2,
            Outcome::Failure => 3,
            Outcome::Timeout => 4,
            Outcome::Throttled { retry_after: None } => 5,
            Outcome::Throttled { retry_after: Some(_) } => 6,
            Outcome::Refused(_) => 7,
            Outcome::Cancelled => 8,
            Outcome::Unsent => 9,
        };
        self.add(u64::from(place) << 8 | kind);
    }

    pub(super) fn hash(self) -> u64 {
        self.0
    }

    fn add(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word).wrapping_add(word);
    }
}
