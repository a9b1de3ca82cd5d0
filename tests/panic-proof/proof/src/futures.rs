//! The driver's futures, polled in whatever state they may be.
//!
//! One panic is left in each, and meant: a future that is polled after its end panics. No executor does that, but the
//! optimiser cannot know. So these are built apart (feature `futures`), with a panic handler that links, and `prove` looks at
//! the program to see that nothing else leads there.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    task::{Context, Poll},
};

use tidegate_core::{
    Call, Entropy, Instant, Outcome,
    drive::{Clock, Driver, Permit},
};

use crate::drive::Alone;

/// What everything from outside depends on: the compiler can take it for nothing in particular.
#[unsafe(no_mangle)]
pub static OUTSIDE: (AtomicU32, AtomicU32, AtomicBool) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));

/// A clock that shows anything.
pub struct Any;

/// A sleep that is over at any time.
pub struct Sometime;

impl Clock for Any {
    type Sleep = Sometime;

    fn now(&self) -> Instant {
        let (high, low) = (OUTSIDE.0.load(Relaxed), OUTSIDE.1.load(Relaxed));
        Instant::from_nanos((u64::from(high) << 32) | u64::from(low))
    }

    fn sleep_until(&self, _at: Instant) -> Sometime {
        Sometime
    }
}

impl Future for Sometime {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if OUTSIDE.2.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// An attempt that is over at any time.
fn attempt(_until: Instant) -> impl Future<Output = (Outcome, u32)> {
    poll_fn(|_| if OUTSIDE.2.load(Relaxed) { Poll::Ready((Outcome::Failure, 7)) } else { Poll::Pending })
}

fn entropy() -> Entropy {
    Entropy::new(OUTSIDE.0.load(Relaxed))
}

/// Polls a future of the type that `make` returns, in a state that the compiler knows nothing about.
///
/// # Safety
/// `future` points to such a future, which stays where it is.
unsafe fn poll<F: Future>(_make: impl FnOnce() -> F, future: *mut (), context: &mut Context<'_>) -> bool {
    // SAFETY: as promised by the caller.
    let future = unsafe { Pin::new_unchecked(&mut *future.cast::<F>()) };
    future.poll(context).is_ready()
}

/// # Safety
/// `future` points to a future of [`Driver::run`].
#[unsafe(no_mangle)]
pub unsafe fn proven_driver_run(
    driver: Driver<'static, Any, Alone>,
    call: &mut Call<'_>,
    future: *mut (),
    context: &mut Context<'_>,
) -> bool {
    // SAFETY: as promised by the caller.
    unsafe { poll(|| Driver::run(&driver, call, entropy, attempt), future, context) }
}

/// # Safety
/// `future` points to a future of [`Driver::admit`].
#[unsafe(no_mangle)]
pub unsafe fn proven_driver_admit(
    driver: Driver<'static, Any, Alone>,
    call: &mut Call<'_>,
    future: *mut (),
    context: &mut Context<'_>,
) -> bool {
    // SAFETY: as promised by the caller.
    unsafe { poll(|| Driver::admit(&driver, call), future, context) }
}

/// # Safety
/// `future` points to a future of [`Driver::attempt`].
#[unsafe(no_mangle)]
pub unsafe fn proven_driver_attempt(
    driver: Driver<'static, Any, Alone>,
    permit: Permit<'static, Any, Alone>,
    call: &mut Call<'_>,
    future: *mut (),
    context: &mut Context<'_>,
) -> bool {
    // SAFETY: as promised by the caller.
    unsafe { poll(|| Driver::attempt(&driver, permit, call, entropy, attempt), future, context) }
}
