//! The same calls on smol, tokio and plain threads: each with its own tasks, queue and parking, and the same decisions on all.
//!
//! ```sh
//! cargo run --example conformance              # runtime, records, hash of all decisions
//! cargo run --example conformance -- records   # what was decided, one line each
//! examples/firmware/run conform                # the same table with the emulated microcontrollers
//! ```
//!
//! The calls and the clock are in `world`, which needs no operating system. What is here is all that a runtime adds: tasks,
//! a lock, and a word when nothing can go on any more. `decisions.trace` holds the decisions as they were when somebody
//! last looked at them.

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod live;
mod on_smol;
mod on_threads;
mod on_tokio;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use conformance_world::{Alarms, PLACES, Tally, gate_config};
use tidegate_core::{
    Gate, GateConfig, Traced,
    drive::{Lock, Turnstile},
};

const RUNTIMES: [(&str, Run); 3] = [("smol", on_smol::run), ("tokio", on_tokio::run), ("threads", on_threads::run)];

/// Runs a world to its end.
type Run = fn(&Arc<World>) -> Tally;

/// More than the world makes.
type Recorded = Traced<Gate, 2048>;

type World = conformance_world::World<Guarded<Alarms>, Guarded<Turnstile<Recorded, PLACES>>>;

fn world(config: GateConfig) -> Arc<World> {
    let gate = Gate::new(config).expect("valid settings");
    let turnstile = Turnstile::new(Traced::new(gate));
    Arc::new(World::new(Guarded(Mutex::new(Alarms::new())), Guarded(Mutex::new(turnstile))))
}

/// A mutex as the core's driver wants it.
struct Guarded<T>(Mutex<T>);

impl<T> Lock for Guarded<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn main() -> ExitCode {
    let with_records = env::args().nth(1).as_deref() == Some("records");
    match print(&mut io::stdout().lock(), with_records) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Whether all runtimes decided the same; the first decision that one of them took otherwise is shown.
fn print(out: &mut impl Write, with_records: bool) -> io::Result<bool> {
    let mut first: Option<Vec<String>> = None;
    for (name, run) in RUNTIMES {
        let world = world(gate_config());
        let tally = run(&world);
        let lines = lines(&world);
        if !with_records {
            let (hash, recorded) = world.gate(|gate| (gate.hash(), gate.recorded()));
            writeln!(out, "{name:<12} {tally}; {recorded} decisions {hash:016x}")?;
        }
        let expected = first.get_or_insert_with(|| lines.clone());
        if let Some((one, other)) = expected.iter().zip(&lines).find(|(one, other)| one != other) {
            writeln!(out, "{name} differs:\n  {other}\nwhere {} has:\n  {one}", RUNTIMES[0].0)?;
            return Ok(false);
        }
    }
    if with_records {
        first.unwrap_or_default().into_iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(true)
}

/// The decisions, and their hash in the last line, so that no two of different length agree.
fn lines(world: &World) -> Vec<String> {
    world.gate(|gate| {
        let records = gate.records().map(|record| record.to_string());
        records.chain([format!("hash {:016x}", gate.hash())]).collect()
    })
}

#[cfg(test)]
mod tests;
