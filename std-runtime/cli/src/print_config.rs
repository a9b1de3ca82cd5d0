//! `--print-config`: every setting in force, and where it came from.

use std::time::Duration;

use tidegate::{
    config::{Origin, Settings},
    template::UrlTemplate,
};
use tidegate_core::{RateControl, backoff::BackoffConfig, breaker::BreakerMode, rate::Rate};

use crate::{
    args::{SourceArgs, Sources},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    hosts::Hosts,
    output::Output,
    source::url_template,
};

/// What is said where no URL was given, of a command that brings a server of its own …
pub(crate) const EMBEDDED: &str = "the embedded tile server, on a free port";
/// … and of one that does not.
pub(crate) const NOWHERE: &str = "none; this command needs one";

/// Prints every setting in force; those of a cache where the command can have one, and `nowhere` where no URL was given.
pub(crate) fn print(
    sources: &Sources,
    args: &SourceArgs,
    (cache, nowhere): (Option<&CacheArgs>, &str),
    output: &mut Output,
) -> Result<Exit, Fatal> {
    let Sources { settings, mirrors, hosts, .. } = sources;
    let url = match url_template(settings)? {
        Some(template) => template.to_string(),
        None => nowhere.to_owned(),
    };
    let mut rows = of_preset(settings, &url);
    let first = url_template(settings)?;
    rows.push(tells_id("send-correlation-id", args, hosts, first.as_ref().map_or("", UrlTemplate::host)));
    rows.extend(of_mirrors(mirrors, args, hosts));
    rows.extend(of_run(args, hosts));
    rows.extend(args.connection.rows(settings.max_concurrency.value, settings.timeout.value, hosts)?);
    rows.extend(cache.iter().flat_map(|cache| cache.rows()));
    rows.iter().try_for_each(|row| output.result(&row.line())).map_err(Fatal::local)?;
    Ok(Exit::Complete)
}

/// A setting: its name, its value in words, and where that came from.
pub(crate) struct Row {
    name: &'static str,
    value: String,
    origin: &'static str,
}

impl Row {
    pub(crate) fn new(name: &'static str, value: String, origin: &'static str) -> Self {
        Self { name, value, origin }
    }

    fn line(&self) -> String {
        format!("{:<23} {:<55} {}", self.name, self.value, self.origin)
    }
}

/// Where a setting that no preset has comes from.
pub(crate) const fn given(is_given: bool) -> &'static str {
    if is_given { "flag" } else { "default" }
}

/// The further sources, each with what may differ from the first.
fn of_mirrors(mirrors: &[(UrlTemplate, Settings)], args: &SourceArgs, hosts: &Hosts) -> Vec<Row> {
    if mirrors.is_empty() {
        return vec![Row::new("mirror", "none".to_owned(), given(false))];
    }
    let each = |(template, settings): &(UrlTemplate, Settings)| {
        let own = [
            ("  preset", settings.preset.value.name().to_owned(), settings.preset.origin.name()),
            ("  max-concurrency", limit(settings), settings.max_concurrency.origin.name()),
            ("  rate", rate(settings.rate.value), settings.rate.origin.name()),
            ("  timeout", format!("{:?}", settings.timeout.value), settings.timeout.origin.name()),
        ];
        let own = own.map(|(name, value, origin)| Row::new(name, value, origin));
        let id = tells_id("  send-correlation-id", args, hosts, template.host());
        std::iter::once(Row::new("mirror", template.to_string(), given(true))).chain(own).chain([id])
    };
    mirrors.iter().flat_map(each).collect()
}

/// Whether a host is told correlation ids.
fn tells_id(name: &'static str, args: &SourceArgs, hosts: &Hosts, host: &str) -> Row {
    match (args.connection.send_correlation_id, hosts.rule(host).send_correlation_id) {
        (true, _) => Row::new(name, "true".to_owned(), given(true)),
        (false, true) => Row::new(name, "true".to_owned(), Origin::File.name()),
        (false, false) => Row::new(name, "false".to_owned(), given(false)),
    }
}

/// What belongs to this run alone.
fn of_run(args: &SourceArgs, hosts: &Hosts) -> Vec<Row> {
    let named = |value: Option<String>, absent: &str| value.unwrap_or_else(|| absent.to_owned());
    let time = args.global_timeout.map(|time| format!("{time:?}"));
    let config = args.config.as_ref().map(|path| format!("{} with rules for {} hosts", path.display(), hosts.count()));
    vec![
        Row::new("config", named(config, "none"), given(args.config.is_some())),
        Row::new("hedge", args.hedge.to_string(), given(args.hedge)),
        Row::new("global-timeout", named(time, "none"), given(args.global_timeout.is_some())),
        Row::new(
            "seed",
            named(args.seed.map(|seed| seed.to_string()), "drawn for each run"),
            given(args.seed.is_some()),
        ),
        Row::new("listen", named(args.listen.map(|at| at.to_string()), "nowhere"), given(args.listen.is_some())),
        Row::new("log-locations", args.log_locations.to_string(), given(args.log_locations)),
    ]
}

/// What a preset decides where nobody says otherwise.
fn of_preset(settings: &Settings, url: &str) -> Vec<Row> {
    let gate = settings.gate_config();
    let call = settings.call_config();
    let breaker = gate.breaker;
    let preset = Origin::Preset;
    let budget = gate.budget.map_or("none".to_owned(), |budget| {
        format!(
            "{} retries per {} answers, and {} + 1 per {:?}",
            budget.retries, budget.answers, budget.reserve, budget.reserve_refill
        )
    });
    let opens = match breaker.mode {
        BreakerMode::Enforce => format!(
            "{}/{} of the last {} calls, judged from {} on",
            breaker.failed.part, breaker.failed.whole, breaker.window, breaker.calls_min
        ),
        BreakerMode::ForcedClosed | BreakerMode::ObserveOnly => "never".to_owned(),
        BreakerMode::ForcedOpen => "always".to_owned(),
    };
    let patience = call.patience.map_or("to the deadline".to_owned(), |patience| format!("{patience:?}"));
    [
        ("preset", settings.preset.value.name().to_owned(), settings.preset.origin),
        ("url-template", url.to_owned(), settings.url.origin),
        ("max-concurrency", limit(settings), settings.max_concurrency.origin),
        ("rate", rate(settings.rate.value), settings.rate.origin),
        ("attempts", settings.attempts.value.to_string(), settings.attempts.origin),
        ("timeout", format!("{:?}", settings.timeout.value), settings.timeout.origin),
        ("backoff", backoff(call.backoff), preset),
        ("backoff when throttled", backoff(call.throttled), preset),
        ("retry budget", budget, preset),
        ("breaker opens at", opens, preset),
        ("breaker stays open for", backoff(breaker.open), preset),
        ("patience", patience, preset),
        ("slow after", format!("{:?}", gate.slow_after), settings.timeout.origin),
        ("lease", format!("{:?}", gate.lease), settings.timeout.origin),
    ]
    .map(|(name, value, origin)| Row::new(name, value, origin.name()))
    .into()
}

fn limit(settings: &Settings) -> String {
    let limit = settings.gate_config().limit;
    if limit.floor == limit.ceiling {
        format!("fixed at {}", limit.ceiling)
    } else {
        format!("adaptive, {} to {}", limit.floor, limit.ceiling)
    }
}

fn rate(control: RateControl) -> String {
    match control {
        RateControl::Unlimited => "unlimited".to_owned(),
        RateControl::Fixed(config) => format!("fixed at {}", per(config.rate)),
        RateControl::Adaptive(config) => {
            format!("adaptive from {}, {} to {}", per(config.start), per(config.floor), per(config.ceiling))
        }
    }
}

fn per(rate: Rate) -> String {
    match rate.period {
        period if period == Duration::from_secs(1) => format!("{}/s", rate.count),
        period => format!("{}/{period:?}", rate.count),
    }
}

fn backoff(config: BackoffConfig) -> String {
    format!("{:?} from {:?} up to {:?}, jitter {:?}", config.growth, config.base, config.cap, config.jitter)
        .to_lowercase()
}
