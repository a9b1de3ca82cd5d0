use super::*;

extern crate std;

const SECOND_NS: u64 = 1_000_000_000;
/// Well past the rest that the origin of time might look like.
const START: Instant = Instant::from_secs(100);

fn rate(config: AdaptiveRateConfig) -> AdaptiveRate {
    AdaptiveRate::new(config).expect("valid settings")
}

fn seeking(start: u32) -> AdaptiveRate {
    rate(AdaptiveRateConfig { start: Rate::per_second(start), ..AdaptiveRateConfig::DEFAULT })
}

fn interval_ns(rate: &AdaptiveRate) -> u64 {
    rate.limiter.interval_ns()
}

/// A request as early as it may be, from `now` on: when that is, and the grant.
fn ask(rate: &mut AdaptiveRate, now: Instant) -> (Instant, Grant) {
    let at = now.max(rate.limiter.next_at());
    (at, rate.try_acquire(at).expect("it conforms"))
}

/// Uses all of the rate, always answered at once, for `span_ns`; when the last answer came.
fn use_up(rate: &mut AdaptiveRate, from: Instant, span_ns: u64) -> Instant {
    let (mut now, until) = (from, from.plus_ns(span_ns));
    // What catches up goes at once, and no rate is above a million a second.
    let mut at_most = span_ns / 1_000 + 100_000;
    while now < until {
        at_most = at_most.checked_sub(1).expect("a rate ends somewhere");
        let (at, grant) = ask(rate, now);
        rate.on_success(at, grant);
        now = at;
    }
    now
}

/// So many answers and refusals of one flight, refusals last.
fn flight(rate: &mut AdaptiveRate, now: Instant, good: u32, refused: u32) {
    let cuts = rate.adaptation.cuts;
    (0..good).for_each(|_| rate.on_success(now, Grant { taken_at: now, cuts }));
    (0..refused).for_each(|_| rate.on_throttled(now, Grant { taken_at: now, cuts }, None));
}

/// By how many sixteenths the interval of a rate of 100/s grows from these answers and refusals of one flight. What the
/// answers alone do is left out.
fn cut_of(good: u32, refused: u32) -> u64 {
    let mut rate = seeking(100);
    flight(&mut rate, START, good, 0);
    let before_ns = interval_ns(&rate);
    flight(&mut rate, START, 0, refused);
    ((interval_ns(&rate) - before_ns) * 16 + before_ns / 2) / before_ns
}

#[test]
fn the_defaults_are_what_their_docs_say() {
    let AdaptiveRateConfig { kind, start, floor, ceiling, catch_up } = AdaptiveRateConfig::DEFAULT;
    assert_eq!(kind, AdaptiveKind::Seeking { tolerance: 32 });
    assert_eq!([start, floor, ceiling].map(|rate| rate.count), [50, 1, 1_000_000]);
    assert_eq!(catch_up, Duration::from_millis(16));
    let AdaptiveRateConfig { kind, start, floor, ceiling, catch_up: _ } = AdaptiveRateConfig::AIMD;
    assert_eq!(kind, AdaptiveKind::Aimd);
    assert_eq!([start, floor, ceiling].map(|rate| rate.count), [10, 1, 1_000]);
    // The spans that the module's page gives in rounded numbers.
    assert_eq!(
        (REST_NS / 10_000_000, GATHER_NS_MAX / 1_000_000, (u64::from(STEP) << GATHER_SHIFT) / 1_000_000),
        (107, 67, 134)
    );
}

#[test]
fn before_the_first_cut_it_grows_by_a_factor_of_e_in_2_1_seconds() {
    for start in [20, 50, 1_000] {
        let mut rate = seeking(start);
        let before_ns = interval_ns(&rate);
        use_up(&mut rate, START, 1 << 31);
        // 16 steps of 1/16 are 2.81, and not 2.72; the last step may be under way.
        let tenths = before_ns * 10 / interval_ns(&rate);
        assert!((25..=29).contains(&tenths), "from {start}/s: {tenths} tenths");
    }
}

#[test]
fn below_the_last_cut_it_goes_towards_it_by_a_factor_of_e_in_4_3_seconds() {
    let mut rate = seeking(100);
    flight(&mut rate, START, 0, 2);
    let cut_ns = rate.adaptation.cut_interval_ns();
    assert!(cut_ns.abs_diff(SECOND_NS / 100) <= SECOND_NS / 100_000, "kept to a thousandth: {cut_ns}");
    assert_eq!(interval_ns(&rate), SECOND_NS / 50);
    let rested = START.plus_ns(REST_NS);
    use_up(&mut rate, rested, 1 << 32);
    let left = (interval_ns(&rate) - cut_ns) * 100 / cut_ns;
    // 1/e is 37 %; the small term that takes it across has added to that.
    assert!((25..=37).contains(&left), "{left} % of the way are left");
    use_up(&mut rate, rested.plus_ns(1 << 32), 20 * SECOND_NS);
    assert!(interval_ns(&rate) < cut_ns, "it never crosses the last cut");
}

#[test]
fn above_the_last_cut_it_grows_carefully_and_then_bolder() {
    let mut rate = seeking(100);
    // A refusal at twice this rate, long ago.
    rate.adaptation.cut_interval = Compact::of(SECOND_NS / 50);
    let mut steps = std::vec::Vec::new();
    let mut now = START;
    for _ in 0..10_000 {
        let before_ns = interval_ns(&rate);
        now = use_up(&mut rate, now, 1);
        if steps.len() < 48 && interval_ns(&rate) != before_ns {
            steps.push(before_ns / (before_ns - interval_ns(&rate)));
        }
    }
    assert_eq!(steps.len(), 48, "it stopped growing after {steps:?}");
    // About t·128 / 2^17 at first, then each eight steps twice that, down to 2^12.
    let sizes = [0, 8, 16, 24, 32, 40, 47].map(|step| steps[step]);
    for (size, expected) in sizes.into_iter().zip([1_024, 512, 256, 128, 64, 32, 32]) {
        assert!((expected * 9 / 10..=expected).contains(&size), "one part in {size}, expected {expected}: {steps:?}");
    }
}

#[test]
fn it_stays_bold_for_as_long_as_nothing_is_refused() {
    let mut rate = rate_of_one();
    rate.adaptation.cut_interval = Compact::of(2 * SECOND_NS);
    let (mut now, mut steps) = (START, 0);
    for _ in 0..1_000_000 {
        if steps == 280 {
            return;
        }
        let before_ns = interval_ns(&rate);
        now = use_up(&mut rate, now, 1);
        let grown_ns = before_ns - interval_ns(&rate);
        if let Some(part) = before_ns.checked_div(grown_ns) {
            steps += 1;
            assert!(steps <= 40 || part <= 32, "step {steps} is one part in {part}");
        }
    }
    panic!("it stopped growing at step {steps}");
}

#[test]
fn each_134_ms_of_use_are_a_step() {
    let mut rate = rate_of_one();
    let before_ns = interval_ns(&rate);
    flight(&mut rate, START, 1, 0);
    assert_eq!(interval_ns(&rate), before_ns, "one answer is worth 67 ms at most");
    flight(&mut rate, START, 1, 0);
    assert!(interval_ns(&rate) < before_ns);
}

#[test]
fn growth_follows_use() {
    let mut rate = seeking(50);
    let before_ns = interval_ns(&rate);
    // One request a minute for an hour: 60 times 20 ms of use, which is nine steps, and not 60 minutes.
    for minute in 0..60 {
        let (at, grant) = ask(&mut rate, START.plus_ns(minute * 60 * SECOND_NS));
        rate.on_success(at, grant);
    }
    assert!(before_ns < interval_ns(&rate) * 2, "a client that rests has learnt something");
    // A slow rate gathers at most 67 ms for each answer: 15 a second is where that begins to matter.
    let mut slow = rate_of_one();
    let before_ns = interval_ns(&slow);
    use_up(&mut slow, START, 10 * SECOND_NS);
    let percent = interval_ns(&slow) * 100 / before_ns;
    assert!((65..=75).contains(&percent), "10 s at one a second leave {percent} % of the interval");
}

fn rate_of_one() -> AdaptiveRate {
    seeking(1)
}

#[test]
fn a_cut_is_as_large_as_its_evidence() {
    assert_eq!(cut_of(60, 2), 1, "just more than one in 32");
    assert_eq!(cut_of(16, 2), 1, "one eighth");
    assert_eq!(cut_of(15, 2), 4);
    assert_eq!(cut_of(4, 2), 4, "one half");
    assert_eq!(cut_of(3, 2), 8);
    assert_eq!(cut_of(1, 2), 8, "twice");
    assert_eq!(cut_of(0, 2), 16);
}

#[test]
fn what_came_during_the_rest_decides_how_large_the_next_cut_is() {
    for (good, refused, sixteenths) in [(24, 3, 1), (23, 3, 4), (6, 3, 4), (5, 3, 8), (2, 3, 8), (1, 3, 16)] {
        let mut rate = seeking(100);
        flight(&mut rate, START, 0, 2);
        let before_ns = interval_ns(&rate);
        flight(&mut rate, START.plus_ns(REST_NS - 1), good, refused - 1);
        flight(&mut rate, START.plus_ns(REST_NS), 0, 1);
        assert_eq!((interval_ns(&rate) - before_ns) * 16 / before_ns, sixteenths, "{refused} refused, {good} accepted");
    }
}

#[test]
fn the_first_cut_does_not_wait_for_a_rest_at_the_origin_of_time() {
    let mut rate = seeking(100);
    flight(&mut rate, Instant::from_nanos(1), 0, 2);
    assert_eq!(interval_ns(&rate), SECOND_NS / 50);
}

#[test]
fn a_single_refusal_and_a_tolerated_share_do_not_cut() {
    assert_eq!(cut_of(0, 1), 0, "one refusal may be anything");
    assert_eq!(cut_of(64, 2), 0, "one beside 32 is put up with");
    assert_eq!(cut_of(63, 2), 1, "a little more than that is not");
}

#[test]
fn old_evidence_fades() {
    let mut rate = seeking(100);
    flight(&mut rate, START, 0, 1);
    let before_ns = interval_ns(&rate);
    flight(&mut rate, START, 600, 0);
    let grown_ns = interval_ns(&rate);
    flight(&mut rate, START, 0, 1);
    assert!(grown_ns < before_ns);
    assert_eq!(interval_ns(&rate), grown_ns, "a refusal 600 answers ago still counts");
}

#[test]
fn of_256_answers_half_are_forgotten() {
    let mut rate = seeking(100);
    flight(&mut rate, START, 256, 0);
    let grown_ns = interval_ns(&rate);
    flight(&mut rate, START, 0, 4);
    assert_eq!(interval_ns(&rate), grown_ns, "4 beside 128 are one beside 32");
    flight(&mut rate, START, 0, 1);
    assert!(interval_ns(&rate) > grown_ns, "5 beside 128 are more");
}

#[test]
fn a_flight_cuts_once() {
    for config in [AdaptiveRateConfig::DEFAULT, AdaptiveRateConfig::AIMD] {
        let mut rate = rate(AdaptiveRateConfig { start: Rate::per_second(100), ..config });
        flight(&mut rate, START, 0, 50);
        assert_eq!(interval_ns(&rate), SECOND_NS / 50, "{:?}: 50 refusals of one flight", config.kind);
    }
}

#[test]
fn a_refusal_that_costs_a_wait_always_counts_and_by_the_time_that_it_costs() {
    let wait = Duration::from_secs(2);
    let refused_at = |rate: &mut AdaptiveRate, now: Instant, good: u32| {
        flight(rate, now, good, 0);
        let (before_ns, cuts) = (interval_ns(rate), rate.adaptation.cuts);
        (0..5).for_each(|_| rate.on_throttled(now, Grant { taken_at: now, cuts }, Some(wait)));
        ((interval_ns(rate) - before_ns) * 16 + before_ns / 2) / before_ns
    };
    // Sixteenths by which the interval grows, where the last wait began so long ago.
    for (since_ms, good, sixteenths) in
        [(2_000, 1, 8), (2_499, 1, 8), (2_500, 1, 4), (3_999, 200, 4), (4_000, 0, 1), (60_000, 200, 1)]
    {
        let mut rate = seeking(100);
        assert_eq!(refused_at(&mut rate, START, 200), 1, "the first, of five that came together");
        let now = START.plus_ns(since_ms * 1_000_000);
        assert_eq!(refused_at(&mut rate, now, good), sixteenths, "{since_ms} ms later");
    }
    // At most one in 1.07 s, or in a wait that is shorter than that.
    for (wait_ms, since_ms, cuts) in [(2_000, 1_073, false), (2_000, 1_074, true), (500, 499, false), (500, 500, true)]
    {
        let mut rate = seeking(100);
        let wait = Some(Duration::from_millis(wait_ms));
        rate.on_throttled(START, Grant { taken_at: START, cuts: 0 }, wait);
        let before_ns = interval_ns(&rate);
        let now = START.plus_ns(since_ms * 1_000_000);
        rate.on_throttled(now, Grant { taken_at: now, cuts: 1 }, wait);
        assert_eq!(interval_ns(&rate) > before_ns, cuts, "{since_ms} ms after one that costs {wait_ms} ms");
    }
}

#[test]
fn what_was_sent_before_a_cut_changes_nothing() {
    let mut rate = seeking(100);
    let (_, old) = ask(&mut rate, START);
    let (at, older) = ask(&mut rate, START);
    flight(&mut rate, at, 0, 2);
    let after = (interval_ns(&rate), rate.adaptation.good, rate.adaptation.refused, rate.adaptation.gathered);
    rate.on_success(at.plus_ns(5 * SECOND_NS), old);
    rate.on_throttled(at.plus_ns(5 * SECOND_NS), older, None);
    let later = (interval_ns(&rate), rate.adaptation.good, rate.adaptation.refused, rate.adaptation.gathered);
    assert_eq!(after, later);
}

#[test]
fn cuts_are_1_07_s_apart_and_nothing_grows_in_between() {
    let mut rate = seeking(100);
    flight(&mut rate, START, 0, 2);
    let cut_ns = interval_ns(&rate);
    flight(&mut rate, START.plus_ns(REST_NS - 1), 0, 50);
    assert_eq!(interval_ns(&rate), cut_ns, "a second cut within the rest");
    flight(&mut rate, START.plus_ns(REST_NS - 1), 50, 0);
    assert_eq!(interval_ns(&rate), cut_ns, "growth within the rest");
    flight(&mut rate, START.plus_ns(REST_NS), 0, 1);
    // 51 refused of 50 accepted: half as much again.
    assert_eq!(interval_ns(&rate), cut_ns * 3 / 2, "what came meanwhile counts when the rest is over");
    let cut_ns = interval_ns(&rate);
    flight(&mut rate, START.plus_ns(2 * REST_NS), 50, 0);
    assert!(interval_ns(&rate) < cut_ns, "growth when the rest is over");
}

#[test]
fn a_cut_spends_the_burst() {
    let mut rate = seeking(1_000);
    flight(&mut rate, START, 0, 2);
    let interval = interval_ns(&rate);
    assert_eq!(rate.try_acquire(START).expect_err("the burst is spent"), START.plus_ns(interval));
}

#[test]
fn it_never_leaves_its_bounds() {
    for kind in [AdaptiveKind::Seeking { tolerance: 32 }, AdaptiveKind::Aimd] {
        let (floor, ceiling) = (Rate::per_second(10), Rate::per_second(200));
        let config = AdaptiveRateConfig { kind, floor, ceiling, ..AdaptiveRateConfig::DEFAULT };
        let mut rate = rate(config);
        let mut now = use_up(&mut rate, START, 60 * SECOND_NS);
        assert_eq!(interval_ns(&rate), SECOND_NS / 200, "{kind:?}");
        for _ in 0..20 {
            now = now.plus_ns(2 * SECOND_NS);
            flight(&mut rate, now, 0, 2);
        }
        assert_eq!(interval_ns(&rate), SECOND_NS / 10, "{kind:?}");
    }
}

#[test]
fn a_floor_is_kept_in_whole_milliseconds_rounded_up() {
    let config = AdaptiveRateConfig { floor: Rate::per_second(3), ..AdaptiveRateConfig::DEFAULT };
    let mut rate = rate(config);
    (1..20).for_each(|second| flight(&mut rate, START.plus_ns(second * 2 * SECOND_NS), 0, 2));
    assert_eq!(interval_ns(&rate), 334_000_000);
}

#[test]
fn the_multiplicative_kind_goes_from_10_to_11_after_more_than_10_successes() {
    let mut rate = rate(AdaptiveRateConfig::AIMD);
    // Hundredths of a request per second.
    let speed = |rate: &AdaptiveRate| 100 * SECOND_NS / interval_ns(rate);
    let mut speeds = std::vec![speed(&rate)];
    for _ in 0..4 {
        let before = speed(&rate);
        flight(&mut rate, START, 10, 0);
        assert_eq!(speed(&rate), before, "10 successes are not more than 10");
        flight(&mut rate, START, 1, 0);
        speeds.push(speed(&rate));
    }
    assert_eq!(speeds, [1_000, 1_100, 1_210, 1_331, 1_464], "10, 11, 12.1, 13.3, 14.6");
    flight(&mut rate, START, 10, 1);
    assert_eq!(speed(&rate), 732, "halved, and the ten successes before are forgotten");
    flight(&mut rate, START, 10, 0);
    assert_eq!(speed(&rate), 732);
}

#[test]
fn timers_that_fire_16_ms_late_cost_no_rate() {
    let mut rate = seeking(1_000);
    let (first, _) = ask(&mut rate, START);
    let late = first.plus_ns(SECOND_NS);
    let at_once = core::iter::from_fn(|| rate.try_acquire(late).ok()).count();
    assert_eq!(at_once, 17, "the 16 that 16 ms are worth, and the one that is due");
    let mut rate = seeking(50);
    let (first, _) = ask(&mut rate, START);
    let late = first.plus_ns(SECOND_NS);
    let at_once = core::iter::from_fn(|| rate.try_acquire(late).ok()).count();
    assert_eq!(at_once, 1, "16 ms are not worth one at 50 a second");
}

#[test]
fn a_pause_and_a_refund_pass_through_to_the_limiter() {
    let mut rate = seeking(1_000);
    rate.pause_until(Instant::from_secs(200));
    assert_eq!(rate.try_acquire(START).expect_err("paused"), Instant::from_secs(200));
    let (at, grant) = ask(&mut rate, START);
    let next = rate.limiter.next_at();
    rate.refund(grant);
    assert!(rate.limiter.next_at() < next, "nothing was given back at {at:?}");
}

#[test]
fn what_was_learnt_before_counts_only_where_it_is_stricter() {
    let (mut limiter, mut adaptation) = Adaptation::new(AdaptiveRateConfig::DEFAULT).expect("valid");
    adaptation.restore(START, &mut limiter, SECOND_NS / 1_000, SECOND_NS / 900);
    assert_eq!((limiter.interval_ns(), adaptation.cut_interval_ns()), (SECOND_NS / 50, 0), "faster: learnt again");
    adaptation.restore(START, &mut limiter, SECOND_NS / 50, SECOND_NS / 900);
    assert_eq!((limiter.interval_ns(), adaptation.cut_interval_ns()), (SECOND_NS / 50, 0), "nor is the same stricter");
    adaptation.restore(START, &mut limiter, SECOND_NS / 20, SECOND_NS / 25);
    let kept = Compact::of(SECOND_NS / 25).get();
    assert_eq!((limiter.interval_ns(), adaptation.cut_interval_ns()), (SECOND_NS / 20, kept));
    adaptation.restore(START, &mut limiter, u64::MAX, u64::MAX);
    assert_eq!(
        (limiter.interval_ns(), adaptation.cut_interval_ns()),
        (SECOND_NS, Compact::of(SECOND_NS).get()),
        "cut to the floor"
    );
}

#[test]
fn other_settings_take_no_account_of_what_was_sent_under_the_old_ones() {
    let mut old = seeking(50);
    let (_, grant) = ask(&mut old, START);
    let (mut limiter, adaptation) = Adaptation::new(AdaptiveRateConfig::DEFAULT).expect("valid");
    let mut new = adaptation.succeeding(Some(&old.adaptation));
    let before = new.clone();
    new.on_throttled(START, &mut limiter, grant.cuts, 0);
    assert_eq!(new, before);
}

#[test]
fn where_no_rate_adapted_before_what_was_sent_then_does_not_cut() {
    let (mut limiter, adaptation) = Adaptation::new(AdaptiveRateConfig::DEFAULT).expect("valid");
    let mut new = adaptation.succeeding(None);
    // As the gate notes it on its tickets while it has no such rate.
    let cuts_of_none = 0;
    (0..10).for_each(|_| new.on_throttled(START, &mut limiter, cuts_of_none, 0));
    assert_eq!(limiter.interval(), Duration::from_millis(20));
}

#[test]
fn time_running_backwards_admits_nothing_and_neither_cuts_nor_grows() {
    let mut rate = seeking(100);
    let (at, _) = ask(&mut rate, START);
    assert!(rate.try_acquire(Instant::ORIGIN).is_err());
    flight(&mut rate, at, 0, 2);
    let cut_ns = interval_ns(&rate);
    let earlier = Instant::from_secs(1);
    flight(&mut rate, earlier, 100, 0);
    flight(&mut rate, earlier, 0, 50);
    assert_eq!(interval_ns(&rate), cut_ns);
    assert!(rate.try_acquire(earlier).is_err());
}

#[test]
fn any_order_of_anything_leaves_it_within_bounds() {
    use crate::entropy::Entropy;
    for seed in 0..200 {
        let kind = if seed % 2 == 0 { AdaptiveKind::Aimd } else { AdaptiveKind::Seeking { tolerance: 1 + seed as u8 } };
        let mut rate = rate(AdaptiveRateConfig { kind, ..AdaptiveRateConfig::DEFAULT });
        let mut grants = std::vec::Vec::new();
        for step in 0..400 {
            let entropy = Entropy::mix(seed, step, 0);
            // Anywhere within a quarter of an hour, in any order.
            let now = Instant::from_nanos(entropy.derive(1).up_to(900 * SECOND_NS));
            match entropy.up_to(3) {
                0 => grants.extend(rate.try_acquire(now)),
                1 => grants.pop().into_iter().for_each(|grant| rate.on_success(now, grant)),
                2 => grants.pop().into_iter().for_each(|grant| rate.on_throttled(now, grant, None)),
                _ => flight(&mut rate, now, entropy.derive(2).up_to(300) as u32, entropy.derive(3).up_to(3) as u32),
            }
            let interval_ns = interval_ns(&rate);
            assert!((1_000..=SECOND_NS).contains(&interval_ns), "seed {seed}, step {step}: {interval_ns} ns");
        }
    }
}

#[test]
fn nonsense_is_rejected_with_what_to_change() {
    let error = |config| AdaptiveRate::new(config).map(drop).expect_err("nonsense");
    let base = AdaptiveRateConfig::DEFAULT;
    let every = |seconds| Rate { count: 1, period: Duration::from_secs(seconds) };
    let none = AdaptiveRateConfig { start: Rate::per_second(0), ..base };
    assert_eq!(error(none), AdaptiveRateError::Rate(RateConfigError::CountIsZero));
    let too_slow = AdaptiveRateConfig { floor: Rate::per_second(51), ..base };
    let too_fast = AdaptiveRateConfig { ceiling: Rate::per_second(49), ..base };
    assert_eq!([error(too_slow), error(too_fast)], [AdaptiveRateError::OutOfOrder; 2]);
    assert_eq!(error(AdaptiveRateConfig { floor: every(61), ..base }), AdaptiveRateError::FloorTooLow);
    let crawling = AdaptiveRateConfig { start: every(5), floor: every(60), ceiling: every(5), ..base };
    assert_eq!(error(crawling), AdaptiveRateError::CeilingTooLow);
    let kind = AdaptiveKind::Seeking { tolerance: 0 };
    assert_eq!(error(AdaptiveRateConfig { kind, ..base }), AdaptiveRateError::ToleranceIsZero);
    let catch_up = Duration::from_secs(61);
    assert_eq!(error(AdaptiveRateConfig { catch_up, ..base }), AdaptiveRateError::CatchUpTooLong);
    assert!(AdaptiveRate::new(AdaptiveRateConfig { catch_up: Duration::from_secs(60), ..base }).is_ok());
}

#[test]
fn the_first_refusal_that_names_a_wait_cuts_by_a_sixteenth_however_early_it_comes() {
    for now in [Instant::ORIGIN, Instant::from_secs(1), START] {
        let mut rate = seeking(100);
        let before_ns = interval_ns(&rate);
        let grant = Grant { taken_at: now, cuts: rate.adaptation.cuts };
        rate.on_throttled(now, grant, Some(Duration::from_secs(30)));
        assert_eq!(interval_ns(&rate), before_ns + before_ns / 16, "{now:?}");
    }
}
