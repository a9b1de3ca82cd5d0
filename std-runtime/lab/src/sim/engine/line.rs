//! Calls in line: who asks, when, and which server.

use tidegate_core::{Admission, Call, End, Instant, Outcome, Step as CallStep, Try, Why};

use super::Engine;
use super::station::Station;
use crate::sim::agenda::Event;
use crate::sim::calls::Phase;
use crate::sim::report::Ended;
use crate::sim::watch::{Breach, Watch};
impl Engine<'_> {
    /// A new call.
    pub(in crate::sim) fn begin_call(&mut self, client: u32) -> Result<(), Breach> {
        let fleet = usize::from(self.clients[client as usize].fleet);
        let deadline = self.now().saturating_add(self.fleets[fleet].fleet.deadline);
        let call = Call::new(&self.policies[fleet], deadline);
        let place = self.calls.begin(call, client, self.now_ns);
        self.fleets[fleet].report.calls.offered += 1;
        self.moment(fleet).offered += 1;
        self.enter(place)
    }

    /// Goes to the end of the line of the server that it should ask.
    fn enter(&mut self, place: u32) -> Result<(), Breach> {
        let station = self.choose(place)?;
        let fleet = usize::from(self.stations[station].fleet);
        let seat = self.calls.seat(place);
        seat.station = station as u32;
        if self.stations[station].line.length() >= self.fleets[fleet].fleet.places {
            seat.call.end(End::QueueFull);
            self.end(place, Ended::Call(End::QueueFull));
            return Ok(());
        }
        self.calls.enter(&mut self.stations[station].line, place);
        self.attend(place)
    }

    /// The first of the client's servers, from the one that is the call's turn, that is not known to be down; the one whose
    /// turn it is where all are.
    fn choose(&mut self, place: u32) -> Result<usize, Breach> {
        let seat = self.calls.seat(place);
        let client = &self.clients[seat.client as usize];
        let (first, servers) =
            (client.first_station as usize, self.fleets[usize::from(client.fleet)].fleet.servers.len());
        let (turn, attempt) = (usize::from(seat.choice), which(&seat.call));
        if servers > 1 {
            for choice in (0..servers).map(|step| (turn + step) % servers) {
                if !self.is_blocked(first + choice, attempt)? {
                    // At most 16 servers.
                    self.calls.seat(place).choice = choice as u8;
                    return Ok(first + choice);
                }
            }
        }
        Ok(first + turn)
    }

    fn is_blocked(&mut self, station: usize, attempt: Try) -> Result<bool, Breach> {
        let now = self.now();
        self.asked = station;
        self.touch(station);
        let Station { gate, watch, fleet, .. } = &mut self.stations[station];
        let terms = &self.fleets[usize::from(*fleet)].terms;
        match gate.peek(now, attempt) {
            Some(Admission::Wait { until, why } | Admission::Full { until, why }) => {
                watch.refused(now, gate, terms, why, Some(until))?;
                Ok(is_down(why))
            }
            Some(Admission::Never { why }) => {
                watch.ended(now, gate, terms, End::Barred(why))?;
                Ok(true)
            }
            Some(Admission::Go(_)) | None => {
                watch.look(gate, terms)?;
                Ok(false)
            }
        }
    }

    /// Lets whoever stands at `place` ask; should the head leave, those behind it ask too.
    fn attend(&mut self, place: u32) -> Result<(), Breach> {
        let station = self.calls.seat(place).station as usize;
        let was_head = self.stations[station].line.is_head(place);
        if self.ask(place)? && was_head { self.serve(station) } else { Ok(()) }
    }

    /// Lets the head of a line ask, until one has to stay.
    pub(super) fn serve(&mut self, station: usize) -> Result<(), Breach> {
        while let Some(head) = self.stations[station].line.head() {
            if !self.ask(head)? {
                break;
            }
        }
        Ok(())
    }

    /// Polls a waiting call. True where it left the line.
    fn ask(&mut self, place: u32) -> Result<bool, Breach> {
        let now = self.now();
        let seat = self.calls.seat(place);
        let index = seat.station as usize;
        self.asked = index;
        self.touch(index);
        let seat = self.calls.seat(place);
        let station = &mut self.stations[index];
        let terms = &self.fleets[usize::from(station.fleet)].terms;
        let before = Watch::before(&station.gate);
        let is_retry = seat.call.attempts() > 0;
        let is_head = station.line.is_head(place);
        let step = if is_head {
            seat.call.poll(now, &mut station.gate)
        } else {
            seat.call.poll_behind(now, &mut station.gate)
        };
        match step {
            CallStep::Attempt(ticket) => {
                station.watch.admitted(now, &station.gate, terms, before, &ticket, is_retry)?;
                self.calls.leave(&mut station.line, place);
                self.launch(place, ticket, is_retry)?;
                Ok(true)
            }
            CallStep::Wait { until, why } | CallStep::Full { until, why } => {
                // Those behind it are told when to give up.
                station.watch.refused(now, &station.gate, terms, why, is_head.then_some(until))?;
                if until <= now {
                    return Err(Breach::WaitInThePast { behind_ns: now.as_nanos() - until.as_nanos() });
                }
                self.wait(place, until, why)
            }
            CallStep::Done(end) => {
                station.watch.ended(now, &station.gate, terms, end)?;
                self.calls.leave(&mut station.line, place);
                self.end(place, Ended::Call(end));
                Ok(true)
            }
        }
    }

    /// Stays in the line until `until`; goes to another server where this one is down, or aside where the head's retry has no
    /// budget: true.
    fn wait(&mut self, place: u32, until: Instant, why: Why) -> Result<bool, Breach> {
        let station = self.calls.seat(place).station as usize;
        let servers = self.fleets[usize::from(self.stations[station].fleet)].fleet.servers.len();
        if servers > 1 && is_down(why) && self.choose(place)? != station {
            self.calls.leave(&mut self.stations[station].line, place);
            self.enter(place)?;
            return Ok(true);
        }
        if matches!(why, Why::Budget { .. }) && self.stations[station].line.is_head(place) {
            self.calls.leave(&mut self.stations[station].line, place);
            let seat = self.calls.seat(place);
            let _waiting = seat.turn(Phase::Resting);
            seat.wake_ns = until.as_nanos();
            self.set_timer(place);
            return Ok(true);
        }
        let seat = self.calls.seat(place);
        seat.wake_ns = until.as_nanos();
        // One timer serves for all later wishes: it looks what time it should have been and sets the next.
        if seat.wake_ns < seat.timer_ns {
            self.set_timer(place);
        }
        Ok(false)
    }

    pub(super) fn set_timer(&mut self, place: u32) {
        let seat = self.calls.seat(place);
        seat.timer_ns = seat.wake_ns;
        let (at, stamp) = (seat.wake_ns, seat.stamp);
        self.agenda.plan(at, Event::Timer { place, stamp });
    }

    pub(super) fn timer(&mut self, place: u32, stamp: u32) -> Result<(), Breach> {
        let now_ns = self.now_ns;
        let Some(seat) = self.calls.current(place, stamp) else { return Ok(()) };
        match seat.phase {
            Phase::Waiting if now_ns < seat.timer_ns => Ok(()),
            Phase::Waiting if now_ns < seat.wake_ns => {
                self.set_timer(place);
                Ok(())
            }
            Phase::Waiting => {
                seat.timer_ns = u64::MAX;
                self.attend(place)
            }
            Phase::Resting => self.enter(place),
            Phase::Away { .. } if now_ns < seat.call.deadline().as_nanos() => self.settle(place, Outcome::Timeout),
            Phase::Away { .. } => {
                seat.call.end(End::OutOfTime { resume_at: Instant::from_nanos(now_ns) });
                self.settle(place, Outcome::Cancelled)
            }
            Phase::Vacant => Ok(()),
        }
    }
}

fn which(call: &Call<'_>) -> Try {
    if call.attempts() == 0 { Try::First } else { Try::Again }
}

/// Whether this means that a server is down or wants no visitors, so that another one is worth asking.
fn is_down(why: Why) -> bool {
    match why {
        Why::Open { .. } | Why::ForcedOpen | Why::Probing { .. } | Why::Paused { .. } => true,
        Why::Rate { .. }
        | Why::Budget { .. }
        | Why::InFlight { .. }
        | Why::Ramp { .. }
        | Why::Backoff { .. }
        | Why::Queued => false,
    }
}
