//! A bare loop, as on a device without an operating system: no async, no threads, nothing but a tick counter and sockets that do
//! not block.
//!
//! ```sh
//! cargo run --example superloop                 # tiles of a failing server that it starts itself
//! cargo run --example superloop -- URL URL …    # yours
//! ```
//!
//! Up to [`SLOTS`] requests are under way, and each round of the loop polls all of them. Who is next, and when, is the core's
//! affair: each has a [`Turn`] at the [`Turnstile`].

#[path = "../common/mod.rs"]
mod common;
mod exchange;

use std::{
    cell::RefCell,
    io::{self, Write},
    task::Waker,
    thread,
    time::{self, Duration},
};

use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Next, Step, Ticket,
    drive::{Turn, Turnstile},
    time::TickExtender,
};

use exchange::Exchange;

/// How many requests may be under way.
const SLOTS: usize = 4;

/// The gate of one server, and the queue for it.
type Shared<G> = RefCell<Turnstile<G, SLOTS>>;

/// One request.
struct Job<'u, 's, G: Gatekeeper> {
    url: &'u str,
    call: Call<'s>,
    turn: Turn<'s, Shared<G>>,
    /// What is on the wire.
    attempt: Option<(Ticket, Exchange)>,
}

impl<G: Gatekeeper> Job<'_, '_, G> {
    /// Does what there is to do, and says how the request ended, once it has.
    fn poll(&mut self, now: Instant, entropy: Entropy) -> Option<End> {
        let Some((ticket, exchange)) = &mut self.attempt else { return self.begin(now) };
        let until = self.turn.attempt_deadline(&self.call, ticket);
        let outcome = match exchange.poll() {
            Some(outcome) => outcome,
            None if now < until => return None,
            None => self.call.cut_off(until),
        };
        let (ticket, _) = self.attempt.take()?;
        match self.turn.settle(now, &mut self.call, ticket, outcome, entropy) {
            Next::Retry { .. } => None,
            Next::Done(end) => Some(end),
        }
    }

    /// Begins an attempt, if it is time for one.
    fn begin(&mut self, now: Instant) -> Option<End> {
        match self.turn.poll(now, &mut self.call, Waker::noop()) {
            Step::Attempt(ticket) => self.attempt = Some((ticket, Exchange::begin(self.url))),
            // Nobody needs to be woken then: the loop comes round.
            Step::Wait { .. } | Step::Full { .. } => {}
            Step::Done(end) => return Some(end),
        }
        None
    }
}

/// Fetches all of `urls`, in any order.
fn fetch<'u, G: Gatekeeper>(shared: &Shared<G>, urls: &'u [String]) -> Vec<(&'u str, End)> {
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
    // Stands for a hardware counter of 32 bits, half a second before it wraps.
    let origin = time::Instant::now();
    let milliseconds = || (u32::MAX - 500).wrapping_add(origin.elapsed().as_millis() as u32);
    let (mut clock, mut draws) = (TickExtender::new(), 0);
    let (mut left, mut jobs, mut ended) = (urls.iter(), [const { None }; SLOTS], Vec::new());
    while ended.len() < urls.len() {
        let now = Instant::from_ticks(clock.extend(milliseconds()), 1_000);
        for slot in &mut jobs {
            let Some(job) = slot else {
                let call = Call::new(&policy, now.saturating_add(Duration::from_secs(60)));
                *slot = left.next().map(|url| Job { url, call, turn: Turn::new(shared), attempt: None });
                continue;
            };
            draws += 1;
            if let Some(end) = job.poll(now, Entropy::mix(0, DEVICE, draws)) {
                ended.push((job.url, end));
                *slot = None;
            }
        }
        // On a device: until an interrupt, of the tick or of the network.
        thread::sleep(Duration::from_millis(1));
    }
    ended
}

fn main() -> io::Result<()> {
    let server = common::server("503=10%\n latency=20ms");
    let gate = Gate::new(GateConfig::DEFAULT).expect("the default is valid");
    let urls = common::urls(&server);
    let ended = fetch(&RefCell::new(Turnstile::new(gate)), &urls);
    ended.iter().try_for_each(|(url, end)| writeln!(io::stdout(), "{url}: {end}"))
}

/// What tells this device from others: its serial number, say. It decides its jitter.
const DEVICE: u64 = 1;

#[cfg(test)]
mod tests {
    use tidegate_core::Traced;

    use super::{common::live, *};

    #[test]
    fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let shared = RefCell::new(Turnstile::new(Traced::<Gate, 8192>::new(live::gate())));
        let urls = common::tiles(&server, 2);
        let ended = fetch(&shared, &urls);
        live::check(&server, ended.iter().map(|&(_, end)| end), shared.borrow().gate());
    }
}
