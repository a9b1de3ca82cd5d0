//! A second request beside a slow one.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tidegate::{
    clock::Chance,
    fetch::{Fetcher, HEDGE_SAMPLES_MIN, Mirror, Parts, Routes, TileOutcome},
    runtime::Runtime,
    template::UrlTemplate,
    testing::{self, VirtualClock},
    transport::{Request, Response, Scripted, TransportError, scripted::answer},
    upstream::Upstream,
    verify::Expect,
};
use tidegate_core::{
    CallConfig, CallPolicy, Gate, GateConfig, Instant, TileId, budget::RetryBudgetConfig, drive::Clock,
};
use tidegate_store::sources::Healthiest;

use crate::config;

type Answer = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send>>;

#[test]
fn a_spent_budget_is_no_reason_to_end_what_is_under_way() {
    let clock = VirtualClock::new();
    let time = clock.clone();
    let known = HEDGE_SAMPLES_MIN as u32;
    // Quick until enough is known, then six seconds each; the other source never answers.
    let transport = Scripted::new(move |request: &Request| -> Answer {
        let number: u32 = request.url.rsplit('/').nth(1).and_then(|x| x.parse().ok()).expect("a column");
        let takes = match request.url.starts_with("http://b.") {
            true => Duration::from_secs(3_600),
            false if number < known => Duration::from_millis(20),
            false => Duration::from_secs(6),
        };
        let over = time.sleep_until(time.now().saturating_add(takes));
        Box::pin(async move {
            over.await;
            Ok(answer(200, &[], include_bytes!("../../std-runtime/tests/data/tiles/rgba.png")))
        })
    });
    let hour = Duration::from_secs(3_600);
    let budget = Some(RetryBudgetConfig { retries: 0, reserve: 1, reserve_refill: hour, ..RetryBudgetConfig::DEFAULT });
    let upstream = || Upstream::on(clock.clone(), Gate::new(GateConfig { budget, ..config() }).expect("valid"));
    let template = |host| UrlTemplate::parse(&format!("http://{host}.test/{{z}}/{{x}}/{{y}}.png")).expect("valid");
    let parts = Parts {
        transport,
        upstream: upstream(),
        policy: CallPolicy::new(CallConfig { attempts: 1, ..CallConfig::DEFAULT }).expect("valid"),
        template: template("a"),
        expect: Expect::DEFAULT,
        chance: Chance::from_seed(7),
        send_correlation_id: false,
        log_locations: false,
    };
    let routes = Routes {
        mirrors: vec![Mirror { upstream: upstream(), template: template("b"), send_correlation_id: false }],
        choice: Arc::new(Healthiest::of(2)),
        hedge: true,
        ..Routes::default()
    };
    let (fetcher, runtime) = (Fetcher::routed(parts, routes, 4), Runtime::start(0).expect("no thread is needed"));
    for number in 0..known + 3 {
        let tile = TileId::new(8, number, 0).expect("within zoom 8");
        let report = testing::run(&clock, runtime.executor(), fetcher.fetch(tile, Instant::MAX)).expect("it ends");
        assert!(matches!(report.outcome, TileOutcome::Fetched(_)), "tile {number}: {report:?}");
        let hedges = report.attempts.iter().filter(|attempt| attempt.hedge).count();
        assert_eq!(hedges, usize::from(number == known), "tile {number}: one in the budget, and then none");
    }
}
