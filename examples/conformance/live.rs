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
    Call, CallConfig, CallPolicy, End, Gate, GateConfig, Outcome, Traced,
    drive::{Clock, Driver, Lock, Turnstile},
    http,
};

use super::Guarded;
use crate::common;

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
    let server = common::server("2/0/1=503*2,200\n 2/1/1=reset,200\n 2/2/1=truncate,503,200\n latency=2ms");
    let fresh = || Gate::new(GateConfig::DEFAULT).expect("the default is valid");
    let shared = Arc::new(Shared {
        clock: SystemClock::start(),
        gate: Guarded(Mutex::new(Turnstile::new(Recorded::new(fresh())))),
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
    for task in tasks {
        let end = smol::block_on(task);
        assert!(matches!(end, End::Succeeded | End::Empty), "{end}");
    }
    assert_eq!(server.stats().received, 16 + 5, "each failure is followed by one more attempt");
    shared.gate.with(|turnstile| {
        let traced = turnstile.gate();
        assert_eq!(traced.gate().in_flight(), 0);
        assert_eq!(traced.replay(&mut fresh()), Ok(traced.hash()));
    });
}
