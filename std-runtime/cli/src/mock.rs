//! `tidegate mock`: a tile server that can misbehave.

use std::{fs, path::PathBuf};

use clap::Args;
use tidegate::stop::{Extent, Stop};
use tidegate_lab::mock::{Faults, Mock, MockConfig, MockError, TileSource};

use crate::{
    args::whole,
    exit::{Exit, Fatal},
    interrupt,
    output::Output,
};

/// What the mock server can be told.
#[derive(Debug, Args)]
pub(crate) struct MockArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value = "8001")]
    port: u16,
    /// An MBTiles file to serve; an embedded world, zoom 0 to 4, where absent
    #[arg(long, value_name = "FILE")]
    tiles: Option<PathBuf>,
    /// Make up vector tiles of this many bytes at every zoom above those of the archive
    #[arg(long, value_name = "BYTES")]
    synthetic: Option<usize>,
    /// A rule, as in 503=10%, reset=5%, 429:1=0.5%, latency=20ms, rate=50/s,burst=10; may be given several times
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<String>,
    /// A TOML file of rules, applied before --fault
    #[arg(long, value_name = "FILE")]
    faults_file: Option<PathBuf>,
    /// Where the faults' randomness starts from
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX))]
    seed: Option<u64>,
}

/// Serves until it is interrupted, then prints its counters as JSON.
pub(crate) fn run(args: &MockArgs, output: &mut Output) -> Result<Exit, Fatal> {
    let tiles = args.tiles.clone().map_or_else(TileSource::default, TileSource::Archive);
    let config = MockConfig {
        port: args.port,
        tiles,
        synthetic_bytes: args.synthetic,
        faults: faults(args)?,
        ..MockConfig::default()
    };
    let mock = Mock::start(config).map_err(|error| match (&error, &args.tiles) {
        (MockError::Bind { .. }, _) => Fatal::usage(format!("--port={}: {error}", args.port)),
        (MockError::Tiles(_), Some(path)) => Fatal::usage(format!("--tiles={}: {error}", path.display())),
        _ => Fatal::usage(error),
    })?;
    output.result(&format!("serving {}", mock.url_template())).map_err(Fatal::local)?;
    output.message("counters: GET /__stats; rules: POST /__faults; Ctrl-C ends");
    let stop = std::sync::Arc::new(Stop::new());
    let asked = std::sync::Arc::clone(&stop);
    interrupt::on_interrupt(std::sync::Arc::new(move |extent| asked.ask(extent)), None);
    smol::block_on(stop.asked(Extent::Drain));
    let stats = serde_json::to_string_pretty(&mock.stop()).map_err(Fatal::local)?;
    output.result(&stats).map_err(Fatal::local)?;
    Ok(Exit::Complete)
}

fn faults(args: &MockArgs) -> Result<Faults, Fatal> {
    let mut faults = match &args.faults_file {
        None => Faults::default(),
        Some(path) => {
            let unreadable = |error| Fatal::usage(format!("--faults-file={}: {error}", path.display()));
            let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
            Faults::from_toml(&text).map_err(|error| unreadable(error.to_string()))?
        }
    };
    apply(&args.faults, &mut faults)?;
    if let Some(seed) = args.seed {
        faults.seed = seed;
    }
    Ok(faults)
}

/// Applies rules as `--fault` gives them.
pub(crate) fn apply(rules: &[String], faults: &mut Faults) -> Result<(), Fatal> {
    rules
        .iter()
        .try_for_each(|rule| faults.apply(rule).map_err(|error| Fatal::usage(format!("--fault={rule}: {error}"))))
}
