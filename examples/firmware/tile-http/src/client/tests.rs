use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{format, io::Write as _, string::String, vec::Vec};

use embedded_io_async::{ErrorKind, ErrorType};

use super::*;
use crate::gzip::GzipError;

extern crate std;

/// A connection whose server sends fixed bytes, a few at a time, and then closes or resets.
struct Scripted<'a> {
    answer: &'a [u8],
    piece: usize,
    then: Result<usize, ErrorKind>,
    sent: Vec<u8>,
}

impl ErrorType for Scripted<'_> {
    type Error = ErrorKind;
}

impl Read for Scripted<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        if self.answer.is_empty() {
            return self.then;
        }
        let length = self.piece.min(buffer.len()).min(self.answer.len());
        let (now, later) = self.answer.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.answer = later;
        Ok(length)
    }
}

impl Write for Scripted<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

fn tile() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&b"countries ".repeat(500)).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn fetch(answer: &[u8], piece: usize, then: Result<usize, ErrorKind>) -> Result<Answer, Error<ErrorKind>> {
    let request = Request::new("10.0.2.2:8001", "/0/0/0.mvt", "tidegate-firmware/0.1").expect("a sound request");
    let mut stream = Scripted { answer, piece, then, sent: Vec::new() };
    run(get(&mut stream, &request, &mut TileCheck::new(100_000)))
}

/// The result of a future that only waits for scripted streams, which are always ready.
fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a scripted stream is always ready"),
    }
}

#[test]
fn a_tile_is_received_with_either_framing_and_in_pieces_of_any_size() {
    let tile = tile();
    let length = answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}", tile.len()), &tile);
    let (front, back) = tile.split_at(30);
    let chunks = [b"1e\r\n", front, format!("\r\n{:x}\r\n", back.len()).as_bytes(), back, b"\r\n0\r\n\r\n"].concat();
    let chunked = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", &chunks);
    let until_close = answer("HTTP/1.0 200 OK", &tile);
    for answer in [length, chunked, until_close] {
        for piece in [1, 3, 40, READ_BYTES, 4_096] {
            let answer = fetch(&answer, piece, Ok(0)).expect("an answer");
            let tile = answer.tile.expect("a tile");
            assert_eq!((answer.status, tile.inflated), (200, 5_000), "pieces of {piece}");
        }
    }
}

#[test]
fn the_request_is_the_one_asked_for() {
    let request = Request::new("10.0.2.2:8001", "/0/0/0.mvt?key=1", "tidegate-firmware/0.1").expect("a sound request");
    let mut stream = Scripted { answer: b"", piece: 1, then: Ok(0), sent: Vec::new() };
    assert_eq!(run(get(&mut stream, &request, &mut TileCheck::new(0))), Err(Error::Closed));
    let sent = String::from_utf8(stream.sent).expect("an ASCII request");
    assert!(sent.starts_with("GET /0/0/0.mvt?key=1 HTTP/1.1\r\nHost: 10.0.2.2:8001\r\n"), "{sent}");
    assert!(sent.contains("\r\nConnection: close\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
}

#[test]
fn a_request_that_could_smuggle_in_a_header_is_not_made() {
    for (host, path) in [("", "/"), ("h", ""), ("h", "no-slash"), ("h", "/a b"), ("h", "/\r\nX: y"), ("h\r\n", "/")] {
        assert_eq!(Request::new(host, path, "agent"), None, "{host:?} {path:?}");
    }
    assert_eq!(Request::new("h", "/", "agent\r\nX: y"), None);
}

#[test]
fn other_statuses_are_answers_without_a_tile() {
    let refusal = answer("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 9", b"slow down");
    let answer = fetch(&refusal, 7, Ok(0)).expect("an answer");
    assert_eq!((answer.status, answer.retry_after.as_deref(), answer.tile), (429, Some(b"3".as_slice()), None));
}

#[test]
fn what_servers_do_when_they_misbehave_is_told_apart() {
    let tile = tile();
    let half = &tile[..tile.len() / 2];
    let lying = answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}", tile.len()), half);
    assert_eq!(fetch(&lying, 64, Ok(0)), Err(Error::Framing(FramingError::Incomplete)), "cut off");
    assert_eq!(fetch(&lying, 64, Err(ErrorKind::ConnectionReset)), Err(Error::Stream(ErrorKind::ConnectionReset)));

    let incomplete = Err(Error::Tile(TileError::Gzip(GzipError::Incomplete)));
    let honest = answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}", half.len()), half);
    assert_eq!(fetch(&honest, 64, Ok(0)), incomplete, "cut off, and announced so");
    assert_eq!(fetch(&answer("HTTP/1.0 200 OK", half), 64, Ok(0)), incomplete, "cut off without a length");

    let page = answer("HTTP/1.1 200 OK\r\nContent-Length: 14", b"<html>sorry</h");
    assert_eq!(fetch(&page, 64, Ok(0)), Err(Error::Tile(TileError::Gzip(GzipError::Magic))));
    let empty = answer("HTTP/1.1 200 OK\r\nContent-Length: 0", b"");
    assert_eq!(fetch(&empty, 64, Ok(0)), incomplete);

    assert_eq!(fetch(b"", 64, Ok(0)), Err(Error::Closed));
    assert_eq!(fetch(b"HTTP/1.1 200 OK\r\n", 64, Ok(0)), Err(Error::Closed));
    assert_eq!(fetch(b"220 smtp.example.org\r\n", 64, Ok(0)), Err(Error::Head(HeadError::StatusLine)));
}
