//! What a server says is left of what it allows.

use std::collections::BTreeMap;

use super::*;

/// A server with a quota for each window of ten seconds that tells it in every answer.
struct Server {
    limit: u32,
    used: u32,
    window: u64,
    refused: u32,
    accepted: u32,
}

const WINDOW_S: u64 = 10;

impl Server {
    fn new(limit: u32) -> Self {
        Self { limit, used: 0, window: 0, refused: 0, accepted: 0 }
    }

    fn answer(&mut self, now: Instant) -> (Outcome, Quota) {
        let since = now.saturating_since(START);
        let window = since.as_secs() / WINDOW_S;
        if window != self.window {
            (self.window, self.used) = (window, 0);
        }
        let outcome = if self.used < self.limit {
            self.used += 1;
            self.accepted += 1;
            Outcome::Success
        } else {
            self.refused += 1;
            Outcome::Throttled { retry_after: None }
        };
        let resets_in = Duration::from_secs((window + 1) * WINDOW_S) - since;
        (outcome, Quota { remaining: self.limit - self.used, limit: Some(self.limit), resets_in })
    }
}

/// Plays a client that always has more to ask for against a server that is between two latencies away, for five windows.
fn play(gate: &mut Gate, server: &mut Server, latency_ms: (u64, u64), seed: u64) {
    let mut drawn = 0;
    let mut half = || {
        drawn += 1;
        let spread_ms = Entropy::mix(seed, drawn, 0).up_to(latency_ms.1 - latency_ms.0);
        Duration::from_micros((latency_ms.0 + spread_ms) * 500)
    };
    // Each request reaches the server after half a latency and is answered after half of another: out of order.
    let mut answers: BTreeMap<(Instant, u32), (Ticket, Outcome, Quota)> = BTreeMap::new();
    let mut arrivals: BTreeMap<(Instant, u32), Ticket> = BTreeMap::new();
    let (mut now, mut sent) = (START, 0);
    while now < secs(5 * WINDOW_S) {
        while let Some(first) = arrivals.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, number), ticket) = first.remove_entry();
            let (outcome, quota) = server.answer(at);
            answers.insert((at.saturating_add(half()), number), (ticket, outcome, quota));
        }
        while let Some(first) = answers.first_entry().filter(|first| first.key().0 <= now) {
            let (ticket, outcome, quota) = first.remove();
            gate.observe_quota(now, quota);
            gate.settle(now, ticket, outcome, ENTROPY);
        }
        while let Admission::Go(ticket) = gate.poll(now, Try::First) {
            sent += 1;
            arrivals.insert((now.saturating_add(half()), sent), ticket);
        }
        now = now.saturating_add(Duration::from_millis(1));
    }
}

#[test]
fn with_little_left_it_paces_before_a_429_comes_and_uses_what_there_is() {
    for limit in [10, 100, 1_000] {
        for concurrency in [1, 10, 50] {
            for (latency_ms, seed) in [((10, 10), 0), ((400, 400), 0), ((5, 80), 1), ((5, 80), 2), ((50, 800), 3)] {
                let mut gate = gate(GateConfig { limit: LimitConfig::fixed(concurrency), ..PLAIN });
                let mut server = Server::new(limit);
                play(&mut gate, &mut server, latency_ms, seed);
                let said = std::format!("{limit} per window, {concurrency} at once, {latency_ms:?} ms");
                // At most what is in flight when a window begins without a word about it.
                let blind = u32::from(concurrency).saturating_sub(limit) * 5;
                assert!(server.refused <= blind + 2, "{said}: {} of {} refused", server.refused, server.accepted);
                let possible = (u32::from(concurrency) * 50_000 / latency_ms.1 as u32).min(limit * 5);
                assert!(server.accepted * 10 >= possible * 7, "{said}: {} of {possible}", server.accepted);
            }
        }
    }
}

#[test]
fn nothing_left_is_a_pause_until_there_is_more() {
    let mut gate = gate(PLAIN);
    gate.observe_quota(START, Quota { remaining: 0, limit: None, resets_in: Duration::from_secs(7) });
    let refused = gate.poll(START, Try::First);
    assert!(matches!(refused, Admission::Wait { until, why: Why::Paused { .. } } if until == secs(7)), "{refused:?}");
    let _back = go(&mut gate, secs(7), Try::First);
}

#[test]
fn what_is_left_is_spread_over_the_time_until_there_is_more() {
    let mut gate = gate(PLAIN);
    gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) });
    let mut admitted = std::vec::Vec::new();
    for now in (0..16_000).map(millis) {
        while admitted.len() < 10
            && let Admission::Go(ticket) = gate.poll(now, Try::First)
        {
            admitted.push(ticket.started());
        }
    }
    let (paced, free) = (admitted.get(..4).expect("four"), admitted.get(4..).expect("the rest"));
    assert_eq!(paced, [secs(2), secs(4), secs(6), secs(8)]);
    assert_eq!(free, [secs(8); 6], "the quota is whole again at 8 s");
}

#[test]
fn a_paced_refusal_says_at_which_interval() {
    let mut gate = gate(PLAIN);
    gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) });
    let Admission::Wait { why: Why::Rate { early_us, interval_us }, .. } = gate.poll(START, Try::First) else {
        panic!("little is left")
    };
    assert!([early_us, interval_us].iter().all(|micros| micros.abs_diff(2_000_000) <= 2_000));
}

#[test]
fn plenty_is_no_reason_to_wait_and_lifts_the_pace_once_it_is_about_a_later_reset() {
    let mut gate = gate(PLAIN);
    let plenty = Quota { remaining: 13, limit: Some(100), resets_in: Duration::from_secs(8) };
    gate.observe_quota(START, plenty);
    let _at_once = go(&mut gate, START, Try::First);
    gate.observe_quota(START, Quota { remaining: 12, limit: Some(100), resets_in: Duration::from_secs(8) });
    assert!(matches!(gate.poll(START, Try::First), Admission::Wait { .. }), "an eighth of 100 is little");
    gate.observe_quota(START, plenty);
    assert!(matches!(gate.poll(START, Try::First), Admission::Wait { .. }), "an older answer that comes later");
    gate.observe_quota(START, Quota { resets_in: Duration::from_secs(18), ..plenty });
    let paced_once = millis(667);
    let [_one, _two] = [(); 2].map(|()| go(&mut gate, paced_once, Try::First));
}

#[test]
fn a_word_is_about_a_later_reset_where_it_is_more_than_a_second_later() {
    let little = Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) };
    for (later_ms, lifts) in [(0, false), (1_000, false), (1_001, true)] {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, little);
        let resets_in = little.resets_in + Duration::from_millis(later_ms);
        gate.observe_quota(START, Quota { remaining: 50, resets_in, ..little });
        let _paced_once = go(&mut gate, secs(2), Try::First);
        assert_eq!(gate.peek(secs(2), Try::First).is_none(), lifts, "a reset {later_ms} ms later");
    }
}

#[test]
fn an_answer_that_was_overtaken_or_is_about_a_shorter_window_lifts_no_pace() {
    let admitted = |earlier: Quota, until_s: u64| {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(60) });
        gate.observe_quota(START, earlier);
        let instants = (0..until_s).flat_map(|at| [secs(at); 90]);
        instants.filter(|now| matches!(gate.poll(*now, Try::First), Admission::Go(_))).count()
    };
    let word = |remaining, secs| Quota { remaining, limit: Some(100), resets_in: Duration::from_secs(secs) };
    for earlier in [word(1, 1), word(4, 30), word(50, 1)] {
        assert_eq!(admitted(earlier, 59), 3, "{earlier:?}: one each 15 s");
    }
    assert_eq!(admitted(word(1, 30), 59), 2, "at 15 s, and 30 s later: the longer pace of both");
}

#[test]
fn a_word_is_about_the_same_reset_where_it_is_at_most_a_second_earlier() {
    for (earlier_ms, next_s) in [(0, 3), (1_000, 3), (1_001, 4)] {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) });
        // The last word about a window holds, also where more is left than it would be at the pace that was told before.
        let resets_in = Duration::from_millis(8_000 - earlier_ms);
        gate.observe_quota(START, Quota { remaining: 8, limit: Some(100), resets_in });
        let _first = go(&mut gate, secs(2), Try::First);
        let next = (2_001..8_000).find(|at| gate.peek(millis(*at), Try::First).is_none());
        assert!(next.is_some_and(|at| at.div_ceil(1_000) == next_s), "{earlier_ms} ms earlier: {next:?}");
    }
}

#[test]
fn little_left_of_the_next_window_is_spread_from_its_beginning() {
    let mut gate = gate(PLAIN);
    let little = Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) };
    for begin_s in [0, 8] {
        gate.observe_quota(secs(begin_s), little);
        let refused = gate.poll(secs(begin_s), Try::First);
        assert!(matches!(refused, Admission::Wait { until, .. } if until == secs(begin_s + 2)), "{refused:?}");
    }
}

#[test]
fn at_the_reset_a_whole_burst_may_go() {
    let rate = RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 5 });
    let mut gate = gate(GateConfig { rate, ..PLAIN });
    gate.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) });
    let _burst = [(); 5].map(|()| go(&mut gate, secs(8), Try::First));
    assert!(matches!(gate.poll(secs(8), Try::First), Admission::Wait { why: Why::Rate { .. }, .. }));
}

#[test]
fn without_a_limit_little_is_ten() {
    for (remaining, waits) in [(10, true), (11, false)] {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, Quota { remaining, limit: None, resets_in: Duration::from_secs(8) });
        assert_eq!(gate.peek(START, Try::First).is_some(), waits, "{remaining} left");
    }
}

#[test]
fn an_absurd_reset_is_heeded_for_a_day_and_no_longer() {
    let day = START.saturating_add(Duration::from_secs(86_400));
    for remaining in [0, 1] {
        let mut gate = gate(PLAIN);
        gate.observe_quota(START, Quota { remaining, limit: None, resets_in: Duration::MAX });
        assert!(matches!(gate.poll(START, Try::First), Admission::Wait { until, .. } if until == day));
        let _back = go(&mut gate, day, Try::First);
    }
}

#[test]
fn a_pace_ends_with_its_reset() {
    let mut gate = gate(PLAIN);
    gate.observe_quota(START, Quota { remaining: 2, limit: None, resets_in: Duration::from_secs(100) });
    let _late = go(&mut gate, secs(99), Try::First);
    let refused = gate.poll(secs(99), Try::First);
    assert!(matches!(refused, Admission::Wait { until, .. } if until == secs(100)), "{refused:?}");
}

#[test]
fn from_the_reset_on_the_rate_explains_itself_without_the_pace() {
    let rate = RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 1 });
    let mut gate = gate(GateConfig { rate, ..PLAIN });
    gate.observe_quota(START, Quota { remaining: 2, limit: None, resets_in: Duration::from_secs(10) });
    let _last = go(&mut gate, millis(9_900), Try::First);
    let interval = |gate: &mut Gate, now| match gate.poll(now, Try::First) {
        Admission::Wait { why: Why::Rate { interval_us, .. }, .. } => interval_us,
        answer => panic!("{answer:?}"),
    };
    assert!(interval(&mut gate, millis(9_950)).abs_diff(5_000_000) <= 5_000);
    assert!(interval(&mut gate, secs(10)).abs_diff(1_000_000) <= 1_000);
}
