//! What is kept between runs, and how far down a tile may come: the flags of commands that fetch.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::{Args, ValueEnum};
use tidegate::{
    config::parse_duration,
    fetch::{CacheMode, Caching, Degrade},
    transport::HttpConfig,
};
use tidegate_core::Instant;
use tidegate_store::cache::{CacheConfig, CacheError, TileCache};

use crate::{
    args::SourceArgs,
    exit::Fatal,
    output::bytes,
    print_config::{Row, given},
    scheme::Scheme,
};

/// The cache's flags.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheArgs {
    /// Keep answers in this folder, and ask servers only as HTTP has it; only its owner can read it
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// When servers are asked about what is kept; online where absent
    #[arg(long, value_enum, requires = "cache")]
    cache_mode: Option<CacheModeArg>,
    /// How much is kept at most, as in 64MiB or 2GiB; what was used least recently makes room; 512MiB where absent
    #[arg(long, value_name = "BYTES", value_parser = size, requires = "cache")]
    cache_size: Option<u64>,
    /// How long past its time a kept tile may be that is used when its server cannot answer, as in 10m or 1d; longer where the
    /// server allows it, and not at all where it is `never`
    #[arg(long, value_name = "TIME", value_parser = stale, requires = "cache")]
    allow_stale: Option<Stale>,
    /// How many levels up a kept parent may be that stands in for a tile its server does not give. Such a tile is counted as
    /// from_parent and not written to an archive, and a dead letter asks for the tile itself
    #[arg(long, value_name = "LEVELS", value_parser = crate::args::whole::<u8>(0, 30), requires = "cache")]
    allow_parent: Option<u8>,
}

/// The modes by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CacheModeArg {
    /// Once it is past its time
    #[default]
    Online,
    /// Only about what is missing
    IfMissing,
    /// Once it is past its time, after it has been used all the same
    Refresh,
    /// Never
    Offline,
}

impl From<CacheModeArg> for CacheMode {
    fn from(mode: CacheModeArg) -> Self {
        match mode {
            CacheModeArg::Online => Self::Online,
            CacheModeArg::IfMissing => Self::IfMissing,
            CacheModeArg::Refresh => Self::Refresh,
            CacheModeArg::Offline => Self::Offline,
        }
    }
}

/// How stale a tile may be; `None` is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stale(Option<Duration>);

impl CacheArgs {
    /// Refuses what goes against it.
    pub(crate) fn check(&self, source: &SourceArgs) -> Result<(), Fatal> {
        let is_offline = self.cache.is_some() && self.mode() == CacheModeArg::Offline;
        if is_offline && source.scheme.scheme == Scheme::Tilejson {
            return Err(Fatal::usage(
                "--cache-mode=offline: a TileJSON document is asked for each time; give the tiles' own --url-template",
            ));
        }
        Ok(())
    }

    fn mode(&self) -> CacheModeArg {
        self.cache_mode.unwrap_or_default()
    }

    fn bytes_max(&self) -> u64 {
        self.cache_size.unwrap_or(CacheConfig::DEFAULT.bytes_max)
    }

    fn degrade(&self) -> Degrade {
        let Degrade { stale, parents } = Degrade::DEFAULT;
        Degrade {
            stale: self.allow_stale.map_or(stale, |Stale(span)| span),
            parents: self.allow_parent.unwrap_or(parents),
        }
    }

    /// What is in force, for `--print-config`.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let Degrade { stale, parents } = self.degrade();
        let folder = self.cache.as_ref().map_or("nowhere".to_owned(), |path| path.display().to_string());
        let mode = self.mode().to_possible_value().map_or(String::new(), |mode| mode.get_name().to_owned());
        let stale = match stale {
            None => "never".to_owned(),
            Some(Duration::ZERO) => "as the server allows".to_owned(),
            Some(span) => format!("{span:?}, or as the server allows"),
        };
        vec![
            Row::new("cache", folder, given(self.cache.is_some())),
            Row::new("cache-mode", mode, given(self.cache_mode.is_some())),
            Row::new("cache-size", bytes(self.bytes_max()), given(self.cache_size.is_some())),
            Row::new("allow-stale", stale, given(self.allow_stale.is_some())),
            Row::new("allow-parent", format!("{parents} levels"), given(self.allow_parent.is_some())),
        ]
    }

    /// Opens the cache, if one is named, for requests with these settings. `now` is on the fetcher's clock.
    pub(crate) fn open(&self, http: &HttpConfig, now: Instant) -> Result<Option<(Arc<TileCache>, Caching)>, Fatal> {
        let Some(folder) = &self.cache else { return Ok(None) };
        let agent = ("user-agent".to_owned(), http.user_agent.clone());
        let of_hosts = http.host_headers.iter().flat_map(|rule| &rule.headers);
        let request_headers = http.headers.iter().chain(of_hosts).cloned().chain([agent]).collect();
        let config = CacheConfig { bytes_max: self.bytes_max(), request_headers, ..CacheConfig::DEFAULT };
        let cache = TileCache::open(folder, config, now, SystemTime::now()).map_err(|error| match error {
            CacheError::Foreign { .. } => Fatal::usage(format!("--cache: {error}")),
            CacheError::Create { .. } | CacheError::Sqlite { .. } => Fatal::local(format!("--cache: {error}")),
        })?;
        let cache = Arc::new(cache);
        let degrade = self.degrade();
        let caching = Caching { cache: Arc::clone(&cache) as _, mode: self.mode().into(), degrade };
        Ok(Some((cache, caching)))
    }
}

fn stale(value: &str) -> Result<Stale, String> {
    if value.trim() == "never" {
        return Ok(Stale(None));
    }
    let span = parse_duration("", value, Duration::ZERO, STALE_MAX);
    span.map(|span| Stale(Some(span))).map_err(|bad| format!("{}; {}, or never", bad.problem, bad.fix))
}

fn size(value: &str) -> Result<u64, String> {
    let text = value.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(SIZE.to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| (SIZE_MIN..=SIZE_MAX).contains(bytes)).ok_or_else(|| SIZE.to_owned())
}

const SIZE: &str = "not a size; give 1MiB to 16TiB, as in 64MiB or 2GiB";
const SIZE_MIN: u64 = 1 << 20;
const SIZE_MAX: u64 = 16 << 40;
/// A hundred years.
const STALE_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!((size("1MiB"), size("2GiB"), size(" 1048576 ")), (Ok(1 << 20), Ok(2 << 30), Ok(1 << 20)));
        for wrong in ["", "MiB", "1MB", "1023KiB", "17TiB", "99999999999999999999", "-1MiB", "1.5GiB"] {
            assert_eq!(size(wrong), Err(SIZE.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn how_stale_is_a_time_or_never() {
        assert_eq!(stale("1d"), Ok(Stale(Some(Duration::from_secs(86_400)))));
        assert_eq!((stale("0"), stale("never")), (Ok(Stale(Some(Duration::ZERO))), Ok(Stale(None))));
        assert!(stale("always").is_err_and(|text| text.contains("or never")));
    }
}
