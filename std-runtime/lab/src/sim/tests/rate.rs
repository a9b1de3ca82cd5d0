//! A rate that finds a server's hidden limit.

use tidegate_core::GateConfig;
use tidegate_core::limit::LimitConfig;

use super::*;

fn mirror(seed: u64, rules: &str, round_trip: Delay) -> World {
    let fleet = Fleet {
        traffic: hungry(50, None),
        gate: GateConfig { limit: LimitConfig::fixed(50), ..GateConfig::DEFAULT },
        link: Link { round_trip, ..Link::PERFECT },
        deadline: seconds(3_600),
        ..Fleet::new("mirror", "server")
    };
    world(seed, 70, rules, fleet)
}

#[test]
fn table() {
    for rt in [uniform(5, 10), uniform(5, 80), uniform(20, 80), uniform(150, 400)] {
        for r in [5, 20, 50, 200, 500] {
            for kind in ["kind=fixed".to_owned(), "kind=sliding".to_owned(), "burst=5".to_owned(), format!("burst={r}")]
            {
                let mut worst = (f64::MAX, 0.0f64);
                for seed in 1..=8 {
                    let report = run(&mirror(seed, &format!("rate={r}/s,{kind},retry-after=none"), rt));
                    let steps = &report.servers[0].steps[10..70];
                    let acc: u32 = steps.iter().map(|s| s.accepted).sum();
                    let thr: u32 = steps.iter().map(|s| s.throttled).sum();
                    worst.0 = worst.0.min(f64::from(acc) / 60.0 / f64::from(r));
                    worst.1 = worst.1.max(f64::from(thr) / f64::from(acc + thr));
                }
                println!("{rt} {r:4} {kind:12} {:.3} {:.3}", worst.0, worst.1 * 100.0);
            }
        }
    }
}
