//! Two futures, whichever is first.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// The output of `work` if it is ready before `limit`, which is looked at second: work that is done in time counts.
pub(super) async fn first<T>(work: impl Future<Output = T>, limit: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut limit) = (pin!(work), pin!(limit));
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Ready when the task is polled for a second time: something has woken it.
pub(super) async fn until_polled_again() {
    let mut polled = false;
    poll_fn(|_| if core::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
