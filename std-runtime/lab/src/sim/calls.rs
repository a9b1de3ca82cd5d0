//! The calls that are alive, and the lines in which they wait.

use tidegate_core::{Call, Ticket};

/// No place.
pub(super) const NOBODY: u32 = u32::MAX;

/// A call in its place.
#[derive(Debug)]
pub(super) struct Seat<'w> {
    pub(super) call: Call<'w>,
    pub(super) phase: Phase,
    /// Counts the phases of this place. What was planned in an earlier one is out of date.
    pub(super) stamp: u32,
    pub(super) client: u32,
    /// Where it waits, or where its attempt was admitted.
    pub(super) station: u32,
    /// Which of its client's servers it asks, by number.
    pub(super) choice: u8,
    pub(super) began_ns: u64,
    /// Attempts that were sent.
    pub(super) launched: u32,
    /// It must not ask again before, because a server said so.
    pub(super) hinted_ns: u64,
    /// When it wants to be looked at, and when the earliest of its timers goes off.
    pub(super) wake_ns: u64,
    pub(super) timer_ns: u64,
    /// How the answer to the attempt that is out travels.
    pub(super) back_ns: u64,
    pub(super) is_lost_on_the_way_back: bool,
    ahead: u32,
    behind: u32,
}

/// What a call is doing.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nobody is here.
    Vacant,
    /// In its station's line.
    Waiting,
    /// An attempt is out.
    Away {
        ticket: Ticket,
        /// In which era of the breaker, as the watch counts them.
        era: u32,
    },
    /// Backing off.
    Resting,
}

/// All calls, each in a place that is used again.
#[derive(Debug, Default)]
pub(super) struct Calls<'w> {
    seats: Vec<Seat<'w>>,
    vacant: Vec<u32>,
}

/// Who waits, in order: a list through the seats, so that anybody can leave it at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    head: u32,
    tail: u32,
    length: u32,
}

impl<'w> Calls<'w> {
    /// Seats a new call.
    pub(super) fn begin(&mut self, call: Call<'w>, client: u32, now_ns: u64) -> u32 {
        if let Some(place) = self.vacant.pop() {
            let seat = self.seat(place);
            *seat = Seat::new(call, client, seat.stamp.wrapping_add(1), now_ns);
            return place;
        }
        self.seats.push(Seat::new(call, client, 0, now_ns));
        // A place for each call that is alive: far below the 2^32 that memory would not hold.
        (self.seats.len() - 1) as u32
    }

    /// A call is over.
    pub(super) fn end(&mut self, place: u32) {
        self.seat(place).turn(Phase::Vacant);
        self.vacant.push(place);
    }

    pub(super) fn seat(&mut self, place: u32) -> &mut Seat<'w> {
        &mut self.seats[place as usize]
    }

    /// The seat, if it is still in the phase that `stamp` was taken in.
    pub(super) fn current(&mut self, place: u32, stamp: u32) -> Option<&mut Seat<'w>> {
        self.seats.get_mut(place as usize).filter(|seat| seat.stamp == stamp)
    }

    /// The places of all calls that are alive.
    pub(super) fn alive(&self) -> impl Iterator<Item = (u32, &Seat<'w>)> {
        let seats = (0..).zip(&self.seats);
        seats.filter(|(_, seat)| !matches!(seat.phase, Phase::Vacant))
    }

    /// Goes to the end of a line.
    pub(super) fn enter(&mut self, line: &mut Line, place: u32) {
        let tail = line.tail;
        let seat = self.seat(place);
        seat.turn(Phase::Waiting);
        (seat.ahead, seat.behind) = (tail, NOBODY);
        if tail == NOBODY {
            line.head = place;
        } else {
            self.seat(tail).behind = place;
        }
        line.tail = place;
        line.length += 1;
    }

    /// Leaves a line, from anywhere in it.
    pub(super) fn leave(&mut self, line: &mut Line, place: u32) {
        let seat = self.seat(place);
        let (ahead, behind) = (seat.ahead, seat.behind);
        (seat.ahead, seat.behind) = (NOBODY, NOBODY);
        if ahead == NOBODY {
            line.head = behind;
        } else {
            self.seat(ahead).behind = behind;
        }
        if behind == NOBODY {
            line.tail = ahead;
        } else {
            self.seat(behind).ahead = ahead;
        }
        line.length -= 1;
    }
}

impl<'w> Seat<'w> {
    fn new(call: Call<'w>, client: u32, stamp: u32, now_ns: u64) -> Self {
        Self {
            call,
            phase: Phase::Resting,
            stamp,
            client,
            station: NOBODY,
            choice: 0,
            began_ns: now_ns,
            launched: 0,
            hinted_ns: 0,
            wake_ns: u64::MAX,
            timer_ns: u64::MAX,
            back_ns: 0,
            is_lost_on_the_way_back: false,
            ahead: NOBODY,
            behind: NOBODY,
        }
    }

    /// Begins a phase and gives the one before: what was planned in it no longer counts.
    pub(super) fn turn(&mut self, phase: Phase) -> Phase {
        self.stamp = self.stamp.wrapping_add(1);
        (self.wake_ns, self.timer_ns) = (u64::MAX, u64::MAX);
        std::mem::replace(&mut self.phase, phase)
    }
}

impl Line {
    pub(super) const EMPTY: Self = Self { head: NOBODY, tail: NOBODY, length: 0 };

    pub(super) fn head(&self) -> Option<u32> {
        (self.head != NOBODY).then_some(self.head)
    }

    pub(super) fn is_head(&self, place: u32) -> bool {
        self.head == place
    }

    pub(super) fn length(&self) -> u32 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tidegate_core::{CallConfig, CallPolicy, Instant};

    use super::*;
    use crate::sim::dice::Dice;

    #[test]
    fn lines_keep_the_order_of_a_list_whoever_leaves() {
        let policy = CallPolicy::new(CallConfig::DEFAULT).expect("valid");
        let mut dice = Dice::of(1, "calls", "test", 0);
        let (mut calls, mut line, mut list) = (Calls::default(), Line::EMPTY, VecDeque::new());
        for step in 0..20_000 {
            if list.len() < 5 && dice.below(2) == 0 {
                let place = calls.begin(Call::new(&policy, Instant::MAX), 0, 0);
                calls.enter(&mut line, place);
                list.push_back(place);
            } else if !list.is_empty() {
                let at = dice.below(list.len() as u64) as usize;
                let place = list.remove(at).expect("in range");
                calls.leave(&mut line, place);
                calls.end(place);
            }
            assert_eq!((line.head(), line.length() as usize), (list.front().copied(), list.len()), "step {step}");
        }
        let mut order = Vec::new();
        while let Some(head) = line.head() {
            order.push(head);
            calls.leave(&mut line, head);
        }
        assert!(order.iter().eq(&list), "{order:?} is not {list:?}");
    }

    #[test]
    fn a_place_that_is_used_again_is_not_taken_for_the_one_before() {
        let policy = CallPolicy::new(CallConfig::DEFAULT).expect("valid");
        let mut calls = Calls::default();
        let place = calls.begin(Call::new(&policy, Instant::MAX), 0, 0);
        let stamp = calls.seat(place).stamp;
        assert!(calls.current(place, stamp).is_some());
        calls.end(place);
        assert_eq!(calls.begin(Call::new(&policy, Instant::MAX), 1, 0), place);
        assert!(calls.current(place, stamp).is_none());
        assert_eq!(calls.alive().count(), 1);
    }
}
