//! TCP connections that a dropped future can interrupt.
//!
//! ureq's own connector would do, but for three things. `Agent::shutdown` ends reads and writes, not a connect that
//! hangs, and it ends those of all requests. A reset inside a body without a stated length passes as its end. And each
//! connection is probed twice per request, with three system calls each time, where once before it is used again is
//! enough.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_io::Async;
use ureq::Proxy;
use ureq::http::Uri;
use ureq::unversioned::resolver::ResolvedSocketAddrs;
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::config::TIMEOUT_MAX;
use super::current::{self, Seen};
use super::failure::{from_connect, from_established, raise};
use super::job::{Job, Unfinished};
use super::socks::{self, Target};
use crate::transport::error::RequestError;
use crate::transport::{Phase, TransportError};

/// Opens TCP connections for a client, unless a proxy's tunnel is there already.
#[derive(Debug)]
pub(super) struct Dial {
    /// Longest silence while something is being read.
    pub(super) read_timeout: Duration,
    /// Longest standstill while something is being written.
    pub(super) send_timeout: Duration,
    pub(super) counts: Arc<Counts>,
}

/// How many connections there are and have been.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: AtomicU64,
    pub(super) open: AtomicUsize,
}

impl<In: Transport> Connector<In> for Dial {
    type Out = Either<In, Socket>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let job = current::job().ok_or_else(|| raise(TransportError::ShutDown))?;
        let limit = (*details.timeout.after).min(TIMEOUT_MAX);
        let started = Instant::now();
        let proxy =
            details.config.proxy().filter(|proxy| socks::is_spoken_by(proxy) && !proxy.is_no_proxy(details.uri));
        let addrs = proxy.map_or_else(|| Ok(details.addrs.clone()), |proxy| addresses_of(proxy, details))?;
        let stream = connect_any(&job, &addrs, started, limit)
            .map_err(|failed| failed.map_or(ureq::Error::Timeout(details.timeout.reason), raise))?;
        current::note(|seen| {
            *seen = Seen { connect: Some(started.elapsed()), reused: false, answered: false, ..*seen }
        });
        self.counts.opened.fetch_add(1, Ordering::Relaxed);
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        let socket = Socket {
            stream: Arc::new(stream),
            buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()),
            place: Place::Carrying,
            read_timeout: self.read_timeout,
            send_timeout: self.send_timeout,
            read_timeout_set: None,
            send_timeout_set: None,
            counts: Arc::clone(&self.counts),
        };
        // Before any handshake, which is interrupted through the socket too.
        job.hold(&socket.stream).map_err(|_| raise(TransportError::ShutDown))?;
        if let Some(proxy) = proxy {
            let known = details.addrs.first().copied();
            let target = Target::of(details.uri, known).ok_or_else(|| raise(RequestError::Url.into()))?;
            socks::open(&socket.stream, proxy, target, started + limit).map_err(|error| match error.kind() {
                ErrorKind::TimedOut => ureq::Error::Timeout(details.timeout.reason),
                _ => raise(TransportError::Proxy),
            })?;
        }
        Ok(Some(Either::B(socket)))
    }
}

/// Where the proxy itself is.
fn addresses_of(proxy: &Proxy, details: &ConnectionDetails) -> Result<ResolvedSocketAddrs, ureq::Error> {
    // The resolver knows the ports of HTTP alone, so this one is told.
    let authority = format!("{}:{}", proxy.host(), proxy.port());
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    details.resolver.resolve(&uri.map_err(|_| raise(TransportError::Proxy))?, details.config, details.timeout)
}

/// Tries one address after the other. Each but the last gets half of the time that is left, so that a dead first
/// address (often IPv6 without a route) cannot use it all up.
///
/// `Err(None)` is the end of the time.
fn connect_any(
    job: &Job,
    addrs: &[SocketAddr],
    started: Instant,
    limit: Duration,
) -> Result<TcpStream, Option<TransportError>> {
    let mut last = Some(TransportError::Resolve);
    for (index, addr) in addrs.iter().enumerate() {
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(None);
        }
        let share = if index + 1 == addrs.len() { left } else { left / 2 };
        match job.wait(Instant::now() + share, Async::<TcpStream>::connect(*addr)) {
            Ok(Ok(stream)) => return blocking(stream).map_err(|error| Some(from_connect(&error))),
            Ok(Err(error)) => last = Some(from_connect(&error)),
            Err(Unfinished::TimedOut) => last = None,
            Err(Unfinished::Stopped) => return Err(Some(TransportError::ShutDown)),
        }
    }
    Err(last)
}

fn blocking(stream: Async<TcpStream>) -> io::Result<TcpStream> {
    let stream = stream.into_inner()?;
    stream.set_nonblocking(false)?;
    // A request is one write; holding it back for more would only delay it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One TCP connection, and the buffers of the requests that it carries.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    place: Place,
    read_timeout: Duration,
    send_timeout: Duration,
    /// What the system was last told, to spare it being told the same again with every read.
    read_timeout_set: Option<Duration>,
    send_timeout_set: Option<Duration>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
enum Place {
    /// Tied to this thread's job.
    Carrying,
    /// Between two requests.
    Idle,
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let clock = Clock::start(timeout, self.send_timeout, Phase::Send)?;
        tell(&mut self.send_timeout_set, clock.limit, |limit| self.stream.set_write_timeout(limit))?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        match (&*self.stream).write_all(output) {
            Ok(()) => Ok(()),
            Err(error) if is_timeout(&error) => Err(clock.expired()),
            Err(error) => Err(raise(from_established(&error))),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let clock = Clock::start(timeout, self.read_timeout, current::seen().phase)?;
        tell(&mut self.read_timeout_set, clock.limit, |limit| self.stream.set_read_timeout(limit))?;
        let started = Instant::now();
        let read = loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(read) => break read,
                // A signal ends the read and starts its clock anew, so the time is kept here.
                Err(error) if error.kind() == ErrorKind::Interrupted && started.elapsed() < clock.limit => {}
                Err(error) if is_timeout(&error) => return Err(clock.expired()),
                Err(error) => return Err(raise(from_established(&error))),
            }
        };
        if read > 0 {
            current::note(|seen| seen.answered = true);
        }
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Asked when a connection is let go, and when it is taken up again. The first is where it leaves its job; only the
    /// second looks at the wire.
    fn is_open(&mut self) -> bool {
        let Some(job) = current::job() else {
            return false;
        };
        match self.place {
            Place::Carrying => {
                self.place = Place::Idle;
                job.release()
            }
            Place::Idle => {
                self.place = Place::Carrying;
                current::note(|seen| {
                    seen.reused = true;
                    seen.answered = false;
                });
                is_quiet(&self.stream) && job.hold(&self.stream).is_ok()
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The clock of one read or write.
#[derive(Clone, Copy)]
struct Clock {
    limit: Duration,
    /// What it means when it runs out.
    phase: Option<Phase>,
    reason: ureq::Timeout,
}

impl Clock {
    /// ureq's own clock runs while it connects; afterwards it is ours, of `usual` length.
    fn start(timeout: NextTimeout, usual: Duration, phase: Phase) -> Result<Self, ureq::Error> {
        let clock = match timeout.after {
            Limit::Exact(left) => Self { limit: left, phase: None, reason: timeout.reason },
            Limit::NotHappening => Self { limit: usual, phase: Some(phase), reason: timeout.reason },
        };
        // The system takes a timeout of zero for none at all.
        if clock.limit.is_zero() { Err(clock.expired()) } else { Ok(clock) }
    }

    fn expired(self) -> ureq::Error {
        match self.phase {
            Some(phase) => raise(TransportError::Timeout { phase, after: self.limit }),
            None => ureq::Error::Timeout(self.reason),
        }
    }
}

/// Tells the system a timeout, unless it was told before.
fn tell(
    told: &mut Option<Duration>,
    limit: Duration,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> Result<(), ureq::Error> {
    if *told == Some(limit) {
        return Ok(());
    }
    match set(Some(limit)) {
        Ok(()) => *told = Some(limit),
        // macOS refuses where the other side has closed; what it sent before that can still be read.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {}
        Err(error) => return Err(raise(from_established(&error))),
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// True where the other side has neither closed the connection nor sent anything unasked.
#[cfg(unix)]
fn is_quiet(stream: &TcpStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    // One system call, where making the socket non-blocking and back would be two more per request.
    matches!(recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(error) if error == rustix::io::Errno::WOULDBLOCK)
}

/// True where the other side has neither closed the connection nor sent anything unasked.
#[cfg(not(unix))]
fn is_quiet(stream: &TcpStream) -> bool {
    let look = || {
        stream.set_nonblocking(true)?;
        let quiet = matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        stream.set_nonblocking(false)?;
        io::Result::Ok(quiet)
    };
    look().unwrap_or(false)
}
