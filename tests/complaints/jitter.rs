//! Randomness that spreads, and bounds that hold.

use std::collections::BTreeSet;

use tidegate_core::backoff::Backoff;

use super::*;

fn backoff(growth: Growth, base: Duration, cap: Duration, jitter: Jitter) -> Backoff {
    Backoff::new(BackoffConfig { growth, base, cap, jitter }).expect("valid settings")
}

#[test]
fn breakers_that_opened_together_reopen_apart() {
    let open = BackoffConfig { jitter: BreakerConfig::DEFAULT.open.jitter, ..exactly(Duration::from_secs(10)) };
    let mut tenths = BTreeSet::new();
    for device in 0..1_000 {
        let config = config();
        let mut gate = gate(GateConfig { breaker: BreakerConfig { open, ..config.breaker }, ..config });
        for failure in 0..4 {
            let ticket = go(&mut gate, START);
            gate.settle(START, ticket, Outcome::Failure, Entropy::mix(7, device, failure));
        }
        let (until, _) = told(&mut gate, START);
        assert!(secs(5) <= until && until <= secs(10), "{until:?}");
        tenths.insert(until.saturating_since(START).as_millis() / 100);
    }
    assert!(tenths.len() >= 50, "a thousand breakers with the default jitter reopen in {} tenths of 5 s", tenths.len());
}

#[test]
fn no_delay_is_above_its_cap() {
    let (base, cap) = (Duration::from_millis(300), Duration::from_secs(1));
    let words = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX];
    let none = [(Growth::Decorrelated, Jitter::None)];
    let plain = [Growth::Constant, Growth::Linear, Growth::Exponential];
    let jittered =
        plain.into_iter().flat_map(|growth| [(growth, Jitter::Full), (growth, Jitter::Equal), (growth, Jitter::None)]);
    for (growth, jitter) in jittered.chain(none) {
        let backoff = backoff(growth, base, cap, jitter);
        for failures in (0..200).chain([u32::MAX - 1, u32::MAX]) {
            for word in words {
                for previous in [Duration::ZERO, base, cap, Duration::MAX] {
                    let delay = backoff.delay(failures, previous, Entropy::new(word));
                    assert!(delay <= cap, "{growth:?} with {jitter:?}: {delay:?} after {failures} failures");
                }
            }
        }
    }
}

#[test]
fn a_base_of_exactly_one_second_is_jittered() {
    let second = Duration::from_secs(1);
    for jitter in [Jitter::Full, Jitter::Equal] {
        let backoff = backoff(Growth::Exponential, second, second * 60, jitter);
        let delays: BTreeSet<Duration> =
            (0..1_000).map(|client| backoff.delay(1, Duration::ZERO, Entropy::mix(1, client, 0))).collect();
        assert!(delays.len() > 990, "a thousand clients with {jitter:?} jitter wait {} different times", delays.len());
    }
}

#[test]
fn devices_that_fail_together_come_back_apart() {
    // Ten thousand devices that boot together, told apart by their serial numbers alone.
    let backoff = backoff(Growth::Exponential, Duration::from_secs(10), Duration::from_secs(60), Jitter::Full);
    for attempt in 1..=3 {
        let mut bins = [0u32; 100];
        let longest = backoff.delay(attempt, Duration::ZERO, Entropy::new(u32::MAX)).as_nanos();
        for device in 0..10_000 {
            let delay = backoff.delay(attempt, Duration::ZERO, Entropy::mix(0, device, u64::from(attempt))).as_nanos();
            bins[(delay * 100 / (longest + 1)) as usize] += 1;
        }
        // A hundred in each, with a standard deviation of ten.
        assert!(bins.iter().all(|count| (50..=150).contains(count)), "attempt {attempt}: {bins:?}");
    }
    assert_eq!(Entropy::mix(0, 5, 1), Entropy::mix(0, 5, 1), "and the same story can be told again");
}
