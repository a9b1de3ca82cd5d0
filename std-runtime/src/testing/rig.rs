//! A fetcher whose servers are a closure and whose time is virtual.

use std::{future::Future, io, sync::Arc};

use smol::Executor;
use thiserror::Error;
use tidegate_core::{
    CallConfig, CallError, CallPolicy, Gate, GateConfig, GateError, Instant, RateControl, TileId,
    breaker::{BreakerConfig, BreakerMode},
    limit::LimitConfig,
};

use super::{Stuck, VirtualClock, run};
use crate::{
    clock::Chance,
    fetch::{Caching, Choice, Fetcher, Mirror, Parts, Routes, TileReport},
    runtime::Runtime,
    template::{TemplateError, UrlTemplate},
    transport::{Request, Response, Scripted, TransportError},
    upstream::Upstream,
    verify::Expect,
};

/// What a [`Rig`] is made of, as plain data.
///
/// # Default
///
/// | setting | value |
/// |---|---|
/// | `clock` | a new one |
/// | `templates` | `http://a.test/{z}/{x}/{y}.png` alone |
/// | `gate` | [`RigConfig::GATE`]: 8 attempts at once, and nothing else in the way |
/// | `call` | [`CallConfig::DEFAULT`] |
/// | `choice` | the first source that is left |
/// | `cache` | none |
/// | `hedge` | false |
/// | `send_correlation_id` | false |
/// | `seed` | 7 |
#[derive(Clone, Debug)]
pub struct RigConfig {
    /// The time of all of it. Clones are the same clock, so whoever makes one keeps one.
    pub clock: VirtualClock,
    /// Where a tile is at each of the sources. The first is the one that is named first, the others are its mirrors.
    pub templates: Vec<String>,
    /// The gate of each source. Its limit bounds the attempts of all of them together too.
    pub gate: GateConfig,
    /// How often a tile is tried.
    pub call: CallConfig,
    /// Who chooses among the sources.
    pub choice: Arc<dyn Choice>,
    /// What was kept from before.
    pub cache: Option<Caching>,
    /// Whether slow attempts are hedged at another source.
    pub hedge: bool,
    /// Whether requests carry their correlation id.
    pub send_correlation_id: bool,
    /// Where jitter and correlation ids come from.
    pub seed: u64,
}

impl RigConfig {
    /// A gate that never stands in the way of what a test is about: 8 attempts at once, no rate, no budget, and a breaker that
    /// is forced closed.
    pub const GATE: GateConfig = GateConfig {
        limit: LimitConfig::fixed(8),
        rate: RateControl::Unlimited,
        budget: None,
        breaker: BreakerConfig { mode: BreakerMode::ForcedClosed, ..BreakerConfig::DEFAULT },
        ..GateConfig::DEFAULT
    };

    /// The default with a source at each of these hosts.
    #[must_use]
    pub fn of_hosts<'h>(hosts: impl IntoIterator<Item = &'h str>) -> Self {
        let templates = hosts.into_iter().map(|host| format!("http://{host}/{{z}}/{{x}}/{{y}}.png")).collect();
        Self { templates, ..Self::default() }
    }
}

impl Default for RigConfig {
    fn default() -> Self {
        let Routes { choice, cache, hedge, .. } = Routes::<VirtualClock>::default();
        Self {
            clock: VirtualClock::new(),
            templates: vec!["http://a.test/{z}/{x}/{y}.png".to_owned()],
            gate: Self::GATE,
            call: CallConfig::DEFAULT,
            choice,
            cache,
            hedge,
            send_correlation_id: false,
            seed: 7,
        }
    }
}

/// A fetcher on its own in a world where time is virtual and a closure is the network.
///
/// The first of two servers refuses access, which takes it three seconds to say: how long does a tile take?
///
/// ```
/// use std::time::Duration;
/// use tidegate::{
///     fetch::TileOutcome,
///     testing::{Rig, RigConfig},
///     transport::{Request, scripted::answer},
/// };
/// use tidegate_core::{TileId, drive::Clock};
///
/// let rig = Rig::new(RigConfig::of_hosts(["a.test", "b.test"]), |clock| {
///     move |request: &Request| {
///         let (seconds, status) = if request.url.starts_with("http://a.test/") { (3, 403) } else { (1, 404) };
///         let over = clock.sleep_until(clock.now().saturating_add(Duration::from_secs(seconds)));
///         async move {
///             over.await;
///             Ok(answer(status, &[], b""))
///         }
///     }
/// })?;
/// let report = rig.fetch(TileId::new(8, 133, 89).expect("within zoom 8"))?;
///
/// // There is no such tile, says the second one, a second later.
/// assert!(matches!(report.outcome, TileOutcome::Empty));
/// assert_eq!(report.latency, Duration::from_secs(3 + 1));
/// assert_eq!(rig.requests().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rig<F> {
    /// The time of all of it.
    pub clock: VirtualClock,
    /// The fetcher.
    pub fetcher: Fetcher<Scripted<F>, VirtualClock>,
    runtime: Runtime,
}

impl<F> Rig<F> {
    /// A fetcher of these settings, whose servers are what `server` makes of the clock: called once per request, as
    /// [`Scripted`] says.
    ///
    /// # Errors
    /// The first setting that is not valid.
    pub fn new<A>(config: RigConfig, server: impl FnOnce(VirtualClock) -> F) -> Result<Self, RigError>
    where
        F: Fn(&Request) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, TransportError>> + Send,
    {
        let RigConfig { clock, templates, gate, call, choice, cache, hedge, send_correlation_id, seed } = config;
        let source = |template: &String| {
            let upstream = Upstream::on(clock.clone(), Gate::new(gate)?);
            Ok::<_, RigError>(Mirror { upstream, template: UrlTemplate::parse(template)?, send_correlation_id })
        };
        let mut sources = templates.iter().map(source);
        let first = sources.next().ok_or(RigError::NoSource)??;
        let mirrors = sources.collect::<Result<_, _>>()?;
        let parts = Parts {
            transport: Scripted::new(server(clock.clone())),
            upstream: first.upstream,
            policy: CallPolicy::new(call)?,
            template: first.template,
            expect: Expect::DEFAULT,
            chance: Chance::from_seed(seed),
            send_correlation_id,
            log_locations: false,
        };
        let routes = Routes { mirrors, choice, cache, hedge, ..Routes::default() };
        let fetcher = Fetcher::routed(parts, routes, gate.limit.ceiling);
        Ok(Self { clock, fetcher, runtime: Runtime::start(0)? })
    }

    /// For tasks, the fetcher's streams among them: [`Rig::run`] drives it.
    #[must_use]
    pub fn executor(&self) -> &Arc<Executor<'static>> {
        self.runtime.executor()
    }

    /// Runs `work` to its end, and the tasks beside it.
    ///
    /// # Errors
    /// As [`run`].
    pub fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Stuck> {
        run(&self.clock, self.executor(), work)
    }
}

impl<F, A> Rig<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, TransportError>> + Send,
{
    /// Fetches one tile, however long it takes.
    ///
    /// # Errors
    /// As [`run`].
    pub fn fetch(&self, tile: TileId) -> Result<TileReport, Stuck> {
        self.run(self.fetcher.fetch(tile, Instant::MAX))
    }

    /// All that the servers were asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.fetcher.transport().requests()
    }
}

/// Why there is no [`Rig`].
#[derive(Debug, Error)]
pub enum RigError {
    /// No template.
    #[error("a rig without a source fetches nothing: name at least one URL template")]
    NoSource,
    /// A template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The gate's settings.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The settings of calls.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The system has no room for an executor.
    #[error(transparent)]
    Runtime(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::transport::scripted::answer;

    fn rig(config: RigConfig) -> Result<(), RigError> {
        Rig::new(config, |_| |_: &Request| ready(Ok(answer(404, &[], b"")))).map(drop)
    }

    #[test]
    fn the_default_is_as_documented() {
        let config = RigConfig::default();
        assert_eq!(config.templates, ["http://a.test/{z}/{x}/{y}.png"]);
        assert_eq!((config.gate, config.call), (RigConfig::GATE, CallConfig::DEFAULT));
        assert_eq!((config.gate.limit.ceiling, config.gate.rate), (8, RateControl::Unlimited));
        assert_eq!((config.gate.budget, config.gate.breaker.mode), (None, BreakerMode::ForcedClosed));
        assert!(config.cache.is_none() && !config.hedge && !config.send_correlation_id);
        assert_eq!((config.seed, config.clock.elapsed().as_nanos()), (7, 0));
        assert!(rig(config).is_ok());
    }

    #[test]
    fn what_is_not_valid_is_told() {
        let of = |templates: &[&str]| RigConfig {
            templates: templates.iter().map(|it| (*it).to_owned()).collect(),
            ..RigConfig::default()
        };
        assert!(matches!(rig(of(&[])), Err(RigError::NoSource)));
        assert!(matches!(rig(of(&["http://a.test/{z}/{x}/{y}", "nowhere"])), Err(RigError::Template(_))));
        let limit = LimitConfig { ceiling: 0, ..LimitConfig::fixed(8) };
        let gate = GateConfig { limit, ..RigConfig::GATE };
        assert!(matches!(rig(RigConfig { gate, ..RigConfig::default() }), Err(RigError::Gate(_))));
        let call = CallConfig { attempts: 0, ..CallConfig::DEFAULT };
        assert!(matches!(rig(RigConfig { call, ..RigConfig::default() }), Err(RigError::Call(_))));
    }
}
