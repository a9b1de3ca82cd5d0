//! What can be given on the command line, and which subcommand it goes to.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind, parser::ValueSource,
};
use tidegate::{
    config::{
        BadValue, CONCURRENCY_MAX, Origin, Overrides, Preset, RETRIES_MAX, Settings, TIMEOUT_MAX, TIMEOUT_MIN,
        parse_count, parse_duration,
    },
    fetch::MIRRORS_MAX,
    template::UrlTemplate,
};
use tidegate_core::rate::Rate;
use tidegate_store::{
    Metadata,
    scheme::{self, Coverage},
};

use crate::{
    bench,
    connection::ConnectionArgs,
    exit::{Exit, Fatal, HELP},
    fetch::{self, Again},
    guard,
    hosts::Hosts,
    log, mock,
    output::{Output, Painted},
    replay,
    scheme::{Scheme, SchemeArgs},
    simulate, source, sweep, verify,
};

/// Fetches, mirrors and benchmarks map tiles without overwhelming the server, losing work or lying about the result.
///
/// Without a subcommand: a benchmark against a tile server of its own.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = HELP)]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: bench::BenchArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch a number of tiles and report throughput and latency
    #[command(after_help = HELP)]
    Bench(bench::BenchArgs),
    /// Find out which concurrency to use
    #[command(after_help = HELP)]
    Sweep(sweep::SweepArgs),
    /// Fetch the tiles of an area into a directory or an archive
    #[command(after_help = HELP)]
    Fetch(fetch::FetchArgs),
    /// Try again exactly the tiles that a fetch gave up
    #[command(after_help = HELP)]
    Replay(replay::ReplayArgs),
    /// Check an archive, down to each tile
    #[command(after_help = HELP)]
    Verify(verify::VerifyArgs),
    /// Serve tiles, as badly as asked to
    Mock(mock::MockArgs),
    /// Try settings in a simulated world
    #[command(after_help = HELP)]
    Simulate(simulate::SimulateArgs),
}

#[derive(Debug, Args)]
struct Logging {
    /// More log lines; twice for every failed attempt, three times for every attempt
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// No log lines and no progress
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text", global = true)]
    log_format: log::Format,
    /// When results are in colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    color: Painted,
}

/// A variable of the environment. What is not UTF-8 is no value of any of them: it is shown as far as it can be, and refused.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Where tiles come from, and how hard it is tried.
#[derive(Clone, Debug, Args)]
pub(crate) struct SourceArgs {
    /// Where tiles are, as in https://host/{z}/{x}/{y}.png; without placeholders /{z}/{x}/{y}.png is appended. Where absent,
    /// bench and sweep use the embedded server; fetch and replay need one [env: TILE_BASE_URL]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) url_template: Option<String>,
    /// A further source of the same tiles, asked in the same way, with a gate of its own; may be given up to 15 times. The
    /// healthiest goes first. Limit and breaker are shown of --url-template's host
    #[arg(long = "mirror", value_name = "URL")]
    pub(crate) mirrors: Vec<String>,
    /// Ask a second source when an attempt lasts longer than 19 in 20 of its source did lately, and take the first answer. Each
    /// attempt may need two connections then, so half of --max-connections may be in flight
    #[arg(long, requires = "mirrors")]
    pub(crate) hedge: bool,
    #[command(flatten)]
    pub(crate) scheme: SchemeArgs,
    /// Rules for hosts, sources and mirrors alike, as TOML: [hosts."tiles.example.org"] (or "*.example.org", or "*") with preset,
    /// rate, max-concurrency, timeout, headers and send-correlation-id. Flags and the environment win over them
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Settings that belong together; see --print-config. Where absent, fetch and replay are polite to public hosts, and bulk
    /// elsewhere
    #[arg(long, value_enum)]
    pub(crate) preset: Option<PresetArg>,
    /// Find the rate and the concurrency by itself, and say what was found; fetch and replay do so anyway
    #[arg(long, conflicts_with = "rate")]
    pub(crate) adaptive: bool,
    /// The most attempts in flight, 1 to 200 [env: MAX_CONCURRENCY]
    #[arg(short = 'c', long, visible_alias = "concurrency", value_name = "N", value_parser = concurrency)]
    pub(crate) max_concurrency: Option<u16>,
    /// How long one attempt may take, from its admission: 500ms, 10s, 2m; a bare number is seconds [env: TIMEOUT_SECONDS]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Further attempts after the first, 0 to 254: attempts are one more than this [env: RETRIES]
    #[arg(long, value_name = "N", value_parser = whole::<u8>(0, RETRIES_MAX.into()))]
    pub(crate) retries: Option<u8>,
    /// A fixed rate of attempts, as in 50/s or 600/m, instead of the preset's: the gate holds back whatever is more. With the
    /// --duration of a bench: how often a tile is due
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// End after this time with what is done by then
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) global_timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Let logs and messages say where tiles are: only where nobody else reads them
    #[arg(long)]
    pub(crate) log_locations: bool,
    /// Serve /healthz, /livez, /readyz and /metrics on this address while it runs, as in 127.0.0.1:9090; -v says which port
    /// became of port 0
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where randomness starts from; drawn and printed where absent
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX))]
    pub(crate) seed: Option<u64>,
    /// Print every setting in force with its origin, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// The presets by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetArg {
    /// Fixed concurrency, no rate limit, 2 quick retries
    Ancestor,
    /// Everything adapts; for servers that are yours or paid for
    Bulk,
    /// At most 4 a second and 6 at once; for public hosts
    Polite,
    /// Up to 100 at once, one try each, no breaker; for load tests of servers that are yours
    Load,
}

impl From<PresetArg> for Preset {
    fn from(preset: PresetArg) -> Self {
        match preset {
            PresetArg::Ancestor => Self::Ancestor,
            PresetArg::Bulk => Self::Bulk,
            PresetArg::Polite => Self::Polite,
            PresetArg::Load => Self::Load,
        }
    }
}

/// Every source with its settings, and what else is known of them.
pub(crate) struct Sources {
    /// Those of the first source; how often a tile is tried is the same at all.
    pub(crate) settings: Settings,
    /// The further sources, each with settings of its own.
    pub(crate) mirrors: Vec<(UrlTemplate, Settings)>,
    /// What the first source says about its tiles.
    pub(crate) metadata: Metadata,
    /// Which tiles the first source says it has, where it says so.
    pub(crate) coverage: Option<Coverage>,
    /// The rules for hosts.
    pub(crate) hosts: Hosts,
}

/// The first source, as it names itself.
#[derive(Default)]
struct Resolved {
    url: Option<String>,
    /// Further places with the same tiles.
    others: Vec<String>,
    metadata: Metadata,
    coverage: Option<Coverage>,
}

impl SourceArgs {
    /// The sources with the settings in force: flags over the environment over the rules of each host over the preset. A
    /// TileJSON document is asked for here.
    pub(crate) fn sources(&self, command: Preset) -> Result<Sources, Fatal> {
        let environment = Overrides::from_environment(variable).map_err(Fatal::usage)?;
        let flags = Overrides {
            max_concurrency: self.max_concurrency,
            timeout: self.timeout,
            retries: self.retries,
            rate: self.rate,
            url: self.url_template.clone(),
        };
        let hosts = Hosts::read(self.config.as_deref())?;
        let given = Given { args: self, hosts: &hosts, environment: &environment, flags: &flags, command };
        let Resolved { url, others, metadata, coverage } = self.resolved(&given)?;
        // What cannot be read is refused with its reason when it is used.
        let template = url.as_deref().and_then(|url| scheme::template(url).ok());
        let mut settings = given.settings(template.as_ref())?;
        settings.url.value = url;
        // Several names are often one provider, which is not to be asked several times as much.
        let is_polite = settings.preset.value == Preset::Polite;
        if is_polite && !others.is_empty() {
            tracing::warn!(
                "the TileJSON document names several places; the polite preset asks the first of them alone"
            );
        }
        let others = if is_polite { &[] } else { &others[..] };
        let mirrors = self.mirror_templates(others)?.into_iter();
        let mirrors = mirrors.map(|template| {
            let settings = given.settings(Some(&template))?;
            Ok((template, settings))
        });
        let mirrors = mirrors.collect::<Result<Vec<_>, Fatal>>()?;
        Ok(Sources { settings, mirrors, metadata, coverage, hosts })
    }

    /// Where the tiles of the source are, and what it says about them.
    fn resolved(&self, given: &Given<'_>) -> Result<Resolved, Fatal> {
        let url = given.flags.url.as_ref().or(given.environment.url.as_ref());
        match (url, self.scheme.scheme) {
            (None, Scheme::Xyz) => Ok(Resolved::default()),
            (None, _) => {
                Err(Fatal::usage("--scheme: the embedded server is asked by xyz; give a --url-template as well"))
            }
            (Some(url), Scheme::Tilejson) => {
                let template = scheme::template(url).ok();
                let timeout = given.settings(template.as_ref())?.timeout.value;
                let document = source::tilejson(self, given.hosts, timeout, url)?;
                let coverage = Some(document.coverage());
                let mut templates = document.templates.into_iter();
                let url = templates.next();
                Ok(Resolved { url, others: templates.collect(), metadata: document.metadata, coverage })
            }
            (Some(url), _) => Ok(Resolved { url: Some(self.scheme.template(url)?), ..Resolved::default() }),
        }
    }

    /// Where tiles are at the further sources, which are asked in the same way as the first: those that the first one names,
    /// as far as there is room, after those of the command line.
    fn mirror_templates(&self, others: &[String]) -> Result<Vec<UrlTemplate>, Fatal> {
        if self.mirrors.len() > MIRRORS_MAX {
            let count = self.mirrors.len();
            return Err(Fatal::usage(format!("--mirror: given {count} times; give it at most {MIRRORS_MAX} times")));
        }
        let mirror = |(name, url): (&str, &String)| {
            let url = self.scheme.template(url)?;
            let template = scheme::template(&url).map_err(|error| Fatal::usage(format!("{name}: {error}")))?;
            guard::bulk_is_allowed(name, &template)?;
            Ok(template)
        };
        let given = self.mirrors.iter().map(|url| ("--mirror", url));
        let named = others.iter().map(|url| ("--scheme=tilejson: `tiles`", url));
        given.chain(named).take(MIRRORS_MAX).map(mirror).collect()
    }

    /// Adds where tiles are, and how they are reached.
    pub(crate) fn again(&self, again: &mut Again) {
        let url = self.url_template.clone().or_else(|| variable("TILE_BASE_URL"));
        again.url("--url-template", url.as_deref());
        self.scheme.again(again);
        again.path("--config", self.config.as_deref());
        self.connection.again(again);
    }

    /// How many connections an attempt may need: another one where it is hedged.
    pub(crate) const fn connections_each(&self) -> u16 {
        if self.hedge { 2 } else { 1 }
    }
}

/// What settings are made of.
struct Given<'a> {
    args: &'a SourceArgs,
    hosts: &'a Hosts,
    environment: &'a Overrides,
    flags: &'a Overrides,
    /// The preset of the command.
    command: Preset,
}

impl Given<'_> {
    /// The settings of a source.
    fn settings(&self, template: Option<&UrlTemplate>) -> Result<Settings, Fatal> {
        let rule = template.map(|template| self.hosts.rule(template.host())).unwrap_or_default();
        let (preset, origin) = match (self.args.preset, rule.preset) {
            (Some(preset), _) => (preset.into(), Origin::Flag),
            (None, Some(preset)) => (preset.into(), Origin::File),
            (None, None) => (self.command, Origin::Preset),
        };
        let is_fixed = matches!(preset, Preset::Ancestor | Preset::Load);
        let preset = match origin {
            Origin::Preset if self.args.adaptive && is_fixed => Preset::Bulk,
            _ if self.args.adaptive && is_fixed => {
                let (name, origin) = (preset.name(), origin.name());
                return Err(Fatal::usage(format!(
                    "--adaptive: the preset {name} ({origin}) is fixed; leave it out, or give bulk or polite"
                )));
            }
            _ => preset,
        };
        let is_public = template.is_some_and(UrlTemplate::is_public_host);
        let preset =
            if origin == Origin::Preset && preset == Preset::Bulk && is_public { Preset::Polite } else { preset };
        let layers =
            [(Origin::Flag, self.flags), (Origin::Environment, self.environment), (Origin::File, &rule.overrides)];
        let mut settings = Settings::layered(preset, &layers);
        settings.preset.origin = origin;
        if self.args.adaptive && settings.rate.origin == Origin::File {
            return Err(Fatal::usage(
                "--adaptive: the file of --config has a fixed rate for this host; leave out one of the two",
            ));
        }
        // An attempt that is admitted has a connection to go by; one that waits for it would look like a slow server.
        let connections = self.args.connection.max_connections() / self.args.connections_each();
        settings.max_concurrency.value = settings.max_concurrency.value.min(connections.max(1));
        Ok(settings)
    }
}

/// Runs the command line and says how it ended.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>, output: &mut Output) -> ExitCode {
    let cli = match parsed(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, output),
    };
    output.set_painted(cli.logging.color);
    log::start(cli.logging.log_format, cli.logging.verbose, cli.logging.quiet);
    let result = match cli.command {
        None => bench::run(&cli.bench, cli.logging.quiet, output),
        Some(Command::Bench(args)) => bench::run(&args, cli.logging.quiet, output),
        Some(Command::Sweep(args)) => sweep::run(&args, cli.logging.quiet, output),
        Some(Command::Fetch(args)) => fetch::run(&args, cli.logging.quiet, output),
        Some(Command::Replay(args)) => replay::run(&args, cli.logging.quiet, output),
        Some(Command::Verify(args)) => verify::run(&args, output),
        Some(Command::Mock(args)) => mock::run(&args, output),
        Some(Command::Simulate(args)) => simulate::run(&args, output),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(fatal) => {
            output.message(&format!("tidegate: {fatal}"));
            fatal.exit.into()
        }
    }
}

/// The command line. What is not for every command stands after the one that it is for.
fn parsed(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    // A negative number is a value that cannot be used, and not a flag that nobody knows.
    let signed = |arg: clap::Arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg };
    let mut command = Cli::command().mut_args(signed).mut_subcommands(|command| command.mut_args(signed));
    let matches = command.try_get_matches_from_mut(arguments)?;
    if let Some((name, _)) = matches.subcommand() {
        let is_given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let misplaced = command.get_arguments().find(|arg| !arg.is_global_set() && is_given(arg.get_id().as_str()));
        if let Some(flag) = misplaced.and_then(clap::Arg::get_long) {
            let problem = format!("--{flag} stands before {name}; give it after {name}, if {name} has such a flag");
            return Err(command.error(ErrorKind::ArgumentConflict, problem));
        }
    }
    Cli::from_arg_matches(&matches)
}

fn usage(error: &clap::Error, output: &mut Output) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        output.message(text.trim_end());
        Exit::Usage.into()
    } else {
        // Help and version were asked for: a result.
        match output.result(text.trim_end()) {
            Ok(()) => Exit::Complete.into(),
            Err(error) => {
                output.message(&format!("tidegate: {error}"));
                Exit::Local.into()
            }
        }
    }
}

/// Reads a whole number of this range, which its type can hold.
pub(crate) fn whole<T: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |value| {
        let bad = |bad: BadValue| format!("{}; {}", bad.problem, bad.fix);
        let number = parse_count("", value, least, most).map_err(bad)?;
        T::try_from(number).map_err(|_| "out of range".to_owned())
    }
}

pub(crate) fn concurrency(value: &str) -> Result<u16, String> {
    whole(1, CONCURRENCY_MAX.into())(value)
}

fn address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| "not an address with a port; give one of this machine, as in 127.0.0.1:9090".to_owned())
}

pub(crate) fn timeout(value: &str) -> Result<Duration, String> {
    duration(value, TIMEOUT_MIN, TIMEOUT_MAX)
}

pub(crate) fn span(value: &str) -> Result<Duration, String> {
    duration(value, Duration::from_millis(1), Duration::from_secs(30 * 86_400))
}

fn duration(value: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    parse_duration("", value, least, most).map_err(|bad| format!("{}; {}", bad.problem, bad.fix))
}

/// `50/s`, `600/m`, `5000/h`; a bare number is per second.
pub(crate) fn rate(value: &str) -> Result<Rate, String> {
    let (number, unit) = value.split_once('/').unwrap_or((value, "s"));
    let period = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        _ => return Err("not a rate; give a number per second, minute or hour, as in 50/s, 600/m, 5000/h".to_owned()),
    };
    let most = 1_000_000 * period.as_secs();
    Ok(Rate { count: whole(1, most.min(u32::MAX.into()))(number)?, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rates_are_read_per_second_minute_and_hour() {
        assert_eq!(rate("50/s"), Ok(Rate::per_second(50)));
        assert_eq!(rate("50"), Ok(Rate::per_second(50)));
        assert_eq!(rate("600/m"), Ok(Rate { count: 600, period: Duration::from_secs(60) }));
        assert!(rate("0/s").is_err_and(|text| text.contains("give 1 to 1000000")));
        assert!(rate("50/week").is_err_and(|text| text.contains("50/s, 600/m, 5000/h")));
    }
}
