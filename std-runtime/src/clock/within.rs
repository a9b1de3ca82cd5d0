//! Work with a limit of time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

use super::Alarm;

/// The output of `work`, or `None` where that takes longer than `limit`, counted from when it first has to wait.
pub(crate) const fn within<F: Future>(limit: Duration, work: F) -> Within<F> {
    Within { work, limit, alarm: None }
}

pin_project! {
    // By hand: an async function would keep `work` twice, once as what it was given and once as what it waits for, and a few
    // of these inside of one another are in each request under way.
    #[derive(Debug)]
    pub(crate) struct Within<F> {
        #[pin]
        work: F,
        limit: Duration,
        alarm: Option<Alarm>,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.work.poll(context) {
            return Poll::Ready(Some(output));
        }
        let alarm = this.alarm.get_or_insert_with(|| Alarm::new(Instant::now().checked_add(*this.limit)));
        ready!(Pin::new(alarm).poll(context));
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, pending, yield_now};

    use super::*;

    #[test]
    fn work_ends_by_itself_or_with_its_time() {
        block_on(async {
            assert_eq!(within(Duration::ZERO, async { 7 }).await, Some(7), "it did not have to wait");
            assert_eq!(within(Duration::from_millis(5), pending::<()>()).await, None);
            assert_eq!(within(Duration::MAX, yield_now()).await, Some(()));
        });
    }

    #[test]
    fn it_takes_the_room_of_its_work_once() {
        let work = std::future::poll_fn({
            let room = [0_u8; 1_000];
            move |_| Poll::Ready(room.len())
        });
        assert!(size_of_val(&within(Duration::ZERO, within(Duration::ZERO, work))) < 1_000 + 2 * 150);
    }
}
