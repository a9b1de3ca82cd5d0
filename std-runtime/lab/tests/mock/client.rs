//! A client that hides nothing: bytes out, bytes in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tidegate_lab::mock::{Mock, MockConfig, MockStats};

/// A mock with these rules, one a line.
pub(crate) fn mock(rules: &str) -> Mock {
    let faults = rules.parse().unwrap_or_else(|error| panic!("{error}"));
    start(MockConfig { faults, ..MockConfig::default() })
}

pub(crate) fn start(config: MockConfig) -> Mock {
    Mock::start(config).unwrap_or_else(|error| panic!("{error}"))
}

/// An answer as it came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr) -> Self {
        Self::try_open(addr).expect("the server accepts connections")
    }

    pub(crate) fn try_open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        // Nothing here may hang the test run.
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, inbox: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks for a path, with more header lines, and reads an answer with an honest length.
    pub(crate) fn get(&mut self, path: &str, fields: &str) -> io::Result<Answer> {
        self.send(get(path, fields).as_bytes())?;
        self.answer(true)
    }

    /// Reads an answer, with its body if it has one.
    pub(crate) fn answer(&mut self, has_body: bool) -> io::Result<Answer> {
        let end = loop {
            match self.inbox.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.more()?,
            }
        };
        let head = String::from_utf8(self.inbox.drain(..end).collect()).expect("a head is text");
        let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status line");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.field("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        if has_body {
            while self.inbox.len() < length {
                self.more()?;
            }
            answer.body = self.inbox.drain(..length).collect();
        }
        Ok(answer)
    }

    /// Everything up to the end of the connection, and how it ended.
    pub(crate) fn rest(mut self) -> (Vec<u8>, io::Result<()>) {
        let read = self.stream.read_to_end(&mut self.inbox).map(drop);
        (self.inbox, read)
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => {
                self.inbox.extend_from_slice(&chunk[..bytes]);
                Ok(())
            }
        }
    }
}

/// A request as text.
pub(crate) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: mock\r\n{fields}\r\n")
}

/// One request on a connection of its own.
pub(crate) fn fetch(addr: SocketAddr, path: &str, fields: &str) -> io::Result<Answer> {
    Connection::try_open(addr)?.get(path, fields)
}

/// A request that is to meet this fault, everything that came back and how it ended.
pub(crate) fn with_fault(mock: &Mock, path: &str, fault: &str) -> (Vec<u8>, io::Result<()>) {
    let mut connection = Connection::open(mock.addr());
    connection.send(get(path, &format!("x-mock-fault: {fault}\r\nConnection: close\r\n")).as_bytes()).expect("sent");
    connection.rest()
}

/// Posts to the control endpoint.
pub(crate) fn post(mock: &Mock, path: &str, fields: &str, body: &str) -> Answer {
    let mut connection = Connection::open(mock.addr());
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: mock\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    connection.send(head.as_bytes()).and_then(|()| connection.answer(true)).expect("the control endpoint answers")
}

/// The counters, once they are as expected; the last ones if that takes too long.
pub(crate) fn stats_when(mock: &Mock, are_good: impl Fn(&MockStats) -> bool) -> MockStats {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = mock.stats();
        assert!(stats.balances(), "{stats:?}");
        if are_good(&stats) || Instant::now() > until {
            return stats;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
