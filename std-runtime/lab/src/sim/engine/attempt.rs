//! An attempt: out, there and back, and what its end means to the call.

use tidegate_core::{End, Next, Outcome, Ticket};

use super::{Engine, ns};
use crate::sim::agenda::Event;
use crate::sim::calls::Phase;
use crate::sim::report::Ended;
use crate::sim::watch::Breach;
impl Engine<'_> {
    /// Sends the request of an attempt that was admitted.
    pub(super) fn launch(&mut self, place: u32, ticket: Ticket, is_retry: bool) -> Result<(), Breach> {
        let seat = self.calls.seat(place);
        let client = &mut self.clients[seat.client as usize];
        let fleet = usize::from(client.fleet);
        let link = self.fleets[fleet].fleet.link;
        seat.launched += 1;
        let deadline_ns = seat.began_ns.saturating_add(ns(self.fleets[fleet].fleet.deadline));
        check_call(self.now_ns, seat.hinted_ns, deadline_ns, seat.launched, self.fleets[fleet].fleet.call.attempts)?;

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
        let road = &mut self.roads[usize::from(server)];
        road.sent += 1;
        if is_lost_on_the_way_there {
            road.lost += 1;
        } else {
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
        let station = &mut self.stations[index];
        station.watch.settled(now, &station.gate, &self.fleets[fleet].terms, was_probe, era, outcome)?;
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

/// What a call promises about itself, by what was asked of it and not by what it says.
fn check_call(now_ns: u64, hinted_ns: u64, deadline_ns: u64, attempt: u32, attempts: u8) -> Result<(), Breach> {
    if now_ns < hinted_ns {
        return Err(Breach::BeforeHint { early_ns: hinted_ns - now_ns });
    }
    if now_ns >= deadline_ns {
        return Err(Breach::PastDeadline { late_ns: now_ns - deadline_ns });
    }
    if attempt > u32::from(attempts) {
        return Err(Breach::TooManyAttempts { attempt, attempts });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_held_to_its_hint_its_deadline_and_its_attempts() {
        assert_eq!(check_call(50, 50, 51, 3, 3), Ok(()));
        assert_eq!(check_call(49, 50, 51, 3, 3), Err(Breach::BeforeHint { early_ns: 1 }));
        assert_eq!(check_call(51, 50, 51, 3, 3), Err(Breach::PastDeadline { late_ns: 0 }));
        assert_eq!(check_call(50, 50, 51, 4, 3), Err(Breach::TooManyAttempts { attempt: 4, attempts: 3 }));
    }
}
