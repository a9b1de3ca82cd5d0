//! One connection's bytes, in and out.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::future;

use super::head::{BadHead, Head};
use super::request::Request;
use super::rules::Pace;
use super::stats::End;

/// What a connection shares with whoever watches over it.
pub(super) struct Line {
    stream: Async<TcpStream>,
    /// Since when it waits for a request.
    pub(super) idle_since: Cell<Option<Instant>>,
    /// The server goes down: the end of the task that serves it is not the client's doing.
    pub(super) is_cut: Cell<bool>,
}

/// A connection and what was read from it ahead.
pub(super) struct Wire {
    line: Rc<Line>,
    /// Never more than a head, a body of the control endpoint and one read.
    inbox: Vec<u8>,
}

/// The client has left.
#[derive(Debug)]
pub(super) struct Gone;

impl Line {
    pub(super) fn new(stream: Async<TcpStream>) -> Self {
        Self { stream, idle_since: Cell::new(Some(Instant::now())), is_cut: Cell::new(false) }
    }

    /// Makes the end of the connection a reset.
    pub(super) fn reset_at_end(&self) {
        // Without the option the connection is closed the gentle way, which is all that can be done.
        let _ = socket2::SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO));
    }
}

impl Wire {
    pub(super) fn new(line: Rc<Line>) -> Self {
        Self { line, inbox: Vec::new() }
    }

    pub(super) fn line(&self) -> &Rc<Line> {
        &self.line
    }

    /// Whether something was read beyond the last request.
    pub(super) fn has_more(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Reads the next head. None: the client has closed the connection between two requests.
    pub(super) async fn head(&mut self, timeout: Duration) -> Result<Option<Head>, BadHead> {
        let (waiting_since, mut began, mut searched) = (Instant::now(), None, 0);
        loop {
            if searched == 0 {
                // Line ends before a request are passed over (RFC 9112, section 2.2).
                let leading = self.inbox.iter().take_while(|byte| b"\r\n".contains(byte)).count();
                self.inbox.drain(..leading);
            }
            if let Some(end) = head_end(&self.inbox, searched).filter(|end| *end <= HEAD_BYTES_MAX) {
                let head = Head::parse(&self.inbox[..end]);
                self.inbox.drain(..end);
                return head.map(Some);
            }
            if self.inbox.len() > HEAD_BYTES_MAX {
                return Err(BadHead { status: 431, reason: "the head is larger than 16 KiB" });
            }
            searched = self.inbox.len();
            let read = if self.inbox.is_empty() {
                // Whoever watches over the connection ends this wait.
                self.line.idle_since.set(Some(waiting_since));
                self.fill().await
            } else {
                let until = *began.get_or_insert_with(|| Instant::now() + timeout);
                within(until, self.fill()).await.map_err(|_| TOO_SLOW)?
            };
            self.line.idle_since.set(None);
            match read {
                Ok(bytes) if bytes > 0 => {}
                _ if self.inbox.is_empty() => return Ok(None),
                _ => return Err(BadHead { status: 400, reason: "the connection ended inside a head" }),
            }
        }
    }

    /// Reads a body of this length, if it comes in time.
    pub(super) async fn body(&mut self, bytes: usize, timeout: Duration) -> Result<Vec<u8>, BadHead> {
        let until = Instant::now() + timeout;
        while self.inbox.len() < bytes {
            match within(until, self.fill()).await.map_err(|_| TOO_SLOW)? {
                Ok(read) if read > 0 => {}
                _ => return Err(BadHead { status: 400, reason: "the connection ended inside a body" }),
            }
        }
        Ok(self.inbox.drain(..bytes).collect())
    }

    /// Waits, unless the client leaves.
    pub(super) async fn pause(&mut self, span: Duration) -> Result<(), Gone> {
        self.pause_until(Instant::now() + span).await
    }

    /// Sends head and body, with pauses where a pace is given. The request that is counted ends with the last byte if
    /// an end is given. A client that reads nothing for half a minute counts as gone.
    pub(super) async fn send(
        &mut self,
        head: &[u8],
        body: &[u8],
        pace: Option<Pace>,
        mut counted: Option<(&mut Request<'_>, Option<End<'_>>)>,
    ) -> Result<(), Gone> {
        let total = head.len() + body.len();
        let step = pace.map_or(total, |pace| usize::try_from(pace.bytes).unwrap_or(usize::MAX)).max(1);
        let (mut sent, mut next_at) = (0_usize, Instant::now());
        loop {
            let until = sent.saturating_add(step).min(total);
            while sent < until {
                let (head, body) = (
                    &head[sent.min(head.len())..until.min(head.len())],
                    &body[sent.saturating_sub(head.len())..until.saturating_sub(head.len())],
                );
                let write = || self.line.stream.get_ref().write_vectored(&[IoSlice::new(head), IoSlice::new(body)]);
                let written = match &mut counted {
                    Some((request, end)) => request.sending(total - sent, head.len(), *end, write),
                    None => write(),
                };
                match written {
                    Ok(0) => return Err(Gone),
                    Ok(bytes) => sent += bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                    Err(_) => return Err(Gone),
                }
            }
            match pace {
                Some(pace) if sent < total => {
                    // By the clock and not by the length of each pause, so that lateness does not add up.
                    next_at += pace.pause;
                    self.pause_until(next_at).await?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Waits until the client leaves.
    pub(super) async fn gone(&mut self) {
        // What it sends ahead in the meantime is kept up to a bound; beyond it nobody looks any more.
        while self.inbox.len() <= HEAD_BYTES_MAX {
            match self.fill().await {
                Ok(bytes) if bytes > 0 => {}
                _ => return,
            }
        }
        future::pending().await
    }

    /// Ends the sending side and reads what is still under way, for a while. Closing at once would reset the
    /// connection, and the client could lose the answer that it has not read yet.
    pub(super) async fn linger(&mut self) {
        let _ = self.line.stream.get_ref().shutdown(std::net::Shutdown::Write);
        let until = Instant::now() + LINGER_MAX;
        let mut discarded = 0;
        while discarded < LINGER_BYTES_MAX {
            self.inbox.clear();
            match within(until, self.fill()).await {
                Ok(Ok(bytes)) if bytes > 0 => discarded += bytes,
                _ => return,
            }
        }
    }

    async fn pause_until(&mut self, at: Instant) -> Result<(), Gone> {
        within(at, self.gone()).await.map_or(Ok(()), |()| Err(Gone))
    }

    async fn writable(&self) -> Result<(), Gone> {
        match within(Instant::now() + WRITE_MAX, self.line.stream.writable()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Reads once, as much as there is. Zero is the end.
    async fn fill(&mut self) -> io::Result<usize> {
        loop {
            // Mostly nothing has come yet, and asking first would be a system call for nothing.
            self.line.stream.readable().await?;
            let before = self.inbox.len();
            self.inbox.resize(before + READ_BYTES, 0);
            let read = self.line.stream.get_ref().read(&mut self.inbox[before..]);
            self.inbox.truncate(before + read.as_ref().map_or(0, |bytes| *bytes));
            match read {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                read => return read,
            }
        }
    }
}

/// What the future gives, unless the instant comes first.
async fn within<T>(until: Instant, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let alarm = async {
        Timer::at(until).await;
        Err(Elapsed)
    };
    future::or(async { Ok(work.await) }, alarm).await
}

struct Elapsed;

/// Where the head ends, counted past its empty line. The bytes before `searched` were searched before.
fn head_end(bytes: &[u8], searched: usize) -> Option<usize> {
    // The mark may have begun in what was searched before.
    let from = searched.saturating_sub(2);
    bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| {
        match &bytes[from + at + 1..] {
            [b'\n', ..] => Some(from + at + 2),
            [b'\r', b'\n', ..] => Some(from + at + 3),
            _ => None,
        }
    })
}

const TOO_SLOW: BadHead = BadHead { status: 408, reason: "the request did not come in time" };

/// Larger than any head that a client sends; nginx allows 8 KiB for each line.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A request has a few hundred bytes.
const READ_BYTES: usize = 2 << 10;

/// How long a client may take no byte.
const WRITE_MAX: Duration = Duration::from_secs(30);

const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found_wherever_the_reads_split_it() {
        for head in ["GET / HTTP/1.1\r\nHost: x\r\n\r\nrest", "GET / HTTP/1.1\nHost: x\n\nrest", "A\r\n\nrest"] {
            let end = head.len() - "rest".len();
            for split in 0..=head.len() {
                let early = head_end(&head.as_bytes()[..split], 0);
                let found = early.or_else(|| head_end(head.as_bytes(), split));
                assert_eq!(found, Some(end), "{head:?} split at {split}");
            }
        }
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nHost: x\r\n", 0), None);
    }
}
