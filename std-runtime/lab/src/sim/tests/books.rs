//! What is wrong with the books of a run ends it.

use tidegate_core::gate::SnapshotError;
use tidegate_core::rate::Rate;

use super::*;
use crate::sim::engine::Engine;

/// A link so long that something is under way in it at the end, and loses some of it.
fn busy() -> World {
    let link = Link {
        round_trip: Delay::Fixed(seconds(2)),
        loss_millionths: 100_000,
        partition: Some((seconds(4), seconds(5))),
    };
    let traffic = Traffic::Open { rate: Rate::per_second(20), even: true, surges: Vec::new() };
    let restarts = vec![Restart { at: seconds(7), down: seconds(1), restores: true }];
    let fleet = Fleet { traffic, link, gate: open_gate(), restarts, ..Fleet::new("busy", "server") };
    world(1, 10, "", fleet)
}

/// Runs the world with something changed in the engine.
fn breach_of(change: impl FnOnce(&mut Engine<'_>)) -> Option<Breach> {
    let world = busy();
    let policies = world.checked().expect("a good world");
    let mut engine = Engine::new(&world, &policies);
    change(&mut engine);
    engine.run().err().map(|violation| violation.breach)
}

#[test]
fn every_request_that_was_sent_arrived_or_was_lost_or_is_under_way() {
    assert_eq!(breach_of(|_| {}), None);
    let report = run(&busy());
    let (sent, arrived) = (report.fleets[0].attempts.sent, report.servers[0].requests.arrived);
    // The last second is under way; a twentieth, a second of the cut and one before it are lost.
    assert!(sent - arrived > 20 + 20 + 20 && arrived > 100, "{arrived} of {sent}");
    let unbalanced = |breach| matches!(breach, Some(Breach::Unbalanced { .. }));
    assert!(unbalanced(breach_of(|engine| engine.roads[0].sent += 1)), "one vanished");
    assert!(unbalanced(breach_of(|engine| engine.roads[0].lost += 1)), "one was lost and arrived");
    assert!(
        unbalanced(breach_of(|engine| {
            engine.roads[0].sent += 1;
            engine.roads[0].lost += 1;
        })),
        "one that was no attempt"
    );
}

#[test]
fn a_snapshot_that_is_not_taken_back_is_a_breach() {
    let world = busy();
    let policies = world.checked().expect("a good world");
    let mut engine = Engine::new(&world, &policies);
    engine.down(0, 0);
    let kept = engine.stations[0].kept.as_mut().expect("a snapshot");
    kept[7] ^= 1;
    assert_eq!(engine.up(0, 0), Err(Breach::NotRestored(SnapshotError::Checksum)));
    let mut engine = Engine::new(&world, &policies);
    engine.down(0, 0);
    assert_eq!(engine.up(0, 0), Ok(()));
}
