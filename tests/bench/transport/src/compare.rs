//! The rounds, and whether the goal is reached.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, io};

use tidegate_bench_transport::server::Server;

use super::table;

/// Who is measured, and with how many tiles: as many as take about a second on a quiet machine.
pub const CLIENTS: [Client; 6] = [
    Client { name: "tidegate", language: Language::Rust, tiles: 10_000 },
    Client { name: "tidegate-transport", language: Language::Rust, tiles: 10_000 },
    Client { name: REFERENCE, language: Language::Rust, tiles: 10_000 },
    Client { name: "reqwest-1", language: Language::Rust, tiles: 10_000 },
    Client { name: "aiohttp", language: Language::Python, tiles: 2_000 },
    Client { name: "httpx", language: Language::Python, tiles: 300 },
];

/// reqwest on tokio with two workers and a task per tile.
pub const REFERENCE: &str = "reqwest";
pub const LEVELS: [usize; 4] = [1, 10, 50, 200];

/// One of those that are measured.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub name: &'static str,
    language: Language,
    tiles: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Python,
}

/// What one process took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub client: &'static str,
    pub level: usize,
    pub round: usize,
    /// Tiles per second.
    pub rate: f64,
    /// CPU seconds per 10,000 tiles.
    pub cpu: f64,
    pub peak_mib: f64,
}

/// Runs all cells so many times, prints the tables, and fails where the goal is missed.
pub fn run(rounds: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    // `tests/bench/beside-peers` says where it is, or why there is none.
    let python = env::var_os("BENCH_PYTHON");
    let clients: Vec<Client> =
        CLIENTS.into_iter().filter(|client| client.language == Language::Rust || python.is_some()).collect();
    let server = Server::start()?;
    let mut cells: Vec<(Client, usize)> =
        clients.iter().flat_map(|client| LEVELS.map(|level| (*client, level))).collect();
    let mut measured = Vec::new();
    for round in 0..rounds {
        fastrand::shuffle(&mut cells);
        for (client, level) in &cells {
            measured.push(measure(*client, *level, round, &server.template(), python.as_deref().map(Path::new))?);
        }
        eprintln!("round {} of {rounds} done", round + 1);
    }
    let names: Vec<&'static str> = clients.iter().map(|client| client.name).collect();
    print!("{}", table::text(&names, &measured));
    if python.is_none() {
        println!("\nhttpx and aiohttp: NOT MEASURED, there is no Python with them here");
    }
    judge(&measured)
}

fn measure(
    client: Client,
    level: usize,
    round: usize,
    template: &str,
    python: Option<&Path>,
) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    let mut command = match (client.language, python) {
        (Language::Python, Some(python)) => {
            let mut command = Command::new(python);
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients.py"));
            command
        }
        (Language::Rust, _) | (Language::Python, None) => {
            let mut command = Command::new(env::current_exe()?);
            command.arg("--client");
            command
        }
    };
    let output = command.arg(client.name).arg(template).args([client.tiles, level].map(|n| n.to_string())).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} at {level}: {}\n{said}", client.name, output.status).into());
    }
    let numbers: Vec<f64> =
        String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, cpu, peak_kib] = numbers[..] else { return Err(io::Error::other("not three numbers").into()) };
    let tiles = client.tiles as f64;
    let (rate, cpu, peak_mib) = (tiles / seconds, cpu * 10_000.0 / tiles, peak_kib / 1_024.0);
    Ok(Measured { client: client.name, level, round, rate, cpu, peak_mib })
}

/// Over 10 to 200 at once, as the geometric mean of the levels' ratios.
fn judge(measured: &[Measured]) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mean = |value: fn(&Measured) -> f64| {
        let logs = LEVELS
            .iter()
            .filter(|level| **level >= 10)
            .map(|level| table::ratio(measured, "tidegate", *level, value).ln());
        let (sum, count) = logs.fold((0.0, 0.0), |(sum, count), log| (sum + log, count + 1.0));
        (sum / count).exp()
    };
    let (rate, cpu) = (mean(|cell| cell.rate), mean(|cell| cell.cpu));
    println!(
        "\ntidegate over 10 to 200 at once: {rate:.2} of reqwest's rate (goal: at least {RATE_MIN}), {cpu:.2} of its CPU (goal: at most {CPU_MAX})"
    );
    if rate < RATE_MIN || cpu > CPU_MAX { Err("the goal is missed".into()) } else { Ok(()) }
}

const RATE_MIN: f64 = 0.9;
const CPU_MAX: f64 = 1.4;
