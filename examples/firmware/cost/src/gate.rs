//! A gate with every policy in it, calls, and latencies: what most devices need of the core.
#![no_std]
#![no_main]

mod footprint;
mod settings;

use core::{hint::black_box as hidden, time::Duration};

use settings::{GATE, LATENCIES, POLICY, Recent};
use static_cell::ConstStaticCell;
use tidegate_core::{Call, Entropy, Gate, Instant, Next, Outcome, Quantile, Step};

static STATE: ConstStaticCell<(Gate, Recent)> = ConstStaticCell::new((GATE, LATENCIES));

#[board::entry]
fn main() -> ! {
    let (gate, latencies) = STATE.take();
    let mut now = hidden(Instant::from_secs(1));
    for draw in 0..hidden(100) {
        let mut call = Call::new(&POLICY, now.saturating_add(hidden(Duration::from_secs(60))));
        run(&mut call, &mut now, gate, latencies, hidden(draw));
        let _ = hidden(call.poll_behind(now, gate));
    }
    hidden(latencies.view(now).quantile(hidden(Quantile::P95)));
    footprint::end()
}

/// One call to its end, as a superloop runs it.
fn run(call: &mut Call<'_>, now: &mut Instant, gate: &mut Gate, latencies: &mut Recent, draw: u32) {
    loop {
        match call.poll(*now, gate) {
            Step::Attempt(ticket) => {
                let deadline = hidden(call.attempt_deadline(gate, ticket.started()));
                latencies.record_since(deadline, ticket.started());
                match call.settle(*now, gate, ticket, hidden(Outcome::Success), Entropy::mix(1, 2, draw.into())) {
                    Next::Retry { at } => *now = at,
                    Next::Done(end) => {
                        hidden(end);
                        return;
                    }
                }
            }
            Step::Wait { until, why } | Step::Full { until, why } => {
                hidden(why);
                *now = until;
            }
            Step::Done(end) => {
                hidden(end);
                return;
            }
        }
    }
}
