//! The `tidegate` command.

mod args;
mod bench;
mod exit;
mod fetch;
mod guard;
mod interrupt;
mod log;
mod mock;
mod output;
mod print_config;
mod progress;
mod report;
mod simulate;
mod source;
mod sweep;
mod tiles;

use std::process::ExitCode;

fn main() -> ExitCode {
    args::run(std::env::args_os(), &mut output::Output::terminal())
}
