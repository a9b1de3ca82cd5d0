//! Two futures, whichever is first.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// The output of `work` if it is ready before `limit`, which is looked at second: work that is done in time counts.
///
/// Both stay where the caller has pinned them: handed over by value, an attempt would take its memory twice.
pub(super) async fn first<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    mut limit: Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
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
