use super::*;

const LEVELS: [u32; 5] = [1, 5, 10, 20, 50];

/// A server measured at `LEVELS`, five repeats each, with throughput off by up to ±`noise`.
fn sweep(curve: impl Fn(f64) -> f64, noise: f64, seed: u64) -> Vec<Level> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let level = |n: u32| {
        let exact = curve(f64::from(n));
        let per_second: Vec<f64> = (0..5).map(|_| exact * (1.0 + noise * (2.0 * rng.f64() - 1.0))).collect();
        let p95_us = Some((1.1e6 * f64::from(n) / exact).round() as u64);
        Level { concurrency: n, per_second, p95_us, failed_share: 0.0 }
    };
    LEVELS.map(level).to_vec()
}

/// 16 workers of 20 ms.
fn sixteen_workers(n: f64) -> f64 {
    50.0 * n.min(16.0)
}

/// Every request takes 20 ms, however many there are.
fn flat(n: f64) -> f64 {
    50.0 * n
}

#[track_caller]
fn used(advice: &Advice) -> u32 {
    match advice.recommendation {
        Recommendation::Use { concurrency, .. } => concurrency,
        _ => panic!("{}", advice.sentence),
    }
}

#[test]
fn sixteen_workers_are_found_through_noise() {
    for noise in [0.0, 0.02, 0.05, 0.10] {
        for seed in 0..4 {
            let advice = Advice::from_levels(&sweep(sixteen_workers, noise, seed), seed);
            let concurrency = used(&advice);
            assert!((12..=24).contains(&concurrency), "noise {noise} seed {seed}: {}", advice.sentence);
            let Recommendation::Use { low, high, .. } = advice.recommendation else { unreachable!() };
            assert!(low <= concurrency && concurrency <= high, "{}", advice.sentence);
            if noise <= 0.02 {
                assert_eq!(advice.confidence, Confidence::High, "noise {noise} seed {seed}: {}", advice.sentence);
            }
        }
    }
}

/// Workers that are not always busy: at the knee throughput is lower than the ideal by the `sharpness`-th root of 0.63.
fn rounded(n: f64, sharpness: i32) -> f64 {
    800.0 * (1.0 - (-(n / 16.0).powi(sharpness)).exp()).powf(1.0 / f64::from(sharpness))
}

#[test]
fn sixteen_workers_are_found_when_the_knee_is_rounded() {
    for seed in 0..4 {
        // 7 % below the ideal at the knee.
        let advice = Advice::from_levels(&sweep(|n| rounded(n, 6), 0.03, seed), seed);
        assert!((12..=24).contains(&used(&advice)), "{}", advice.sentence);
        // 14 % below it: so soft that the last worthwhile step is at 21.
        let advice = Advice::from_levels(&sweep(|n| rounded(n, 3), 0.03, seed), seed);
        assert!((14..=28).contains(&used(&advice)), "{}", advice.sentence);
    }
}

#[test]
fn on_a_flat_server_fifty_is_not_yet_the_optimum() {
    for noise in [0.0, 0.05, 0.10] {
        for seed in 0..4 {
            let advice = Advice::from_levels(&sweep(flat, noise, seed), seed);
            assert!(
                matches!(advice.recommendation, Recommendation::StillRising { last: 50, .. }),
                "noise {noise} seed {seed}: {}",
                advice.sentence
            );
            assert!(advice.sentence.contains("50 is not yet the optimum"), "{}", advice.sentence);
        }
    }
}

#[test]
fn nothing_is_estimated_beyond_twice_the_range() {
    // A quarter is reached at 1 + (4(1−σ) − 1)/σ: 71 for σ = 0.04, 121 for σ = 0.024.
    let estimate = |sigma: f64| {
        let advice = Advice::from_levels(&sweep(|n| 50.0 * n / (1.0 + sigma * (n - 1.0)), 0.0, 1), 1);
        match advice.recommendation {
            Recommendation::StillRising { last: 50, estimate, .. } => (estimate, advice.sentence),
            _ => panic!("{}", advice.sentence),
        }
    };
    let (within, sentence) = estimate(0.04);
    assert_eq!(within, Some(72), "{sentence}");
    assert!(sentence.contains("up to about 72"), "{sentence}");
    let (beyond, sentence) = estimate(0.024);
    assert_eq!(beyond, None, "{sentence}");
    assert!(sentence.contains("up to 200 for a start"), "{sentence}");
}

#[test]
fn a_curve_that_falls_is_used_below_its_peak() {
    let advice =
        Advice::from_levels(&sweep(|n| 100.0 * n / (1.0 + 0.03 * (n - 1.0) + 0.003 * n * (n - 1.0)), 0.01, 3), 3);
    // N* = √(0.97/0.003) = 18; the advice stays below it and says where throughput falls.
    assert!((8..18).contains(&used(&advice)), "{}", advice.sentence);
    assert!(advice.sentence.contains("from 18 on throughput falls"), "{}", advice.sentence);
}

#[test]
fn a_level_that_fails_is_never_recommended() {
    let mut levels = sweep(flat, 0.02, 5);
    levels[3].failed_share = 0.02;
    levels[4].failed_share = 0.3;
    let advice = Advice::from_levels(&levels, 5);
    assert_eq!(used(&advice), 10, "{}", advice.sentence);
    assert!(advice.sentence.contains("2 % of the requests fail at 20"), "{}", advice.sentence);
    levels[0].failed_share = f64::NAN;
    let advice = Advice::from_levels(&levels, 5);
    assert!(matches!(advice.recommendation, Recommendation::Unclear { .. }), "{}", advice.sentence);
}

#[test]
fn without_repeats_it_says_that_the_spread_is_unknown() {
    let mut levels = sweep(sixteen_workers, 0.0, 1);
    levels.iter_mut().for_each(|level| level.per_second.truncate(1));
    let advice = Advice::from_levels(&levels, 1);
    assert_eq!((used(&advice), advice.confidence, advice.agreement), (16, Confidence::Low, None));
    assert!(advice.sentence.contains("no repeats to tell the spread"), "{}", advice.sentence);
}

#[test]
fn data_that_follow_no_law_are_read_level_by_level() {
    let mut levels = sweep(flat, 0.0, 1);
    for (level, per_second) in levels.iter_mut().zip([100.0, 20.0, 400.0, 60.0, 500.0]) {
        level.per_second = vec![per_second; 5];
    }
    let advice = Advice::from_levels(&levels, 1);
    assert_eq!((used(&advice), advice.law.is_none(), advice.confidence), (1, true, Confidence::Medium));
    assert!(advice.sentence.contains("no law fits the measurements"), "{}", advice.sentence);
}

#[test]
fn data_that_say_nothing_get_no_number() {
    for levels in [vec![], sweep(flat, 0.0, 1)[..1].to_vec()] {
        let advice = Advice::from_levels(&levels, 1);
        assert!(matches!(advice.recommendation, Recommendation::Unclear { .. }), "{}", advice.sentence);
        assert!(advice.sentence.contains("measure at least 3"), "{}", advice.sentence);
    }
    let mut failing = sweep(flat, 0.0, 1);
    failing[0].failed_share = 0.5;
    let sentence = Advice::from_levels(&failing, 1).sentence;
    assert!(sentence.contains("50 % of the requests fail at a concurrency of 1 already"), "{sentence}");
}

#[test]
fn the_order_of_the_levels_does_not_matter() {
    let mut levels = sweep(sixteen_workers, 0.0, 4);
    let ascending = Advice::from_levels(&levels, 4);
    levels.reverse();
    assert_eq!(used(&Advice::from_levels(&levels, 4)), used(&ascending));
}

#[test]
fn the_sentence_says_what_why_and_how_sure() {
    let advice = Advice::from_levels(&sweep(sixteen_workers, 0.0, 1), 1);
    assert_eq!(
        advice.sentence,
        "Use a concurrency of 16: throughput stops rising there, at about 800/s, and more in flight only wait longer \
         (p95 27.5 ms at 20, 68.8 ms at 50); confidence high: the measurements follow fixed capacity and 100 % of 200 \
         resamplings of the repeats agree."
    );
    let json = serde_json::to_value(&advice).unwrap();
    assert_eq!(json["recommendation"]["kind"], "use");
    assert_eq!(json["recommendation"]["reason"]["why"], "ceiling");
    assert_eq!((&json["confidence"], &json["law"]["law"]), (&"high".into(), &"ceiling".into()));
}

#[test]
fn a_peak_that_only_the_curve_has_is_not_claimed() {
    // Soft corner, no noise: the closest law overshoots and dips, the measurements never fall.
    let advice = Advice::from_levels(&sweep(|n| rounded(n, 3), 0.0, 1), 1);
    assert!(!advice.sentence.contains("falls"), "{}", advice.sentence);
}
