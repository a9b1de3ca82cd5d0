//! Plain threads: each download has one, which blocks in its HTTP client and is parked while the gate lets it wait.
//!
//! ```sh
//! cargo run --example threads                 # tiles of a failing server that it starts itself
//! cargo run --example threads -- URL URL …    # yours
//! ```
//!
//! What the core's driver wants of a runtime is in `parked.rs`, to be taken along.

#[path = "../common/mod.rs"]
mod common;
mod parked;

use std::{
    future::pending,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::Mutex,
    thread,
    time::Duration,
};

use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Outcome,
    drive::{Clock, Driver, Turnstile},
    http,
};

use parked::{Guarded, Parked, block_on};

/// How many downloads there are at a time; the gate may admit fewer.
const THREADS: usize = 8;

/// Fetches `urls` through the gate, in the order in which the threads come to them.
fn fetch<G: Gatekeeper + Send>(gate: &Guarded<Turnstile<G>>, urls: &[String]) -> Vec<(String, End, usize)> {
    let clock = Parked::start();
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let seed = RandomState::new().hash_one("jitter");
    let download = |number: usize, url: &String| {
        let mut call = Call::new(&policy, clock.now().saturating_add(Duration::from_secs(60)));
        let mut drawn = 0;
        let entropy = || {
            drawn += 1;
            Entropy::mix(seed, number as u64, drawn)
        };
        let attempt = async |until: Instant| match get(&agent, url, until.saturating_since(clock.now())) {
            Ok((outcome, bytes)) => (outcome, bytes),
            // Time is up, and the driver sees whose it was: the attempt's or the call's.
            Err(ureq::Error::Timeout(_)) => pending().await,
            Err(_) => (Outcome::Failure, 0),
        };
        let (end, bytes) = block_on(Driver::new(&clock, gate).run(&mut call, entropy, attempt));
        (url.clone(), end, bytes.unwrap_or(0))
    };
    let share = |thread| {
        let mine = urls.iter().enumerate().skip(thread).step_by(THREADS);
        mine.map(|(number, url)| download(number, url)).collect::<Vec<_>>()
    };
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
    use tidegate_core::{Traced, drive::Lock};

    use super::{common::live, *};

    #[test]
    fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let gate = Guarded(Mutex::new(Turnstile::new(Traced::<Gate, 2048>::new(live::gate()))));
        let fetched = fetch(&gate, &common::tiles(&server, 2));
        gate.with(|turnstile| live::check(&server, fetched.iter().map(|&(_, end, _)| end), turnstile.gate()));
    }
}
