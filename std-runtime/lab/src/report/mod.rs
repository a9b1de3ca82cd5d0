//! Reports that people look at and programs read.
//!
//! [`SweepReport::from_runs`] turns the runs of a sweep into figures, fits and advice. The same report is JSON (serde, with
//! a published schema in `schema/sweep-report.schema.json`, beside that of single runs), [CSV](SweepReport::to_csv) and [one HTML file](SweepReport::to_html)
//! that needs nothing else: no script, no font, no network.
//!
//! [`Page`] is what that file is built from, for other commands to build theirs; [`Timeline`] draws what a gate did over
//! time, for a run and for the simulator alike.

mod csv;
mod level;
mod page;
mod sweep;
mod sweep_figures;
mod sweep_page;
mod timeline;

pub use level::{Bin, Distribution, LevelReport, Resources, Run, Throughput};
pub use page::{Block, Column, Page, Section, Table};
pub use sweep::{Fitted, FittedUsl, Intervals, LevelLittle, SweepInput, SweepReport};
pub use timeline::{BreakerSpan, BreakerState, Event, Sample, Timeline};

#[cfg(test)]
mod tests;
