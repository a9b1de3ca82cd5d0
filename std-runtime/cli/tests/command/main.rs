//! The `tidegate` command as it is run, against mock servers in this process.

mod bench;
mod exits;
mod fetch;
mod health;
mod interrupt;
mod logs;
mod mirrors;
mod simulate;
mod support;
mod sweep;
