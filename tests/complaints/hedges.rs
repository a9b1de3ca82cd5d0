//! A second request beside a slow one.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tidegate::{
    fetch::{HEDGE_SAMPLES_MIN, TileOutcome},
    testing::{Rig, RigConfig},
    transport::{Request, Response, TransportError, scripted::answer},
};
use tidegate_core::{CallConfig, GateConfig, TileId, budget::RetryBudgetConfig, drive::Clock};
use tidegate_store::sources::Healthiest;

use crate::config;

type Answer = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send>>;

#[test]
fn a_spent_budget_is_no_reason_to_end_what_is_under_way() {
    let known = HEDGE_SAMPLES_MIN as u32;
    let hour = Duration::from_secs(3_600);
    let budget = Some(RetryBudgetConfig { retries: 0, reserve: 1, reserve_refill: hour, ..RetryBudgetConfig::DEFAULT });
    let config = RigConfig {
        gate: GateConfig { budget, ..config() },
        call: CallConfig { attempts: 1, ..CallConfig::DEFAULT },
        choice: Arc::new(Healthiest::of(2)),
        hedge: true,
        ..RigConfig::of_hosts(["a.test", "b.test"])
    };
    // Quick until enough is known, then six seconds each; the other source never answers.
    let rig = Rig::new(config, |time| {
        move |request: &Request| -> Answer {
            let number: u32 = request.url.rsplit('/').nth(1).and_then(|x| x.parse().ok()).expect("a column");
            let takes = match request.url.starts_with("http://b.") {
                true => hour,
                false if number < known => Duration::from_millis(20),
                false => Duration::from_secs(6),
            };
            let over = time.sleep_until(time.now().saturating_add(takes));
            Box::pin(async move {
                over.await;
                Ok(answer(200, &[], include_bytes!("../../std-runtime/tests/data/tiles/rgba.png")))
            })
        }
    });
    let rig = rig.expect("the settings are valid");
    for number in 0..known + 3 {
        let tile = TileId::new(8, number, 0).expect("within zoom 8");
        let report = rig.fetch(tile).expect("it ends");
        assert!(matches!(report.outcome, TileOutcome::Fetched(_)), "tile {number}: {report:?}");
        let hedges = report.attempts.iter().filter(|attempt| attempt.hedge).count();
        assert_eq!(hedges, usize::from(number == known), "tile {number}: one in the budget, and then none");
    }
}
