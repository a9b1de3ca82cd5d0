//! A whole pipeline of which every part may be slow or ill, and no part hurts another.
//!
//! ```text
//! download ──▶ work ──▶ store ──▶ publish
//! two sources,  threads,  a pool,    a queue for
//! a gate each   bounded   one gate   each subscriber
//! ```
//!
//! Each arrow is a channel with a bound, so a slow database slows the downloads down and nothing piles up. Subscribers are the
//! exception: they must not slow anybody down, so each has a bounded queue of its own, and where it is full the oldest message goes.
//!
//! What goes wrong here: the first source fails three requests in ten and is down for a while, every database connection is
//! cut in the middle, one subscriber is slow and one leaves. In the end every tile is in the database once, and every
//! message was either received or is counted as dropped.

mod database;
mod download;
mod feed;
mod work;

use std::{error::Error, path::PathBuf, process::ExitCode, sync::Arc};

use smol::channel;
use tidegate::runtime::Runtime;

use crate::{database::Database, feed::Hub};

/// How many tiles may wait between two parts.
const BETWEEN_PARTS: usize = 8;
/// Threads that work on tiles.
const WORKERS: usize = 2;
/// Tasks that store tiles: more than the database takes at once, so that its gate has something to decide.
const WRITERS: usize = 8;

fn main() -> ExitCode {
    let Some(socket) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return say("usage: pipeline DIRECTORY, the one with the socket of a PostgreSQL server", 2);
    };
    match run(socket) {
        Ok(complaints) if complaints.is_empty() => say("every tile stored once, every message accounted for", 0),
        Ok(complaints) => say(&complaints.join("\n"), 1),
        Err(error) => say(&format!("pipeline: {error}"), 1),
    }
}

fn say(line: &str, code: u8) -> ExitCode {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs the pipeline to its end and returns what does not add up.
fn run(socket: PathBuf) -> Result<Vec<String>, Box<dyn Error>> {
    let runtime = Runtime::start(1)?;
    let executor = runtime.executor();
    let sources = download::Sources::start()?;
    let fetcher = sources.fetcher()?;
    let database = Arc::new(Database::new(socket, Arc::clone(executor))?);
    smol::block_on(database.create_table())?;
    let hub = Arc::new(Hub::open(Arc::clone(executor))?);
    let subscribers = smol::block_on(hub.audience())?;

    let (downloaded, to_work) = channel::bounded(BETWEEN_PARTS);
    let (worked, to_store) = channel::bounded(BETWEEN_PARTS);
    let threads = work::start(WORKERS, &to_work, &worked)?;
    drop((to_work, worked));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (database, hub, to_store) = (Arc::clone(&database), Arc::clone(&hub), to_store.clone());
            runtime.spawn(async move {
                while let Ok(worked) = to_store.recv().await {
                    database.store(&worked).await?;
                    hub.publish(worked.packed);
                }
                Ok::<(), database::Failed>(())
            })
        })
        .collect();
    drop(to_store);

    let ledger = smol::block_on(download::download(&fetcher, executor, downloaded));
    for thread in threads {
        thread.join().map_err(|_| "a worker panicked")?;
    }
    for writer in writers {
        smol::block_on(writer)?;
    }
    let published = hub.close();
    let heard = smol::block_on(async {
        let mut heard = Vec::new();
        for subscriber in subscribers {
            heard.push(subscriber.await);
        }
        heard
    });
    let totals = smol::block_on(database.totals())?;

    let mut complaints = report(&ledger, &sources, &database, &totals)?;
    complaints.extend(feed::report(published, &heard)?);
    Ok(complaints)
}

/// Prints what came of the tiles, and returns what does not add up.
fn report(
    ledger: &tidegate::ledger::Ledger,
    sources: &download::Sources,
    database: &Database,
    totals: &[database::Total],
) -> std::io::Result<Vec<String>> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let asked = sources.received();
    writeln!(
        out,
        "download  {} fetched, {} empty, {} failed; {} requests at the first source, {} at the second",
        ledger.fetched, ledger.empty, ledger.failed, asked[0], asked[1]
    )?;
    writeln!(
        out,
        "database  {} queries in {} attempts, at most {} at once, over {} connections",
        database.queries(),
        database.attempts(),
        database.in_flight_max(),
        database.connections()
    )?;
    writeln!(out, "          zoom  tiles   received   unpacked     packed")?;
    for total in totals {
        let database::Total { zoom, tiles, received, unpacked, packed } = total;
        writeln!(out, "          {zoom:>4} {tiles:>6} {received:>10} {unpacked:>10} {packed:>10}")?;
    }
    let stored: i64 = totals.iter().map(|total| total.tiles).sum();
    let received: i64 = totals.iter().map(|total| total.received).sum();
    let mut complaints = Vec::new();
    let mut expect = |what: &str, expected: u64, found: u64| {
        if expected != found {
            complaints.push(format!("{what}: {expected} expected, {found} found"));
        }
    };
    expect("tiles that failed", 0, ledger.failed + ledger.cancelled);
    expect("tiles in the database", ledger.fetched, stored as u64);
    expect("bytes in the database", ledger.bytes, received as u64);
    expect("attempts at the sources", ledger.attempts, asked.iter().sum());
    if let Err(imbalance) = ledger.balance() {
        complaints.push(imbalance.to_string());
    }
    if database.attempts() == database.queries() {
        complaints.push("no query was tried again, although every connection was cut".to_owned());
    }
    Ok(complaints)
}
