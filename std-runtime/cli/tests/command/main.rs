//! The `tidegate` command as it is run, against mock servers in this process.

mod adaptive;
mod archives;
mod areas;
mod bench;
mod cache;
mod connection;
mod exits;
mod fetch;
mod health;
mod hosts;
mod interrupt;
mod logs;
mod memory;
mod mirrors;
mod open_loop;
mod policy;
mod privacy;
mod replay;
mod schema;
mod simulate;
mod support;
mod sweep;
mod waits;
