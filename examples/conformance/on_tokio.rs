//! tokio: its scheduler's queue on one thread, which tells when it is about to park.

use std::sync::Arc;

use conformance_world::{TASKS, Tally};
use tokio::{runtime::Builder, task::JoinSet};

use super::World;

pub(super) fn run(world: &Arc<World>) -> Tally {
    let clock = Arc::clone(world);
    let about_to_park = move || {
        clock.advance();
    };
    let runtime = Builder::new_current_thread().on_thread_park(about_to_park).build().expect("a runtime without I/O");
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let world = Arc::clone(world);
            tasks.spawn(async move { world.task(number).await });
        }
        let mut tally = Tally::ZERO;
        while let Some(ended) = tasks.join_next().await {
            tally.add(ended.expect("no task panics"));
        }
        tally
    })
}
