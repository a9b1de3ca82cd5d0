//! The simulator itself: time, order, balance.

use super::*;

#[test]
fn a_call_takes_the_round_trip_and_the_service() {
    let fleet = Fleet {
        traffic: hungry(1, None),
        link: Link { round_trip: Delay::Fixed(millis(20)), ..Link::PERFECT },
        gate: unlimited(),
        ..Fleet::new("one", "server")
    };
    let report = run(&world(1, 10, "latency=30ms", fleet));
    // 10 s of 50 ms each; the last answer arrives when the run is over.
    assert_eq!(report.fleets[0].calls.succeeded, 199);
    assert_eq!(report.fleets[0].calls.in_progress, 1);
}

fn unlimited() -> tidegate_core::GateConfig {
    tidegate_core::GateConfig { rate: tidegate_core::RateControl::Unlimited, ..tidegate_core::GateConfig::DEFAULT }
}
