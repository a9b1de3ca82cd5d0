//! One logical request over several attempts.
//!
//! Whoever asked wants one answer, or to be told why there is none and when it is worth asking again. A call keeps the
//! attempts, the delay between them, the deadline and the patience of that one request; the gate, which all calls share,
//! is an argument each time, so that a retry may go to another source.
//!
//! **When it harms**: retrying what must not happen twice. A call retries whatever it is told failed; whether the request
//! is safe to repeat is for the caller to know.
//!
//! - It never starts what cannot start before its deadline: it ends at once and says when it would have been worth it.
//! - A server's hint is a floor: jitter only adds to it.
//! - Patience is spent on an open breaker, a pause or an empty budget, never on the rate, on places in flight or on those
//!   before it in a queue, and starts anew with each attempt.

mod policy;

pub use policy::{CallConfig, CallError, CallPolicy};

use core::fmt;

use crate::{
    entropy::Entropy,
    gate::{Admission, Barred, Gatekeeper, Try, Why},
    outcome::{Outcome, Refusal},
    ticket::Ticket,
    time::{Instant, nanos},
};

/// What a call wants next.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a ticket may be inside, or the time to come back"]
pub enum Step {
    /// Make an attempt, then settle the ticket with [`Call::settle`].
    Attempt(Ticket),
    /// Poll again at `until`, or earlier if something was settled.
    Wait {
        /// When; [`Instant::MAX`] where only something from outside can help.
        until: Instant,
        /// What is in the way.
        why: Why,
    },
    /// As many as may be are in flight: poll again when something was settled, at `until` at the latest.
    Full {
        /// When the next lease runs out, or the call's time.
        until: Instant,
        /// What is in the way.
        why: Why,
    },
    /// It is over.
    Done(End),
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "it says whether there is another attempt, and when"]
pub enum Next {
    /// Another attempt: poll at this instant.
    Retry {
        /// When.
        at: Instant,
    },
    /// It is over.
    Done(End),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// With a verified answer.
    Succeeded,
    /// With the answer that there is nothing.
    Empty,
    /// The server will not answer this, however often it is asked.
    Refused(Refusal),
    /// All attempts failed.
    Exhausted {
        /// Attempts made.
        attempts: u8,
        /// When another attempt would have been made: it is not worth asking before.
        resume_at: Instant,
    },
    /// The deadline came, or the next attempt could only have started after it.
    OutOfTime {
        /// When it would be worth asking again.
        resume_at: Instant,
    },
    /// What was in the way lasted longer than the call's patience.
    OutOfPatience {
        /// What was in the way.
        why: Why,
        /// When it will be out of the way; [`Instant::MAX`] where that is not known.
        resume_at: Instant,
    },
    /// The gate admits nothing any more.
    Barred(Barred),
    /// The queue of waiting calls was full.
    QueueFull,
    /// The caller gave up.
    Cancelled,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Empty => f.write_str("nothing there"),
            Self::Refused(Refusal::Access) => f.write_str("access refused"),
            Self::Refused(Refusal::Request) => f.write_str("request refused"),
            Self::Exhausted { attempts, .. } => write!(f, "gave up after {attempts} attempts"),
            Self::OutOfTime { .. } => f.write_str("out of time"),
            Self::OutOfPatience { why, .. } => write!(f, "not worth waiting for: {why}"),
            Self::Barred(barred) => barred.fmt(f),
            Self::QueueFull => f.write_str("too many calls are waiting"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// One logical request.
///
/// Invariant: at most `attempts` tickets are taken, also where some of them are lost, and none at or after the deadline.
///
/// ```
/// use tidegate_core::{Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, Next, Outcome, Step};
///
/// const POLICY: CallPolicy = match CallPolicy::new(CallConfig { attempts: 2, ..CallConfig::DEFAULT }) {
///     Ok(policy) => policy,
///     Err(_) => panic!("rejected at compile time"),
/// };
/// let mut gate = Gate::new(GateConfig::DEFAULT).expect("the default is valid");
/// let mut now = Instant::from_secs(1);
/// let mut call = Call::new(&POLICY, Instant::from_secs(60));
/// let mut outcomes = [Outcome::Failure, Outcome::Success].into_iter();
/// let end = loop {
///     match call.poll(now, &mut gate) {
///         Step::Attempt(ticket) => {
///             let outcome = outcomes.next().expect("two attempts");
///             match call.settle(now, &mut gate, ticket, outcome, Entropy::new(7)) {
///                 Next::Retry { at } => now = at,
///                 Next::Done(end) => break end,
///             }
///         }
///         Step::Wait { until, .. } | Step::Full { until, .. } => now = until,
///         Step::Done(end) => break end,
///     }
/// };
/// assert_eq!((end, call.attempts()), (End::Succeeded, 2));
/// ```
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Call<'p> {
    policy: &'p CallPolicy,
    deadline: Instant,
    /// Not before this.
    ready_at: Instant,
    /// Since when something is in the way that spends patience …
    waiting_since: Option<Instant>,
    /// … and until when at most, as it was last said.
    waiting_until: Instant,
    /// Patience spent before that on the next attempt.
    spent_ns: u64,
    /// The last delay after a failure.
    delay_ns: u64,
    /// The last delay after being throttled without a hint.
    throttled_ns: u64,
    attempts: u8,
    /// How many of them were throttled: they back off by a count of their own.
    throttled: u8,
    ended: Option<End>,
}

impl<'p> Call<'p> {
    /// A call that has to start its last attempt before `deadline`.
    pub const fn new(policy: &'p CallPolicy, deadline: Instant) -> Self {
        Self {
            policy,
            deadline,
            ready_at: Instant::ORIGIN,
            waiting_since: None,
            waiting_until: Instant::ORIGIN,
            spent_ns: 0,
            delay_ns: 0,
            throttled_ns: 0,
            attempts: 0,
            throttled: 0,
            ended: None,
        }
    }

    /// At the head of the queue, or where there is none: asks the gate for an attempt.
    pub fn poll<G: Gatekeeper>(&mut self, now: Instant, gate: &mut G) -> Step {
        match self.before_asking(now) {
            Some(step) => step,
            None => match gate.poll(now, self.which()) {
                // The gate has seen a later time than this reading.
                Admission::Go(ticket) if ticket.started() >= self.deadline => {
                    let resume_at = ticket.started();
                    gate.settle(now, ticket, Outcome::Unsent, Entropy::new(0));
                    self.done(End::OutOfTime { resume_at })
                }
                Admission::Go(ticket) => {
                    self.attempts = self.attempts.saturating_add(1);
                    (self.waiting_since, self.spent_ns) = (None, 0);
                    Step::Attempt(ticket)
                }
                refused => self.refused(now, refused),
            },
        }
    }

    /// Behind the head: looks whether it is still worth waiting, and takes nothing. `until` is the latest instant at which to
    /// look again; look earlier when what is in the way begins or ceases to cost patience. The retry budget is not looked at:
    /// whoever is before this one may earn or spend what is there.
    pub fn poll_behind<G: Gatekeeper>(&mut self, now: Instant, gate: &mut G) -> Step {
        match self.before_asking(now) {
            Some(step) => step,
            None => match gate.peek(now, Try::First) {
                // It could go, were it its turn: its own deadline is all it has to watch.
                None => {
                    self.spend(now);
                    Step::Full { until: self.deadline, why: Why::Queued }
                }
                Some(refused) => match self.refused(now, refused) {
                    // Whoever is at the head sees to the gate; this one watches its own time.
                    Step::Wait { until: _, why } if !why.costs_patience() => Step::Full { until: self.deadline, why },
                    Step::Wait { until: _, why } => Step::Wait { until: self.give_up_at(), why },
                    Step::Full { until: _, why } => Step::Full { until: self.deadline, why },
                    step @ (Step::Attempt(_) | Step::Done(_)) => step,
                },
            },
        }
    }

    /// Aside for want of a retry budget, and behind others that are: what the budget gets is theirs. So it waits for the budget
    /// as long as it stands here, whatever is in the way of those before it, and watches its own time.
    pub(crate) fn poll_aside<G: Gatekeeper>(&mut self, now: Instant, gate: &mut G) -> Step {
        if let Some(step) = self.before_asking(now) {
            return step;
        }
        let (resume_at, why) = match gate.peek(now, Try::Again) {
            Some(Admission::Never { why }) => return self.done(End::Barred(why)),
            Some(Admission::Wait { until, why }) if why.costs_patience() => (until, why),
            Some(Admission::Go(_) | Admission::Wait { .. } | Admission::Full { .. }) | None => {
                (Instant::MAX, Why::Queued)
            }
        };
        self.waiting_since.get_or_insert(now);
        self.waiting_until = Instant::MAX;
        let until = self.give_up_at();
        if now >= until { self.done(End::OutOfPatience { why, resume_at }) } else { Step::Wait { until, why } }
    }

    /// Says what came of an attempt, to the gate and to this call.
    pub fn settle<G: Gatekeeper>(
        &mut self,
        now: Instant,
        gate: &mut G,
        ticket: Ticket,
        outcome: Outcome,
        entropy: Entropy,
    ) -> Next {
        // A clock that stepped back does not shorten a backoff.
        let now = now.max(ticket.started());
        gate.settle(now, ticket, outcome, entropy);
        let entropy = entropy.derive(CALL_SALT);
        match outcome {
            Outcome::Success => self.end_settled(End::Succeeded),
            Outcome::Empty => self.end_settled(End::Empty),
            Outcome::Refused(refusal) => self.end_settled(End::Refused(refusal)),
            Outcome::Cancelled | Outcome::Unsent => self.end_settled(End::Cancelled),
            Outcome::Failure | Outcome::Timeout => {
                self.delay_ns = self.backoff_ns(entropy);
                self.retry(now, 0, self.delay_ns)
            }
            // A hint of nothing (a date in the past) is none: the server still refuses.
            Outcome::Throttled { retry_after: Some(hint) } if !hint.is_zero() => {
                self.throttled = self.throttled.saturating_add(1);
                self.delay_ns = self.backoff_ns(entropy);
                self.retry(now, nanos(hint), self.delay_ns)
            }
            Outcome::Throttled { .. } => {
                self.throttled = self.throttled.saturating_add(1);
                let failures = u32::from(self.throttled);
                self.throttled_ns = self.policy.throttled.delay_ns(failures, self.throttled_ns, entropy);
                self.retry(now, 0, self.throttled_ns)
            }
        }
    }

    /// Ends the call from outside: nothing more is attempted.
    pub fn end(&mut self, end: End) {
        self.ended.get_or_insert(end);
    }

    /// What an attempt is that was cut off at `until`, its [`Call::attempt_deadline`]: a timeout, unless it was the call's own
    /// deadline that came. Then the server is not to blame: the call is over, and the attempt is cancelled.
    #[must_use = "settle the attempt's ticket with it"]
    pub fn cut_off(&mut self, until: Instant) -> Outcome {
        if until < self.deadline {
            return Outcome::Timeout;
        }
        self.end(End::OutOfTime { resume_at: until });
        Outcome::Cancelled
    }

    /// Attempts made so far.
    pub const fn attempts(&self) -> u8 {
        self.attempts
    }

    /// When the last attempt has to start, and the running one to end.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When an attempt admitted at `started` has to be over: when its own time is, or that of the call.
    #[must_use = "the driver keeps the time"]
    pub fn attempt_deadline<G: Gatekeeper>(&self, gate: &G, started: Instant) -> Instant {
        started.saturating_add(gate.attempt_timeout()).min(self.deadline)
    }

    fn which(&self) -> Try {
        if self.attempts == 0 { Try::First } else { Try::Again }
    }

    /// What there is to say without a gate: that it is over, or backs off.
    pub(crate) fn before_asking(&mut self, now: Instant) -> Option<Step> {
        if let Some(end) = self.ended {
            return Some(Step::Done(end));
        }
        if now >= self.deadline {
            return Some(self.done(End::OutOfTime { resume_at: now.max(self.ready_at) }));
        }
        if self.attempts >= self.policy.attempts() {
            // The last ticket was lost: its attempt counts.
            let resume_at = now.max(self.ready_at);
            return Some(self.done(End::Exhausted { attempts: self.attempts, resume_at }));
        }
        if now < self.ready_at {
            let why = Why::Backoff { attempt: self.attempts.saturating_add(1), attempts: self.policy.attempts() };
            return Some(Step::Wait { until: self.ready_at, why });
        }
        None
    }

    fn refused(&mut self, now: Instant, refused: Admission) -> Step {
        match refused {
            Admission::Go(_) => Step::Full { until: self.deadline, why: Why::Queued },
            Admission::Full { until, why } => {
                self.spend(now);
                Step::Full { until: until.min(self.deadline), why }
            }
            Admission::Never { why } => self.done(End::Barred(why)),
            Admission::Wait { until, why } => {
                if why.costs_patience() {
                    self.waiting_since.get_or_insert(now);
                    self.waiting_until = until;
                } else {
                    self.spend(now);
                }
                let give_up_at = if why.costs_patience() { self.give_up_at() } else { self.deadline };
                let hopeless = now >= give_up_at || (is_certain(why) && until >= give_up_at);
                if !hopeless {
                    Step::Wait { until: until.min(give_up_at), why }
                } else if until >= self.deadline && is_certain(why) {
                    self.done(End::OutOfTime { resume_at: until })
                } else {
                    self.done(End::OutOfPatience { why, resume_at: until })
                }
            }
        }
    }

    /// What was in the way is not any more: takes off the patience that it cost. It cannot have lasted longer than it was
    /// said to, even where this call did not look in between.
    fn spend(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.spent_ns = self.spent_ns.saturating_add(now.min(self.waiting_until).since_ns(since));
        }
    }

    /// When patience or time runs out, whichever is first.
    fn give_up_at(&self) -> Instant {
        match (self.policy.patience_ns, self.waiting_since) {
            (Some(patience_ns), Some(since)) => {
                since.plus_ns(patience_ns.saturating_sub(self.spent_ns)).min(self.deadline)
            }
            (None, _) | (_, None) => self.deadline,
        }
    }

    fn backoff_ns(&self, entropy: Entropy) -> u64 {
        let failures = u32::from(self.attempts.saturating_sub(self.throttled));
        self.policy.backoff.delay_ns(failures, self.delay_ns, entropy)
    }

    fn retry(&mut self, now: Instant, hint_ns: u64, delay_ns: u64) -> Next {
        if let Some(end) = self.ended {
            return Next::Done(end);
        }
        let at = now.plus_ns(hint_ns.saturating_add(delay_ns));
        if self.attempts >= self.policy.attempts() {
            return self.end_settled(End::Exhausted { attempts: self.attempts, resume_at: at });
        }
        if at >= self.deadline {
            return self.end_settled(End::OutOfTime { resume_at: at });
        }
        self.ready_at = at;
        Next::Retry { at }
    }

    fn end_settled(&mut self, end: End) -> Next {
        Next::Done(*self.ended.get_or_insert(end))
    }

    pub(crate) fn done(&mut self, end: End) -> Step {
        Step::Done(*self.ended.get_or_insert(end))
    }
}

/// Whether nothing that other calls do can make this end earlier, but for one that was admitted and then not sent.
const fn is_certain(why: Why) -> bool {
    match why {
        Why::Open { .. } | Why::Paused { .. } | Why::Rate { .. } => true,
        Why::ForcedOpen
        | Why::Probing { .. }
        | Why::Budget { .. }
        | Why::InFlight { .. }
        | Why::Ramp { .. }
        | Why::Backoff { .. }
        | Why::Queued => false,
    }
}

/// The gate and the call draw from the same word.
const CALL_SALT: u32 = 0x6361_6c6c;

const _: () = assert!(size_of::<Call<'_>>() <= 104);

#[cfg(test)]
mod tests;
