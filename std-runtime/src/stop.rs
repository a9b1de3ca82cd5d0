//! How work is asked to end: first by finishing what has begun, then at once.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU8, Ordering},
    task::{Context, Poll},
};

use event_listener::{Event, listener};
use pin_project_lite::pin_project;

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
    pub fn or<F: Future>(&self, extent: Extent, work: F) -> impl Future<Output = Option<F::Output>> {
        Unless { asked: self.asked(extent), work }
    }
}

pin_project! {
    // By hand: an async function would keep `work` twice, and these are inside of one another in each tile under way.
    struct Unless<A, F> {
        #[pin]
        asked: A,
        #[pin]
        work: F,
    }
}

impl<A: Future<Output = ()>, F: Future> Future for Unless<A, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.asked.poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => this.work.poll(context).map(Some),
        }
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
