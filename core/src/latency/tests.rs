extern crate std;
use super::*;
use std::{format, string::ToString, vec::Vec};

const DEFAULT: LatencyConfig = LatencyConfig::DEFAULT;
const CELLS: usize = DEFAULT.cells();

fn buckets() -> LatencyBuckets<CELLS> {
    LatencyBuckets::new(DEFAULT).expect("a valid config")
}

struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 31
    }
}

#[test]
fn the_number_of_cells_for_the_default_range_is_as_documented() {
    let cells = |resolution| LatencyConfig { resolution, ..DEFAULT }.cells();
    assert_eq!(cells(Resolution::Quarter), 65);
    assert_eq!(cells(Resolution::Eighth), 96);
    assert_eq!(cells(Resolution::Sixteenth), 207);
    assert_eq!(cells(Resolution::ThirtySecond), 430);
    // With eight equal cells per octave: 1,000,000 ns are in the 8th of octave 19, 60 s in the 6th of octave 35.
    let equal = |ns: u64| 8 * u64::from(ns.ilog2()) + ((ns >> (ns.ilog2() - 3)) & 7);
    assert_eq!(equal(60_000_000_000) - equal(1_000_000) + 1, 127);
}

#[test]
fn nonsense_is_refused_with_a_message_that_says_what_to_change() {
    let ns = Duration::from_nanos;
    let cases = [
        (DEFAULT.resolution, ns(32_767), DEFAULT.highest, "lowest is 32.767µs: make it at least 32.768µs"),
        (
            DEFAULT.resolution,
            DEFAULT.lowest,
            ns(1_000_000_000_001),
            "highest is 1000.000000001s: make it at most 1000s",
        ),
        (
            DEFAULT.resolution,
            DEFAULT.highest,
            DEFAULT.lowest,
            "lowest is 60s and highest 1ms: make lowest the smaller one",
        ),
        (
            Resolution::Sixteenth,
            DEFAULT.lowest,
            DEFAULT.highest,
            "CELLS is 96: this range and resolution need CELLS = 207",
        ),
    ];
    for (resolution, lowest, highest, text) in cases {
        let config = LatencyConfig { resolution, lowest, highest };
        assert_eq!(LatencyBuckets::<CELLS>::new(config).expect_err(text).to_string(), text);
    }
    let point = LatencyConfig { highest: DEFAULT.lowest, ..DEFAULT };
    assert_eq!(point.cells(), 1, "a range of one latency is a range");
    let reversed = LatencyConfig { lowest: DEFAULT.highest, highest: DEFAULT.lowest, ..DEFAULT };
    assert_eq!(reversed.cells(), 0, "and no number of cells is named for a range that is refused");
    assert!(LatencyConfig { highest: Duration::MAX, ..DEFAULT }.check().is_err());
}

#[test]
fn the_widest_range_works_at_the_finest_resolution() {
    const WIDEST: LatencyConfig = LatencyConfig {
        resolution: Resolution::ThirtySecond,
        lowest: Duration::from_nanos(LOWEST_NS_MIN),
        highest: Duration::from_nanos(HIGHEST_NS_MAX),
    };
    let mut wide = LatencyBuckets::<{ WIDEST.cells() }>::new(WIDEST).expect("a valid config");
    let mut words = Words(1);
    for _ in 0..10_000 {
        let ns = (words.next() % HIGHEST_NS_MAX) >> (words.next() % 25);
        let latency = Duration::from_nanos(ns.max(LOWEST_NS_MIN));
        wide.clear();
        wide.record(latency);
        let reported = wide.view().quantile(Quantile::P50).expect("one was recorded");
        assert!(reported >= latency && (reported - latency) * 32 < latency, "{latency:?} came back as {reported:?}");
        assert_eq!((wide.view().below(), wide.view().above()), (0, 0), "{latency:?}");
    }
}

#[test]
fn nothing_comes_from_nothing() {
    let empty = buckets();
    let seen = empty.view();
    assert_eq!((seen.count(), seen.below(), seen.above()), (0, 0, 0));
    assert_eq!((seen.min(), seen.mean(), seen.max(), seen.quantile(Quantile::P99)), (None, None, None, None));
    assert_eq!(format!("{empty:?}"), "Latencies { count: 0, p50: None, p99: None, max: None }");
}

#[test]
fn a_quantile_is_never_below_the_true_one_and_at_most_an_eighth_above() {
    for seed in 0..60 {
        let mut words = Words(seed);
        let count = 1 + words.next() % 2_000;
        let (mut counted, mut list) = (buckets(), Vec::new());
        for _ in 0..count {
            // Spread over the octaves of the range like real latencies, not evenly.
            let ns = (1_000_000 + ((words.next() % 59_000_000_000) >> (words.next() % 16))).min(60_000_000_000);
            counted.record(Duration::from_nanos(ns));
            list.push(ns);
        }
        list.sort_unstable();
        for parts in [0, 1, 100, 2_500, 5_000, 9_000, 9_500, 9_900, 9_990, 9_999, 10_000, u16::MAX] {
            let share = usize::from(parts.min(10_000));
            let rank = (share * list.len()).div_ceil(10_000).max(1);
            let truth = list[rank - 1];
            let reported = counted.view().quantile(Quantile::per_10_000(parts)).expect("not empty");
            let reported = u64::try_from(reported.as_nanos()).expect("within the range");
            assert!(
                truth <= reported && (reported - truth) * 8 < truth,
                "seed {seed}, {parts} of 10,000: true {truth} ns, reported {reported} ns"
            );
        }
    }
}

#[test]
fn mean_and_extremes_do_not_suffer_from_the_cells() {
    for seed in 0..20 {
        let mut words = Words(seed);
        let (mut counted, mut list) = (buckets(), Vec::new());
        for _ in 0..1_000 {
            let ns = words.next() % 80_000_000_000;
            counted.record(Duration::from_nanos(ns));
            list.push(ns);
        }
        let mean = list.iter().sum::<u64>() / 1_000;
        let seen = |span: Option<Duration>| u64::try_from(span.expect("not empty").as_nanos()).expect("short");
        assert!(seen(counted.view().mean()).abs_diff(mean) <= 128, "seed {seed}: mean {mean}");
        let (min, max) = (*list.iter().min().expect("some"), *list.iter().max().expect("some"));
        assert!((0..256).contains(&(min - seen(counted.view().min()))), "seed {seed}: min {min}");
        assert!((0..256).contains(&(seen(counted.view().max()) - max)), "seed {seed}: max {max}");
    }
}

#[test]
fn latencies_beyond_the_range_are_counted_and_not_lost() {
    let mut counted = buckets();
    for latency in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(900)] {
        counted.record(latency);
    }
    // The last but one is zero in its lower 32 bits.
    for seconds in [70, 1_099, 1_100, 1 << 32] {
        counted.record(Duration::from_secs(seconds));
    }
    counted.record(Duration::MAX);
    let seen = counted.view();
    assert_eq!((seen.count(), seen.below(), seen.above()), (8, 3, 5));
    assert_eq!(seen.min(), Some(Duration::ZERO));
    assert_eq!(seen.max(), Some(Duration::from_nanos((1 << 40) - 1)), "1,099.51 s");
    // The ends of the range themselves are inside it, and shorter and longer ones come back as the bounds say.
    assert!(seen.quantile(Quantile::per_10_000(1)).expect("some") >= Duration::from_millis(1));
    assert_eq!(seen.quantile(Quantile::P90), seen.max());
    let mut all_time = buckets();
    all_time.record_since(Instant::MAX, Instant::ORIGIN);
    assert_eq!(all_time.view().max(), seen.max());
    all_time.record_since(Instant::ORIGIN, Instant::MAX);
    assert_eq!(all_time.view().min(), Some(Duration::ZERO), "before it began");
    // One that is beyond the range does not spoil the quantiles of the others.
    let mut mostly = buckets();
    mostly.record(Duration::from_millis(10));
    mostly.record(Duration::from_millis(20));
    mostly.record(Duration::from_secs(70));
    assert_eq!(mostly.view().quantile(Quantile::P50).map(|median| median.as_millis()), Some(21));
    let mut ends = buckets();
    ends.record(DEFAULT.lowest);
    ends.record(DEFAULT.highest);
    assert_eq!((ends.view().below(), ends.view().above()), (0, 0));
}

#[test]
fn one_above_the_range_does_not_speak_for_those_in_the_highest_cell() {
    let (within, beyond) = (Duration::from_secs(59), Duration::from_secs(900));
    let mut counted = buckets();
    (0..99).for_each(|_| counted.record(within));
    counted.record(beyond);
    let reported = |parts| counted.view().quantile(Quantile::per_10_000(parts)).expect("not empty");
    for parts in [1, 5_000, 9_900] {
        let reported = reported(parts);
        assert!(within <= reported && (reported - within) * 8 < within, "{parts} of 10,000: {reported:?}");
    }
    assert_eq!(Some(reported(9_901)), counted.view().max(), "the hundredth of a hundred");
}

#[test]
fn in_a_full_highest_cell_no_quantile_is_below_the_true_one() {
    let mut full = buckets();
    (0..40_000).for_each(|_| full.record(Duration::from_secs(59)));
    (0..40_000).for_each(|_| full.record(Duration::from_secs(900)));
    assert_eq!(full.view().quantile(Quantile::per_10_000(5_001)), full.view().max(), "40,008th of 80,000");
}

#[test]
fn merging_is_as_if_all_had_been_recorded_in_one_place() {
    let mut words = Words(9);
    let (mut one, mut other, mut both) = (buckets(), buckets(), buckets());
    for _ in 0..1_000 {
        let latency = Duration::from_nanos(words.next() % (1 << (10 + words.next() % 30)));
        if words.next() & 1 == 0 {
            one.record(latency)
        } else {
            other.record(latency)
        }
        let started = Instant::from_secs(words.next() % 1_000_000);
        both.record_since(started.saturating_add(latency), started);
    }
    one.merge(&other).expect("the same range");
    assert_eq!(one.cells, both.cells);
    let numbers = |counted: &LatencyBuckets<CELLS>| {
        let seen = counted.view();
        (seen.count(), seen.below(), seen.above(), seen.min(), seen.mean(), seen.max(), seen.quantile(Quantile::P99))
    };
    assert_eq!(numbers(&one), numbers(&both));
    one.merge(&buckets()).expect("the same range");
    assert_eq!(numbers(&one), numbers(&both), "merging nothing changes nothing");
    one.clear();
    assert_eq!(numbers(&one), numbers(&buckets()));
}

#[test]
fn buckets_of_another_range_are_not_merged() {
    // As many cells, but one octave lower.
    let lower = LatencyConfig { lowest: Duration::from_micros(500), highest: Duration::from_secs(30), ..DEFAULT };
    let mut lower = LatencyBuckets::<CELLS>::new(lower).expect("a valid config");
    lower.record(Duration::from_secs(1));
    let mut counted = buckets();
    assert_eq!(counted.merge(&lower), Err(RangesDiffer));
    assert_eq!(counted.view().count(), 0);
}

#[test]
fn full_counters_stop_and_nothing_else_suffers() {
    let mut full = buckets();
    let common = Duration::from_millis(10);
    for _ in 0..70_000 {
        full.record(common);
    }
    full.record(Duration::from_secs(50));
    assert_eq!(full.cells.iter().max(), Some(&65_535));
    assert_eq!(full.view().count(), 70_001, "the total goes on");
    assert_eq!(full.view().max().map(|max| max.as_secs()), Some(50));
    assert_eq!(full.view().quantile(Quantile::per_10_000(10_000)).map(|max| max.as_secs()), Some(50));
    let one = full.view().mean();
    // Doubled 15 times it is 2.3 thousand million latencies, the most that fits.
    for _ in 0..15 {
        let half = full.clone();
        full.merge(&half).expect("the same range");
    }
    assert_eq!(full.view().count(), 70_001 << 15);
    assert_eq!(full.view().mean(), one);
    for _ in 0..70 {
        let half = full.clone();
        full.merge(&half).expect("the same range");
    }
    assert_eq!(full.cells.iter().max(), Some(&65_535));
    assert_eq!(full.view().count(), u32::MAX);
    full.record(common);
    assert_eq!(full.view().count(), u32::MAX);
}
