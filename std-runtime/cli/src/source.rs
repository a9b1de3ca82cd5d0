//! A fetcher from the settings: a URL, or the embedded server.

use std::{sync::Arc, time::Duration};

use tidegate::{
    clock::{Chance, SystemClock},
    config::Settings,
    fetch::{Fetcher, Parts},
    runtime::Runtime,
    stop::{Extent, Stop},
    template::UrlTemplate,
    transport::{HttpConfig, HttpTransport},
    upstream::Upstream,
    verify::Expect,
};
use tidegate_core::{Instant, drive::Clock};
use tidegate_lab::mock::{Mock, MockConfig};

use crate::{args::SourceArgs, exit::Fatal, interrupt};

/// What a command fetches from, with what it runs on.
pub(crate) struct Source {
    pub(crate) fetcher: Fetcher<HttpTransport>,
    pub(crate) runtime: Runtime,
    pub(crate) seed: u64,
    pub(crate) template: UrlTemplate,
    /// The server in this process, where no URL was given.
    pub(crate) embedded: Option<Mock>,
    deadline: Instant,
}

impl Source {
    /// Where tiles are: the URL of the settings, or a server started here.
    pub(crate) fn template(settings: &Settings) -> Result<(UrlTemplate, Option<Mock>), Fatal> {
        match &settings.url.value {
            Some(url) => {
                let template = UrlTemplate::parse(url).map_err(Fatal::usage)?;
                Ok((template, None))
            }
            None => {
                let mock = Mock::start(MockConfig::default()).map_err(Fatal::local)?;
                let template = UrlTemplate::parse(&mock.url_template()).map_err(Fatal::usage)?;
                Ok((template, Some(mock)))
            }
        }
    }

    /// Everything that a run needs.
    pub(crate) fn open(
        args: &SourceArgs,
        settings: &Settings,
        template: UrlTemplate,
        embedded: Option<Mock>,
    ) -> Result<Self, Fatal> {
        let chance = args.seed.map_or_else(Chance::from_system, Chance::from_seed);
        let seed = chance.seed();
        let concurrency = settings.max_concurrency.value;
        let transport = HttpTransport::new(http_config(args, concurrency)?).map_err(Fatal::usage)?;
        let parts = Parts {
            transport,
            upstream: Upstream::new(settings.gate().map_err(Fatal::usage)?),
            policy: settings.call_policy().map_err(Fatal::usage)?,
            template: template.clone(),
            expect: Expect::DEFAULT,
            chance,
            send_correlation_id: args.send_correlation_id,
        };
        let fetcher = Fetcher::new(parts, concurrency);
        let runtime = Runtime::start(1).map_err(Fatal::local)?;
        let stopped = fetcher.clone();
        interrupt::on_interrupt(Arc::new(move |extent| stopped.stop().ask(extent)));
        let clock: &SystemClock = fetcher.upstream().clock();
        let deadline = args.global_timeout.map_or(Instant::MAX, |span| clock.now().saturating_add(span));
        Ok(Self { fetcher, runtime, seed, template, embedded, deadline })
    }

    /// When the run's time is over.
    pub(crate) fn deadline_at(&self) -> Instant {
        self.deadline
    }

    /// The stop of the run.
    pub(crate) fn stop(&self) -> &Stop {
        self.fetcher.stop()
    }

    /// Closes connections and threads; what is still running after that was asked to end.
    pub(crate) fn close(self) {
        self.fetcher.stop().ask(Extent::Abort);
        // Threads that do not end in this time end with the process.
        let _still_closing = self.fetcher.transport().close(CLOSE_WITHIN);
    }
}

fn http_config(args: &SourceArgs, concurrency: u16) -> Result<HttpConfig, Fatal> {
    let mut config = HttpConfig {
        // A connection for each attempt that may be in flight is enough, and never more than asked for.
        max_connections: usize::from(args.max_connections.min(concurrency)),
        max_idle_connections: usize::from(args.max_idle_connections),
        max_idle_age: args.max_idle_age,
        headers: args.headers.iter().map(|header| split_header(header)).collect::<Result<_, _>>()?,
        ..HttpConfig::default()
    };
    if let Some(user_agent) = &args.user_agent {
        config.user_agent.clone_from(user_agent);
    }
    Ok(config)
}

fn split_header(header: &str) -> Result<(String, String), Fatal> {
    match header.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        Some(_) | None => {
            Err(Fatal::usage(format!("--header={header}: no name and value; give them as in \"X-Api-Key: value\"")))
        }
    }
}

const CLOSE_WITHIN: Duration = Duration::from_secs(2);
