//! Ctrl-C: the first one drains and reports, the second one ends at once.

use std::{
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tidegate::stop::{Extent, Stop};

use crate::{exit::Exit, output::notice};

/// Asks `stop` to drain at the first interrupt; the second one ends the process. `said` is what the first one is answered
/// with.
pub(crate) fn on_interrupt(stop: Arc<dyn Fn(Extent) + Send + Sync>, said: Option<&'static str>) {
    static HANDLER: OnceLock<bool> = OnceLock::new();
    let interrupts = AtomicUsize::new(0);
    HANDLER.get_or_init(|| {
        let handle = move || match interrupts.fetch_add(1, Ordering::Relaxed) {
            0 => {
                stop(Extent::Drain);
                said.into_iter().for_each(notice);
            }
            _ => process::exit(Exit::Interrupted as i32),
        };
        // Without a handler an interrupt ends the process, which is worse but not wrong.
        ctrlc::set_handler(handle).is_ok()
    });
}

/// What whoever interrupts work has to know.
pub(crate) const DRAINING: Option<&str> = Some("tidegate: finishing what has begun; interrupt again to end at once");

/// Whether a stop was asked for.
pub(crate) fn interrupted(stop: &Stop) -> bool {
    stop.is_asked(Extent::Drain)
}
