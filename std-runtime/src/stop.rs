//! How work is asked to end: first by finishing what has begun, then at once.

use std::sync::atomic::{AtomicU8, Ordering};

use event_listener::{Event, listener};

/// How far a stop goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Extent {
    /// Attempts in flight are finished; nothing else is begun.
    Drain = 1,
    /// Attempts in flight are cut off.
    Abort = 2,
}

/// A stop that may be asked for, shared by whoever asks and whoever heeds it.
#[derive(Debug, Default)]
pub struct Stop {
    extent: AtomicU8,
    asked: Event,
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { extent: AtomicU8::new(0), asked: Event::new() }
    }

    /// Asks for a stop. An earlier, further one stays.
    pub fn ask(&self, extent: Extent) {
        self.extent.fetch_max(extent as u8, Ordering::AcqRel);
        self.asked.notify(usize::MAX);
    }

    /// Whether a stop of at least this extent was asked for.
    #[must_use]
    pub fn is_asked(&self, extent: Extent) -> bool {
        self.extent.load(Ordering::Acquire) >= extent as u8
    }

    /// Ready when a stop of at least this extent is asked for.
    pub async fn asked(&self, extent: Extent) {
        while !self.is_asked(extent) {
            listener!(self.asked => asked);
            // Again, now that nothing can be missed any more.
            if self.is_asked(extent) {
                return;
            }
            asked.await;
        }
    }

    /// The output of `work`, or `None` where the stop comes first. Once a stop was asked for, `work` is not even looked at:
    /// it might begin something.
    pub async fn or<T>(&self, extent: Extent, work: impl Future<Output = T>) -> Option<T> {
        let stopped = async {
            self.asked(extent).await;
            None
        };
        smol::future::or(stopped, async { Some(work.await) }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reaches_those_who_wait_and_those_who_come_later() {
        let stop = Stop::new();
        smol::block_on(async {
            assert_eq!(stop.or(Extent::Drain, async { 1 }).await, Some(1));
            let ask = async {
                stop.ask(Extent::Drain);
                smol::future::pending::<()>().await;
            };
            assert_eq!(stop.or(Extent::Drain, ask).await, None);
            assert!(!stop.is_asked(Extent::Abort), "draining does not abort");
            assert_eq!(stop.or(Extent::Drain, async { 1 }).await, None, "nothing is begun any more");
            assert_eq!(stop.or(Extent::Abort, async { 1 }).await, Some(1));
            stop.ask(Extent::Abort);
            stop.ask(Extent::Drain);
            stop.asked(Extent::Abort).await;
        });
    }
}
