//! Resilience decisions without a clock, a heap or I/O: when a request may go, how long to wait, when to try again and when to
//! stop. The same code decides on a server and on a microcontroller, and a test can play hours of it in milliseconds.
//!
//! # The contract
//!
//! > Every ticket that a gate hands out is settled exactly once, with any outcome, in any order, at any later time.
//! > Between calls nothing happens.
//!
//! The core is handed the time ([`Instant`]) and randomness ([`Entropy`]) and gives back decisions that can be acted on alone:
//! "not yet" says when and why, "never" says why and is another variant. A reading of the clock earlier than one already seen
//! means that no time has passed. Nothing panics on any input, and every call takes a bounded number of steps.
//!
//! # The run loop
//!
//! For each logical request, whatever the runtime:
//!
//! 1. Make a [`Call`] with a [`CallPolicy`] and a deadline, when there is room for one more: calls that are alive are bounded.
//! 2. [`Call::poll`] it with the present time and the [`Gate`] of its upstream.
//! 3. [`Step::Wait`]: sleep until `until`, or less if something else of this gate is settled meanwhile; poll again.
//!    [`Step::Full`]: the same, but it is a settle that will end it; `until` is the latest.
//! 4. [`Step::Attempt`]: make the attempt, at most until [`Call::attempt_deadline`]. What it is to be called then is an
//!    [`Outcome`]; [`http::outcome`] knows for HTTP. One that is not over by then is cut off: what that is, [`Call::cut_off`] says.
//!    If the answer tells what is left of a quota ([`http::QuotaReader`]), tell the gate first, as [`Control::Quota`].
//! 5. [`Call::settle`] the ticket with that outcome, and poll whoever waits: its `Wait` may have become shorter. An attempt that
//!    is given up halfway is settled as [`Outcome::Cancelled`], one that was never sent as [`Outcome::Unsent`]. The entropy is a
//!    fresh word from your generator each time ([`Entropy::mix`] where there is none): with a constant, all clients come back in
//!    step.
//! 6. [`Next::Retry`]: sleep until `at`, then go on at 2. [`Next::Done`] and [`Step::Done`]: it is over, and [`End`] says how.
//!
//! With several calls per gate, let them stand in one queue in the order of their arrival, poll only the head with
//! [`Call::poll`] and the others with [`Call::poll_behind`], which only looks: when its own time is over, and when what the head
//! waits for begins or ceases to cost patience. A retry backs off outside the queue and enters at its tail. One that finds the
//! budget empty at the head ([`Why::Budget`]) steps aside, so that first attempts, which earn what it lacks, do not wait behind
//! it; the first of those that did is polled again before the head. That is fair, wakes one waiter per place, and needs one
//! timer each for the head and the first of those aside beside each call's own deadline.
//!
//! Nobody has to write that queue. [`drive::Driver`] is the whole loop for everything async: a runtime supplies a clock and a
//! lock. Where nothing is async, each call has a [`drive::Turn`], which is polled in place of the call and keeps to the queue.
//! Both queue at a [`drive::Turnstile`] with room for 64 calls or as many as you say; one more ends with [`End::QueueFull`].
//!
//! Beside the loop:
//! - The time is an [`Instant`]: nanoseconds from an origin of yours that no reading goes behind. A tick counter becomes one by
//!   [`Instant::from_ticks`], after a [`time::TickExtender`] where it wraps.
//! - An `until` of [`Instant::MAX`] means that time alone does not help: park until something is settled or changed.
//! - A change from outside (a pause, a quota, other settings, a breaker forced open) can make a wait shorter: poll whoever waits
//!   after it. [`drive::Driver::control`] does both; [`drive::Turnstile::control`] gives back a waker to wake outside the lock.
//!   What is to be recorded goes through [`Gatekeeper::control`], as a [`Control`].
//! - A ticket that is lost costs its place until its lease ends or a third later ([`GateConfig::lease`]), and what the attempt
//!   itself had cost: its share of the rate, of the budget and of the call's attempts.
//! - Latencies are yours to record: [`RotatingBuckets`] beside the gate, around what you measure.
//! - Several hosts: [`HostTable`] keeps a gate for each and forgets none that is under penalty. Where a call may be tried at
//!   another gate, a mirror's, each has an id of its own ([`GateConfig::id`]), so that neither takes a ticket of the other.
//! - A restart: [`Gate::snapshot`] and [`Gate::restore`]. A puzzle: put [`Traced`] in the gate's place and replay what it
//!   recorded.
//!
//! # An example with numbers
//!
//! ```
//! use core::time::Duration;
//! use tidegate_core::{
//!     Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, Next, Outcome, Step, Why,
//!     backoff::{BackoffConfig, Jitter},
//! };
//!
//! // 3 attempts; 1 s, then 2 s between them; no jitter, so that the numbers below are exact.
//! let backoff = BackoffConfig { base: Duration::from_secs(1), jitter: Jitter::None, ..BackoffConfig::DEFAULT };
//! let policy = CallPolicy::new(CallConfig { attempts: 3, backoff, ..CallConfig::DEFAULT })?;
//! let mut gate = Gate::new(GateConfig::DEFAULT)?;
//! let mut call = Call::new(&policy, Instant::from_secs(60));
//! let entropy = Entropy::new(0);
//!
//! // At 10 s the first attempt goes, and fails.
//! let now = Instant::from_secs(10);
//! let Step::Attempt(ticket) = call.poll(now, &mut gate) else { panic!("a fresh gate admits") };
//! let next = call.settle(now, &mut gate, ticket, Outcome::Failure, entropy);
//! assert_eq!(next, Next::Retry { at: Instant::from_secs(11) });
//!
//! // Asked half a second early, it says when, and why.
//! let early = call.poll(Instant::from_millis(10_500), &mut gate);
//! let why = Why::Backoff { attempt: 2, attempts: 3 };
//! assert_eq!(early, Step::Wait { until: Instant::from_secs(11), why });
//!
//! // The second one is throttled: the server wants 5 s. A hint is a floor, to which the backoff is added.
//! let now = Instant::from_secs(11);
//! let Step::Attempt(ticket) = call.poll(now, &mut gate) else { panic!("it has backed off") };
//! let hint = Outcome::Throttled { retry_after: Some(Duration::from_secs(5)) };
//! let Next::Retry { at } = call.settle(now, &mut gate, ticket, hint, entropy) else { panic!("one is left") };
//! assert_eq!(at, Instant::from_secs(11 + 5 + 1));
//!
//! // The third one succeeds.
//! let Step::Attempt(ticket) = call.poll(at, &mut gate) else { panic!("the pause is over") };
//! assert_eq!(call.settle(at, &mut gate, ticket, Outcome::Success, entropy), Next::Done(End::Succeeded));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # The map
//!
//! | module | decides |
//! |---|---|
//! | [`backoff`] | how long to wait before trying again |
//! | [`budget`] | how many retries all calls together may make |
//! | [`breaker`] | when to stop asking, and how to begin again |
//! | [`rate`] | how often; also a rate that finds a server's hidden limit |
//! | [`limit`] | how many at once; also a limit that adapts |
//! | [`latency`] | nothing: it remembers latencies in fixed cells |
//! | [`gate`] | whether an attempt goes now: all of these together, all or nothing |
//! | [`call`] | what one logical request does next, over several attempts |
//! | [`drive`] | whose turn it is: the run loop for async runtimes, and the queue for loops that poll |
//! | [`hosts`] | which hosts keep a gate, where places are few |
//! | [`http`] | what statuses and headers mean |
//! | [`trace`] | nothing: it records what a gate was asked and answered, and replays it |
//! | [`tile`] | which map tile, without telling where |
//! | [`time`], [`entropy`], [`outcome`], [`ticket`] | the words all of these share |
//!
//! # What it deliberately does not do
//!
//! It reads no clock, draws no randomness, sleeps on nothing, logs nothing, locks nothing, allocates nothing and calls nobody
//! back. It has no floats, no unsafe code and no division on the way of a request. It does not know whether a request is safe to
//! repeat, and does not keep the requests themselves.
//!
//! # Features
//!
//! `defmt` derives `Format` for the public types, `embassy-time` adds the module `embassy` (conversions, a clock). Neither changes
//! a decision, and neither links on a host.
#![no_std]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod call;
pub mod drive;
#[cfg(feature = "embassy-time")]
pub mod embassy;
pub mod entropy;
pub mod gate;
pub mod hosts;
pub mod http;
pub mod latency;
pub mod limit;
pub mod outcome;
pub mod rate;
mod share;
pub mod ticket;
pub mod tile;
pub mod time;
pub mod trace;

pub use call::{Call, CallConfig, CallError, CallPolicy, End, Next, Step};
pub use entropy::Entropy;
pub use gate::{Admission, Barred, Control, Gate, GateConfig, GateError, Gatekeeper, RateControl, Try, Why};
pub use hosts::HostTable;
pub use latency::{LatencyBuckets, LatencyConfig, Quantile, RotatingBuckets};
pub use outcome::{Outcome, Quota, Refusal};
pub use share::Share;
pub use ticket::Ticket;
pub use tile::TileId;
pub use time::Instant;
pub use trace::Traced;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod tests;
