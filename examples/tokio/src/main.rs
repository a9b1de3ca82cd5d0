//! tokio and reqwest, with every decision made by the core: a clock and a lock are all that it wants of the runtime.
//!
//! ```sh
//! cargo run --manifest-path examples/tokio/Cargo.toml                 # tiles of a failing server that it starts itself
//! cargo run --manifest-path examples/tokio/Cargo.toml -- URL URL …    # yours
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::Client;
use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Gatekeeper, Instant, Outcome,
    drive::{Clock, Driver, Lock, Turnstile},
    http,
};
use tokio::{task::JoinSet, time};

/// tokio's clock and timers.
struct TokioClock(time::Instant);

impl Clock for TokioClock {
    type Sleep = time::Sleep;

    fn now(&self) -> Instant {
        Instant::ORIGIN.saturating_add(self.0.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> time::Sleep {
        time::sleep(at.saturating_since(self.now()))
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
    gate: Guarded<Turnstile<G>>,
    clock: TokioClock,
    policy: CallPolicy,
    client: Client,
}

impl<G: Gatekeeper + Send + 'static> Upstream<G> {
    fn new(gate: G) -> Arc<Self> {
        Arc::new(Self {
            gate: Guarded(Mutex::new(Turnstile::new(gate))),
            clock: TokioClock(time::Instant::now()),
            policy: CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid"),
            client: Client::builder().no_proxy().build().expect("a client without TLS"),
        })
    }

    /// Fetches all of `urls`, each in a task: how each ended, and the size of its body, in the order in which they are done.
    async fn fetch_all(self: &Arc<Self>, urls: Vec<String>) -> Vec<(String, End, usize)> {
        let (mut tasks, mut ended) = (JoinSet::new(), Vec::with_capacity(urls.len()));
        for url in urls {
            if tasks.len() == TASKS {
                ended.extend(tasks.join_next().await.transpose().expect("no download panics"));
            }
            tasks.spawn(Arc::clone(self).fetch(url));
        }
        ended.extend(tasks.join_all().await);
        ended
    }

    async fn fetch(self: Arc<Self>, url: String) -> (String, End, usize) {
        let mut call = Call::new(&self.policy, self.clock.now().saturating_add(time::Duration::from_secs(60)));
        // std has no generator, but the keys of its hash maps are random, and others each time.
        let entropy = || Entropy::new(RandomState::new().hash_one(()) as u32);
        // The driver drops an attempt when its time is up, and reqwest then closes the connection.
        let attempt = |_until| async { get(&self.client, &url).await.unwrap_or((Outcome::Failure, 0)) };
        let (end, size) = Driver::new(&self.clock, &self.gate).run(&mut call, entropy, attempt).await;
        (url, end, size.unwrap_or(0))
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
async fn main() -> io::Result<()> {
    let server = common::server("503=10%\n latency=20ms");
    let upstream = Upstream::new(Gate::new(GateConfig::DEFAULT).expect("the default is valid"));
    for (url, end, size) in upstream.fetch_all(common::urls(&server)).await {
        writeln!(io::stdout(), "{url}: {end}, {size} bytes")?;
    }
    Ok(())
}

/// How many downloads there are at a time; the gate may admit fewer. At most as many as a [`Turnstile`] has places.
const TASKS: usize = 32;

#[cfg(test)]
mod tests {
    use tidegate_core::Traced;

    use super::{common::live, *};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_tile_comes_in_spite_of_failures_and_the_core_replays_what_it_decided() {
        let server = live::server();
        let upstream = Upstream::new(Traced::<Gate, 2048>::new(live::gate()));
        let fetched = upstream.fetch_all(common::tiles(&server, 2)).await;
        let ends = fetched.iter().map(|&(_, end, _)| end);
        upstream.gate.with(|turnstile| live::check(&server, ends, turnstile.gate()));
    }
}
