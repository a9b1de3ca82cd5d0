//! The parts that threads share, under every order of events that a scheduler comes up with: the driver's queue and
//! permits, and the slot in which a worker hands back its reply.
//!
//! The driver is generic over its lock and its clock, so here it gets those of [`shuttle`], which decides at each use of them
//! which thread goes on. A thread that nobody wakes is a deadlock, and shuttle reports it with the schedule that leads to
//! it; `shuttle::replay` plays that again.
//!
//! Not reached: the executor and reactor of smol, whose atomics are their own; reads and writes on sockets; and a panic
//! while a permit is held, since the scheduler cannot switch threads while one unwinds (the driver's own tests have that).
//!
//! A program and not a test: compiled for tests, the slot's source would bring its own along.

mod queue;
mod reply;
mod time;

// Where the source of the slot looks for it.
use tidegate::transport;

/// Of each kind: random schedules, and those in which few switches do the harm (PCT).
const SCHEDULES: usize = 2_000;

const SCENARIOS: [(&str, fn()); 9] = [
    ("everybody gets through, and never more than the limit at once", queue::everybody_gets_through),
    ("whoever gives up, before or after the grant, leaves the place to the next", queue::giving_up_passes_on),
    ("an attempt dropped in flight gives its permit back", queue::dropped_in_flight),
    ("a limit lowered below what is in flight drains", queue::lowered_limit_drains),
    ("a gate that lets nobody through and then opens wakes all who wait", queue::opened_gate_wakes_all),
    ("a shutdown that races with an acquire loses nothing", queue::shutdown_races_with_acquire),
    ("a reply always reaches the task that waits", reply::reaches_its_task),
    ("a client that closes ends the wait, with a reply or with that", reply::closing_ends_the_wait),
    ("a job that was abandoned in the queue is never sent", reply::abandoned_is_not_sent),
];

fn main() {
    for (name, scenario) in SCENARIOS {
        shuttle::check_random(scenario, SCHEDULES);
        shuttle::check_pct(scenario, SCHEDULES, 3);
        println!("{} schedules: {name}", 2 * SCHEDULES);
    }
}
