//! Calls through one gate, as a superloop runs them: no tasks, no wakers, a tick counter and [`Call::poll`].

use core::time::Duration;

use tidegate_core::{
    Call, CallConfig, CallPolicy, Entropy, Gate, GateConfig, Instant, LatencyBuckets, LatencyConfig, Next, Outcome,
    Quantile, RateControl, Refusal, Share, Step, Ticket, Traced,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    gate::Downtime,
    limit::{LimitConfig, LimitKind},
    rate::{AdaptiveKind, AdaptiveRateConfig, Rate},
};

use crate::Hash;

const CALLS: usize = 8;
const LAST: u32 = 600;

/// One of the calls at once.
struct Place<'p> {
    call: Call<'p>,
    /// The attempt that is under way, when it is over and what came of it.
    under_way: Option<(Ticket, Instant, Outcome)>,
}

/// Lets 600 calls through a gate with every policy on, while the server fails in every way; folds the trace of all that
/// the gate was asked and answered, the latencies and a snapshot into `hash`.
pub(crate) fn play(hash: &mut Hash) -> Gate {
    let policy = CallPolicy::new(CALL).expect("valid settings");
    let mut gate = Traced::<Gate, 1>::new(Gate::new(GATE).expect("valid settings"));
    let mut latencies = LatencyBuckets::<{ LatencyConfig::DEFAULT.cells() }>::new(LatencyConfig::DEFAULT)
        .expect("the default is valid");
    let mut places: [Option<Place<'_>>; CALLS] = [const { None }; CALLS];
    let (mut begun, mut drawn, mut now) = (0, 0, Instant::from_secs(1));
    // Ticks of 10 ms, for twenty minutes at most.
    for _ in 0..120_000 {
        for place in &mut places {
            let place = place.get_or_insert_with(|| {
                begun += 1;
                Place { call: Call::new(&policy, now.saturating_add(Duration::from_secs(90))), under_way: None }
            });
            if place.under_way.is_none()
                && let Step::Attempt(ticket) = place.call.poll(now, &mut gate)
            {
                drawn += 1;
                let (takes, outcome) = fate(now, drawn);
                place.under_way = Some((ticket, now.saturating_add(takes), outcome));
            }
            if place.under_way.as_ref().is_some_and(|(_, at, _)| *at <= now)
                && let Some((ticket, _, outcome)) = place.under_way.take()
            {
                latencies.record_since(now, ticket.started());
                let _: Next = place.call.settle(now, &mut gate, ticket, outcome, Entropy::mix(7, 0, drawn.into()));
            }
        }
        for place in &mut places {
            let is_over = place.as_mut().is_some_and(|place| {
                place.under_way.is_none() && matches!(place.call.poll_behind(now, &mut gate), Step::Done(_))
            });
            if is_over {
                *place = None;
            }
        }
        if begun >= LAST {
            break;
        }
        now = now.saturating_add(Duration::from_millis(10));
    }
    hash.add(gate.hash());
    hash.add(gate.recorded());
    hash.add(latencies.view().quantile(Quantile::P95).map_or(0, |latency| latency.as_nanos() as u64));

    let mut gate_after = Gate::new(GATE).expect("valid settings");
    let snapshot = gate.change(now, |gate| gate.snapshot(now));
    snapshot.iter().for_each(|byte| hash.add(u64::from(*byte)));
    gate_after.restore(Instant::ORIGIN, &snapshot, Downtime::Unknown).expect("what it wrote itself");
    gate_after
}

/// What comes of the attempt with this number, and how long it takes: failures, throttling and refusals now and then, and
/// nothing but timeouts for twenty seconds.
fn fate(now: Instant, number: u32) -> (Duration, Outcome) {
    let word = number.wrapping_mul(0x9e37_79b9) >> 16;
    let ms = 20 + u64::from(word & 0xff);
    if (Instant::from_secs(10)..Instant::from_secs(30)).contains(&now) {
        return (Duration::from_secs(2), Outcome::Timeout);
    }
    let outcome = match word % 64 {
        0..6 => Outcome::Failure,
        6 => Outcome::Throttled { retry_after: Some(Duration::from_secs(2)) },
        7 => Outcome::Throttled { retry_after: None },
        8 => Outcome::Refused(Refusal::Request),
        9 => Outcome::Unsent,
        10..16 => Outcome::Empty,
        _ => Outcome::Success,
    };
    (Duration::from_millis(ms), outcome)
}

// Every setting is spelled out: other defaults are no other decisions.
const CALL: CallConfig = CallConfig {
    attempts: 6,
    backoff: backoff(250, 20_000, Jitter::Full),
    throttled: backoff(1_000, 30_000, Jitter::Equal),
    patience: Some(Duration::from_secs(40)),
};

const GATE: GateConfig = GateConfig {
    breaker: BreakerConfig {
        window: 32,
        calls_min: 16,
        failed: Share::of(1, 2),
        slow: None,
        open: backoff(5_000, 60_000, Jitter::Equal),
        probes: 1,
        successes: 1,
        lease: Duration::from_secs(20),
        after_closing: AfterClosing::Ramp,
        mode: BreakerMode::Enforce,
    },
    rate: RateControl::Adaptive(AdaptiveRateConfig {
        kind: AdaptiveKind::Seeking { tolerance: 32 },
        start: Rate::per_second(50),
        floor: Rate::per_second(1),
        ceiling: Rate::per_second(10_000),
        catch_up: Duration::from_millis(16),
    }),
    limit: LimitConfig { kind: LimitKind::Aimd { tolerated: Share::of(1, 3) }, start: 6, floor: 2, ceiling: 50 },
    budget: Some(RetryBudgetConfig {
        retries: 1,
        answers: 2,
        saved_max: 100,
        reserve: 10,
        reserve_refill: Duration::from_secs(1),
    }),
    attempt_timeout: Duration::from_secs(10),
    slow_after: Duration::from_secs(10),
    lease: Duration::from_secs(20),
    id: 0,
};

const fn backoff(base_ms: u64, cap_ms: u64, jitter: Jitter) -> BackoffConfig {
    BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_millis(base_ms),
        cap: Duration::from_millis(cap_ms),
        jitter,
    }
}
