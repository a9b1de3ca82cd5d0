//! What users of other libraries complain about, and the test that it cannot happen here.
//!
//! | complaint | reported in | test |
//! |---|---|---|
//! | half-open lets a stampede through | resilience4j#343, #1090; smallrye-fault-tolerance#323 | `probes::a_half_open_breaker_admits_its_probes_and_no_stampede` |
//! | stuck half-open: the probe never settles, is ignored or cancelled | resilience4j#544, #903, #935, #1389, #2028; Hystrix#1723, #1781, #1861; OmniRoute#13836; sglang#40603; cc-switch#7206 | `probes::a_probe_that_is_never_settled_gives_its_place_back_when_its_lease_ends`, `probes::a_thousand_cancelled_probes_do_not_wedge_it` |
//! | a cancelled probe closes the circuit | read in Polly | `probes::a_cancelled_probe_decides_nothing` |
//! | a result that never took a permit returns one | read in Failsafe and resilience4j | `probes::a_result_of_a_call_that_was_no_probe_frees_no_probe` |
//! | a result from an earlier era decides | Polly#223; denoland/std#7306; nora#667; nv-redfish#211 | `probes::a_result_from_before_decides_nothing` |
//! | permits and samples are confused | resilience4j#1523, #2289 | `probes::one_probe_at_a_time_can_still_be_asked_for_three_successes` |
//! | cannot trip on calls still in flight | resilience4j#1597 | `probes::calls_that_hang_open_the_breaker_before_they_return` |
//! | the window surprises | resilience4j#1443, #842, #1731; Polly#41 | `windows::the_window_is_that_of_a_plain_list` |
//! | a sliding window that never slides: 10,000 successes take 10,000 failures | measured in tower-resilience | `windows::ten_thousand_successes_do_not_hide_ten_failures` |
//! | a fleet reopens in step | failsafe#70; failsafe-go#142; stoplight#364 | `jitter::breakers_that_opened_together_reopen_apart` |
//! | jitter breaks the cap | agenda#1748; RAG-Anything#323; measured in backon | `jitter::no_delay_is_above_its_cap` |
//! | a base of exactly 1 s gets no jitter | measured in tower | `jitter::a_base_of_exactly_one_second_is_jittered` |
//! | correlated jitter, default seeds, cloned generators | mofa#1522; measured in tower and backon | `jitter::devices_that_fail_together_come_back_apart` |
//! | Retry-After ignored or cut short | go-retryablehttp#297; CLIProxyAPI#5536; read in aws-smithy | `hints::a_wish_for_a_minute_is_a_minute` |
//! | Retry-After huge: overflows to an instant retry | clawscan#58 | `hints::a_wish_beyond_all_numbers_is_not_an_instant_retry` |
//! | Retry-After in the past | httpx-retries#13; supabase-swift#1341 | `hints::a_date_in_the_past_is_a_plain_backoff` |
//! | Retry-After unreadable: guessed, or taken for nothing | — | `hints::a_field_that_cannot_be_read_is_a_backoff_of_its_own` |
//! | Retry-After in lock-step | evenfire#406; libHttpClient#522 | `hints::clients_told_the_same_second_come_back_apart` |
//! | a hint beyond the deadline burns attempts | — | `hints::a_wish_beyond_the_deadline_ends_the_call_at_once` |
//! | a 429 does not slow the others | resilience4j#1228; lance#6235 | `load::a_429_slows_every_call_of_its_server` |
//! | one limiter shared by many resources | trino#25908 | `load::a_429_slows_no_other_server` |
//! | k refusals of one flight cut k times | read in Netflix concurrency-limits, aws-smithy | `load::a_flight_of_refusals_cuts_once` |
//! | the retry budget is wrong: a ratio of 0.6 authorises 1.0 | tower#857 | `load::six_retries_in_ten_answers_are_six` |
//! | the budget is never refilled, or silently absent | tower-resilience#370; aws-sdk-go-v2#3550; aws-sdk-rust#1234 | `load::a_drained_budget_comes_back_by_answers_and_by_time` |
//! | a hedge budget that is spent ends the original | failsafe-go#141 | `hedges::a_spent_budget_is_no_reason_to_end_what_is_under_way` |
//! | quota overshoot across the edge of a window | governor#16; read in tower | `load::no_second_sees_more_than_burst_and_rate` |
//! | chained limiters take from one and fail at the next | governor#117 | `load::what_one_policy_refuses_takes_nothing_from_the_others` |
//! | spacing counted from completion | governor#131 | `load::requests_are_spaced_from_start_to_start` |
//! | a look consumes | governor#196; rate#14 | `load::a_look_consumes_nothing` |
//! | an interrupted waiter keeps its reservation | read in resilience4j | `load::what_is_not_sent_is_given_back` |
//! | `check_n(5_124_097)` of a burst of 10 is admitted | measured in governor | `load::governor_5_124_097` |
//! | a burst of u32::MAX per hour grants 975,202 | measured in governor | `load::the_largest_burst_is_granted_in_full` |
//! | a reading 1 ms old refills everything: 36 to 527 times too much | better-bucket 1.0.0, measured | `clocks::a_reading_one_millisecond_old_refills_nothing` |
//! | time stepping back denies or grants wrongly | governor#203; quartznet#1490; circuitbreaker#31; ceph#33699; capnproto#1693 | `clocks::a_late_reading_is_neither_better_nor_worse_off` |
//! | a timer wraps after 49.7 days | embedded-nano-mesh#17; mbedtls#10613; AsyncTimer#26; esp-hal#1599 | `clocks::nothing_happens_when_32_bits_of_milliseconds_wrap` |
//! | rates truncate to whole milliseconds, a rate of 60,000 a minute panics | acton-service#141; better-bucket | `clocks::odd_rates_neither_truncate_nor_drift` |
//! | `Instant + Duration` overflows | embassy#438, #6141; async-io#92 | `clocks::the_end_of_time_is_an_answer_and_no_panic` |
//! | an invalid sample crashes the limiter, or leaks its permit | read in Netflix concurrency-limits and failsafe-rs | `clocks::a_call_that_takes_no_time_at_all_gives_its_place_back` |
//! | probing for the lowest round trip at the expense of good traffic | envoy#8337, #9007, #18152, #46532, #11579 | `load::measuring_latency_at_rest_takes_half_the_places_for_a_moment` |
//! | the baseline of latency rises for ever, or never | concurrency-limits#88, #165 | `load::the_baseline_of_latency_follows_the_server_both_ways` |
//! | 64-bit atomics are missing on microcontrollers | rust-lightning#1821; pin-list#1; atomic-polyfill#8 | `clocks::the_core_uses_no_atomics` |
//! | panic: service not ready | vector#1850 (tower) | `clocks::no_order_of_calls_panics` |
//! | a sub-nanosecond shortfall sleeps for zero and spins | read in aws-smithy | `clocks::whoever_waits_as_told_is_never_told_the_same_instant_again` |
//! | a retry that is due is forgotten when nothing else runs | curl#20669 | the driver's own `a_retry_that_sleeps_while_nothing_else_is_in_flight_is_still_run` |
//!
//! Left out, because what they are about does not exist here: herds of waiters beyond one limiter: waiting is the driver's,
//! whose own tests count wake-ups.

mod clocks;
mod hedges;
mod hints;
mod jitter;
mod load;
mod probes;
mod windows;

use std::time::Duration;

use tidegate_core::{
    Admission, Entropy, Gate, GateConfig, Instant, Outcome, RateControl, Share, Ticket, Try, Why,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerState},
    limit::LimitConfig,
    rate::{Rate, RateConfig},
};

const START: Instant = Instant::from_secs(1_000);
const ENTROPY: Entropy = Entropy::new(u32::MAX / 2);

fn secs(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_secs(after_start))
}

fn millis(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_millis(after_start))
}

/// Always the same delay, never jittered.
fn exactly(delay: Duration) -> BackoffConfig {
    BackoffConfig { growth: Growth::Constant, base: delay, cap: delay, jitter: Jitter::None }
}

/// Opens for exactly 10 s when half of at least 4 of the last 8 calls failed; nothing else is in the way.
fn config() -> GateConfig {
    GateConfig {
        breaker: BreakerConfig {
            window: 8,
            calls_min: 4,
            failed: Share::of(1, 2),
            open: exactly(Duration::from_secs(10)),
            after_closing: AfterClosing::FullTraffic,
            ..BreakerConfig::DEFAULT
        },
        rate: RateControl::Unlimited,
        limit: LimitConfig::fixed(1_000),
        budget: None,
        ..GateConfig::DEFAULT
    }
}

fn gate(config: GateConfig) -> Gate {
    Gate::new(config).expect("valid settings")
}

fn per_second(count: u32, burst: u32) -> RateControl {
    RateControl::Fixed(RateConfig { rate: Rate::per_second(count), burst })
}

#[track_caller]
fn go(gate: &mut Gate, now: Instant) -> Ticket {
    match gate.poll(now, Try::First) {
        Admission::Go(ticket) => ticket,
        refused => panic!("at {now:?} the gate refused with {refused:?}"),
    }
}

#[track_caller]
fn call(gate: &mut Gate, now: Instant, outcome: Outcome) {
    let ticket = go(gate, now);
    gate.settle(now, ticket, outcome, ENTROPY);
}

/// Everything that goes now.
fn all(gate: &mut Gate, now: Instant) -> Vec<Ticket> {
    let admitted = std::iter::from_fn(|| match gate.poll(now, Try::First) {
        Admission::Go(ticket) => Some(ticket),
        Admission::Wait { .. } | Admission::Full { .. } | Admission::Never { .. } => None,
    });
    admitted.take(10_000).collect()
}

#[track_caller]
fn trip(gate: &mut Gate, now: Instant) {
    (0..4).for_each(|_| call(gate, now, Outcome::Failure));
    assert!(matches!(gate.breaker().state(), BreakerState::Open { .. }));
}

fn is_closed(gate: &Gate) -> bool {
    matches!(gate.breaker().state(), BreakerState::Closed { .. })
}

/// A number below `among`, the same for the same story.
fn drawn(seed: u64, step: u64, salt: u64, among: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (salt << 56);
    word = (word ^ (word >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ (word >> 32)) % among
}

#[test]
fn every_test_that_the_table_names_exists() {
    let sources = [
        ("clocks", include_str!("clocks.rs")),
        ("hedges", include_str!("hedges.rs")),
        ("hints", include_str!("hints.rs")),
        ("jitter", include_str!("jitter.rs")),
        ("load", include_str!("load.rs")),
        ("probes", include_str!("probes.rs")),
        ("windows", include_str!("windows.rs")),
    ];
    let table: Vec<&str> = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    for (module, source) in sources {
        for name in source.split("#[test]\nfn ").skip(1).filter_map(|test| test.split('(').next()) {
            let named = format!("`{module}::{name}`");
            assert!(table.iter().any(|row| row.contains(&named)), "the table does not name {named}");
        }
        for row in &table {
            for name in row.split(&format!("`{module}::")).skip(1).filter_map(|rest| rest.split('`').next()) {
                assert!(source.contains(&format!("fn {name}()")), "{module} has no test {name}");
            }
        }
    }
}

/// Whoever asks now is told to come back then.
#[track_caller]
fn told(gate: &mut Gate, now: Instant) -> (Instant, Why) {
    match gate.poll(now, Try::First) {
        Admission::Wait { until, why } | Admission::Full { until, why } => (until, why),
        answer => panic!("at {now:?} the gate did not refuse: {answer:?}"),
    }
}
