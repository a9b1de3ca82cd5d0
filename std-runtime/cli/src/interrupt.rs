//! Ctrl-C: the first one drains and reports, the second one ends at once.

use std::{
    process,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use tidegate::stop::{Extent, Stop};

use crate::{exit::Exit, fetch::lock, output::notice};

/// Asks `stop` to drain at the first interrupt; the second one ends the process. `said` is what the first one is answered
/// with.
pub(crate) fn on_interrupt(stop: Arc<dyn Fn(Extent) + Send + Sync>, said: Option<&'static str>) {
    static HANDLER: OnceLock<bool> = OnceLock::new();
    let wishes = Mutex::new(Wishes::default());
    HANDLER.get_or_init(|| {
        let handle = move || match lock(&wishes).hear(Instant::now()) {
            Some(Wish::Drain) => {
                stop(Extent::Drain);
                said.into_iter().for_each(notice);
            }
            Some(Wish::End) => process::exit(Exit::Interrupted as i32),
            None => {}
        };
        // Without a handler an interrupt ends the process, which is worse but not wrong.
        ctrlc::set_handler(handle).is_ok()
    });
}

/// What an interrupt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Drain,
    End,
}

/// What interrupts ask for, by their times.
///
/// A terminal, `timeout` and supervisors send a signal to a process and again to its group: one wish, which nobody could have
/// meant as two.
#[derive(Debug, Default)]
struct Wishes {
    first: Option<Instant>,
}

impl Wishes {
    fn hear(&mut self, now: Instant) -> Option<Wish> {
        match self.first {
            None => {
                self.first = Some(now);
                Some(Wish::Drain)
            }
            Some(first) if now.saturating_duration_since(first) < APART => None,
            Some(_) => Some(Wish::End),
        }
    }
}

/// Signals of one wish come within a millisecond of each other, on a busy machine some more; a hand takes longer for two.
const APART: Duration = Duration::from_millis(50);

/// What whoever interrupts work has to know.
pub(crate) const DRAINING: Option<&str> = Some("tidegate: finishing what has begun; interrupt again to end at once");

/// Whether a stop was asked for.
pub(crate) fn interrupted(stop: &Stop) -> bool {
    stop.is_asked(Extent::Drain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_within_a_moment_are_one_wish() {
        let start = Instant::now();
        let heard = [0, 1, 49, 50].map(|ms| start + Duration::from_millis(ms));
        let mut wishes = Wishes::default();
        assert_eq!(heard.map(|at| wishes.hear(at)), [Some(Wish::Drain), None, None, Some(Wish::End)]);
    }
}
