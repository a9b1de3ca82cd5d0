//! tidegate beside reqwest, httpx and aiohttp: one server, one interleaved run. `tests/bench/beside-peers` starts it.
//!
//! Each cell is a process of its own, which measures itself: seconds, CPU seconds of all its threads, peak memory. The cells of
//! a round run in drawn order, and what is printed is the median over the rounds; ratios are taken within a round, so that
//! whatever else the machine does meanwhile is in both. Beyond that differences below a fifth are noise.

mod compare;
mod table;

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tidegate_bench_transport::client::{self, Fetching, Workers};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["--client", client, template, tiles, concurrency] => fetch(client, template, tiles, concurrency),
        [] => compare::run(5),
        [repeats] => match repeats.parse() {
            Ok(repeats @ 1..) => compare::run(repeats),
            _ => Err("one argument: the number of rounds, 1 or more".into()),
        },
        _ => Err("one argument: the number of rounds".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One cell: fetches, and prints seconds, CPU seconds and peak KiB.
fn fetch(name: &str, template: &str, tiles: &str, concurrency: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (tiles, concurrency): (usize, NonZeroUsize) = (tiles.parse()?, concurrency.parse()?);
    let (began, cpu_before) = (Instant::now(), cpu_seconds());
    by_name(name, template, tiles, concurrency)?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    println!("{seconds} {cpu} {}", peak_kib()?);
    Ok(())
}

fn by_name(name: &str, template: &str, tiles: usize, concurrency: NonZeroUsize) -> Fetching {
    match name {
        "tidegate" => client::tidegate(template, tiles, concurrency),
        "tidegate-transport" => client::tidegate_transport(template, tiles, concurrency),
        "reqwest" => client::reqwest(template, tiles, concurrency, Workers::Two),
        "reqwest-1" => client::reqwest(template, tiles, concurrency, Workers::Own),
        other => Err(format!("no client `{other}`").into()),
    }
}

/// Of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn peak_kib() -> Result<u64, Box<dyn Error + Send + Sync>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
