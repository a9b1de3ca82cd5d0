//! The order of a sweep's runs.
//!
//! Run in ascending order, a machine that warms up, a cache that fills or a neighbour that wakes looks like scaling. So
//! the runs come in rounds, as in a randomised block design: every round has each level once, in an order of its own.
//! Slow drift then falls on all levels alike, and a sweep that is stopped early has measured all of them equally often.

/// One run of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many requests may be in flight.
    pub concurrency: u32,
    /// Which repeat of this concurrency it is, from 0.
    pub repeat: u32,
}

/// All runs of `levels` × `repeats` in the order in which to make them; the same seed gives the same order.
pub fn schedule(levels: &[u32], repeats: u32, seed: u64) -> Vec<Run> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut runs = Vec::new();
    for repeat in 0..repeats {
        let mut round: Vec<Run> = levels.iter().map(|&concurrency| Run { concurrency, repeat }).collect();
        rng.shuffle(&mut round);
        runs.append(&mut round);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [u32; 5] = [1, 5, 10, 20, 50];

    #[test]
    fn each_round_has_every_level_once() {
        let runs = schedule(&LEVELS, 5, 7);
        for (repeat, round) in runs.chunks(LEVELS.len()).enumerate() {
            let mut seen: Vec<u32> = round.iter().map(|run| run.concurrency).collect();
            seen.sort_unstable();
            assert_eq!(seen, LEVELS);
            assert!(round.iter().all(|run| run.repeat == repeat as u32));
        }
        assert_eq!(runs.len(), 25);
    }

    #[test]
    fn the_seed_decides_the_order_and_the_rounds_differ() {
        assert_eq!(schedule(&LEVELS, 5, 7), schedule(&LEVELS, 5, 7));
        assert_ne!(schedule(&LEVELS, 5, 7), schedule(&LEVELS, 5, 8));
        let orders: Vec<Vec<u32>> =
            schedule(&LEVELS, 20, 7).chunks(5).map(|round| round.iter().map(|run| run.concurrency).collect()).collect();
        assert!(orders.iter().any(|order| *order != orders[0]), "20 rounds in one order: {orders:?}");
    }

    #[test]
    fn nothing_to_measure_is_an_empty_schedule() {
        assert_eq!(schedule(&[], 5, 7), []);
        assert_eq!(schedule(&LEVELS, 0, 7), []);
    }
}
