//! tokio and reqwest, with every decision made by the core: a clock and a lock are all that it wants of the runtime.
//!
//! ```sh
//! cargo run --manifest-path examples/tokio/Cargo.toml                 # tiles of a failing server that it starts itself
//! cargo run --manifest-path examples/tokio/Cargo.toml -- URL URL …    # yours
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::{
    error::Error,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::Client;
use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Outcome,
    drive::{Clock, Driver, Lock, Turnstile},
    http,
};
use tokio::{
    task::JoinSet,
    time::{self, Sleep, sleep_until},
};

/// tokio's clock and timers.
struct TokioClock {
    origin: time::Instant,
}

impl Clock for TokioClock {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::ORIGIN.saturating_add(self.origin.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        // tokio has no timer for ever; a year is the same here.
        let span = at.saturating_since(Instant::ORIGIN);
        sleep_until(self.origin.checked_add(span).unwrap_or_else(|| self.origin + YEAR))
    }
}

/// A mutex as the driver wants it: what a panicking task has left is whole all the same. Never held across an `await`.
struct Guarded<T>(Mutex<T>);

impl<T> Lock for Guarded<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One server: its gate, and what it takes to ask it.
struct Upstream<G> {
    clock: TokioClock,
    gate: Guarded<Turnstile<G>>,
    policy: CallPolicy,
    client: Client,
    seed: u64,
}

impl<G: Gatekeeper + Send + 'static> Upstream<G> {
    fn new(gate: G) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self {
            clock: TokioClock { origin: time::Instant::now() },
            gate: Guarded(Mutex::new(Turnstile::new(gate))),
            policy: CallPolicy::new(CallConfig::DEFAULT)?,
            client: Client::builder().no_proxy().build()?,
            seed: RandomState::new().hash_one("jitter"),
        })
    }

    /// Fetches one URL: how that ended, and the size of the body.
    async fn fetch(&self, number: u64, url: &str) -> (End, usize) {
        let mut call = Call::new(&self.policy, self.clock.now().saturating_add(Duration::from_secs(60)));
        let mut drawn = 0;
        let entropy = || {
            drawn += 1;
            Entropy::mix(self.seed, number, drawn)
        };
        // The driver drops an attempt when its time is up, and reqwest then closes the connection.
        let attempt = |_until| async { get(&self.client, url).await.unwrap_or((Outcome::Failure, 0)) };
        let (end, size) = Driver::new(&self.clock, &self.gate).run(&mut call, entropy, attempt).await;
        (end, size.unwrap_or(0))
    }

    /// Fetches all of `urls`, each in a task, in the order in which they are done.
    async fn fetch_all(self: &Arc<Self>, urls: Vec<String>) -> Vec<(String, End, usize)> {
        let (mut tasks, mut ended) = (JoinSet::new(), Vec::with_capacity(urls.len()));
        for (number, url) in (0..).zip(urls) {
            if tasks.len() == TASKS {
                ended.extend(tasks.join_next().await.transpose().expect("no download panics"));
            }
            let upstream = Arc::clone(self);
            tasks.spawn(async move {
                let (end, size) = upstream.fetch(number, &url).await;
                (url, end, size)
            });
        }
        ended.extend(tasks.join_all().await);
        ended
    }
}

/// One attempt. A body that breaks off is an error.
async fn get(client: &Client, url: &str) -> reqwest::Result<(Outcome, usize)> {
    let answer = client.get(url).send().await?;
    let field = |name| answer.headers().get(name).map(|value| value.as_bytes());
    let hint = field("retry-after").and_then(|value| http::retry_after(value, field("date")));
    let outcome = http::outcome(answer.status().as_u16(), hint);
    Ok((outcome, answer.bytes().await?.len()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = common::server("503=10%\n latency=20ms");
    let urls = common::urls(&server);
    let upstream = Arc::new(Upstream::new(Gate::new(GateConfig::DEFAULT)?)?);
    for (url, end, size) in upstream.fetch_all(urls).await {
        writeln!(io::stdout(), "{url}: {end}, {size} bytes")?;
    }
    Ok(())
}

/// How many downloads there are at a time; the gate may admit fewer. At most as many as a [`Turnstile`] has places.
const TASKS: usize = 32;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use tidegate_core::Traced;

    use super::{common::live, *};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let upstream = Arc::new(Upstream::new(Traced::<Gate, 2048>::new(live::gate())).expect("a client"));
        let fetched = upstream.fetch_all(common::tiles(&server, 2)).await;
        let ends = fetched.iter().map(|&(_, end, _)| end);
        upstream.gate.with(|turnstile| live::check(&server, ends, turnstile.gate()));
    }
}
