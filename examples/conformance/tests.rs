//! That all runtimes decide the same, and what is said where one does not.

use conformance_world::{CALLERS, gate_config};
use tidegate::testing::golden;
use tidegate_core::{breaker::BreakerConfig, trace::ReplayError};

use super::*;

/// What was decided when somebody last looked at it. The last line is the hash.
const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/conformance/decisions.trace");

#[test]
fn every_runtime_takes_the_decisions_that_were_looked_at() {
    for (name, run) in RUNTIMES {
        let world = world(gate_config());
        let Tally { answered, given_up, dropped } = run(&world);
        assert_eq!(answered + given_up + dropped, u16::from(CALLERS) * 8, "{name}: each call ends, and once");
        assert_eq!(world.gate(|gate| gate.gate().in_flight()), 0, "{name}: every place comes back");
        golden(RECORDS, lines(&world)).unwrap_or_else(|difference| panic!("{name}: {difference}"));
    }
}

#[test]
fn the_decisions_that_are_compared_are_of_every_kind() {
    let world = world(gate_config());
    on_smol::run(&world);
    let lines = lines(&world);
    for kind in [
        "go with First",
        "go with Retry",
        "go with Probe",
        "early at one request each",
        "breaker open",
        "forced open",
        "probes out",
        "paused at the server's wish",
        "retry budget empty",
        "full until",
        "never (",
        "nothing in the way",
        "with Success",
        "with Empty",
        "with Failure",
        "with Timeout",
        "Throttled { retry_after: None }",
        "Throttled { retry_after: Some",
        "with Refused(Request)",
        "with Refused(Access)",
        "with Unsent",
        "cancelled",
        "told Pause",
        "told Quota",
    ] {
        assert!(lines.iter().any(|line| line.contains(kind)), "no decision says `{kind}`");
    }
}

/// A seeded change: the breaker wants one call more before it judges.
#[test]
fn a_changed_decision_is_told_by_the_first_record_that_differs() {
    let config = gate_config();
    let changed = GateConfig { breaker: BreakerConfig { calls_min: 6, ..config.breaker }, ..config };
    for (name, run) in RUNTIMES {
        let world = world(config);
        run(&world);
        let mut gate = Gate::new(changed).expect("valid settings");
        let error = world.gate(|traced| traced.replay(&mut gate)).expect_err("another breaker");
        let ReplayError::Differs(difference) = error else { panic!("{name}: {error}") };
        let records: Vec<_> = world.gate(|traced| traced.records().collect());
        assert_eq!(records.get(difference.index as usize), Some(&difference.recorded), "{name}");
        let (index, said) = (difference.index, error.to_string());
        assert!(said.starts_with(&format!("record {index} differs: at ")), "{name}: {said}");
        assert!(
            said.contains(": go with ProbeRetry ticket of ") && said.contains("; replayed: go with Retry ticket of "),
            "{said}"
        );
        let mut gate = Gate::new(config).expect("valid settings");
        assert_eq!(world.gate(|traced| traced.replay(&mut gate)), Ok(world.gate(Traced::hash)), "{name}");
    }
}
