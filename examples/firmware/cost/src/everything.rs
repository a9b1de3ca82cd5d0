//! All of the core that one device can use at once: its gate traced, driven by tasks, controlled, saved and restored; what
//! servers say over HTTP; tiles; ticks.
#![no_std]
#![no_main]

mod footprint;
mod settings;

use core::{
    cell::RefCell,
    future::{Future, Ready, ready},
    hint::black_box as hidden,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use settings::{GATE, LATENCIES, POLICY, Recent};
use static_cell::ConstStaticCell;
use tidegate_core::{
    Call, Entropy, Gate, Instant, Quantile, Quota, TileId, Traced,
    breaker::BreakerMode,
    drive::{Clock, Driver, Turnstile},
    gate::{Control, Downtime},
    http::{self, QuotaReader},
    tile::LogKey,
    time::TickExtender,
};

type Recorded = Traced<Gate, 1>;

static STATE: ConstStaticCell<(RefCell<Turnstile<Recorded, 8>>, Recent)> =
    ConstStaticCell::new((RefCell::new(Turnstile::new(Recorded::new(GATE))), LATENCIES));

#[board::entry]
fn main() -> ! {
    let (gate, latencies) = STATE.take();
    let latencies = RefCell::new(latencies);
    let mut ticks = TickExtender::new();
    let clock = Ticks(Instant::from_ticks(ticks.extend(hidden(1_000)), 1_000));
    let driver = Driver::new(&clock, &*gate);
    let mut context = Context::from_waker(Waker::noop());

    let mut call = Call::new(&POLICY, clock.now().saturating_add(hidden(Duration::from_secs(60))));
    let attempt = |until| {
        latencies.borrow_mut().record_since(hidden(until), clock.now());
        let hint = http::retry_after(hidden(b"120"), Some(hidden(b"Wed, 21 Oct 2026 07:28:00 GMT")));
        ready((http::outcome(hidden(200), hint), hidden(7_u32)))
    };
    let run = pin!(driver.run(&mut call, || Entropy::mix(1, 2, hidden(3)), attempt));
    let _ = hidden(run.poll(&mut context));

    let mut reader = QuotaReader::new();
    reader.header(hidden(b"ratelimit"), hidden(br#""hour";r=900;t=1800"#));
    if let Some(Quota { .. }) = hidden(reader.finish(None)) {
        let mode = hidden(BreakerMode::ObserveOnly);
        driver.control(|traced| hidden(traced).change(clock.now(), |gate| gate.set_breaker_mode(mode)));
    }
    driver.control(|traced| {
        use tidegate_core::Gatekeeper as _;
        for control in [Control::Readmit, Control::Pause { until: clock.now() }] {
            traced.control(clock.now(), hidden(control));
        }
        let snapshot = traced.change(clock.now(), |gate| gate.snapshot(clock.now()));
        let _ =
            hidden(traced.change(clock.now(), |gate| gate.restore(clock.now(), &hidden(snapshot), Downtime::Unknown)));
        hidden(traced.hash())
    });

    if let Ok(tile) = TileId::new(hidden(14), hidden(8_000), hidden(5_000)) {
        let key = LogKey::new(hidden([7; 16]));
        hidden((tile.hilbert_id(), tile.tms_row(), tile.parent(), tile.label(&key)));
    }
    hidden(latencies.borrow().view(clock.now()).quantile(hidden(Quantile::P95)));
    footprint::end()
}

/// A clock that stands still: what a real one costs is not the core's.
struct Ticks(Instant);

impl Clock for Ticks {
    type Sleep = Ready<()>;

    fn now(&self) -> Instant {
        hidden(self.0)
    }

    fn sleep_until(&self, at: Instant) -> Ready<()> {
        hidden(at);
        ready(())
    }
}
