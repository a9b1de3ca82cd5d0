//! A server's wish to be left alone.

use std::collections::BTreeSet;

use super::*;

const WORDS: [u32; 6] = [0, 1, u32::MAX / 3, u32::MAX / 2, u32::MAX - 1, u32::MAX];

fn throttled(hint: Duration) -> Outcome {
    Outcome::Throttled { retry_after: Some(hint) }
}

#[test]
fn a_hint_is_a_floor_to_which_jitter_adds_an_eighth_at_most() {
    for hint_ms in [1, 7, 1_000, 30_000, 86_400_000] {
        for word in WORDS {
            let hint = Duration::from_millis(hint_ms);
            let mut gate = gate(PLAIN);
            let ticket = go(&mut gate, START, Try::First);
            gate.settle(START, ticket, throttled(hint), Entropy::new(word));
            let until = gate.paused_until();
            let (least, most) = (START.saturating_add(hint), START.saturating_add(hint + hint / 8));
            assert!(
                least <= until && until <= most,
                "{hint:?} with entropy {word}: {until:?} not in {least:?}..={most:?}"
            );
            let almost = Instant::from_nanos(until.as_nanos() - 1);
            let refused = gate.poll(almost, Try::First);
            assert!(matches!(refused, Admission::Wait { until: at, why: Why::Paused { .. } } if at == until));
            let _back = go(&mut gate, until, Try::First);
        }
    }
}

#[test]
fn a_wish_for_nothing_costs_no_burst() {
    let rate = RateControl::Fixed(RateConfig { rate: Rate::per_second(4), burst: 8 });
    let quota = Quota { remaining: 0, limit: Some(100), resets_in: Duration::ZERO };
    type Say = fn(&mut Gate, Ticket, Quota);
    let wishes: [(&str, Say); 4] = [
        ("a hint of nothing", |gate, ticket, _| gate.settle(START, ticket, throttled(Duration::ZERO), ENTROPY)),
        ("a quota that is full again at once", |gate, _, quota| gate.observe_quota(START, quota)),
        ("a pause until now", |gate, _, _| gate.pause_until(START, START)),
        ("a pause until before that", |gate, _, _| gate.pause_until(START, Instant::from_nanos(START.as_nanos() - 1))),
    ];
    for (wish, say) in wishes {
        let mut gate = gate(GateConfig { rate, ..PLAIN });
        let ticket = go(&mut gate, START, Try::First);
        say(&mut gate, ticket, quota);
        let left = (0..20).take_while(|_| matches!(gate.poll(START, Try::First), Admission::Go(_))).count();
        assert_eq!(left, 7, "{wish}");
    }
}

#[test]
fn clients_that_were_told_the_same_do_not_come_back_in_step() {
    let mut instants = BTreeSet::new();
    for device in 0..1_000 {
        let mut gate = gate(PLAIN);
        let ticket = go(&mut gate, START, Try::First);
        gate.settle(START, ticket, throttled(Duration::from_secs(60)), Entropy::mix(1, device, 0));
        instants.insert(gate.paused_until().saturating_since(START).as_millis() / 75);
    }
    // 7.5 s of spread in a hundred bins.
    assert_eq!(instants.len(), 100, "a thousand clients left bins of the spread empty");
}

#[test]
fn the_longest_wish_holds_whatever_comes_later() {
    let mut gate = gate(PLAIN);
    let [first, second, third] = [(); 3].map(|()| go(&mut gate, START, Try::First));
    gate.settle(START, first, throttled(Duration::from_secs(60)), Entropy::new(0));
    gate.settle(START, second, throttled(Duration::from_secs(5)), Entropy::new(0));
    gate.settle(START, third, Outcome::Success, ENTROPY);
    gate.pause_until(START, secs(10));
    let paused_ms = gate.paused_until().saturating_since(START).as_millis();
    assert!((60_000..=67_500).contains(&paused_ms), "{paused_ms} ms");
}

#[test]
fn an_absurd_wish_is_heeded_for_a_day_and_no_longer() {
    let day = Duration::from_secs(86_400);
    let mut gate = gate(PLAIN);
    let ticket = go(&mut gate, START, Try::First);
    gate.settle(START, ticket, throttled(Duration::MAX), Entropy::new(0));
    let paused = gate.paused_until().saturating_since(START);
    assert!(day <= paused && paused <= day + day / 8, "{paused:?}");
    let mut asked = gate_paused_by_hand(Instant::MAX);
    assert_eq!(asked.paused_until(), START.saturating_add(day));
    let _back = go(&mut asked, START.saturating_add(day), Try::First);
}

fn gate_paused_by_hand(until: Instant) -> Gate {
    let mut gate = gate(PLAIN);
    gate.pause_until(START, until);
    gate
}

#[test]
fn nothing_bursts_when_a_pause_ends() {
    let rate = RateConfig { rate: Rate::per_second(10), burst: 20 };
    let mut gate = gate(GateConfig { rate: RateControl::Fixed(rate), ..PLAIN });
    gate.pause_until(START, secs(60));
    let _first = go(&mut gate, secs(60), Try::First);
    assert!(matches!(gate.poll(secs(60), Try::First), Admission::Wait { until, .. } if until == millis(60_100)));
}

#[test]
fn a_pause_shows_what_is_left_of_it() {
    let mut gate = gate(PLAIN);
    gate.pause_until(START, secs(60));
    let left_ms = |gate: &mut Gate, now: Instant| match gate.poll(now, Try::First) {
        Admission::Wait { why: Why::Paused { remaining_us }, .. } => remaining_us / 1_000,
        other => panic!("{other:?}"),
    };
    assert!(left_ms(&mut gate, START).abs_diff(60_000) <= 60);
    assert!(left_ms(&mut gate, secs(59)).abs_diff(1_000) <= 1);
}

#[test]
fn what_holds_a_gate_longest_is_told_by_its_name() {
    let rate = RateControl::Adaptive(AdaptiveRateConfig::AIMD);
    let mut cut = gate(GateConfig { rate, ..PLAIN });
    cut.pause_until(START, secs(10));
    let ticket = go(&mut cut, secs(10), Try::First);
    cut.settle(secs(11), ticket, Outcome::Throttled { retry_after: None }, ENTROPY);
    let refused = cut.poll(secs(11), Try::First);
    assert!(matches!(refused, Admission::Wait { why: Why::Rate { .. }, .. }), "the pause is over: {refused:?}");
    assert!(cut.paused_until() <= secs(11));

    let rate = RateControl::Adaptive(AdaptiveRateConfig::DEFAULT);
    let mut paced = gate(GateConfig { rate, ..PLAIN });
    let ticket = go(&mut paced, START, Try::First);
    paced.observe_quota(START, Quota { remaining: 4, limit: Some(100), resets_in: Duration::from_secs(8) });
    // One refusal may be anything, and cuts nothing.
    paced.settle(START, ticket, Outcome::Throttled { retry_after: None }, ENTROPY);
    let refused = paced.poll(START, Try::First);
    assert!(matches!(refused, Admission::Wait { why: Why::Rate { .. }, .. }), "nobody asked for silence: {refused:?}");
}
