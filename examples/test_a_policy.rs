//! An application's own policy, tested without a network and without sleeping.
//!
//! A departure board asks its server every second. It would rather show what it has than wait, so its calls have no patience,
//! and it must leave a server in trouble alone. Three tools test that, each in a test below:
//! a virtual clock, a scripted transport, and a golden trace.
//!
//! ```sh
//! cargo run --example test_a_policy      # prints the trace
//! cargo test --example test_a_policy
//! ```

use std::time::Duration;

use tidegate_core::{
    Call, CallConfig, CallPolicy, Entropy, Gate, GateConfig, Gatekeeper, Instant, Next, Outcome, Share, Step, Traced,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::BreakerConfig,
};

/// The board's settings: at most two attempts, half a second apart, and no waiting for a breaker.
fn policy() -> CallPolicy {
    let half_a_second = BackoffConfig {
        growth: Growth::Constant,
        base: Duration::from_millis(500),
        cap: Duration::from_millis(500),
        jitter: Jitter::None,
    };
    let config =
        CallConfig { attempts: 2, backoff: half_a_second, patience: Some(Duration::ZERO), ..CallConfig::DEFAULT };
    CallPolicy::new(config).expect("the board's call policy is valid")
}

/// Four of the last eight calls close the gate to the server for ten seconds.
fn gate() -> Gate {
    let open =
        BackoffConfig { base: Duration::from_secs(10), cap: Duration::from_secs(10), ..BreakerConfig::DEFAULT.open };
    let breaker = BreakerConfig { window: 8, calls_min: 4, failed: Share::of(1, 2), open, ..BreakerConfig::DEFAULT };
    Gate::new(GateConfig { breaker, ..GateConfig::DEFAULT }).expect("the board's gate is valid")
}

/// Half a minute of the board against a server that is down from second 5 to second 15: what it showed each second.
fn half_a_minute(gate: &mut impl Gatekeeper) -> String {
    let policy = policy();
    (0..30)
        .map(|second| {
            let mut now = Instant::from_secs(second);
            let mut call = Call::new(&policy, Instant::from_secs(second + 1));
            loop {
                match call.poll(now, gate) {
                    Step::Attempt(ticket) => {
                        let is_down = (Instant::from_secs(5)..Instant::from_secs(15)).contains(&now);
                        let outcome = if is_down { Outcome::Failure } else { Outcome::Success };
                        now = now.saturating_add(Duration::from_millis(20));
                        match call.settle(now, gate, ticket, outcome, Entropy::new(second as u32)) {
                            Next::Retry { at } => now = at,
                            Next::Done(_) if outcome == Outcome::Success => return 'N',
                            Next::Done(_) => return 'o',
                        }
                    }
                    Step::Wait { until, .. } | Step::Full { until, .. } => now = until,
                    Step::Done(_) => return 'o',
                }
            }
        })
        .collect()
}

#[allow(clippy::print_stdout, reason = "an example that prints")]
fn main() {
    let mut traced: Traced<Gate, 128> = Traced::new(gate());
    println!("new or old, each second: {}", half_a_minute(&mut traced));
    traced.records().for_each(|record| println!("{record}"));
    println!("hash {:016x}", traced.hash());
}

#[cfg(test)]
mod tests {
    use tidegate::{
        runtime::Runtime,
        testing::{VirtualClock, golden, run},
        transport::{
            Request, Scripted, Transport,
            scripted::{Script, answer},
        },
        upstream::Upstream,
    };
    use tidegate_core::{End, http};

    use super::*;

    /// Through the driver, with the answers of a script, on a clock that goes to the next timer by itself.
    #[test]
    fn a_hiccup_costs_half_a_second_and_nobody_sleeps() {
        let script = Script::new([Ok(answer(503, &[], b"")), Ok(answer(200, &[], b"departures"))]);
        let transport = Scripted::new(move |_: &Request| std::future::ready(script.next()));
        let clock = VirtualClock::new();
        let upstream = Upstream::on(clock.clone(), gate());
        let policy = policy();
        let call = upstream.run(
            &policy,
            Instant::from_secs(1),
            || Entropy::new(1),
            |_until| async {
                match transport.send(Request::new("http://board.test/departures")).await {
                    Ok(response) => (http::outcome(response.status, response.headers.retry_after()), Some(response)),
                    Err(_) => (Outcome::Failure, None),
                }
            },
        );
        let executor = Runtime::start(0).expect("no thread is asked for");
        let (end, response) = run(&clock, executor.executor(), call).expect("nobody waits for ever");
        assert_eq!(end, End::Succeeded);
        assert_eq!(&*response.flatten().expect("an answer").body, b"departures");
        assert_eq!(transport.requests().len(), 2);
        assert_eq!(clock.elapsed(), Duration::from_millis(500));
    }

    #[test]
    fn an_outage_of_ten_seconds_costs_few_attempts_and_soon_shows_new_departures() {
        let mut traced: Traced<Gate, 128> = Traced::new(gate());
        let shown = half_a_minute(&mut traced);
        assert!(shown.starts_with("NNNNNooooooooooo"), "{shown}");
        assert!(shown.ends_with("NNNN"), "{shown}");
        let refused = traced.records().filter(|record| record.to_string().contains("wait")).count();
        assert!(refused >= 8, "the server was left alone {refused} times only");
    }

    /// Fails with the first decision that is another than when somebody last looked at the file.
    #[test]
    fn the_decisions_are_those_that_were_looked_at() {
        let mut traced: Traced<Gate, 128> = Traced::new(gate());
        let _shown = half_a_minute(&mut traced);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/test_a_policy.trace");
        golden(path, traced.records()).unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(traced.replay(&mut gate()), Ok(traced.hash()), "the same inputs give the same decisions");
    }
}
