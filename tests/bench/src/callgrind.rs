//! Valgrind's callgrind, run on this very program.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io, process};

/// Instructions between entering and leaving `function`, for each time that happens in a run with `argument`.
pub fn totals(function: &str, argument: &str) -> Result<Vec<u64>, Box<dyn Error>> {
    let directory = env::temp_dir().join(format!("tidegate-bench-{}", process::id()));
    fs::create_dir_all(&directory)?;
    let totals = run(function, argument, &directory);
    fs::remove_dir_all(&directory)?;
    totals
}

fn run(function: &str, argument: &str, directory: &Path) -> Result<Vec<u64>, Box<dyn Error>> {
    let out = directory.join("counts");
    let valgrind = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(env::current_exe()?)
        .arg(argument)
        .output();
    let output = match valgrind {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("valgrind is not there: install the package of that name".into());
        }
        Err(error) => return Err(error.into()),
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    // One file for each time the function was left: counts.1, counts.2 and so on.
    let mut totals = Vec::new();
    loop {
        let path = out.with_extension((totals.len() + 1).to_string());
        let Ok(text) = fs::read_to_string(&path) else { return Ok(totals) };
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("callgrind wrote no total")?;
        totals.push(total.trim().parse()?);
    }
}
