//! Which times a gate can keep.

use super::*;

#[test]
fn times_that_contradict_each_other_are_refused_by_name() {
    let (ms, days) = (Duration::from_millis, |days: u64| Duration::from_secs(86_400 * days));
    let built = |attempt_timeout, slow_after, lease| {
        Gate::new(GateConfig { attempt_timeout, slow_after, lease, ..PLAIN }).map(|_gate| ())
    };
    assert_eq!(built(ms(20), ms(20), ms(21)), Ok(()));
    assert_eq!(built(ms(1), ms(1), days(49)), Ok(()));
    assert_eq!(built(Duration::ZERO, ms(1), ms(2)), Err(GateError::AttemptTimeout));
    assert_eq!(built(days(50), ms(1), ms(2)), Err(GateError::AttemptTimeout));
    assert_eq!(built(ms(20), Duration::ZERO, ms(21)), Err(GateError::SlowAfter));
    assert_eq!(built(ms(20), ms(21), ms(22)), Err(GateError::SlowAfter), "no attempt is ever that slow");
    assert_eq!(built(ms(20), ms(20), ms(20)), Err(GateError::Lease), "an attempt would outlast it");
    assert!(matches!(built(ms(20), ms(20), days(50)), Err(GateError::Breaker(_))), "the breaker keeps it");
}
