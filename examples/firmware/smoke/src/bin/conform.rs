//! The calls of `examples/conformance` on embassy's executor: the same decisions as on a host, told by their hash.
//!
//! Each of its tasks is one of embassy's, woken through the executor's queue. Where the executor would sleep until an interrupt,
//! time is moved on instead. With the word `records` on the command line every decision is printed as it is taken.
#![no_std]
#![no_main]

use core::cell::{Cell, RefCell};

use board::host;
use conformance_world::{Alarms, PLACES, TASKS, Tally, World, gate_config};
use semihosting::println;
use static_cell::ConstStaticCell;
use tidegate_core::{Gate, Traced, drive::Turnstile};

/// More decisions than are taken at one instant.
type Recorded = Traced<Gate, 24>;

type Shared = World<RefCell<Alarms>, RefCell<Turnstile<Recorded, PLACES>>>;

/// What the tasks that have ended counted, and how many there were.
struct Ended {
    tally: Cell<Tally>,
    tasks: Cell<u8>,
}

#[board::entry]
fn main() -> ! {
    // In place from the beginning: on its way there it would take its memory twice.
    static WORLD: ConstStaticCell<Shared> = ConstStaticCell::new(fresh());
    static ENDED: ConstStaticCell<Ended> =
        ConstStaticCell::new(Ended { tally: Cell::new(Tally::ZERO), tasks: Cell::new(0) });
    let prints = host::args().next_word() == Some("records");
    let (world, ended) = (&*WORLD.take(), &*ENDED.take());
    let mut printed = 0;
    board::executor::run_idling(
        |spawner| {
            (0..TASKS).for_each(|number| spawner.spawn(task(world, ended, number).expect("the pool has a place")))
        },
        || {
            if prints {
                printed = world.gate(|gate| print_since(gate, printed));
            }
            if !world.advance() {
                end(world, ended, prints);
            }
        },
    )
}

const fn fresh() -> Shared {
    match Gate::new(gate_config()) {
        Ok(gate) => World::new(RefCell::new(Alarms::new()), RefCell::new(Turnstile::new(Traced::new(gate)))),
        Err(_) => panic!("rejected by the compiler"),
    }
}

#[embassy_executor::task(pool_size = TASKS as usize)]
async fn task(world: &'static Shared, ended: &'static Ended, number: u8) {
    let counted = world.task(number).await;
    let mut tally = ended.tally.get();
    tally.add(counted);
    ended.tally.set(tally);
    ended.tasks.set(ended.tasks.get() + 1);
}

/// Prints the decisions behind the first `printed`, and says how many there are.
fn print_since(gate: &Recorded, printed: u64) -> u64 {
    let fresh = gate.recorded() - printed;
    let kept = gate.records().count() as u64;
    assert!(fresh <= kept, "{fresh} decisions at one instant, of which {kept} are kept");
    gate.records().skip((kept - fresh) as usize).for_each(|record| println!("{record}"));
    gate.recorded()
}

/// Nobody waits for a time any more: every task has ended, or something was forgotten.
fn end(world: &Shared, ended: &Ended, prints: bool) -> ! {
    let (hash, recorded) = world.gate(|gate| (gate.hash(), gate.recorded()));
    if prints {
        println!("hash {hash:016x}");
    } else {
        println!("{}; {recorded} decisions {hash:016x}", ended.tally.get());
    }
    host::exit(ended.tasks.get() == TASKS)
}
