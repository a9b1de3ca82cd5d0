//! A bare loop, as on a device without an operating system: no async, no threads, nothing but a tick counter and sockets that do
//! not block.
//!
//! ```sh
//! cargo run --example superloop                 # tiles of a failing server that it starts itself
//! cargo run --example superloop -- URL URL …    # yours
//! ```
//!
//! Up to [`SLOTS`] requests are under way. Those that want an attempt stand in one queue: the head asks the gate, the others
//! only look. Whoever backs off stands outside it. That is all the core's driver does, too.

#[path = "../common/mod.rs"]
mod common;
mod exchange;

use std::{
    collections::VecDeque,
    io::{self, Write},
    mem, thread,
    time::Duration,
};

use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Next, Outcome, Step, Ticket,
    Why, time::TickExtender,
};

use exchange::Exchange;

/// How many requests may be under way.
const SLOTS: usize = 4;

/// One request.
struct Job<'u, 'p> {
    url: &'u str,
    call: Call<'p>,
    stage: Stage,
}

enum Stage {
    /// In the queue.
    Waits,
    /// Outside it, and enters it then.
    BacksOff(Instant),
    /// On the wire, until then at the latest.
    Asks(Ticket, Instant, io::Result<Exchange>),
}

struct Loop<'u, 'p, G> {
    gate: G,
    jobs: [Option<Job<'u, 'p>>; SLOTS],
    /// Slots of those that wait, in the order of their arrival.
    queue: VecDeque<usize>,
    draws: u64,
    ended: Vec<(&'u str, End)>,
}

impl<'u, 'p, G: Gatekeeper> Loop<'u, 'p, G> {
    fn new(gate: G) -> Self {
        Self { gate, jobs: [const { None }; SLOTS], queue: VecDeque::with_capacity(SLOTS), draws: 0, ended: Vec::new() }
    }

    /// Fetches all of `urls`, in any order.
    fn run(&mut self, policy: &'p CallPolicy, urls: &'u [String], mut ticks: impl FnMut() -> u32) {
        let mut clock = TickExtender::new();
        let mut urls = urls.iter();
        loop {
            let now = Instant::from_ticks(clock.extend(ticks()), 1_000);
            for slot in 0..SLOTS {
                if self.jobs[slot].is_none()
                    && let Some(url) = urls.next()
                {
                    let call = Call::new(policy, now.saturating_add(Duration::from_secs(60)));
                    self.jobs[slot] = Some(Job { url, call, stage: Stage::Waits });
                    self.queue.push_back(slot);
                }
                self.attend(now, slot);
            }
            self.serve(now);
            if self.jobs.iter().all(Option::is_none) && urls.len() == 0 {
                return;
            }
            // On a device: until an interrupt, of the tick or of the network.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Looks whether a request's attempt or its backoff is over.
    fn attend(&mut self, now: Instant, slot: usize) {
        let Some(job) = &mut self.jobs[slot] else { return };
        match mem::replace(&mut job.stage, Stage::Waits) {
            Stage::Waits => {}
            Stage::BacksOff(until) if until <= now => self.queue.push_back(slot),
            Stage::BacksOff(until) => job.stage = Stage::BacksOff(until),
            Stage::Asks(ticket, until, mut exchange) => {
                let outcome = match exchange.as_mut().map_or(Some(Outcome::Failure), Exchange::poll) {
                    Some(outcome) => outcome,
                    None if now < until => return job.stage = Stage::Asks(ticket, until, exchange),
                    None if until < job.call.deadline() => Outcome::Timeout,
                    // Not the server's fault.
                    None => {
                        job.call.end(End::OutOfTime { resume_at: until });
                        Outcome::Cancelled
                    }
                };
                self.draws += 1;
                match job.call.settle(now, &mut self.gate, ticket, outcome, Entropy::mix(FLEET, DEVICE, self.draws)) {
                    Next::Retry { at } => job.stage = Stage::BacksOff(at),
                    Next::Done(end) => self.end(slot, end),
                }
            }
        }
    }

    /// Lets the queue ask: as many as the gate admits leave it.
    fn serve(&mut self, now: Instant) {
        let mut place = 0;
        while let Some(&slot) = self.queue.get(place) {
            let Some(job) = &mut self.jobs[slot] else { unreachable!("who waits has a slot") };
            let is_head = place == 0;
            let step =
                if is_head { job.call.poll(now, &mut self.gate) } else { job.call.poll_behind(now, &mut self.gate) };
            match step {
                Step::Attempt(ticket) => {
                    let until = job.call.attempt_deadline(&self.gate, ticket.started());
                    job.stage = Stage::Asks(ticket, until, Exchange::begin(job.url));
                }
                // Its own affair: first attempts, which earn what it lacks, must not wait behind it.
                Step::Wait { until, why: Why::Budget { .. } } if is_head => job.stage = Stage::BacksOff(until),
                Step::Wait { .. } | Step::Full { .. } => {
                    place += 1;
                    continue;
                }
                Step::Done(end) => self.end(slot, end),
            }
            self.queue.remove(place);
        }
    }

    fn end(&mut self, slot: usize, end: End) {
        self.ended.extend(self.jobs[slot].take().map(|job| (job.url, end)));
    }
}

fn main() -> io::Result<()> {
    let server = common::server("503=10%\n latency=20ms");
    let urls = common::urls(&server);
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
    let mut requests = Loop::new(Gate::new(GateConfig::DEFAULT).expect("the default is valid"));
    requests.run(&policy, &urls, milliseconds());
    requests.ended.iter().try_for_each(|(url, end)| writeln!(io::stdout(), "{url}: {end}"))
}

/// Stands for a hardware counter of 32 bits, half a second before it wraps.
fn milliseconds() -> impl FnMut() -> u32 {
    let origin = std::time::Instant::now();
    move || (u32::MAX - 500).wrapping_add(origin.elapsed().as_millis() as u32)
}

/// Chosen once for all devices …
const FLEET: u64 = 0x7469_6465;
/// … and what tells this one from the others: its serial number, say. Together they decide its jitter.
const DEVICE: u64 = 1;

#[cfg(test)]
mod tests {
    use tidegate_core::Traced;

    use super::{common::live, *};

    #[test]
    fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
        let urls = common::tiles(&server, 2);
        let mut requests = Loop::new(Traced::<Gate, 8192>::new(live::gate()));
        requests.run(&policy, &urls, milliseconds());
        live::check(&server, requests.ended.iter().map(|&(_, end)| end), &requests.gate);
    }
}
