//! The `tidegate` command.

mod args;
mod bench;
mod cache;
mod connection;
mod exit;
mod fetch;
mod guard;
mod hosts;
mod interrupt;
mod letters;
mod log;
mod memory;
mod mock;
mod output;
mod print_config;
mod progress;
mod pulse;
mod replay;
mod report;
mod resources;
mod sampler;
mod scheme;
mod simulate;
mod source;
mod sweep;
mod tiles;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    args::run(std::env::args_os(), &mut output::Output::terminal())
}
