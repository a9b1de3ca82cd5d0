//! Mock tile server, simulator, traffic, measurements and reports for tidegate.

pub mod measure;
pub mod mock;
pub mod plot;
pub mod report;
pub mod sim;
pub mod traffic;
