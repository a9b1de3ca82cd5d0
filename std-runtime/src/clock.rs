//! The one place that reads the clock and draws chance.
//!
//! Everything else is handed a [`Clock`] and a [`Chance`], so that it runs unchanged on virtual time and from a seed.

mod timers;
mod within;

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time,
};

use tidegate_core::{Entropy, Instant, drive::Clock};

pub(crate) use timers::Alarm;
pub(crate) use within::within;

/// The monotonic clock of the machine, counted from when it was made, with timers of its own ([`Sleep`]).
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: time::Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: time::Instant::now() }
    }
}

impl Clock for SystemClock {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::ORIGIN.saturating_add(self.origin.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep(Alarm::new(self.origin.checked_add(at.saturating_since(Instant::ORIGIN))))
    }
}

/// A timer that says nothing but that it is time. All of a process share one thread, which a timer wakes only where it is
/// earlier than all others.
#[derive(Debug)]
pub struct Sleep(Alarm);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

/// Where entropy comes from: a seed and a count, so that a run can be repeated.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    drawn: AtomicU64,
}

impl Chance {
    /// Chance that repeats itself for the same seed and order of draws.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    /// Chance from the operating system's.
    #[must_use]
    pub fn from_system() -> Self {
        Self::from_seed(fastrand::u64(..))
    }

    /// What it repeats from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The next word.
    pub fn draw(&self) -> Entropy {
        Entropy::mix(self.seed, SHARED, self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// A word that depends on who draws it and for which time, not on the order of draws.
    #[must_use]
    pub const fn draw_for(&self, who: u64, time: u64) -> Entropy {
        Entropy::mix(self.seed, who, time)
    }

    /// A name for the `count`th of something, which says nothing about the seed and hardly ever comes twice.
    #[must_use]
    pub fn name(&self, count: u64) -> u32 {
        fastrand::Rng::with_seed(self.seed.wrapping_add(count)).u32(..)
    }
}

/// Who draws where nobody in particular does.
const SHARED: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sleep_ends_at_its_instant_and_not_before() {
        let clock = SystemClock::start();
        let at = clock.now().saturating_add(Duration::from_millis(15));
        smol::block_on(clock.sleep_until(at));
        assert!(clock.now() >= at);
    }

    #[test]
    fn a_sleep_to_the_end_of_time_is_no_error() {
        let clock = SystemClock::start();
        let polled = smol::block_on(smol::future::poll_once(clock.sleep_until(Instant::MAX)));
        assert_eq!(polled, None);
    }

    #[test]
    fn the_same_seed_draws_the_same_words() {
        let draws = |seed| {
            let chance = Chance::from_seed(seed);
            [chance.draw(), chance.draw(), chance.draw_for(7, 1)]
        };
        assert_eq!(draws(5), draws(5));
        assert_ne!(draws(5), draws(6));
        assert_ne!(draws(5)[0], draws(5)[1]);
        let names = |seed| [0, 1, 2].map(|count| Chance::from_seed(seed).name(count));
        assert_eq!(names(5), names(5));
        assert_ne!(names(5)[0], names(5)[1]);
    }
}
