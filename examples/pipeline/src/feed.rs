//! Fan-out over WebSockets to subscribers that may be slow.
//!
//! Each subscriber has a queue with a bound. Publishing never waits: where a queue is full its oldest message goes, because
//! whoever is behind wants what is new, and it is counted. Messages are numbered, so a subscriber knows what it missed.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{self, Message},
};
use smol::{
    Async, Executor, Task, Timer,
    channel::{self, Sender},
    future::FutureExt as _,
    stream::StreamExt as _,
};
use socket2::SockRef;

/// Messages that may wait for one subscriber.
const QUEUE: usize = 16;
/// Kernel buffers are kept small, or they would hide how slow a subscriber is.
const SOCKET_BYTES: usize = 32 << 10;
/// How long a subscriber may take to say hello, and to take what is left when the feed ends.
const PATIENCE: Duration = Duration::from_secs(5);

type Stream = Async<std::net::TcpStream>;

/// Publishes to whoever listens.
pub(crate) struct Hub {
    listener: Async<std::net::TcpListener>,
    executor: Arc<Executor<'static>>,
    subscribers: Mutex<Vec<Subscriber>>,
    published: AtomicU64,
}

struct Subscriber {
    queue: Sender<Message>,
    dropped: Arc<AtomicU64>,
}

/// How a subscriber behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Quick,
    Slow,
    /// Goes after so many messages.
    Leaves(u64),
}

/// What became of a subscription, as both sides saw it.
pub(crate) struct Heard {
    manner: Manner,
    received: u64,
    /// Numbers that were left out, up to the last one received.
    missed: u64,
    dropped: u64,
    in_order: bool,
}

impl Hub {
    pub(crate) fn open(executor: Arc<Executor<'static>>) -> io::Result<Self> {
        let listener = Async::<std::net::TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self { listener, executor, subscribers: Mutex::default(), published: AtomicU64::new(0) })
    }

    /// Three subscribers: one that keeps up, one that does not, and one that leaves.
    pub(crate) async fn audience(&self) -> Result<Vec<Task<Heard>>, Box<dyn std::error::Error>> {
        let mut audience = Vec::new();
        for manner in [Manner::Quick, Manner::Slow, Manner::Leaves(20)] {
            let socket = subscribe(self.listener.get_ref().local_addr()?);
            let (dropped, socket) = smol::future::try_zip(self.accept(), socket).await?;
            audience.push(self.executor.spawn(listen(socket, manner, dropped)));
        }
        Ok(audience)
    }

    /// Numbers a message and puts it into every queue. Never waits.
    pub(crate) fn publish(&self, payload: Vec<u8>) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted under the lock: in each queue the numbers rise.
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        let message = Message::binary([&number.to_be_bytes()[..], &payload].concat());
        subscribers.retain(|subscriber| match subscriber.queue.force_send(message.clone()) {
            Ok(displaced) => {
                subscriber.dropped.fetch_add(u64::from(displaced.is_some()), Ordering::Relaxed);
                true
            }
            // It has left.
            Err(_closed) => false,
        });
    }

    /// Ends the feed once every queue is empty, and says how many messages there were.
    pub(crate) fn close(&self) -> u64 {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.published.load(Ordering::Relaxed)
    }

    /// Takes in one subscriber and gives the count of what is dropped for it.
    async fn accept(&self) -> Result<Arc<AtomicU64>, tungstenite::Error> {
        let (socket, _) = self.listener.accept().await?;
        SockRef::from(socket.get_ref()).set_send_buffer_size(SOCKET_BYTES)?;
        let socket = within(PATIENCE, accept_async(socket)).await?;
        let (queue, messages) = channel::bounded(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let subscriber = Subscriber { queue, dropped: Arc::clone(&dropped) };
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(subscriber);
        self.executor.spawn(send(socket, messages)).detach();
        Ok(dropped)
    }
}

/// Sends what is in the queue until the feed or the subscriber ends.
async fn send(mut socket: WebSocketStream<Stream>, messages: channel::Receiver<Message>) {
    while let Ok(message) = messages.recv().await {
        // Whoever stops reading loses its place, and the queue with it.
        if within(PATIENCE, socket.send(message)).await.is_err() {
            return;
        }
    }
    // Nobody is owed a farewell who does not wait for it.
    let _gone = within(PATIENCE, socket.close(None)).await;
}

async fn subscribe(address: SocketAddr) -> Result<WebSocketStream<Stream>, tungstenite::Error> {
    let socket = Async::<std::net::TcpStream>::connect(address).await?;
    SockRef::from(socket.get_ref()).set_recv_buffer_size(SOCKET_BYTES)?;
    let (socket, _response) = within(PATIENCE, client_async(format!("ws://{address}/tiles"), socket)).await?;
    Ok(socket)
}

/// Listens to the end, in its manner.
async fn listen(mut socket: WebSocketStream<Stream>, manner: Manner, dropped: Arc<AtomicU64>) -> Heard {
    let mut heard = Heard { manner, received: 0, missed: 0, dropped: 0, in_order: true };
    let mut expected = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(bytes) = message else { continue };
        let number = bytes.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
        heard.in_order &= number >= expected;
        heard.missed += number.saturating_sub(expected);
        expected = number + 1;
        heard.received += 1;
        match manner {
            Manner::Quick => {}
            Manner::Slow => drop(Timer::after(Duration::from_millis(40)).await),
            Manner::Leaves(after) if heard.received >= after => break,
            Manner::Leaves(_) => {}
        }
    }
    heard.dropped = dropped.load(Ordering::Relaxed);
    heard
}

async fn within<T>(
    span: Duration,
    work: impl Future<Output = Result<T, tungstenite::Error>>,
) -> Result<T, tungstenite::Error> {
    let late = async {
        Timer::after(span).await;
        Err(io::Error::from(io::ErrorKind::TimedOut).into())
    };
    work.or(late).await
}

/// Prints what subscribers heard, and returns what does not add up.
pub(crate) fn report(published: u64, audience: &[Heard]) -> io::Result<Vec<String>> {
    let mut out = io::stdout().lock();
    let mut complaints = Vec::new();
    writeln!(out, "feed      {published} messages published")?;
    for Heard { manner, received, missed, dropped, in_order } in audience {
        let name = match manner {
            Manner::Quick => "quick",
            Manner::Slow => "slow",
            Manner::Leaves(_) => "leaves",
        };
        writeln!(out, "          {name:<8} {received:>4} received, {missed:>4} missed, {dropped:>4} dropped for it")?;
        if !in_order {
            complaints.push(format!("{name}: messages out of order"));
        }
        let stayed = !matches!(manner, Manner::Leaves(_));
        if stayed && (missed != dropped || received + dropped != published) {
            complaints
                .push(format!("{name}: {received} received and {dropped} dropped of {published}, {missed} missed"));
        }
    }
    Ok(complaints)
}
