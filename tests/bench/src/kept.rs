//! The counts that are kept in the repository, so that a change shows in review.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Instructions.
    pub count: u64,
    /// Of which operation.
    pub name: String,
}

/// The rows as they are printed and kept.
pub fn table(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, Row { count, name }| {
        let _ = writeln!(text, "{count:>6}  {name}");
        text
    })
}

/// Keeps the rows.
pub fn write(rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let head = "# Instructions per operation on x86-64, checked by `cargo run --release --manifest-path tests/bench/Cargo.toml`,\n\
                # written anew with `-- --write`. Another compiler counts otherwise; these are of\n";
    fs::write(path(), format!("{head}# {}\n{}", compiler()?, table(rows)))?;
    println!("written to {}", path().display());
    Ok(())
}

/// Fails where a row differs from what is kept. With another compiler than that of the file the rows cannot be the same;
/// then it only says so.
pub fn compare(rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path())?;
    let theirs = text.lines().find_map(|line| line.strip_prefix("# ").filter(|line| line.starts_with("rustc")));
    let (theirs, ours) = (theirs.ok_or("the file names no compiler")?, compiler()?);
    if theirs != ours {
        println!("not compared with the kept counts: those are of {theirs}, this is {ours}");
        return Ok(());
    }
    let kept = parse(&text)?;
    let mut differences = String::new();
    for row in rows {
        match kept.iter().find(|kept| kept.name == row.name) {
            Some(kept) if kept.count.abs_diff(row.count) <= allowance(kept.count) => {}
            Some(kept) => writeln!(differences, "{}: {} were {}", row.name, row.count, kept.count)?,
            None => writeln!(differences, "{}: {} are not kept yet", row.name, row.count)?,
        }
    }
    for kept in kept.iter().filter(|kept| rows.iter().all(|row| row.name != kept.name)) {
        writeln!(differences, "{}: is kept, but not counted any more", kept.name)?;
    }
    if differences.is_empty() {
        println!("all as kept");
        return Ok(());
    }
    Err(format!("{differences}If that is meant, keep the new counts: run it with --write.").into())
}

/// A hundredth: the C library takes other ways on other processors.
fn allowance(count: u64) -> u64 {
    count / 100
}

fn parse(text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (count, name) = line.trim().split_once("  ").ok_or_else(|| format!("not a row: `{line}`"))?;
            Ok(Row { count: count.parse()?, name: name.to_owned() })
        })
        .collect()
}

/// What compiles here, by name and version.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    // Without hash and date, which differ between builds of the same compiler.
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rows = [Row { count: 7, name: "a: b, c".to_owned() }, Row { count: 123_456, name: "d".to_owned() }];
        assert_eq!(parse(&format!("# comment\n{}", table(&rows))).expect("it was just made"), rows);
    }

    #[test]
    fn what_is_no_row_is_told() {
        let error = parse("12 one space\n").expect_err("no name");
        assert_eq!(error.to_string(), "not a row: `12 one space`");
    }
}
