//! The server's thread: accepting connections, serving them, watching over them.

use std::cell::{Cell, RefCell};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_executor::{LocalExecutor, Task};
use async_io::{Async, Timer};
use futures_lite::future;
use slab::Slab;

use super::answer::answer;
use super::config::MockConfig;
use super::control::control;
use super::deliver::{Delivery, deliver};
use super::door::Door;
use super::head::{BadHead, Target};
use super::plan::Plan;
use super::reply::{Reply, http_date};
use super::rules::Excess;
use super::shared::{Order, Shared};
use super::stats::{Ledger, cause};
use super::tiles::Tiles;
use super::wire::{Line, Wire};

/// The server, as its own thread sees it.
pub(super) struct Server {
    shared: Arc<Shared>,
    tiles: Tiles,
    config: MockConfig,
    /// When the tiles were last changed, as it is written in a header.
    modified: String,
    /// The second for which the date was last written, and the text.
    date: RefCell<(u64, String)>,
    executor: LocalExecutor<'static>,
    seats: RefCell<Slab<Seat>>,
    /// Connections that were not turned away.
    welcome_count: Cell<usize>,
    /// Holds a message when a place may have become free.
    room: (Sender<()>, Receiver<()>),
}

/// What happens to a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    KeepOpen,
    /// Closed when the client has had time to read what was sent.
    Linger,
    Close,
    Reset,
}

/// The place of one connection.
struct Seat {
    line: Rc<Line>,
    /// Serves the connection; dropping it closes the connection.
    task: Option<Task<()>>,
}

/// Gives the place back, however the connection ends.
struct Seated {
    server: Rc<Server>,
    index: usize,
    is_welcome: bool,
}

impl Server {
    pub(super) fn new(shared: Arc<Shared>, tiles: Tiles, config: MockConfig) -> Self {
        Self {
            modified: http_date(tiles.modified()),
            shared,
            tiles,
            config,
            date: RefCell::new((0, http_date(0))),
            executor: LocalExecutor::new(),
            seats: RefCell::default(),
            welcome_count: Cell::new(0),
            room: async_channel::bounded(1),
        }
    }

    /// Serves on this thread until it is told to stop.
    pub(super) fn run(self, door: &Door, listener: Async<TcpListener>, orders: &Receiver<Order>) {
        let server = Rc::new(self);
        async_io::block_on(server.executor.run(server.clone().watch(door, listener, orders)));
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.shared.plan()
    }

    pub(super) fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    pub(super) fn modified(&self) -> &str {
        &self.modified
    }

    pub(super) fn cache_control(&self) -> &str {
        &self.config.cache_control
    }

    /// The date of this second as it is written in a header.
    pub(super) fn date(&self, second: u64) -> String {
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            *date = (second, http_date(second));
        }
        date.1.clone()
    }

    /// Opens and closes the door as outages want it, and closes what has been idle for too long.
    async fn watch(self: Rc<Self>, door: &Door, listener: Async<TcpListener>, orders: &Receiver<Order>) {
        let mut accepting = Some(self.executor.spawn(self.clone().accept(listener)));
        loop {
            let now = Instant::now();
            let is_refusing = self.plan().is_refusing(now);
            match accepting.take() {
                Some(task) if is_refusing => {
                    task.cancel().await;
                    self.cut_all(true).await;
                }
                // Another program may hold the port for a moment; the next round tries again.
                None if !is_refusing => {
                    accepting = door.open().ok().map(|listener| self.executor.spawn(self.clone().accept(listener)));
                }
                unchanged => accepting = unchanged,
            }
            self.close_idle(now);
            // The limit of connections may be another one.
            self.look_for_room();
            let round = self.config.idle_timeout.min(ROUND_MAX);
            let pause = self.plan().next_change(now).map_or(round, |change| change.min(round));
            let order = async {
                Timer::after(pause).await;
                Ok(Order::Look)
            };
            if future::or(orders.recv(), order).await != Ok(Order::Look) {
                break;
            }
        }
        // Each task holds the server and the server its tasks: they have to be taken apart by hand.
        if let Some(task) = accepting {
            task.cancel().await;
        }
        self.cut_all(false).await;
    }

    async fn accept(self: Rc<Self>, listener: Async<TcpListener>) {
        loop {
            while !self.has_room() {
                // The server holds both ends, so there is always a message to wait for.
                let _ = self.room.1.recv().await;
            }
            match listener.accept().await {
                Ok((stream, _)) => self.clone().receive(stream),
                Err(_) => {
                    // Mostly a lack of descriptors, which does not end at once.
                    self.ledger().accept_failed();
                    Timer::after(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        let waits_at = match self.plan().faults().connections {
            Some(limit) if limit.excess == Excess::Wait => limit.max as usize,
            _ => usize::MAX,
        };
        self.seats.borrow().len() < self.config.max_connections && self.welcome_count.get() < waits_at
    }

    fn look_for_room(&self) {
        // A full channel already says so.
        let _ = self.room.0.try_send(());
    }

    fn receive(self: Rc<Self>, stream: Async<TcpStream>) {
        // Heads and bodies are sent together, so there is nothing to wait for. It is a loss of speed if it fails.
        let _ = stream.get_ref().set_nodelay(true);
        self.ledger().connection_opened();
        let limit = self.plan().faults().connections;
        let excess = limit.filter(|limit| self.welcome_count.get() >= limit.max as usize).map(|limit| limit.excess);
        let line = Rc::new(Line::new(stream));
        if excess.is_some() {
            self.ledger().connection_turned_away();
        }
        if excess == Some(Excess::Reset) {
            self.ledger().injected(cause::CONNECTIONS);
            line.reset_at_end();
            self.ledger().connection_closed();
            return;
        }
        let is_welcome = excess.is_none();
        self.welcome_count.update(|count| count + usize::from(is_welcome));
        let index = self.seats.borrow_mut().insert(Seat { line: line.clone(), task: None });
        let seated = Seated { server: self.clone(), index, is_welcome };
        let task = self.executor.spawn(async move { seated.serve(line).await });
        if let Some(seat) = self.seats.borrow_mut().get_mut(index) {
            seat.task = Some(task);
        }
    }

    /// Ends every connection; in an outage with a reset, and what was under way counts as its doing.
    async fn cut_all(&self, is_outage: bool) {
        let tasks: Vec<_> = self
            .seats
            .borrow_mut()
            .iter_mut()
            .filter_map(|(_, seat)| {
                if is_outage {
                    seat.line.is_cut.set(true);
                    seat.line.reset_at_end();
                }
                seat.task.take()
            })
            .collect();
        for task in tasks {
            task.cancel().await;
        }
        // Those that ended or were ended before may not have left yet.
        while !self.seats.borrow().is_empty() {
            future::yield_now().await;
        }
    }

    fn close_idle(&self, now: Instant) {
        for (_, seat) in self.seats.borrow_mut().iter_mut() {
            let since = seat.line.idle_since.get();
            if since.is_some_and(|since| now.saturating_duration_since(since) >= self.config.idle_timeout) {
                // Only marks the task; it ends when the executor comes to it.
                drop(seat.task.take());
            }
        }
    }
}

impl Seated {
    async fn serve(self, line: Rc<Line>) {
        let server = &*self.server;
        let mut wire = Wire::new(line);
        loop {
            let head = match wire.head(server.config.head_timeout).await {
                Ok(Some(head)) => head,
                Ok(None) => return,
                Err(bad) => return refuse(&mut wire, server, &bad).await,
            };
            let next = match &head.target {
                Target::Control(path) => control(&mut wire, server, &head, path).await,
                Target::Tile(_) | Target::Other(_) => answer(&mut wire, server, &head, !self.is_welcome).await,
            };
            match next {
                // Requests sent ahead must not keep the others waiting.
                Next::KeepOpen if wire.has_more() => future::yield_now().await,
                Next::KeepOpen => {}
                Next::Linger => return wire.linger().await,
                Next::Close => return,
                Next::Reset => return wire.line().reset_at_end(),
            }
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.server.welcome_count.update(|count| count - usize::from(self.is_welcome));
        self.server.ledger().connection_closed();
        self.server.look_for_room();
        let seat = self.server.seats.borrow_mut().try_remove(self.index);
        // The task is the one that runs this very line, unless the watch has taken it.
        if let Some(task) = seat.and_then(|seat| seat.task) {
            task.detach();
        }
    }
}

/// Answers what is no request, and closes.
async fn refuse(wire: &mut Wire, server: &Server, bad: &BadHead) {
    server.ledger().malformed();
    let reply = Reply::text(bad.status, format!("{}\n", bad.reason));
    if deliver(wire, server, &reply, Delivery { head: None, is_last: true, pace: None }, None).await == Next::Linger {
        wire.linger().await;
    }
}

/// How long after its time an idle connection is closed at the latest.
const ROUND_MAX: Duration = Duration::from_millis(250);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
