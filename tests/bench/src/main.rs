//! Instructions per operation: the same on every run, whatever else the machine does.
//!
//! ```sh
//! cargo run --release --manifest-path tests/bench/Cargo.toml              # count, compare with instructions.txt and with the peers
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- --write   # keep what was counted
//! ```
//!
//! Valgrind runs this program once more, with `--operations`, and writes down what each row took.

mod callgrind;
mod kept;

use std::process::ExitCode;

use tidegate_bench::{NOTHING, all, measured, ours, peers};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let result = match argument.as_deref() {
        Some("--operations") => {
            operate();
            return ExitCode::SUCCESS;
        }
        None => count(false),
        Some("--write") => count(true),
        Some(other) => Err(format!("`{other}` means nothing here: give --write or nothing").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every row, for whoever counts.
fn operate() {
    // failsafe's clock stands still, like all the others.
    failsafe::clock::freeze(|_| {
        for operation in all() {
            let mut step = (operation.start)();
            // Seeking rates and limits have found theirs, windows are full, and what is allocated once has been.
            (0..REPEAT).for_each(|_| step());
            measured(&mut *step, REPEAT);
        }
    });
}

fn count(is_written: bool) -> Result<(), Box<dyn std::error::Error>> {
    let totals = callgrind::totals("tidegate_bench::measured", "--operations")?;
    let names: Vec<&str> = all().map(|operation| operation.name).collect();
    if totals.len() != names.len() {
        return Err(format!("{} operations, but {} were counted", names.len(), totals.len()).into());
    }
    // Up: a budget is not kept by half an instruction.
    let each = |total: u64| total.saturating_sub(totals[0]).div_ceil(u64::from(REPEAT));
    let rows: Vec<kept::Row> = names
        .iter()
        .zip(&totals)
        .map(|(name, total)| kept::Row { count: each(*total), name: (*name).to_owned() })
        .collect();
    let rows: Vec<kept::Row> = rows.into_iter().filter(|row| row.name != NOTHING.name).collect();
    print!("{}", kept::table(&rows));

    let of = |name: &str| rows.iter().find(|row| row.name == name).map_or(0, |row| row.count);
    let whole = of(ours::WHOLE);
    let decisions = whole.saturating_sub(of(ours::AROUND));
    let parts: u64 = peers::PARTS.iter().map(|name| of(name)).sum();
    println!(
        "\nthe whole decision path of one attempt, without what is around it: {decisions} instructions, of at most {WHOLE_GOAL}"
    );
    println!("what comes nearest to it among the peers: {parts} = {}", peers::PARTS.join(" + "));
    if is_written {
        kept::write(&rows)?;
    } else {
        kept::compare(&rows)?;
    }
    if decisions > WHOLE_GOAL {
        return Err(format!(
            "{decisions} instructions for the decisions of one attempt: above the goal of {WHOLE_GOAL}"
        )
        .into());
    }
    if whole > parts {
        return Err(format!("{whole} instructions are more than the {parts} that the peers take for the parts").into());
    }
    Ok(())
}

/// Times that each is done while counted, and before that.
const REPEAT: u32 = 4_000;
/// What breaker, limiter, adaptive limit, budget and latency record of one attempt are to take together, on x86-64.
const WHOLE_GOAL: u64 = 220;
