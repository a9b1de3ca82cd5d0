//! What a gate remembers across a restart.

use std::vec::Vec;

use super::*;
use crate::{gate::snapshot::sealed_with_checksum, outcome::Refusal};

/// After a restart the clock begins anew.
const BOOT: Instant = Instant::from_secs(2);

fn after_boot(secs: u64) -> Instant {
    BOOT.saturating_add(Duration::from_secs(secs))
}

const ADAPTIVE: GateConfig = GateConfig {
    rate: RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
    limit: LimitConfig { start: 20, ..LimitConfig::DEFAULT },
    budget: BUDGET,
    ..PLAIN
};

/// A fresh gate that took up what `gate` left at `now`.
fn restarted(gate: &mut Gate, now: Instant, config: GateConfig, downtime: Downtime) -> Gate {
    let saved = gate.snapshot(now);
    let mut restarted = Gate::new(config).expect("valid settings");
    restarted.restore(BOOT, &saved, downtime).expect("just saved");
    restarted
}

#[test]
fn a_restart_in_the_middle_of_a_pause_keeps_the_pause() {
    let mut gate = gate(PLAIN);
    gate.pause_until(START, secs(600));
    for (downtime, left_s) in [
        (Downtime::Unknown, 400),
        (Downtime::AtLeast(Duration::from_secs(100)), 300),
        (Downtime::AtLeast(Duration::from_secs(400)), 0),
        (Downtime::AtLeast(Duration::MAX), 0),
    ] {
        let mut restarted = restarted(&mut gate, secs(200), PLAIN, downtime);
        if left_s > 0 {
            let almost = Instant::from_nanos(after_boot(left_s).as_nanos() - 1);
            let refused = restarted.poll(almost, Try::First);
            assert!(
                matches!(refused, Admission::Wait { until, why: Why::Paused { .. } } if until == after_boot(left_s)),
                "{downtime:?}: {refused:?}"
            );
        }
        let _back = go(&mut restarted, after_boot(left_s), Try::First);
    }
}

#[test]
fn a_restart_keeps_an_open_breaker_and_how_often_it_opened() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    let mut restarted = restarted(&mut gate, secs(4), PLAIN, Downtime::Unknown);
    assert_eq!(
        restarted.poll(BOOT, Try::First),
        Admission::Wait { until: after_boot(6), why: Why::Open { bad: 0, calls: 0 } }
    );
    let probe = go(&mut restarted, after_boot(6), Try::First);
    assert!(probe.is_probe());
    restarted.settle(after_boot(6), probe, Outcome::Failure, ENTROPY);
    assert!(matches!(restarted.breaker().state(), BreakerState::Open { until, .. } if until == after_boot(26)));
}

#[test]
fn a_restart_while_half_open_finds_out_anew() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    let _probe_lost_with_the_restart = go(&mut gate, secs(10), Try::First);
    let mut restarted = restarted(&mut gate, secs(11), PLAIN, Downtime::Unknown);
    assert!(go(&mut restarted, BOOT, Try::First).is_probe());
    assert!(matches!(restarted.poll(BOOT, Try::First), Admission::Wait { why: Why::Probing { .. }, .. }));
}

#[test]
fn a_restart_keeps_what_was_learnt_about_limits_and_what_was_spent() {
    let mut gate =
        gate(GateConfig { breaker: BreakerConfig { mode: BreakerMode::ForcedClosed, ..PLAIN.breaker }, ..ADAPTIVE });
    let mut now = START;
    for _ in 0..200 {
        for outcome in [Outcome::Timeout, Outcome::Throttled { retry_after: None }] {
            now = now.saturating_add(Duration::from_secs(1));
            call(&mut gate, now, outcome);
        }
    }
    let _reserve = go(&mut gate, now.saturating_add(Duration::from_secs(60)), Try::Again);
    let now = now.saturating_add(Duration::from_secs(70));
    assert!(
        gate.interval() > Duration::from_millis(100) && gate.limit() == 2,
        "{:?} {}",
        gate.interval(),
        gate.limit()
    );
    let mut restarted = restarted(&mut gate, now, ADAPTIVE, Downtime::Unknown);
    assert_eq!((restarted.interval(), restarted.limit()), (gate.interval(), gate.limit()));
    assert_eq!((restarted.learnt_limit(), gate.learnt_limit()), (2, 2));
    let refused = restarted.poll(after_boot(5), Try::Again);
    let spent = Admission::Wait { until: after_boot(90), why: Why::Budget { saved: 0, cost: 2 } };
    assert_eq!(refused, spent, "the reserve was spent 10 s before and comes back in 100 s");
}

#[test]
fn a_restart_keeps_the_ramp_and_the_refusals_of_access() {
    let ramped = GateConfig { breaker: BreakerConfig { after_closing: AfterClosing::Ramp, ..PLAIN.breaker }, ..PLAIN };
    let mut ramping = gate(ramped);
    trip(&mut ramping, START);
    call(&mut ramping, secs(10), Outcome::Success);
    let mut restarted_ramp = restarted(&mut ramping, secs(10), ramped, Downtime::Unknown);
    let _out = [(); 2].map(|()| go(&mut restarted_ramp, BOOT, Try::First));
    assert!(matches!(restarted_ramp.poll(BOOT, Try::First), Admission::Full { why: Why::Ramp { .. }, .. }));

    let mut denied = gate(PLAIN);
    (0..3).for_each(|_| call(&mut denied, START, Outcome::Refused(Refusal::Access)));
    let mut restarted_denied = restarted(&mut denied, START, PLAIN, Downtime::AtLeast(Duration::MAX));
    assert!(matches!(restarted_denied.poll(Instant::MAX, Try::First), Admission::Never { .. }));
}

#[test]
fn a_restart_keeps_the_rate_that_was_too_fast() {
    let mut gate = gate(ADAPTIVE);
    let out = [0, 20].map(|ms| go(&mut gate, millis(ms), Try::First));
    out.into_iter().for_each(|ticket| {
        gate.settle(millis(40), ticket, Outcome::Throttled { retry_after: None }, ENTROPY);
    });
    let restarted = restarted(&mut gate, millis(40), ADAPTIVE, Downtime::Unknown);
    let cut_us = |gate: &Gate| gate.adaptation.as_ref().expect("it adapts").cut_interval_ns() / 1_000;
    assert!(cut_us(&gate) > 0 && cut_us(&gate).abs_diff(cut_us(&restarted)) <= 20, "right to a thousandth");
    assert!(gate.interval() > Duration::from_micros(cut_us(&gate)), "it is slower now");
}

#[test]
fn a_restart_keeps_the_pace_of_a_quota() {
    for (downtime, left_s, expected) in [
        (Downtime::Unknown, 2_700, 2),
        (Downtime::AtLeast(Duration::from_secs(700)), 2_000, 2),
        (Downtime::AtLeast(Duration::from_secs(2_700)), 0, 0),
    ] {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(3_600) });
        let _first = go(&mut gate, secs(900), Try::First);
        let mut restarted = restarted(&mut gate, secs(900), PLAIN, downtime);
        // One each 15 minutes, and whatever there is once the quota is whole again.
        let instants: Vec<Instant> = (0..=left_s / 50).flat_map(|step| [after_boot(step * 50); 100]).collect();
        let paced = instants.iter().filter(|now| **now < after_boot(left_s));
        let went = paced.filter(|now| matches!(restarted.poll(**now, Try::First), Admission::Go(_))).count();
        assert_eq!(went, expected, "{downtime:?}");
        assert!((0..50).all(|_| matches!(restarted.poll(after_boot(left_s), Try::First), Admission::Go(_))));
    }
}

#[test]
fn restoring_lifts_no_pace_and_adds_none_that_is_over() {
    let quota = |secs| Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(secs) };
    let [mut short, mut long] = [40, 400].map(|secs| {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, quota(secs));
        gate
    });
    let [saved_short, saved_long] = [&mut short, &mut long].map(|gate| gate.snapshot(START));
    for (gate, saved) in [(&mut short, saved_long), (&mut long, saved_short)] {
        gate.restore(START, &saved, Downtime::Unknown).expect("just saved");
        let went = (1..400).filter(|at| matches!(gate.poll(secs(*at), Try::First), Admission::Go(_))).count();
        assert_eq!(went, 3, "one each 100 s");
    }
    // A pace that ends now is not beside the one that is restored.
    let mut over = gate(PLAIN);
    over.observe_quota(START, quota(400));
    over.restore(secs(400), &saved_short, Downtime::Unknown).expect("just saved");
    let went = (400..440).filter(|at| matches!(over.poll(secs(*at), Try::First), Admission::Go(_))).count();
    assert_eq!(went, 3, "one each 10 s");
}

#[test]
fn a_restart_forgets_neither_a_slow_rate_nor_what_jitter_added_to_a_pause() {
    let week = Duration::from_secs(7 * 86_400);
    let weekly = RateControl::Fixed(RateConfig { rate: Rate { count: 1, period: week }, burst: 1 });
    let weekly = GateConfig { rate: weekly, ..PLAIN };
    let mut slow = gate(weekly);
    call(&mut slow, START, Outcome::Success);
    let refused = restarted(&mut slow, START, weekly, Downtime::Unknown).poll(BOOT, Try::First);
    let next = BOOT.saturating_add(week);
    assert!(matches!(refused, Admission::Wait { until, .. } if until == next), "{refused:?}");

    let mut paused = gate(PLAIN);
    let day = Some(Duration::from_secs(86_400));
    let ticket = go(&mut paused, START, Try::First);
    paused.settle(START, ticket, Outcome::Throttled { retry_after: day }, Entropy::new(u32::MAX));
    let left = paused.paused_until().saturating_since(START);
    assert!(left > Duration::from_secs(86_400));
    let restarted = restarted(&mut paused, START, PLAIN, Downtime::Unknown);
    assert_eq!(restarted.paused_until(), BOOT.saturating_add(left));
}

#[test]
fn restoring_sends_no_probe_beside_those_that_are_out_nor_into_a_ramp_that_is_full() {
    let mut half_open = gate(PLAIN);
    trip(&mut half_open, START);
    let almost = Instant::from_nanos(secs(10).as_nanos() - 1);
    let open = half_open.snapshot(almost);
    let _probe = go(&mut half_open, secs(10), Try::First);
    let probing = half_open.snapshot(secs(10));
    half_open.restore(secs(11), &open, Downtime::Unknown).expect("just saved");
    let refused = half_open.poll(secs(12), Try::First);
    assert!(matches!(refused, Admission::Wait { until, .. } if until == secs(40)), "{refused:?}");

    let ramped = GateConfig { breaker: BreakerConfig { after_closing: AfterClosing::Ramp, ..PLAIN.breaker }, ..PLAIN };
    let mut ramping = gate(ramped);
    trip(&mut ramping, START);
    call(&mut ramping, secs(10), Outcome::Success);
    let _out = [(); 2].map(|()| go(&mut ramping, secs(10), Try::First));
    ramping.restore(secs(10), &probing, Downtime::Unknown).expect("just saved");
    let refused = ramping.poll(secs(10), Try::First);
    assert!(matches!(refused, Admission::Full { why: Why::Ramp { in_flight: 2, ramp: 1 }, .. }), "{refused:?}");
}

#[test]
fn a_restart_costs_neither_a_burst_nor_a_reserve_that_was_there() {
    let rate = RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 5 });
    let budget = BUDGET.map(|budget| RetryBudgetConfig { reserve: 3, ..budget });
    for saved_at in [Instant::ORIGIN, BOOT, START] {
        // What is saved where there is no budget says nothing about one.
        for before in [budget, None] {
            let config = GateConfig { rate, budget, ..PLAIN };
            let mut rested = gate(GateConfig { budget: before, ..config });
            let mut restarted = restarted(&mut rested, saved_at, config, Downtime::Unknown);
            let _retries = [(); 3].map(|()| go(&mut restarted, BOOT, Try::Again));
            let _burst = [(); 2].map(|()| go(&mut restarted, BOOT, Try::First));
            assert!(matches!(restarted.poll(BOOT, Try::First), Admission::Wait { why: Why::Rate { .. }, .. }));
        }
    }
}

#[test]
fn a_snapshot_of_a_gate_that_is_forced_closed_puts_nothing_in_the_way() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    for mode in [BreakerMode::ForcedClosed, BreakerMode::ObserveOnly] {
        let config = GateConfig { breaker: BreakerConfig { mode, ..PLAIN.breaker }, ..PLAIN };
        let mut restarted = restarted(&mut gate, START, config, Downtime::Unknown);
        let _out = [(); 100].map(|()| go(&mut restarted, BOOT, Try::First));
    }
}

#[test]
fn bytes_that_were_never_written_or_torn_are_told_from_a_snapshot() {
    let mut gate = gate(PLAIN);
    gate.pause_until(START, secs(600));
    let saved = gate.snapshot(START);
    let untouched = Gate::new(PLAIN).expect("valid settings");
    for byte in 0..SNAPSHOT_BYTES {
        for bit in 0..8 {
            let mut torn = saved;
            torn[byte] ^= 1 << bit;
            let mut fresh = Gate::new(PLAIN).expect("valid settings");
            assert_eq!(fresh.restore(Instant::ORIGIN, &torn, Downtime::Unknown), Err(SnapshotError::Checksum));
            assert_eq!(fresh, untouched, "damaged bytes changed something");
        }
    }
    for erased in [[0; SNAPSHOT_BYTES], [0xff; SNAPSHOT_BYTES]] {
        assert_eq!(gate.restore(START, &erased, Downtime::Unknown), Err(SnapshotError::Checksum));
    }
    let mut newer = saved;
    newer[0] = 3;
    let newer = sealed_with_checksum(newer);
    assert_eq!(gate.restore(START, &newer, Downtime::Unknown), Err(SnapshotError::Version));
    let said = [SnapshotError::Version, SnapshotError::Checksum].map(|error| std::format!("{error}"));
    assert!(said.iter().all(|said| said.ends_with("start fresh")), "{said:?}");
}

/// Random bytes that pass for a snapshot, with small and huge numbers in each place.
fn forged(seed: u64) -> Snapshot {
    let mut bytes = [0u8; SNAPSHOT_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = Entropy::mix(seed, index as u64, 5).up_to(255) as u8;
    }
    // Fields of eight bytes from the ninth on: keep some of them small, so that not everything is the longest possible.
    for field in 1..6 {
        let small = Entropy::mix(seed, field, 6).up_to(8) as usize;
        bytes[8 * field as usize + small..8 * field as usize + 8].fill(0);
    }
    if Entropy::mix(seed, 1, 7).up_to(1) == 0 {
        bytes[52..].fill(0);
    }
    (bytes[0], bytes[1]) = (2, Entropy::mix(seed, 0, 7).up_to(3) as u8);
    (bytes[3], bytes[5]) = (bytes[3] % 5, bytes[5] % 2);
    sealed_with_checksum(bytes)
}

fn forged_config(seed: u64) -> GateConfig {
    let pick = |salt: u32, limit: u64| Entropy::mix(seed, 3, 8).derive(salt).up_to(limit);
    let rate = match pick(1, 3) {
        0 => RateControl::Unlimited,
        1 => SLOW_SERVER,
        2 => RateControl::Adaptive(AdaptiveRateConfig::AIMD),
        _ => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
    };
    let mode = if pick(2, 3) == 0 { BreakerMode::ObserveOnly } else { BreakerMode::Enforce };
    let budget = if pick(3, 1) == 0 { BUDGET } else { None };
    let breaker = BreakerConfig { mode, probes: 1 + pick(4, 2) as u8, ..PLAIN.breaker };
    GateConfig { rate, budget, breaker, limit: LimitConfig { start: 20, ..LimitConfig::DEFAULT }, ..PLAIN }
}

/// How many attempts are admitted up to each of these instants, none of them ever settled.
fn admitted(gate: &mut Gate, instants: &[Instant], attempt: Try) -> Vec<usize> {
    let mut count = 0;
    let asked = instants.iter().map(|&now| {
        while count < 200
            && let Admission::Go(ticket) = gate.poll(now, attempt)
        {
            assert_eq!(ticket.started(), now);
            count += 1;
        }
        count
    });
    asked.collect()
}

#[test]
fn whatever_the_bytes_say_a_loaded_gate_admits_no_more_than_a_fresh_one() {
    let mut stricter = 0;
    for seed in 0..3_000 {
        let config = forged_config(seed);
        let downtime = match seed % 3 {
            0 => Downtime::Unknown,
            1 => Downtime::AtLeast(Duration::from_nanos(Entropy::mix(seed, 9, 9).up_to(1 << 40))),
            _ => Downtime::AtLeast(Duration::MAX),
        };
        // Within one lease of 30 s: beyond it, places that a fresh gate took first come back first.
        let instants: Vec<Instant> =
            (0..12).map(|step| BOOT.plus_ns(Entropy::mix(seed, 1, 1).up_to(2_000_000_000) * step)).collect();
        for attempt in [Try::First, Try::Again] {
            let (mut fresh, mut loaded) = (gate(config), gate(config));
            loaded.restore(BOOT, &forged(seed), downtime).expect("forged with care");
            let (by_fresh, by_loaded) =
                (admitted(&mut fresh, &instants, attempt), admitted(&mut loaded, &instants, attempt));
            for (step, (fresh, loaded)) in by_fresh.iter().zip(&by_loaded).enumerate() {
                assert!(
                    loaded <= fresh,
                    "seed {seed}, {attempt:?}, step {step}: {loaded} admitted, {fresh} by a fresh gate"
                );
            }
            stricter += usize::from(by_loaded != by_fresh);
        }
    }
    assert!(stricter > 1_000, "only {stricter} of the forged snapshots said anything");
}

#[test]
fn whatever_the_bytes_say_a_loaded_gate_admits_again_within_a_day_and_what_jitter_adds() {
    for seed in 0..3_000 {
        let mut gate = gate(forged_config(seed));
        gate.restore(BOOT, &forged(seed), Downtime::Unknown).expect("forged with care");
        gate.readmit();
        let later = BOOT.saturating_add(Duration::from_secs(86_400 * 9 / 8));
        let answer = gate.poll(later, Try::First);
        assert!(matches!(answer, Admission::Go(_)), "seed {seed}: {answer:?} a day and an eighth later");
    }
}

#[test]
fn loading_into_a_gate_that_is_stricter_already_lifts_nothing() {
    let lenient = gate(PLAIN).snapshot(START);
    let mut strict = gate(GateConfig { rate: SLOW_SERVER, budget: BUDGET, ..PLAIN });
    (0..2).for_each(|_| call(&mut strict, START, Outcome::Refused(Refusal::Access)));
    let _spent = match strict.poll(secs(3), Try::Again) {
        Admission::Go(ticket) => ticket,
        refused => panic!("{refused:?}"),
    };
    strict.pause_until(secs(3), secs(60));
    strict.restore(secs(3), &lenient, Downtime::AtLeast(Duration::MAX)).expect("just saved");
    assert_eq!(strict.standing.denied(), 2);
    let first = strict.poll(secs(3), Try::First);
    assert!(matches!(first, Admission::Wait { until, .. } if until == secs(60)), "{first:?}");
    let again = strict.poll(secs(60), Try::Again);
    assert!(matches!(again, Admission::Wait { until, .. } if until == secs(103)), "{again:?}");

    let mut open = gate(PLAIN);
    trip(&mut open, START);
    open.restore(START, &lenient, Downtime::Unknown).expect("just saved");
    assert!(matches!(open.poll(secs(9), Try::First), Admission::Wait { until, .. } if until == secs(10)));
}

#[test]
fn a_snapshot_of_a_restored_gate_is_the_snapshot_it_came_from() {
    for seed in 0..200 {
        let config = forged_config(seed);
        let mut first = gate(config);
        first.restore(BOOT, &forged(seed), Downtime::Unknown).expect("forged with care");
        let saved = first.snapshot(BOOT);
        let mut second = gate(config);
        second.restore(BOOT, &saved, Downtime::Unknown).expect("just saved");
        assert_eq!(second.snapshot(BOOT), saved, "seed {seed}: a second restart forgot something");
    }
}

#[test]
fn a_restored_gate_is_cut_as_soon_as_a_fresh_one() {
    let config = GateConfig { rate: RateControl::Adaptive(AdaptiveRateConfig::DEFAULT), ..PLAIN };
    let mut saved = gate(config).snapshot(BOOT);
    // Learnt: an interval a little longer than that at the start.
    let mut learnt = gate(config);
    for step in 0..200 {
        if let Admission::Go(ticket) = learnt.poll(millis(10 * step), Try::First) {
            learnt.settle(millis(10 * step), ticket, Outcome::Throttled { retry_after: None }, ENTROPY);
            saved = learnt.snapshot(millis(10 * step));
            if learnt.interval() > gate(config).interval() {
                break;
            }
        }
    }
    let admitted = |mut gate: Gate| -> u32 {
        let throttled = |ms: u64| ms < 500;
        (0..1_000).fold(0, |admitted, ms| {
            let now = BOOT.saturating_add(Duration::from_millis(ms));
            let outcome = if throttled(ms) { Outcome::Throttled { retry_after: None } } else { Outcome::Success };
            match gate.poll(now, Try::First) {
                Admission::Go(ticket) => {
                    gate.settle(now, ticket, outcome, ENTROPY);
                    admitted + 1
                }
                _ => admitted,
            }
        })
    };
    let mut loaded = gate(config);
    loaded.restore(BOOT, &saved, Downtime::AtLeast(Duration::from_secs(60))).expect("just saved");
    assert!(loaded.interval() > gate(config).interval(), "nothing was learnt");
    let (loaded, fresh) = (admitted(loaded), admitted(gate(config)));
    assert!(loaded <= fresh, "{loaded} by the restored gate, {fresh} by a fresh one");
}

#[test]
fn what_was_saved_does_not_lift_the_lock_of_probes_that_are_out() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    let _probe = go(&mut gate, secs(10), Try::First);
    let saved = gate.snapshot(secs(10));
    gate.restore(secs(10), &saved, Downtime::Unknown).expect("just saved");
    assert!(matches!(gate.poll(secs(10), Try::First), Admission::Wait { why: Why::Probing { .. }, .. }));
}
