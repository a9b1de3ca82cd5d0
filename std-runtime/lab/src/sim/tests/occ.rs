//! An experiment of others, with the core's backoff in it.
//!
//! M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015) and its simulator `aws-arch-backoff-simulator`:
//! clients read a version and write the next one; of those that read the same version one write succeeds, the others back
//! off and begin anew. Each way between client and server takes |Normal(10, 2)| ms; base 5 ms, cap 2 s. The rows below are
//! means over 100 repeats of the authors' program: milliseconds until all are done, and writes.

use std::collections::BTreeMap;

use tidegate_core::backoff::{Backoff, Growth};

use super::*;
use crate::sim::dice::Dice;

const MS: f64 = 1e6;

/// How clients wait after a write that failed.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Not,
    As(Growth, Jitter),
}

const EXPONENTIAL: Wait = Wait::As(Growth::Exponential, Jitter::None);
const DECORRELATED: Wait = Wait::As(Growth::Decorrelated, Jitter::None);
const EQUAL: Wait = Wait::As(Growth::Exponential, Jitter::Equal);
const FULL: Wait = Wait::As(Growth::Exponential, Jitter::Full);

/// One repeat: milliseconds until the last of `clients` is done, and how many writes that took.
fn occ(wait: Wait, clients: u32, repeat: u64) -> (f64, f64) {
    let policy = match wait {
        Wait::Not => None,
        Wait::As(growth, jitter) => {
            // Their first delay is twice the base.
            let base = millis(if growth == Growth::Decorrelated { 5 } else { 10 });
            let config = BackoffConfig { growth, base, cap: seconds(2), jitter };
            Some(Backoff::new(config).expect("valid"))
        }
    };
    let mut dice = Dice::of(repeat, "occ", "experiment", u64::from(clients));
    let normal = Delay::LogNormal { median: millis(1), sigma: 1.0 };
    let mut hop = move || {
        // The logarithm of a log-normal time is normal.
        let standard = libm::log(dice.span_ns(normal).max(1) as f64 / MS);
        ((10.0 + 2.0 * standard).abs() * MS) as u64
    };
    let mut chance = Dice::of(repeat, "occ", "backoff", u64::from(clients));

    /// What reaches the server next.
    enum Ask {
        Read,
        Write { version: u64 },
    }
    // By time and by number, so that no two are the same.
    let mut agenda = BTreeMap::new();
    let mut planned = 0_u64;
    let mut plan = |agenda: &mut BTreeMap<_, _>, at, client, ask| {
        planned += 1;
        agenda.insert((at, planned), (client, ask));
    };
    let mut state = vec![(0_u32, Duration::ZERO); clients as usize];
    for client in 0..clients {
        plan(&mut agenda, hop(), client, Ask::Read);
    }
    let (mut version, mut writes, mut last) = (0, 0_u32, 0);
    while let Some(((at, _), (client, ask))) = agenda.pop_first() {
        match ask {
            Ask::Read => {
                let arrives = at + hop() + hop();
                plan(&mut agenda, arrives, client, Ask::Write { version });
            }
            Ask::Write { version: read } => {
                writes += 1;
                let answered = at + hop();
                if read == version {
                    version += 1;
                    last = last.max(answered);
                } else {
                    let (failures, previous) = &mut state[client as usize];
                    *failures += 1;
                    *previous =
                        policy.map_or(Duration::ZERO, |policy| policy.delay(*failures, *previous, chance.entropy()));
                    let again = answered + previous.as_nanos() as u64 + hop();
                    plan(&mut agenda, again, client, Ask::Read);
                }
            }
        }
    }
    (last as f64 / MS, f64::from(writes))
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

const REPEATS: u64 = 100;

/// Compares a row with what their program gives, and returns our spreads.
fn check(wait: Wait, clients: u32, theirs: (f64, f64)) -> (f64, f64) {
    let ours: Vec<_> = (0..REPEATS).map(|repeat| occ(wait, clients, repeat)).collect();
    let (time, time_sd) = spread(ours.iter().map(|(time, _)| *time));
    let (calls, calls_sd) = spread(ours.iter().map(|(_, calls)| *calls));
    for (what, ours, sd, theirs) in [("ms", time, time_sd, theirs.0), ("writes", calls, calls_sd, theirs.1)] {
        // Theirs is a mean over as many repeats, and so as uncertain.
        let z = (ours - theirs) / (sd * (2.0 / REPEATS as f64).sqrt());
        assert!(z.abs() < 3.5, "{wait:?}, {clients} clients: {ours:.1} {what} here, {theirs} there, z = {z:.2}");
    }
    (time_sd, calls_sd)
}

#[test]
fn ten_clients_contend_as_in_the_authors_simulator() {
    check(EXPONENTIAL, 10, (3_590.0, 51.0));
    check(DECORRELATED, 10, (435.0, 38.0));
    check(EQUAL, 10, (733.0, 42.0));
    check(FULL, 10, (465.0, 39.0));
    check(Wait::Not, 10, (382.0, 51.0));
}

#[test]
fn fifty_clients_contend_as_in_the_authors_simulator() {
    check(EXPONENTIAL, 50, (36_238.0, 625.0));
    check(DECORRELATED, 50, (2_165.0, 376.0));
    check(EQUAL, 50, (4_303.0, 347.0));
    check(FULL, 50, (2_922.0, 332.0));
    check(Wait::Not, 50, (1_133.0, 687.0));
}

#[test]
fn a_hundred_clients_contend_and_spread_as_in_the_authors_simulator() {
    for (wait, theirs, their_spread) in [
        (EXPONENTIAL, (62_863.0, 1_854.0), (3_330.0, 52.0)),
        (DECORRELATED, (4_531.0, 1_003.0), (654.0, 33.0)),
        (EQUAL, (6_658.0, 812.0), (748.0, 8.8)),
        (FULL, (4_879.0, 797.0), (539.0, 7.4)),
        (Wait::Not, (2_027.0, 2_422.0), (45.0, 31.0)),
    ] {
        let ours = check(wait, 100, theirs);
        for (what, ours, theirs) in [("time", ours.0, their_spread.0), ("writes", ours.1, their_spread.1)] {
            assert!((0.7..=1.3).contains(&(ours / theirs)), "{wait:?}: spread of {what} {ours:.1}, theirs {theirs}");
        }
    }
}

#[test]
fn a_hundred_and_ninety_clients_contend_as_in_the_authors_simulator() {
    check(EXPONENTIAL, 190, (101_357.0, 5_187.0));
    check(DECORRELATED, 190, (7_888.0, 2_441.0));
    check(EQUAL, 190, (9_487.0, 1_759.0));
    check(FULL, 190, (7_428.0, 1_771.0));
    check(Wait::Not, 190, (3_538.0, 7_998.0));
}
