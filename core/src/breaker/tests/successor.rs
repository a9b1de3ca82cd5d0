//! A breaker that goes on where another one stood: after a restart, or with other settings.

use super::*;

#[test]
fn what_was_saved_makes_it_stricter_and_never_less_strict() {
    let config = BreakerConfig { probes: 2, successes: 9, after_closing: AfterClosing::Ramp, ..CONFIG };
    let s = |seconds: u64| Some(seconds * 1_000_000_000);
    let until =
        |seconds| BreakerState::Open { until: NOW.saturating_add(Duration::from_secs(seconds)), bad: 0, calls: 0 };
    let ramp = |ramp, clean| BreakerState::Closed { ramp, clean };
    let lease_end = NOW.saturating_add(CONFIG.lease);
    let lease_s = CONFIG.lease.as_secs();
    let probing = BreakerState::HalfOpen { lease_end, outstanding: 2, succeeded: 1 };
    for (present, open_ns, saved_ramp, expected) in [
        (ramp(u16::MAX, 0), None, u16::MAX, ramp(u16::MAX, 0)),
        (ramp(u16::MAX, 0), None, 8, ramp(8, 0)),
        (ramp(u16::MAX, 0), None, 0, ramp(1, 0)),
        (ramp(8, 5), None, 8, ramp(8, 5)),
        (ramp(8, 5), None, 16, ramp(8, 5)),
        (ramp(8, 5), None, 4, ramp(4, 0)),
        (ramp(u16::MAX, 0), s(0), u16::MAX, until(0)),
        (ramp(u16::MAX, 0), s(5), u16::MAX, until(5)),
        (ramp(8, 5), s(0), u16::MAX, ramp(2, 0)),
        (ramp(1, 0), s(0), u16::MAX, ramp(1, 0)),
        (ramp(8, 5), s(5), u16::MAX, until(5)),
        (ramp(8, 5), Some(u64::MAX), u16::MAX, until(40)),
        (until(20), s(5), u16::MAX, until(20)),
        (until(5), s(20), u16::MAX, until(20)),
        (until(5), None, 4, until(5)),
        (probing, s(0), u16::MAX, probing),
        (probing, s(1), u16::MAX, until(lease_s)),
        (probing, s(lease_s + 2), u16::MAX, until(lease_s + 2)),
        (probing, None, 4, probing),
    ] {
        for (trips, saved_trips) in [(1, 3), (3, 1)] {
            let mut breaker = breaker(config);
            (breaker.state, breaker.trips) = (present, trips);
            breaker.restore(NOW, open_ns, saved_ramp, saved_trips);
            assert_eq!((breaker.state, breaker.trips), (expected, 3), "{present:?}, saved {open_ns:?} {saved_ramp}");
        }
        for mode in [BreakerMode::ForcedOpen, BreakerMode::ForcedClosed, BreakerMode::ObserveOnly] {
            let mut forced = breaker(BreakerConfig { mode, ..config });
            (forced.state, forced.trips) = (present, 1);
            forced.restore(NOW, open_ns, saved_ramp, 3);
            assert_eq!((forced.state, forced.trips), (present, 1), "{mode:?} is not for a snapshot to change");
        }
    }
}

#[test]
fn whoever_stands_in_stands_where_the_other_stood_and_remembers_nothing() {
    let (old, _straggler) = opened(CONFIG);
    let mut new = breaker(BreakerConfig { window: 64, ..CONFIG });
    call(&mut new, NOW, Verdict::Failure);
    new.succeed(&old);
    assert_eq!((new.state, new.era, new.trips, new.mode), (old.state, old.era, old.trips, old.mode));
    assert_ne!((new.era, new.trips), (0, 0));
    assert_eq!(new.counts(NOW).calls, 1, "its own window");
}
