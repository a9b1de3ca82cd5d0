//! What a rate limiter promises.

extern crate std;

use super::*;
use crate::entropy::Entropy;

fn limiter(count: u32, period: Duration, burst: u32) -> RateLimiter {
    RateLimiter::new(RateConfig { rate: Rate { count, period }, burst }).expect("valid settings")
}

/// How many single cells go when asked at every `step_ns` in `span_ns`.
fn admitted(limiter: &mut RateLimiter, from: Instant, span_ns: u64, step_ns: u64) -> u64 {
    let instants = (0..=span_ns / step_ns).map(|i| from.plus_ns(i * step_ns));
    instants.filter(|&now| limiter.try_acquire(now, 1) == Pacing::Go).count() as u64
}

#[test]
fn a_rested_limiter_admits_its_burst_and_then_its_rate() {
    for origin in [Instant::ORIGIN, Instant::from_secs(1), Instant::from_nanos(1 << 62)] {
        let mut limiter = limiter(10, Duration::from_secs(1), 5);
        assert_eq!(admitted(&mut limiter, origin, 1_000_000_000, 1_000_000), 5 + 10, "from {origin:?}");
    }
}

#[test]
fn odd_rates_do_not_drift_over_a_day() {
    let day = 86_400;
    for (count, period) in [(7, 60), (999, 1), (1, 7 * day), (60_000, 60), (1_000, 1)] {
        let mut limiter = limiter(count, Duration::from_secs(period), 1);
        let span_ns = period * 20 * 1_000_000_000;
        let mut now = Instant::ORIGIN;
        let exact = u64::from(count) * 20;
        let mut cells = 0;
        while now.as_nanos() < span_ns {
            match limiter.try_acquire(now, 1) {
                Pacing::Go => cells += 1,
                Pacing::NotBefore(until) => {
                    assert!(until > now, "{count} per {period} s: not at {now:?} but at {until:?}");
                    now = until;
                }
                Pacing::Never { .. } => unreachable!("one cell always fits"),
            }
            assert!(cells <= exact, "{count} per {period} s: {cells} at {now:?}, {exact} in all");
        }
        assert!(exact - cells <= 1, "{count} per {period} s: {cells} instead of {exact}");
    }
}

#[test]
fn what_can_never_be_admitted_is_told_from_what_cannot_go_yet() {
    // governor admitted 5,124,097 cells of a burst of 10 per hour after an overflow.
    let mut limiter = limiter(1, Duration::from_secs(3_600), 10);
    for cells in [11, 5_124_097, u32::MAX] {
        assert_eq!(limiter.try_acquire(Instant::from_secs(9), cells), Pacing::Never { burst: 10 });
    }
    assert_eq!(limiter.try_acquire(Instant::from_secs(9), 10), Pacing::Go);
    let hour = Duration::from_secs(3_600);
    let ten_hours_later = Instant::from_secs(9).saturating_add(hour * 10);
    assert_eq!(limiter.try_acquire(Instant::from_secs(9), 10), Pacing::NotBefore(ten_hours_later));
    assert_eq!(limiter.try_acquire(ten_hours_later, 10), Pacing::Go);
}

#[test]
fn the_largest_burst_is_really_granted_and_no_more() {
    let mut limiter = limiter(1, Duration::from_secs(1), u32::MAX);
    assert_eq!(limiter.try_acquire(Instant::ORIGIN, u32::MAX), Pacing::Go);
    assert_eq!(limiter.try_acquire(Instant::ORIGIN, 1), Pacing::NotBefore(Instant::from_secs(1)));
}

#[test]
fn a_refund_gives_back_exactly_what_was_taken() {
    let mut limiter = limiter(10, Duration::from_secs(1), 3);
    let now = Instant::from_secs(10);
    assert_eq!(limiter.try_acquire(now, 3), Pacing::Go);
    limiter.refund(now, 2);
    assert_eq!(limiter.try_acquire(now, 2), Pacing::Go);
    assert_eq!(limiter.try_acquire(now, 1), Pacing::NotBefore(Instant::from_millis(10_100)));
    limiter.refund(now, u32::MAX);
    assert_eq!(limiter.try_acquire(now, 4), Pacing::Never { burst: 3 }, "a refund never exceeds the burst");
    assert_eq!(limiter.try_acquire(now, 3), Pacing::Go);
    assert_eq!(limiter.try_acquire(now, 1), Pacing::NotBefore(Instant::from_millis(10_100)));
}

#[test]
fn a_refund_of_more_than_time_can_hold_leaves_a_rested_limiter() {
    let mut limiter = limiter(1, Duration::from_secs(86_400 * 366), 1);
    let now = Instant::from_secs(10);
    assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
    for _ in 0..3 {
        limiter.refund(now, u32::MAX);
    }
    assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
    assert_eq!(limiter.next_at(), Instant::from_secs(10 + 86_400 * 366));
}

#[test]
fn what_was_kept_of_a_limiter_is_what_it_goes_on_with() {
    let second = 1_000_000_000;
    let mut resumed = RateLimiter::resumed(5 * second as i64, second, 2 * second);
    assert_eq!((resumed.next_ns(), resumed.interval(), resumed.burst()), (5_000_000_000, Duration::from_secs(1), 3));
    resumed.restore(Instant::from_secs(10), -(second as i64));
    assert_eq!(resumed.next_at(), Instant::from_secs(9));
    resumed.restore(Instant::from_secs(10), -(2 * second as i64));
    assert_eq!(resumed.next_at(), Instant::from_secs(9), "never earlier than it already was");
    for tolerance_ns in [u32::MAX.into(), u64::MAX] {
        let mut boundless = RateLimiter::resumed(i64::MIN / 2, 1, tolerance_ns);
        assert_eq!(boundless.burst(), u32::MAX, "{tolerance_ns}");
        assert_eq!(boundless.try_acquire(Instant::ORIGIN, u32::MAX), Pacing::Go);
        assert_eq!(boundless.next_at(), Instant::ORIGIN, "{tolerance_ns}: something is left of the burst");
    }
}

#[test]
fn a_refund_never_lets_more_through_than_the_rate() {
    // One cell a second. The first is not used, but by the time it comes back the second has gone in its stead.
    let mut limiter = limiter(1, Duration::from_secs(1), 1);
    let (first, second) = (Instant::from_secs(1), Instant::from_secs(2));
    assert_eq!(limiter.try_acquire(first, 1), Pacing::Go);
    assert_eq!(limiter.try_acquire(second, 1), Pacing::Go);
    limiter.refund(first, 1);
    assert_eq!(limiter.try_acquire(second, 1), Pacing::NotBefore(Instant::from_secs(3)), "two at the same instant");
    limiter.refund(second, 1);
    assert_eq!(limiter.try_acquire(second, 1), Pacing::Go, "the last one can be given back");
}

#[test]
fn what_is_used_conforms_whatever_is_refunded_when() {
    // The oracle keeps a list: the cells that were used, each checked against the textbook's virtual scheduling.
    const INTERVAL_NS: u64 = 1_000_000_000;
    for (seed, burst) in (0..400).zip([1u32, 2, 3, 5].into_iter().cycle()) {
        let mut limiter = limiter(1, Duration::from_secs(1), burst);
        let mut taken: std::vec::Vec<(Instant, bool)> = std::vec::Vec::new();
        let mut refunded_at_once = 0;
        let mut now = Instant::from_secs(50);
        for step in 0..120 {
            let entropy = Entropy::mix(seed, step, 0);
            now = now.plus_ns(entropy.up_to(3) * INTERVAL_NS / 4);
            if limiter.try_acquire(now, 1) == Pacing::Go {
                taken.push((now, true));
                if entropy.derive(1).up_to(3) == 0 {
                    limiter.refund(now, 1);
                    taken.pop();
                    refunded_at_once += 1;
                    assert_eq!(limiter.try_acquire(now, 1), Pacing::Go, "seed {seed}: a fresh refund was lost");
                    taken.push((now, true));
                }
            }
            if entropy.derive(2).up_to(2) == 0
                && let Some(cell) = taken.get_mut(entropy.derive(3).up_to(119) as usize)
                && cell.1
            {
                cell.1 = false;
                limiter.refund(cell.0, 1);
            }
        }
        assert!(refunded_at_once > 0, "seed {seed} tried nothing");
        let mut arrival = Instant::ORIGIN;
        for &(at, _) in taken.iter().filter(|(_, used)| *used) {
            let early_ns = arrival.since_ns(at);
            let tolerance_ns = INTERVAL_NS * (u64::from(burst) - 1);
            assert!(early_ns <= tolerance_ns, "seed {seed}, burst {burst}: {early_ns} ns too early at {at:?}");
            arrival = arrival.max(at).plus_ns(INTERVAL_NS);
        }
    }
}

#[test]
fn a_pause_and_a_cut_are_not_undone_by_a_refund() {
    let start = Instant::from_secs(5);
    let mut paused = limiter(10, Duration::from_secs(1), 5);
    assert_eq!(paused.try_acquire(start, 1), Pacing::Go);
    paused.pause_until(Instant::from_secs(60));
    paused.refund(start, 1);
    assert_eq!(paused.next_at(), Instant::from_secs(60), "a refund cut a pause short");
    let mut slowed = limiter(10, Duration::from_secs(1), 5);
    assert_eq!(slowed.try_acquire(start, 1), Pacing::Go);
    slowed.set_rate(start, RateConfig { rate: Rate::per_second(1), burst: 1 }).expect("valid");
    slowed.refund(start, 1);
    assert_eq!(slowed.next_at(), Instant::from_secs(6), "a refund gave back the burst that a cut had spent");
}

#[test]
fn a_pause_admits_nothing_before_its_end_and_leaves_no_burst() {
    let mut limiter = limiter(10, Duration::from_secs(1), 5);
    let end = Instant::from_secs(60);
    limiter.pause_until(end);
    limiter.pause_until(Instant::from_secs(30));
    assert_eq!(limiter.try_acquire(Instant::from_secs(59), 1), Pacing::NotBefore(end), "a shorter pause never wins");
    assert_eq!(limiter.try_acquire(end, 1), Pacing::Go);
    assert_eq!(limiter.try_acquire(end, 1), Pacing::NotBefore(Instant::from_millis(60_100)));
    let mut unlimited = RateLimiter::unlimited();
    unlimited.pause_until(end);
    assert_eq!(unlimited.try_acquire(Instant::from_secs(59), 1), Pacing::NotBefore(end));
    assert_eq!(unlimited.try_acquire(end, u32::MAX), Pacing::Go);
}

#[test]
fn a_change_of_rate_keeps_what_is_owed() {
    let mut limiter = limiter(1, Duration::from_secs(1), 1);
    let now = Instant::from_secs(5);
    assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
    limiter.set_rate(now, RateConfig { rate: Rate::per_second(100), burst: 1 }).expect("valid");
    assert_eq!(limiter.try_acquire(now, 1), Pacing::NotBefore(Instant::from_secs(6)), "raising is no amnesty");
    let later = Instant::from_secs(60);
    limiter.set_rate(later, RateConfig { rate: Rate::per_second(2), burst: 50 }).expect("valid");
    let spaced = Instant::from_millis(60_500);
    assert_eq!(limiter.try_acquire(later, 1), Pacing::NotBefore(spaced), "a cut spends the burst");
    assert_eq!(
        limiter.set_rate(later, RateConfig { rate: Rate::per_second(0), burst: 1 }),
        Err(RateConfigError::CountIsZero)
    );
    assert_eq!(limiter.next_at(), spaced, "a rejected change changes nothing");
}

#[test]
fn the_same_rate_again_spends_nothing() {
    let config = RateConfig { rate: Rate::per_second(1), burst: 3 };
    let mut limiter = RateLimiter::new(config).expect("valid");
    let now = Instant::from_secs(5);
    limiter.set_rate(now, config).expect("valid");
    assert_eq!(limiter.try_acquire(now, 3), Pacing::Go);
}

#[test]
fn time_running_backwards_admits_nothing_more() {
    let mut limiter = limiter(10, Duration::from_secs(1), 2);
    let now = Instant::from_secs(100);
    assert_eq!(limiter.try_acquire(now, 2), Pacing::Go);
    for earlier in [Instant::from_millis(99_999), Instant::from_secs(1), Instant::ORIGIN] {
        assert_eq!(limiter.try_acquire(earlier, 1), Pacing::NotBefore(Instant::from_millis(100_100)));
    }
}

#[test]
fn time_that_jumps_to_its_end_still_gives_an_answer() {
    let mut limiter = limiter(1, Duration::from_secs(86_400 * 366), 1);
    for _ in 0..3 {
        let _: Pacing = limiter.try_acquire(Instant::MAX, 1);
        limiter.pause_until(Instant::MAX);
        limiter.refund(Instant::MAX, u32::MAX);
    }
}

#[test]
fn nonsense_is_rejected() {
    let error = |count, period, burst| {
        RateLimiter::new(RateConfig { rate: Rate { count, period }, burst }).expect_err("nonsense")
    };
    let second = Duration::from_secs(1);
    assert_eq!(error(0, second, 1), RateConfigError::CountIsZero);
    assert_eq!(error(1, second, 0), RateConfigError::BurstIsZero);
    assert_eq!(error(1_000_001, second, 1), RateConfigError::TooFast);
    assert_eq!(error(1, Duration::ZERO, 1), RateConfigError::TooFast);
    assert_eq!(error(1, second * 86_400 * 367, 1), RateConfigError::PeriodTooLong);
    assert_eq!(error(1, second * 86_400 * 366, u32::MAX), RateConfigError::BurstTooLarge);
    // 2^62 ns are the longest burst.
    let (spacing, burst) = (Duration::from_nanos(1 << 31), (1 << 31) + 1);
    assert_eq!(limiter(1, spacing, burst).burst(), burst);
    assert_eq!(error(1, spacing, burst + 1), RateConfigError::BurstTooLarge);
}
