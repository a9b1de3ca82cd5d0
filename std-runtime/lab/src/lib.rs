//! Mock tile server, simulator, measurements and reports for tidegate.
