//! The core's operations beside those of the crates that a user would take instead, as one table that is both timed
//! (`cargo bench`) and counted (`cargo run --release`).
//!
//! What is compared is the cost of deciding, so nobody's clock is read where that can be helped: the core is handed the
//! time, governor and failsafe run on their fake clocks, reliakit is handed the time too. tower reads tokio's clock by itself, and
//! that is in its figures. Nobody is contended: each thing is used by one thread.
//!
//! The peers do not decide the same. None has a limit that adapts to outcomes, a lease, or one answer for all policies
//! together; failsafe's breaker counts over time and not over calls; tower's pieces are futures that also wait. The
//! table puts each beside the part of ours that comes nearest, and the sum of what an attempt needs beside the whole.

pub mod ours;
pub mod peers;

/// One step of something, over and over.
pub type Step = Box<dyn FnMut()>;

/// A row of the table.
pub struct Operation {
    /// Whose it is, and what it does.
    pub name: &'static str,
    /// Prepares it; each call of the result is one operation.
    pub start: fn() -> Step,
}

/// Every row, the empty one first.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    std::iter::once(&NOTHING).chain(ours::ALL).chain(peers::ALL)
}

/// What it costs to be called at all: subtracted from each of the others.
pub const NOTHING: Operation = Operation { name: "nothing", start: || Box::new(|| ()) };

/// Calls `step` so many times. Not inlined, and known by its name to whoever counts.
#[inline(never)]
pub fn measured(step: &mut dyn FnMut(), times: u32) {
    for _ in 0..times {
        step();
    }
}
