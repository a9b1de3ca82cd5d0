//! smol: its executor's queue, on this thread.

use std::sync::Arc;

use conformance_world::{TASKS, Tally};
use tidegate::runtime::Runtime;

use super::World;

pub(super) fn run(world: &Arc<World>) -> Tally {
    let runtime = Runtime::start(0).expect("no thread is asked for");
    let spawn = |number| {
        let world = Arc::clone(world);
        runtime.spawn(async move { world.task(number).await })
    };
    let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
    while runtime.executor().try_tick() || world.advance() {}
    let mut tally = Tally::ZERO;
    for task in tasks {
        assert!(task.is_finished(), "a task waits for what will never happen");
        tally.add(smol::block_on(task));
    }
    tally
}
