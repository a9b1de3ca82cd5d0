//! The same queue for whoever polls: no future, no clock.

use core::task::Waker;

use super::{Lock, Returns, Turnstile, gives_up_its_place, seat::Seat, wake};
use crate::{
    call::{Call, End, Next, Step},
    entropy::Entropy,
    gate::Gatekeeper,
    outcome::Outcome,
    ticket::Ticket,
    time::Instant,
};

/// Where one call stands at a [`Turnstile`]: what a superloop or a thread that blocks has for each call, in place of a
/// [`Driver`](super::Driver).
///
/// [`Turn::poll`] is [`Call::poll`] for a call among others. It enters the queue, asks the gate at its head and looks behind it,
/// steps aside where the retry budget is empty, stands outside while the call backs off, and leaves with a ticket or an end;
/// dropping it leaves, too. So calls are served in the order of their arrival, in whatever order they are polled.
///
/// **When it harms**: whoever is neither polled nor dropped holds up everybody behind. Poll each turn when its waker is woken,
/// at the `until` of its last answer at the latest; a loop that polls all of them in every round does that anyway, with
/// [`Waker::noop`].
///
/// ```
/// use core::{cell::RefCell, task::Waker, time::Duration};
/// use tidegate_core::{
///     Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, Next, Outcome, RateControl, Step,
///     drive::{Turn, Turnstile},
///     limit::LimitConfig,
/// };
///
/// let policy = CallPolicy::new(CallConfig::DEFAULT)?;
/// // One request at a time, from at most 4 calls that wait.
/// let (rate, limit) = (RateControl::Unlimited, LimitConfig::fixed(1));
/// let gate = Gate::new(GateConfig { rate, limit, ..GateConfig::DEFAULT })?;
/// let turnstile = RefCell::new(Turnstile::<_, 4>::new(gate));
/// let now = Instant::from_secs(1);
/// let deadline = now.saturating_add(Duration::from_secs(60));
/// let (mut call_a, mut turn_a) = (Call::new(&policy, deadline), Turn::new(&turnstile));
/// let (mut call_b, mut turn_b) = (Call::new(&policy, deadline), Turn::new(&turnstile));
///
/// let Step::Attempt(ticket) = turn_a.poll(now, &mut call_a, Waker::noop()) else { panic!("a fresh gate admits") };
/// assert!(matches!(turn_b.poll(now, &mut call_b, Waker::noop()), Step::Full { .. }));
/// // The attempt of `call_a` is made here, until `turn_a.attempt_deadline(&call_a, &ticket)`.
/// let next = turn_a.settle(now, &mut call_a, ticket, Outcome::Success, Entropy::new(7));
/// assert_eq!(next, Next::Done(End::Succeeded));
/// assert!(matches!(turn_b.poll(now, &mut call_b, Waker::noop()), Step::Attempt(_)));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it does nothing unless it is polled"]
pub struct Turn<'d, L>
where
    L: Lock<Inside: Returns>,
{
    shared: &'d L,
    /// While it stands in the queue.
    seat: Option<Seat<'d, L>>,
}

impl<'d, L, G, const N: usize> Turn<'d, L>
where
    L: Lock<Inside = Turnstile<G, N>>,
    G: Gatekeeper,
{
    /// A turn of a call that does not stand in the queue yet.
    pub const fn new(shared: &'d L) -> Self {
        Self { shared, seat: None }
    }

    /// Polls `call`, always the same one: at the head of the queue it asks the gate, behind it only looks.
    ///
    /// `waker` is woken when it is worth polling again before the `until` of the answer. It ends the call with
    /// [`End::QueueFull`] where all places are taken.
    pub fn poll(&mut self, now: Instant, call: &mut Call<'_>, waker: &Waker) -> Step {
        self.poll_at(|| now, call, waker)
    }

    /// [`Turn::poll`] for whoever reads the clock when it is its turn to look, and not before it has the lock.
    pub(super) fn poll_at(&mut self, now: impl Fn() -> Instant, call: &mut Call<'_>, waker: &Waker) -> Step {
        let seat = match &self.seat {
            Some(seat) => seat,
            None => {
                if let Some(step) = call.before_asking(now()) {
                    return step;
                }
                match Seat::take(self.shared) {
                    Some(seat) => self.seat.insert(seat),
                    None => return call.done(End::QueueFull),
                }
            }
        };
        let step = seat.ask(now, call, waker);
        if gives_up_its_place(&step) {
            self.seat = None;
        }
        step
    }

    /// When the attempt that `ticket` allows has to be over. What is not is cut off: [`Call::cut_off`] says what it is then.
    #[must_use = "the driver keeps the time"]
    pub fn attempt_deadline(&self, call: &Call<'_>, ticket: &Ticket) -> Instant {
        self.shared.with(|turnstile| call.attempt_deadline(&turnstile.gate, ticket.started()))
    }

    /// Says what came of an attempt, to the gate and to the call, and wakes whoever is next.
    pub fn settle(
        &self,
        now: Instant,
        call: &mut Call<'_>,
        ticket: Ticket,
        outcome: Outcome,
        entropy: Entropy,
    ) -> Next {
        let (next, head) = self.shared.with(|turnstile| turnstile.settle(now, call, ticket, outcome, entropy));
        wake(head);
        next
    }
}
