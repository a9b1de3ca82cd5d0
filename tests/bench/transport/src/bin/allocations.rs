//! Who allocates while tiles are fetched: `cargo run --release -p tidegate-bench-transport --bin allocations`.
//!
//! After a warm-up, each allocation belongs to whoever comes first on its stack, seen from the allocator: ureq, or us. What an
//! executor allocates for a task that we start is ours. Fails beyond the budget.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, process};

use serde_json::Value;
use tidegate::runtime::Runtime;
use tidegate_bench_transport::client;
use tidegate_bench_transport::server::Server;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    match run() {
        Ok(ours) if ours <= OURS_MAX => ExitCode::SUCCESS,
        Ok(ours) => {
            eprintln!("{ours:.2} allocations of our own per tile; the budget is {OURS_MAX}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints who allocates how often, and returns how often we do per tile.
fn run() -> Result<f64, Box<dyn Error + Send + Sync>> {
    let server = Server::start()?;
    let fetcher = client::fetcher(&server.template(), CONCURRENCY)?;
    let runtime = Runtime::start(0)?;
    client::fetch(&fetcher, &runtime, WARM_UP)?;

    let file = env::temp_dir().join(format!("tidegate-allocations-{}.json", process::id()));
    {
        let _profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(None).build();
        client::fetch(&fetcher, &runtime, TILES)?;
    }
    let sites = sites(&file);
    fs::remove_file(&file)?;
    let sites = sites?;

    let per_tile = |blocks: u64| blocks as f64 / TILES as f64;
    println!("allocations per tile, {TILES} tiles, {CONCURRENCY} at once\n");
    let mut totals = BTreeMap::<Owner, u64>::new();
    for site in &sites {
        *totals.entry(site.owner).or_default() += site.blocks;
        if site.owner == Owner::Us && per_tile(site.blocks) >= 0.01 {
            println!("{:>8.2}  {:>6} B  {}", per_tile(site.blocks), site.bytes / site.blocks.max(1), site.name);
        }
    }
    println!();
    for (owner, blocks) in &totals {
        println!("{:>8.2}  {owner:?}", per_tile(*blocks));
    }
    Ok(per_tile(totals.get(&Owner::Us).copied().unwrap_or(0)))
}

/// Where something is allocated.
struct Site {
    owner: Owner,
    name: String,
    blocks: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Us,
    Ureq,
    /// This program, and threads of others.
    Neither,
}

/// The sites in a file of dhat's, those that allocate most often first, with the same line of ours counted together.
fn sites(file: &Path) -> Result<Vec<Site>, Box<dyn Error + Send + Sync>> {
    let json: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let frames = json["ftbl"].as_array().ok_or("no frames in dhat's file")?;
    let points = json["pps"].as_array().ok_or("no allocations in dhat's file")?;
    let mut sites = BTreeMap::<(Owner, String), (u64, u64)>::new();
    for point in points {
        let stack = point["fs"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let mut stack = stack.filter_map(|frame| frames.get(usize::try_from(frame).ok()?)?.as_str());
        let first = stack.find_map(|frame| Some((owner(frame)?, name(frame))));
        let entry = sites.entry(first.unwrap_or((Owner::Neither, String::new()))).or_default();
        entry.0 += point["tbk"].as_u64().ok_or("an allocation without a count")?;
        entry.1 += point["tb"].as_u64().ok_or("an allocation without a size")?;
    }
    let mut sites: Vec<Site> =
        sites.into_iter().map(|((owner, name), (blocks, bytes))| Site { owner, name, blocks, bytes }).collect();
    sites.sort_by_key(|site| std::cmp::Reverse(site.blocks));
    Ok(sites)
}

/// Whose function a frame is, where it is one of the two; of two that it names, the first.
fn owner(frame: &str) -> Option<Owner> {
    let first = |words: &[&str]| words.iter().filter_map(|word| frame.find(word)).min();
    match (first(&["tidegate::", "tidegate_core::"]), first(&["ureq::", "ureq_proto::"])) {
        (Some(us), Some(ureq)) => Some(if us < ureq { Owner::Us } else { Owner::Ureq }),
        (Some(_), None) => Some(Owner::Us),
        (None, Some(_)) => Some(Owner::Ureq),
        (None, None) => None,
    }
}

/// A frame without its address, and without what its functions are generic over: that fills pages.
fn name(frame: &str) -> String {
    let frame = frame.split_once(": ").map_or(frame, |(_, name)| name);
    let mut depth = 0_u32;
    let mut name = String::new();
    for character in frame.chars() {
        match character {
            // An impl of a method is in brackets as a whole, and its first: that is the name itself.
            '<' if !name.is_empty() => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => name.push(character),
            _ => {}
        }
    }
    name
}

const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");
/// Connections, threads, buffers and the caches of the allocator are there after this.
const WARM_UP: usize = 500;
const TILES: usize = 2_000;
/// Allocations of our own per tile.
const OURS_MAX: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_on_the_stack_owns_it() {
        assert_eq!(owner("0x1: alloc::vec::Vec<u8>::reserve (src/vec.rs:1:1)"), None);
        assert_eq!(owner("0x1: tidegate_bench_transport::client::fetch (src/client.rs:1:1)"), None);
        let theirs = "0x1: ureq_proto::parser::try_parse_response (src/parser.rs:1:1)";
        assert_eq!(owner(theirs), Some(Owner::Ureq));
        let ours = "0x1: <tidegate::transport::pooled::idle::Idle as alloc::task::Wake>::wake (src/idle.rs:1:1)";
        assert_eq!(owner(ours), Some(Owner::Us));
        let both = "0x1: <core::option::Option<ureq::proxy::Proxy>>::is_none_or::<tidegate::transport::pooled::settings::proxy::{closure#2}>";
        assert_eq!(owner(both), Some(Owner::Ureq));
    }

    #[test]
    fn a_name_is_short() {
        assert_eq!(name("0x1: a::b<c<d>, e>::{{closure}} (src/f.rs:1:1)"), "a::b::{{closure}} (src/f.rs:1:1)");
        assert_eq!(name("0x1: <a::B as c::D<e>>::f (src/f.rs:1:1)"), "<a::B as c::D>::f (src/f.rs:1:1)");
    }
}
