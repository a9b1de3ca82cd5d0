//! Plain threads: each has a download, blocks in its HTTP client, and is parked while the gate lets it wait.
//!
//! ```sh
//! cargo run --example threads                 # tiles of a failing server that it starts itself
//! cargo run --example threads -- URL URL …    # yours
//! ```

#[path = "../common/mod.rs"]
mod common;

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
    thread::{self, Thread},
    time::{self, Duration},
};

use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Next, Outcome, Step,
    drive::{Lock, Turn, Turnstile},
    http,
};

/// How many downloads there are at a time; the gate may admit fewer.
const THREADS: usize = 8;

/// A mutex as the core wants it: what a panicking thread has left is whole all the same.
struct Guarded<T>(Mutex<T>);

impl<T> Lock for Guarded<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends the parking of a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Fetches `urls` through the gate; `THREADS` threads share them.
fn fetch<G: Gatekeeper + Send>(gate: &Guarded<Turnstile<G>>, urls: &[String]) -> Vec<(String, End, usize)> {
    let origin = time::Instant::now();
    let now = || Instant::ORIGIN.saturating_add(origin.elapsed());
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let download = |url: &String| {
        let mut call = Call::new(&policy, now().saturating_add(Duration::from_secs(60)));
        let mut turn = Turn::new(gate);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut bytes = 0;
        let end = loop {
            match turn.poll(now(), &mut call, &waker) {
                Step::Attempt(ticket) => {
                    let until = turn.attempt_deadline(&call, &ticket);
                    let (outcome, size) = match get(&agent, url, until.saturating_since(now())) {
                        Ok(answer) => answer,
                        Err(ureq::Error::Timeout(_)) => (call.cut_off(until), 0),
                        Err(_) => (Outcome::Failure, 0),
                    };
                    bytes = size;
                    // std has no generator, but the keys of its hash maps are random, and others each time.
                    let entropy = Entropy::new(RandomState::new().hash_one(()) as u32);
                    if let Next::Done(end) = turn.settle(now(), &mut call, ticket, outcome, entropy) {
                        break end;
                    }
                }
                Step::Wait { until, .. } | Step::Full { until, .. } => {
                    thread::park_timeout(until.saturating_since(now()));
                }
                Step::Done(end) => break end,
            }
        };
        (url.clone(), end, bytes)
    };
    let share = |thread| urls.iter().skip(thread).step_by(THREADS).map(download).collect::<Vec<_>>();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no download panics")).collect()
    })
}

/// One attempt: blocks until the whole body is there, or `timeout` is over.
fn get(agent: &ureq::Agent, url: &str, timeout: Duration) -> Result<(Outcome, usize), ureq::Error> {
    let mut answer = agent.get(url).config().timeout_global(Some(timeout)).build().call()?;
    let body = answer.body_mut().read_to_vec()?;
    let field = |name| answer.headers().get(name).map(|value| value.as_bytes());
    let hint = field("retry-after").and_then(|value| http::retry_after(value, field("date")));
    Ok((http::outcome(answer.status().as_u16(), hint), body.len()))
}

fn main() -> io::Result<()> {
    let server = common::server("503=10%\n latency=20ms");
    let urls = common::urls(&server);
    let gate = Gate::new(GateConfig::DEFAULT).expect("the default is valid");
    for (url, end, bytes) in fetch(&Guarded(Mutex::new(Turnstile::new(gate))), &urls) {
        writeln!(io::stdout(), "{url}: {end}, {bytes} bytes")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidegate_core::Traced;

    use super::{common::live, *};

    #[test]
    fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let gate = Guarded(Mutex::new(Turnstile::new(Traced::<Gate, 2048>::new(live::gate()))));
        let fetched = fetch(&gate, &common::tiles(&server, 2));
        gate.with(|turnstile| live::check(&server, fetched.iter().map(|&(_, end, _)| end), turnstile.gate()));
    }
}
