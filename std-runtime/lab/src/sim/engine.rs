//! The run: one event after another, through the real gates and calls.
//!
//! The rules are those of the core's driver: calls wait in one line per gate, only the head asks, every settle lets the
//! head ask again, and whoever leaves the head lets the next one ask. A call backs off outside the line, and so does a retry
//! at its head that has no budget; then it goes to the end.

use std::time::Duration;

use tidegate_core::breaker::BreakerState;
use tidegate_core::gate::Snapshot;
use tidegate_core::{
    Admission, Call, CallPolicy, End, Gate, GateConfig, Instant, Next, Outcome, Step as CallStep, Ticket, Try, Why,
};

use super::agenda::{Agenda, Event};
use super::backend::Backend;
use super::calls::{Calls, Line, Phase};
use super::dice::Dice;
use super::report::{Ended, FleetReport, Moment, Report, ServerReport};
use super::samples::Samples;
use super::trace::Trace;
use super::watch::{Breach, Watch};
use super::world::{Fleet, World};

/// A promise of the core that a run found broken. It never happens; should it, this is how to see it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {at:?} after the beginning, {place}: {breach}")]
pub struct Violation {
    /// Of the world.
    pub seed: u64,
    /// When.
    pub at: Duration,
    /// Which gate.
    pub place: String,
    /// Which promise.
    pub breach: Breach,
}

/// A world at work.
pub(super) struct Engine<'w> {
    pub(super) world: &'w World,
    policies: &'w [CallPolicy],
    pub(super) now_ns: u64,
    pub(super) agenda: Agenda,
    trace: Trace,
    events: u64,
    step: usize,
    step_end_ns: u64,
    backends: Vec<Backend<'w>>,
    pub(super) stations: Vec<Station>,
    pub(super) clients: Vec<Client>,
    pub(super) fleets: Vec<Crew<'w>>,
    pub(super) calls: Calls<'w>,
    /// The gate that was asked last, for the report of a breach.
    asked: usize,
    /// Gates that something happened to since the last step ended.
    touched: Vec<u32>,
}

/// How gates stand, one or all of a fleet.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    open: u32,
    waiting: u32,
    in_flight: u32,
    limit: u32,
    rate_millis: u64,
}

/// A gate with its line and its books.
pub(super) struct Station {
    pub(super) fleet: u16,
    server: u16,
    pub(super) gate: Gate,
    pub(super) line: Line,
    pub(super) watch: Watch,
    /// What a loss of power leaves behind.
    pub(super) kept: Option<Snapshot>,
    /// As it was counted last.
    counted: Standing,
    is_touched: bool,
}

pub(super) struct Client {
    pub(super) fleet: u16,
    /// Its first station; those for the other servers follow.
    first_station: u32,
    /// Counts its losses of power: what was planned before one is out of date.
    pub(super) stamp: u32,
    /// Calls that it still has to make.
    pub(super) left: u64,
    succeeded: u64,
    pub(super) pace: Dice,
    luck: Dice,
    link: Dice,
}

/// A fleet and what came of it so far.
pub(super) struct Crew<'w> {
    pub(super) fleet: &'w Fleet,
    pub(super) report: FleetReport,
    pub(super) clients: std::ops::Range<usize>,
    pub(super) stations: std::ops::Range<usize>,
    pub(super) is_down: bool,
    standing: Standing,
}

impl<'w> Engine<'w> {
    pub(super) fn new(world: &'w World, policies: &'w [CallPolicy]) -> Self {
        let steps = world.length.as_nanos().div_ceil(world.step.as_nanos()) as usize;
        let mut engine = Self {
            world,
            policies,
            now_ns: 0,
            agenda: Agenda::default(),
            trace: Trace::default(),
            events: 0,
            step: 0,
            step_end_ns: ns(world.step),
            backends: world.servers.iter().map(|server| Backend::new(server, world.seed, steps)).collect(),
            stations: Vec::new(),
            clients: Vec::new(),
            fleets: Vec::new(),
            calls: Calls::default(),
            asked: 0,
            touched: Vec::new(),
        };
        for (fleet, index) in world.fleets.iter().zip(0..) {
            engine.add(fleet, index, steps);
        }
        engine
    }

    pub(super) fn run(mut self) -> Result<Report, Violation> {
        let length_ns = ns(self.world.length);
        (0..self.fleets.len()).for_each(|fleet| self.start(fleet));
        while let Some((at_ns, event)) = self.agenda.next(length_ns) {
            while at_ns >= self.step_end_ns {
                self.close_step();
            }
            self.now_ns = at_ns;
            self.events += 1;
            self.trace.event(at_ns, event);
            self.happen(event).map_err(|breach| self.violation(breach))?;
        }
        self.now_ns = length_ns;
        let steps = self.world.length.as_nanos().div_ceil(self.world.step.as_nanos()) as usize;
        while self.step < steps {
            self.close_step();
        }
        self.finish().map_err(|breach| self.violation(breach))?;
        Ok(self.report())
    }

    fn happen(&mut self, event: Event) -> Result<(), Breach> {
        match event {
            Event::Arrival { client, stamp } => self.arrival(client, stamp),
            Event::Thought { client, stamp } => self.thought(client, stamp),
            Event::Timer { place, stamp } => self.timer(place, stamp),
            Event::Request { server, place, stamp } => {
                self.request(server, place, stamp);
                Ok(())
            }
            Event::Answer { place, stamp, reply } => match self.calls.current(place, stamp) {
                Some(_) => self.settle(place, reply.outcome()),
                None => Ok(()),
            },
            Event::Down { fleet, restart } => {
                self.down(fleet, restart);
                Ok(())
            }
            Event::Up { fleet, restart } => {
                self.up(fleet, restart);
                Ok(())
            }
        }
    }

    /// A new call.
    pub(super) fn begin_call(&mut self, client: u32) -> Result<(), Breach> {
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
        let Station { gate, watch, .. } = &mut self.stations[station];
        let seen = gate.peek(now, attempt);
        watch.look(gate)?;
        Ok(match seen {
            Some(Admission::Wait { why, .. }) => is_down(why),
            Some(Admission::Never { .. }) => true,
            Some(Admission::Full { .. } | Admission::Go(_)) | None => false,
        })
    }

    /// Lets whoever stands at `place` ask; should the head leave, those behind it ask too.
    fn attend(&mut self, place: u32) -> Result<(), Breach> {
        let station = self.calls.seat(place).station as usize;
        let was_head = self.stations[station].line.is_head(place);
        if self.ask(place)? && was_head { self.serve(station) } else { Ok(()) }
    }

    /// Lets the head of a line ask, until one has to stay.
    fn serve(&mut self, station: usize) -> Result<(), Breach> {
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
        let before = Watch::before(&station.gate);
        let is_retry = seat.call.attempts() > 0;
        let step = if station.line.is_head(place) {
            seat.call.poll(now, &mut station.gate)
        } else {
            seat.call.poll_behind(now, &mut station.gate)
        };
        match step {
            CallStep::Attempt(ticket) => {
                let config = &self.fleets[usize::from(station.fleet)].fleet.gate;
                station.watch.admitted(now, &station.gate, config, before, &ticket, is_retry)?;
                self.calls.leave(&mut station.line, place);
                self.launch(place, ticket, is_retry)?;
                Ok(true)
            }
            CallStep::Wait { until, why } | CallStep::Full { until, why } => {
                station.watch.look(&station.gate)?;
                if until <= now {
                    return Err(Breach::WaitInThePast { behind_ns: now.as_nanos() - until.as_nanos() });
                }
                self.wait(place, until, why)
            }
            CallStep::Done(end) => {
                station.watch.look(&station.gate)?;
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

    fn set_timer(&mut self, place: u32) {
        let seat = self.calls.seat(place);
        seat.timer_ns = seat.wake_ns;
        let (at, stamp) = (seat.wake_ns, seat.stamp);
        self.agenda.plan(at, Event::Timer { place, stamp });
    }

    fn timer(&mut self, place: u32, stamp: u32) -> Result<(), Breach> {
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

    /// Sends the request of an attempt that was admitted.
    fn launch(&mut self, place: u32, ticket: Ticket, is_retry: bool) -> Result<(), Breach> {
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
        let is_lost_on_the_way_there = (is_lost && !is_lost_on_the_way_back) || link.is_cut(self.now_ns);

        let started = ticket.started();
        let _waiting = seat.turn(Phase::Away { ticket, era: station.watch.era });
        seat.back_ns = round_trip_ns - there_ns;
        seat.is_lost_on_the_way_back = is_lost_on_the_way_back;
        seat.wake_ns = seat.call.attempt_deadline(&station.gate, started).as_nanos();
        let (stamp, server) = (seat.stamp, station.server);
        if !is_lost_on_the_way_there {
            self.agenda.plan(self.now_ns + there_ns, Event::Request { server, place, stamp });
        }
        self.set_timer(place);
        let attempts = &mut self.fleets[fleet].report.attempts;
        attempts.sent += 1;
        attempts.retries += u64::from(is_retry);
        self.moment(fleet).sent += 1;
        Ok(())
    }

    fn request(&mut self, server: u16, place: u32, stamp: u32) {
        let Some(sent) = self.backends[usize::from(server)].receive(self.now_ns, self.step) else { return };
        // Nobody waits for it any more: the work was done for nothing.
        let Some(seat) = self.calls.current(place, stamp) else { return };
        let fleet = usize::from(self.clients[seat.client as usize].fleet);
        let at = sent.at + seat.back_ns;
        if !seat.is_lost_on_the_way_back && !self.fleets[fleet].fleet.link.is_cut(at) {
            self.agenda.plan(at, Event::Answer { place, stamp, reply: sent.reply });
        }
    }

    /// An attempt is over.
    fn settle(&mut self, place: u32, outcome: Outcome) -> Result<(), Breach> {
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
        if outcome == Outcome::Success {
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
    pub(super) fn end(&mut self, place: u32, ended: Ended) {
        let seat = self.calls.seat(place);
        let (client, taken_ns) = (seat.client, self.now_ns - seat.began_ns);
        self.calls.end(place);
        let owner = &mut self.clients[client as usize];
        let fleet = usize::from(owner.fleet);
        self.fleets[fleet].report.calls.count(ended);
        let is_answered = matches!(ended, Ended::Call(End::Succeeded | End::Empty | End::Refused(_)));
        match ended {
            Ended::Call(End::Succeeded) => {
                owner.succeeded += 1;
                self.fleets[fleet].report.latency.add_ns(taken_ns);
                self.moment(fleet).succeeded += 1;
            }
            Ended::Call(_) | Ended::PowerLost => self.moment(fleet).given_up += 1,
        }
        if let Ended::Call(_) = ended {
            self.think(client, is_answered);
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ns)
    }

    fn moment(&mut self, fleet: usize) -> &mut Moment {
        &mut self.fleets[fleet].report.steps[self.step]
    }

    /// Something may happen to this gate: it is counted anew when the step ends. Most gates rest in most steps.
    pub(super) fn touch(&mut self, station: usize) {
        if !std::mem::replace(&mut self.stations[station].is_touched, true) {
            self.touched.push(station as u32);
        }
    }

    /// Looks how things stand at the end of a step.
    fn close_step(&mut self) {
        for index in self.touched.drain(..) {
            let station = &mut self.stations[index as usize];
            let standing = &mut self.fleets[usize::from(station.fleet)].standing;
            let now = station.standing();
            standing.replace(station.counted, now);
            (station.counted, station.is_touched) = (now, false);
        }
        for crew in &mut self.fleets {
            let Standing { open, waiting, in_flight, limit, rate_millis } = crew.standing;
            let moment = &mut crew.report.steps[self.step];
            *moment = Moment { open, waiting, in_flight, limit, rate_millis, ..*moment };
        }
        self.step += 1;
        self.step_end_ns += ns(self.world.step);
    }

    /// The last look: nothing may be lost.
    fn finish(&mut self) -> Result<(), Breach> {
        for (_, seat) in self.calls.alive() {
            let fleet = usize::from(self.clients[seat.client as usize].fleet);
            let FleetReport { calls, attempts, .. } = &mut self.fleets[fleet].report;
            calls.in_progress += 1;
            attempts.in_flight += u64::from(matches!(seat.phase, Phase::Away { .. }));
        }
        for crew in &self.fleets {
            let FleetReport { calls, attempts, .. } = &crew.report;
            balance(calls.offered, calls.ended(), calls.in_progress)?;
            balance(attempts.sent, attempts.settled(), attempts.in_flight)?;
        }
        for backend in &self.backends {
            balance(backend.requests.arrived, backend.requests.met(), 0)?;
        }
        Ok(())
    }

    fn report(self) -> Report {
        let fleets = self.fleets.into_iter().map(|crew| {
            let succeeded_by_client = self.clients[crew.clients].iter().map(|client| client.succeeded).collect();
            let opened = self.stations[crew.stations].iter().map(|station| u64::from(station.watch.era)).sum();
            FleetReport { succeeded_by_client, opened, ..crew.report }
        });
        let servers = self.backends.into_iter().zip(&self.world.servers).map(|(backend, server)| ServerReport {
            name: server.name.clone(),
            requests: backend.requests,
            steps: backend.steps,
        });
        Report {
            seed: self.world.seed,
            length: self.world.length,
            step: self.world.step,
            events: self.events,
            trace: self.trace.hash(),
            fleets: fleets.collect(),
            servers: servers.collect(),
        }
    }

    fn violation(&self, breach: Breach) -> Violation {
        let place = self.stations.get(self.asked).map_or_else(String::new, |station| {
            let crew = &self.fleets[usize::from(station.fleet)];
            let server = &self.world.servers[usize::from(station.server)].name;
            format!("gate {} of fleet `{}` to server `{server}`", self.asked - crew.stations.start, crew.fleet.name)
        });
        Violation { seed: self.world.seed, at: Duration::from_nanos(self.now_ns), place, breach }
    }

    /// Sets up a fleet: its gates, closed and rested, and its clients.
    fn add(&mut self, fleet: &'w Fleet, index: u16, steps: usize) {
        let (first_station, first_client) = (self.stations.len(), self.clients.len());
        let gates = if fleet.shares_gate { 1 } else { fleet.clients };
        let servers: Vec<u16> = fleet.servers.iter().filter_map(|server| self.world.index_of(server)).collect();
        for _ in 0..gates {
            for &server in &servers {
                let id = self.stations.len();
                let Some(gate) = fresh_gate(fleet, id) else { continue };
                let watch = Watch::new(Instant::ORIGIN);
                self.stations.push(Station {
                    fleet: index,
                    server,
                    gate,
                    line: Line::EMPTY,
                    watch,
                    kept: None,
                    counted: Standing::default(),
                    is_touched: false,
                });
                self.touch(id);
            }
        }
        let seed = self.world.seed;
        for client in 0..fleet.clients {
            let dice = |role| Dice::of(seed, role, &fleet.name, u64::from(client));
            let gate = if fleet.shares_gate { 0 } else { client as usize };
            self.clients.push(Client {
                fleet: index,
                first_station: (first_station + gate * servers.len()) as u32,
                stamp: 0,
                left: u64::MAX,
                succeeded: 0,
                pace: dice("pace"),
                luck: dice("luck"),
                link: dice("link"),
            });
        }
        self.fleets.push(Crew {
            fleet,
            report: FleetReport {
                name: fleet.name.clone(),
                calls: Default::default(),
                attempts: Default::default(),
                opened: 0,
                latency: Samples::default(),
                answer_latency: Samples::default(),
                steps: vec![Moment::default(); steps],
                succeeded_by_client: Vec::new(),
            },
            clients: first_client..self.clients.len(),
            stations: first_station..self.stations.len(),
            is_down: false,
            standing: Standing::default(),
        });
    }
}

impl Standing {
    /// One of those that are summed up here changed.
    fn replace(&mut self, old: Self, new: Self) {
        self.open = self.open - old.open + new.open;
        self.waiting = self.waiting - old.waiting + new.waiting;
        self.in_flight = self.in_flight - old.in_flight + new.in_flight;
        self.limit = self.limit - old.limit + new.limit;
        self.rate_millis = self.rate_millis - old.rate_millis + new.rate_millis;
    }
}

impl Station {
    fn standing(&self) -> Standing {
        let is_closed = matches!(self.gate.breaker().state(), BreakerState::Closed { .. });
        let interval_ns = self.gate.interval().as_nanos() as u64;
        Standing {
            open: u32::from(!is_closed),
            waiting: self.line.length(),
            in_flight: u32::from(self.gate.in_flight()),
            limit: u32::from(self.gate.learnt_limit()),
            rate_millis: 1_000_000_000_000_u64.checked_div(interval_ns).unwrap_or(0),
        }
    }

    fn watch_settled(&mut self, now: Instant, was_probe: bool, era: u32, outcome: Outcome) -> Result<(), Breach> {
        self.watch.settled(now, &self.gate, was_probe, era, outcome)
    }
}

/// A gate of a fleet. Its settings were checked with the world.
pub(super) fn fresh_gate(fleet: &Fleet, id: usize) -> Option<Gate> {
    Gate::new(GateConfig { id: id as u16, ..fleet.gate }).ok()
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

fn balance(began: u64, ended: u64, alive: u64) -> Result<(), Breach> {
    if began == ended + alive { Ok(()) } else { Err(Breach::Unbalanced { began, ended, alive }) }
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

/// A span of a world, which is at most a year.
pub(super) fn ns(span: Duration) -> u64 {
    span.as_nanos() as u64
}
