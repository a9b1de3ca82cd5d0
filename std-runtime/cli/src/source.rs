//! A fetcher from the settings: a URL, or the embedded server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tidegate::{
    clock::{Chance, SystemClock},
    config::{Origin, Settings},
    fetch::{Fetcher, Mirror, Parts, Routes},
    runtime::Runtime,
    stop::{Extent, Stop},
    template::UrlTemplate,
    transport::{HttpTransport, Request, Transport, TransportError},
    upstream::Upstream,
    verify::Expect,
};
use tidegate_core::{Gate, GateConfig, Instant, drive::Clock};
use tidegate_lab::mock::{Mock, MockConfig};
use tidegate_store::{
    cache::{CacheStats, TileCache},
    health::{Figures, Health, Server},
    scheme::{self, TileJson},
    sources::Healthiest,
};

use crate::{
    args::{SourceArgs, Sources},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    guard,
    hosts::Hosts,
    interrupt,
    output::bytes,
    pulse::{Pulse, SILENCE_MAX, Silence, Standing},
};

/// What a command fetches from, with what it runs on.
pub(crate) struct Source {
    pub(crate) fetcher: Fetcher<HttpTransport>,
    pub(crate) runtime: Runtime,
    pub(crate) seed: u64,
    pub(crate) template: UrlTemplate,
    /// The hosts of the first source and of its mirrors.
    hosts: Vec<String>,
    /// How their gates were set.
    gates: Vec<GateConfig>,
    /// The server in this process, where no URL was given.
    embedded: Option<Mock>,
    /// Health and metrics, where somebody asked for them.
    listening: Option<Server>,
    /// What is kept, where somebody asked for that.
    cache: Option<Arc<TileCache>>,
    pulse: Arc<Pulse>,
    /// How long nothing at all may come.
    pub(crate) silence_max: Duration,
    deadline: Instant,
}

impl Source {
    /// Where tiles are for a command: at the URL of the settings, or a server started here. Hosts whose policy forbids it are
    /// refused.
    pub(crate) fn place(command: &str, sources: &Sources) -> Result<Place, Fatal> {
        Self::place_with(command, sources, MockConfig::default())
    }

    /// Where tiles are for a command that keeps them: nobody wants those of the embedded server in an archive of theirs.
    pub(crate) fn named(command: &str, sources: &Sources) -> Result<Place, Fatal> {
        if sources.settings.url.value.is_none() && sources.mirrors.is_empty() {
            return Err(Fatal::usage(format!(
                "--url-template: {command} needs a source: name it as in --url-template https://host/{{z}}/{{x}}/{{y}}.png, or in \
                 TILE_BASE_URL; `tidegate mock` serves tiles to try it with"
            )));
        }
        Self::place(command, sources)
    }

    /// The same with another server where none is given.
    pub(crate) fn place_with(command: &str, sources: &Sources, config: MockConfig) -> Result<Place, Fatal> {
        let (mirrors, hosts) = (sources.mirrors.clone(), sources.hosts.clone());
        match url_template(&sources.settings)? {
            Some(template) => {
                guard::bulk_is_allowed(command, &template)?;
                Ok(Place { template, mirrors, hosts, embedded: None })
            }
            None if !mirrors.is_empty() => {
                Err(Fatal::usage("--mirror: of what? name the first source, too, with --url-template"))
            }
            None => {
                let mock = Mock::start(config).map_err(Fatal::local)?;
                let template = UrlTemplate::parse(&mock.url_template()).map_err(Fatal::usage)?;
                Ok(Place { template, mirrors, hosts, embedded: Some(mock) })
            }
        }
    }

    /// Everything that a run needs. An interrupt drains it.
    pub(crate) fn open(args: &SourceArgs, cache: &CacheArgs, settings: &Settings, place: Place) -> Result<Self, Fatal> {
        let source = Self::build(args, cache, settings, Settings::gate_config, chance(args), place)?;
        let stopped = source.fetcher.clone();
        interrupt::on_interrupt(Arc::new(move |extent| stopped.stop().ask(extent)), interrupt::DRAINING);
        Ok(source)
    }

    /// The same behind the gates that `gate` makes of each source's settings, for a command that makes many runs and heeds
    /// interrupts itself.
    pub(crate) fn build(
        args: &SourceArgs,
        cache: &CacheArgs,
        settings: &Settings,
        gate: impl Fn(&Settings) -> GateConfig,
        chance: Chance,
        Place { template, mirrors, hosts: rules, embedded }: Place,
    ) -> Result<Self, Fatal> {
        let seed = chance.seed();
        let each = || std::iter::once(settings).chain(mirrors.iter().map(|(_, settings)| settings));
        let gates: Vec<GateConfig> = each().map(&gate).collect();
        let concurrency = gates.iter().map(|gate| gate.limit.ceiling).max().unwrap_or(1);
        let timeout = each().map(|settings| settings.timeout.value).max().unwrap_or_default();
        let connections = concurrency.saturating_mul(args.connections_each());
        let http = args.connection.http_config(connections, timeout, &rules)?;
        let clock = SystemClock::start();
        let (cache, caching) = cache.open(&http, clock.now())?.unzip();
        let transport = HttpTransport::new(http).map_err(Fatal::usage)?;
        let upstream =
            |settings: &Settings| Gate::new(gate(settings)).map(|gate| Upstream::on(clock, gate)).map_err(Fatal::usage);
        let templates = std::iter::once(&template).chain(mirrors.iter().map(|(template, _)| template));
        let hosts = templates.map(|template| template.host().to_owned()).collect();
        let tells_id = |template: &UrlTemplate| {
            args.connection.send_correlation_id || rules.rule(template.host()).send_correlation_id
        };
        let mirror = |(template, settings)| {
            Ok(Mirror { upstream: upstream(&settings)?, send_correlation_id: tells_id(&template), template })
        };
        let mirrors = mirrors.into_iter().map(mirror).collect::<Result<Vec<_>, Fatal>>()?;
        let choice = Arc::new(Healthiest::of(1 + mirrors.len()));
        let health = Arc::new(Health::start(clock.now(), 1 + mirrors.len()));
        let pulse = Arc::new(Pulse::new(Arc::clone(&health)));
        let routes = Routes { mirrors, choice, watch: Arc::clone(&pulse) as _, cache: caching, hedge: args.hedge };
        let parts = Parts {
            transport,
            upstream: upstream(settings)?,
            policy: settings.call_policy().map_err(Fatal::usage)?,
            template: template.clone(),
            expect: Expect::DEFAULT,
            chance,
            send_correlation_id: tells_id(&template),
            log_locations: args.log_locations,
        };
        let fetcher = Fetcher::routed(parts, routes, concurrency);
        let runtime = Runtime::start(1).map_err(Fatal::local)?;
        let listening = args.listen.map(|address| listen(address, health, fetcher.clone())).transpose()?;
        let deadline = args.global_timeout.map_or(Instant::MAX, |span| fetcher.upstream().deadline_in(span));
        let silence_max = SILENCE_MAX;
        Ok(Self {
            fetcher,
            runtime,
            seed,
            template,
            hosts,
            gates,
            embedded,
            listening,
            cache,
            pulse,
            silence_max,
            deadline,
        })
    }

    /// Each source's host and gate.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, &Upstream)> {
        self.hosts.iter().map(String::as_str).zip(self.fetcher.upstreams())
    }

    /// How each source's gate was set.
    pub(crate) fn gates(&self) -> impl Iterator<Item = GateConfig> {
        self.gates.iter().copied()
    }

    /// The present time on the clock that everything goes by.
    pub(crate) fn now(&self) -> Instant {
        self.fetcher.upstream().clock().now()
    }

    /// What is fetched from where, and how hard it is tried.
    pub(crate) fn title(&self, tiles: u64, which: Option<&str>, settings: &Settings) -> Vec<String> {
        let first = name(&self.template, self.embedded.as_ref());
        let from = match self.fetcher.upstreams().count() - 1 {
            0 => first,
            1 => format!("{first} and a mirror"),
            mirrors => format!("{first} and {mirrors} mirrors"),
        };
        let Settings { max_concurrency, attempts, preset, .. } = settings;
        let mut title = vec![
            format!("{tiles} tiles{} from {from}", which.map(|which| format!(" {which}")).unwrap_or_default()),
            format!(
                "at most {} at once, {} attempts each, preset {}, seed {}",
                max_concurrency.value,
                attempts.value,
                preset.value.name(),
                self.seed
            ),
        ];
        title.push(String::new());
        title
    }

    /// What the cache holds and did.
    pub(crate) fn cache(&self) -> Option<CacheStats> {
        self.cache.as_ref().map(|cache| cache.stats())
    }

    /// Where things stand.
    pub(crate) fn standing(&self) -> Standing {
        self.pulse.standing(self.now(), self.fetcher.upstreams())
    }

    /// Until when the servers want to be left alone, the most patient of them counting.
    pub(crate) fn paused_until(&self) -> Instant {
        self.fetcher.upstreams().map(|upstream| upstream.status().paused_until).max().unwrap_or(Instant::ORIGIN)
    }

    /// Stops where nothing at all has come for too long, and says so. Who has stopped already is not told.
    pub(crate) fn give_up_on_silence(&self) -> Option<Silence> {
        if self.pulse.has_given() {
            return None;
        }
        let silence = self.pulse.silence(self.now(), self.paused_until(), self.silence_max)?;
        if self.stop().is_asked(Extent::Drain) {
            return None;
        }
        self.stop().ask(Extent::Drain);
        Some(silence)
    }

    /// When the run's time is over.
    pub(crate) fn deadline_at(&self) -> Instant {
        self.deadline
    }

    /// The stop of the run.
    pub(crate) fn stop(&self) -> &Stop {
        self.fetcher.stop()
    }

    /// Closes connections; what is still running after that was asked to end.
    pub(crate) fn close(self) {
        drop(self.listening);
        self.fetcher.stop().ask(Extent::Abort);
        self.fetcher.transport().close();
    }
}

/// Where tiles are, with the server there if it is ours.
pub(crate) struct Place {
    pub(crate) template: UrlTemplate,
    mirrors: Vec<(UrlTemplate, Settings)>,
    hosts: Hosts,
    embedded: Option<Mock>,
}

impl Place {
    /// The server, if it is ours.
    pub(crate) const fn embedded(&self) -> Option<&Mock> {
        self.embedded.as_ref()
    }

    /// The same place for one run of several; whoever has this one keeps the server.
    pub(crate) fn borrowed(&self) -> Self {
        let Self { template, mirrors, hosts, embedded: _ } = self;
        Self { template: template.clone(), mirrors: mirrors.clone(), hosts: hosts.clone(), embedded: None }
    }

    /// What reports call it, without anything secret.
    pub(crate) fn name(&self) -> String {
        name(&self.template, self.embedded.as_ref())
    }
}

fn name(template: &UrlTemplate, embedded: Option<&Mock>) -> String {
    embedded.map_or_else(|| template.to_string(), |_| "the embedded tile server".to_owned())
}

/// Chance from the seed that was given, or one that is drawn.
pub(crate) fn chance(args: &SourceArgs) -> Chance {
    args.seed.map_or_else(Chance::from_system, Chance::from_seed)
}

/// The URL of the settings; `None` where nobody gave one.
pub(crate) fn url_template(settings: &Settings) -> Result<Option<UrlTemplate>, Fatal> {
    let Some(url) = &settings.url.value else { return Ok(None) };
    let name = match settings.url.origin {
        Origin::Environment => "TILE_BASE_URL",
        Origin::Flag | Origin::File | Origin::Preset => "--url-template",
    };
    // The value stays out of the message: it may hold a key.
    scheme::template(url).map(Some).map_err(|error| Fatal::usage(format!("{name}: {error}")))
}

/// The TileJSON document at `url`.
pub(crate) fn tilejson(args: &SourceArgs, hosts: &Hosts, limit: Duration, url: &str) -> Result<TileJson, Fatal> {
    // The value stays out of the messages: it may hold a key.
    let unusable = |why: &dyn std::fmt::Display| Fatal {
        exit: Exit::Source,
        message: format!("--scheme=tilejson: {why}; give the address of a TileJSON document"),
    };
    let transport = HttpTransport::new(args.connection.http_config(1, limit, hosts)?).map_err(Fatal::usage)?;
    // The transport bounds each silence, and this the whole: a server may be slow for ever without being silent.
    let late = async {
        smol::Timer::after(limit).await;
        Err(unusable(&format_args!("no answer within {limit:?}")))
    };
    let ask = async {
        transport.send(Request::new(url)).await.map_err(|error| match error {
            TransportError::UsagePolicy => Fatal::policy(format!("--scheme=tilejson: {error}")),
            TransportError::BodyTooLarge { max } => {
                unusable(&format_args!("what is there is longer than {}", bytes(max as u64)))
            }
            error => unusable(&error),
        })
    };
    let answer = smol::block_on(smol::future::or(ask, late))?;
    if answer.status != 200 {
        return Err(unusable(&format!("the server answered with status {}", answer.status)));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let mut document = text.parse::<TileJson>().map_err(|error| unusable(&error))?;
    if document.is_relative() && answer.redirects > 0 {
        return Err(unusable(&"its `tiles` are relative, and a redirect leads to it from elsewhere"));
    }
    document.resolve(url);
    transport.close();
    Ok(document)
}

/// Serves health and metrics until it is dropped.
fn listen(address: SocketAddr, health: Arc<Health>, fetcher: Fetcher<HttpTransport>) -> Result<Server, Fatal> {
    let look = move || Figures {
        now: fetcher.upstream().clock().now(),
        sources: fetcher.upstreams().map(Upstream::status).collect(),
        pool: fetcher.transport().pool(),
    };
    let server = Server::start(address, health, look)
        .map_err(|error| Fatal::usage(format!("--listen={address}: {error}; give an address that is free here")))?;
    tracing::info!(address = %server.address(), "serving health and metrics");
    Ok(server)
}
