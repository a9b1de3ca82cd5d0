//! smol over loopback, with the threads and the HTTP client of the command: what it decided is recorded, and the core replays
//! it. The examples of the other runtimes have the same test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate::{
    clock::{Chance, SystemClock},
    runtime::Runtime,
    transport::{HttpConfig, HttpTransport, Request, Transport},
};
use tidegate_core::{
    Call, CallConfig, CallPolicy, End, Gate, Outcome, Traced,
    drive::{Clock, Driver, Lock, Turnstile},
    http,
};

use super::Guarded;
use crate::common::{self, live};

type Recorded = Traced<Gate, 2048>;

/// What the calls share.
struct Shared {
    clock: SystemClock,
    gate: Guarded<Turnstile<Recorded>>,
    policy: CallPolicy,
    client: HttpTransport,
    chance: Chance,
}

impl Shared {
    async fn fetch(&self, url: &str) -> End {
        let deadline = self.clock.now().saturating_add(Duration::from_secs(60));
        let attempt = |_until| async {
            match self.client.send(Request::new(url)).await {
                Ok(answer) => (http::outcome(answer.status, answer.headers.retry_after()), ()),
                Err(_) => (Outcome::Failure, ()),
            }
        };
        let driver = Driver::new(&self.clock, &self.gate);
        driver.run(&mut Call::new(&self.policy, deadline), || self.chance.draw(), attempt).await.0
    }
}

#[test]
fn a_live_run_on_smol_is_replayed_by_the_core() {
    let server = live::server();
    let shared = Arc::new(Shared {
        clock: SystemClock::start(),
        gate: Guarded(Mutex::new(Turnstile::new(Recorded::new(live::gate())))),
        policy: CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid"),
        client: HttpTransport::new(HttpConfig::default()).expect("the default is valid"),
        chance: Chance::from_seed(7),
    });
    let runtime = Runtime::start(2).expect("two threads");
    let fetch = |url: String| {
        let shared = Arc::clone(&shared);
        runtime.spawn(async move { shared.fetch(&url).await })
    };
    let tasks: Vec<_> = common::tiles(&server, 2).into_iter().map(fetch).collect();
    let ends: Vec<End> = tasks.into_iter().map(smol::block_on).collect();
    shared.gate.with(|turnstile| live::check(&server, ends.into_iter(), turnstile.gate()));
}
