//! An attempt: out, there and back, and what its end means to the call.

use tidegate_core::{Call, End, Instant, Next, Outcome, Ticket};

use super::{Engine, ns};
use crate::sim::agenda::Event;
use crate::sim::calls::Phase;
use crate::sim::report::Ended;
use crate::sim::watch::Breach;
impl Engine<'_> {
    /// Sends the request of an attempt that was admitted.
    pub(super) fn launch(&mut self, place: u32, ticket: Ticket, is_retry: bool) -> Result<(), Breach> {
        let now = self.now();
        let seat = self.calls.seat(place);
        let client = &mut self.clients[seat.client as usize];
        let fleet = usize::from(client.fleet);
        let link = self.fleets[fleet].fleet.link;
        check_call(now, seat.hinted_ns, &seat.call, self.fleets[fleet].fleet.call.attempts)?;

        let station = &self.stations[seat.station as usize];
        let round_trip_ns = client.link.span_ns(link.round_trip);
        let there_ns = round_trip_ns / 2;
        let is_lost = link.loss_millionths > 0 && client.link.below(1_000_000) < u64::from(link.loss_millionths);
        let is_lost_on_the_way_back = is_lost && client.link.below(2) == 0;
        let there_at = self.now_ns + there_ns;
        let is_lost_on_the_way_there = (is_lost && !is_lost_on_the_way_back) || link.is_cut(self.now_ns, there_at);

        let started = ticket.started();
        let _waiting = seat.turn(Phase::Away { ticket, era: station.watch.era });
        seat.back_ns = round_trip_ns - there_ns;
        seat.is_lost_on_the_way_back = is_lost_on_the_way_back;
        seat.wake_ns = seat.call.attempt_deadline(&station.gate, started).as_nanos();
        let (stamp, server) = (seat.stamp, station.server);
        if !is_lost_on_the_way_there {
            self.agenda.plan(there_at, Event::Request { server, place, stamp });
        }
        self.set_timer(place);
        let attempts = &mut self.fleets[fleet].report.attempts;
        attempts.sent += 1;
        attempts.retries += u64::from(is_retry);
        self.moment(fleet).sent += 1;
        Ok(())
    }

    pub(super) fn request(&mut self, server: u16, place: u32, stamp: u32) {
        let Some(sent) = self.backends[usize::from(server)].receive(self.now_ns, self.step) else { return };
        // Nobody waits for it any more: the work was done for nothing.
        let Some(seat) = self.calls.current(place, stamp) else { return };
        let fleet = usize::from(self.clients[seat.client as usize].fleet);
        let at = sent.at.saturating_add(seat.back_ns);
        if !seat.is_lost_on_the_way_back && !self.fleets[fleet].fleet.link.is_cut(sent.at, at) {
            self.agenda.plan(at, Event::Answer { place, stamp, reply: sent.reply });
        }
    }

    /// An attempt is over.
    pub(super) fn settle(&mut self, place: u32, outcome: Outcome) -> Result<(), Breach> {
        let now = self.now();
        let seat = self.calls.seat(place);
        let (ticket, era) = match seat.turn(Phase::Resting) {
            Phase::Away { ticket, era } => (ticket, era),
            other => {
                // An answer for a call that is not away is of an earlier stamp, and was sorted out before.
                let _not_away = seat.turn(other);
                return Ok(());
            }
        };
        let client = &mut self.clients[seat.client as usize];
        let fleet = usize::from(client.fleet);
        let index = seat.station as usize;
        self.asked = index;
        if !std::mem::replace(&mut self.stations[index].is_touched, true) {
            self.touched.push(seat.station);
        }
        let station = &mut self.stations[index];
        let (was_probe, age) = (ticket.is_probe(), ticket.age(now));
        let next = seat.call.settle(now, &mut station.gate, ticket, outcome, client.luck.entropy());
        if let Outcome::Throttled { retry_after: Some(hint) } = outcome {
            seat.hinted_ns = now.saturating_add(hint).as_nanos();
        }
        if let Next::Retry { at } = next {
            seat.wake_ns = at.as_nanos();
            seat.choice = (seat.choice + 1) % self.fleets[fleet].fleet.servers.len() as u8;
            self.set_timer(place);
        }
        self.stations[index].watch_settled(now, was_probe, era, outcome)?;
        self.trace.settled(place, outcome);
        let report = &mut self.fleets[fleet].report;
        report.attempts.count(outcome);
        if let Outcome::Success | Outcome::Empty = outcome {
            report.answer_latency.add_ns(ns(age));
        }
        let moment = self.moment(fleet);
        match outcome {
            Outcome::Throttled { .. } => moment.throttled += 1,
            Outcome::Failure | Outcome::Timeout => moment.failed += 1,
            Outcome::Success | Outcome::Empty | Outcome::Refused(_) | Outcome::Cancelled | Outcome::Unsent => {}
        }
        if let Next::Done(end) = next {
            self.end(place, Ended::Call(end));
        }
        self.serve(index)
    }

    /// A call is over.
    pub(in crate::sim) fn end(&mut self, place: u32, ended: Ended) {
        let seat = self.calls.seat(place);
        let (client, taken_ns) = (seat.client, self.now_ns - seat.began_ns);
        self.calls.end(place);
        let owner = &mut self.clients[client as usize];
        let fleet = usize::from(owner.fleet);
        self.fleets[fleet].report.calls.count(ended);
        let is_answered = matches!(ended, Ended::Call(End::Succeeded | End::Empty | End::Refused(_)));
        match ended {
            Ended::Call(end @ (End::Succeeded | End::Empty)) => {
                owner.answered += 1;
                self.fleets[fleet].report.latency.add_ns(taken_ns);
                let moment = self.moment(fleet);
                *if end == End::Empty { &mut moment.empty } else { &mut moment.succeeded } += 1;
            }
            Ended::Call(_) | Ended::PowerLost => self.moment(fleet).given_up += 1,
        }
        if let Ended::Call(_) = ended {
            self.think(client, taken_ns, is_answered);
        }
    }
}

/// What a call promises about itself.
fn check_call(now: Instant, hinted_ns: u64, call: &Call<'_>, attempts: u8) -> Result<(), Breach> {
    let now_ns = now.as_nanos();
    if now_ns < hinted_ns {
        return Err(Breach::BeforeHint { early_ns: hinted_ns - now_ns });
    }
    if now >= call.deadline() {
        return Err(Breach::PastDeadline { late_ns: now_ns - call.deadline().as_nanos() });
    }
    if call.attempts() > attempts {
        return Err(Breach::TooManyAttempts { attempt: call.attempts(), attempts });
    }
    Ok(())
}
