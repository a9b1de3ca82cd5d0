//! Mock tile server, simulator, measurements and reports for tidegate.

pub mod mock;
pub mod measure;
pub mod plot;
