//! One request and its answer, on a socket that does not block.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use tidegate_core::{Outcome, http};

/// Asked, and not yet answered in full.
pub(crate) struct Exchange {
    socket: io::Result<TcpStream>,
    answer: Vec<u8>,
}

impl Exchange {
    /// Connects and asks.
    pub(crate) fn begin(url: &str) -> Self {
        Self { socket: ask(url), answer: Vec::new() }
    }

    /// Takes what has come. `None` while the server has not closed the connection.
    pub(crate) fn poll(&mut self) -> Option<Outcome> {
        let Ok(socket) = &mut self.socket else { return Some(Outcome::Failure) };
        let mut bytes = [0; 4096];
        loop {
            match socket.read(&mut bytes) {
                Ok(0) => return Some(self.outcome()),
                Ok(count) if self.answer.len() + count <= ANSWER_MAX => self.answer.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Some(Outcome::Failure),
            }
        }
    }

    /// What the whole answer means; one that is shorter than it says is a failure, whatever its status.
    fn outcome(&self) -> Outcome {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(size)) = head.parse(&self.answer) else { return Outcome::Failure };
        let field = |name: &str| {
            head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
        };
        let length = field("content-length").and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        if length.is_none_or(|length: usize| self.answer.len() - size != length) {
            return Outcome::Failure;
        }
        let hint = field("retry-after").and_then(|value| http::retry_after(value, field("date")));
        head.code.map_or(Outcome::Failure, |status| http::outcome(status, hint))
    }
}

/// std cannot connect without blocking; a network chip's socket would be one more thing to poll.
fn ask(url: &str) -> io::Result<TcpStream> {
    let (host, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or(ErrorKind::InvalidInput)?;
    let address = host.to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    write!(socket, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Larger than tiles get.
const ANSWER_MAX: usize = 1 << 20;
