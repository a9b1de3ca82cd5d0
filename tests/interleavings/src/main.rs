//! The parts that threads share, under every order of events that a scheduler comes up with: the driver's queue and
//! permits.
//!
//! The driver is generic over its lock and its clock, so here it gets those of [`shuttle`], which decides at each use of them
//! which thread goes on. A thread that nobody wakes is a deadlock, and shuttle reports it with the schedule that leads to
//! it; `shuttle::replay` plays that again.
//!
//! Not reached: the executor and reactor of smol, whose atomics are their own; reads and writes on sockets; and a panic
//! while a permit is held, since the scheduler cannot switch threads while one unwinds (the driver's own tests have that).

mod queue;
mod time;

/// Of each kind: random schedules, and those in which few switches do the harm (PCT).
const SCHEDULES: usize = 2_000;

const SCENARIOS: [(&str, fn()); 7] = [
    ("everybody gets through, and never more than the limit at once", queue::everybody_gets_through),
    ("threads that park on their turns are woken, by each other and by tasks", queue::parked_threads_are_woken),
    ("whoever gives up, before or after the grant, leaves the place to the next", queue::giving_up_passes_on),
    ("an attempt dropped in flight gives its permit back", queue::dropped_in_flight),
    ("a limit lowered below what is in flight drains", queue::lowered_limit_drains),
    ("a gate that lets nobody through and then opens wakes all who wait", queue::opened_gate_wakes_all),
    ("a shutdown that races with an acquire loses nothing", queue::shutdown_races_with_acquire),
];

fn main() {
    for (name, scenario) in SCENARIOS {
        shuttle::check_random(scenario, SCHEDULES);
        shuttle::check_pct(scenario, SCHEDULES, 3);
        println!("{} schedules: {name}", 2 * SCHEDULES);
    }
}
