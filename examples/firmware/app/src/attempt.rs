//! One attempt: connect, ask, check, close.

use embassy_net::{
    IpEndpoint, Stack,
    tcp::{self, ConnectError, TcpSocket},
};
use embassy_time::{Duration, Instant, with_deadline, with_timeout};
use tile_http::{Answer, Error, Request, TileCheck, get};

/// A socket's buffers, which one attempt after the other uses.
pub struct Buffers {
    receive: [u8; RECEIVE_BYTES],
    send: [u8; SEND_BYTES],
}

impl Buffers {
    /// Empty buffers.
    pub const fn new() -> Self {
        Self { receive: [0; RECEIVE_BYTES], send: [0; SEND_BYTES] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Failure {
    /// All sockets are in use: it was never sent.
    NoSocket,
    /// No connection.
    Connect(ConnectError),
    /// A connection, and no answer that could be trusted.
    Answer(Error<tcp::Error>),
}

/// Makes one attempt, which is to be dropped at `until`.
///
/// It gives up [`CLOSE_TIMEOUT`] before that to tell the server that the connection has ended, and is then not ready: what
/// it means that time ran out is for whoever set the time.
///
/// # Errors
/// There is no answer that could be trusted. An answer with another status than 200 is no error.
pub async fn attempt(
    stack: Stack<'_>,
    buffers: &mut Buffers,
    server: IpEndpoint,
    request: &Request<'_>,
    until: Instant,
) -> Result<Answer, Failure> {
    let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
    let give_up_at = until.checked_sub(CLOSE_TIMEOUT).unwrap_or(until);
    let result = with_deadline(give_up_at, exchange(&mut socket, server, request)).await;
    match &result {
        Ok(Ok(_)) => socket.close(),
        Ok(Err(_)) | Err(_) => socket.abort(),
    }
    // Neither a lost acknowledgement nor a socket that has failed changes the result.
    let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    match result {
        Ok(result) => result,
        Err(_) => core::future::pending().await,
    }
}

async fn exchange(socket: &mut TcpSocket<'_>, server: IpEndpoint, request: &Request<'_>) -> Result<Answer, Failure> {
    socket.connect(server).await.map_err(Failure::Connect)?;
    get(socket, request, &mut TileCheck::new(TILE_BYTES_MAX)).await.map_err(Failure::Answer)
}

/// Two full segments and the window is never shut for want of an acknowledgement.
const RECEIVE_BYTES: usize = 2 * 1460;
/// A request with room to spare.
const SEND_BYTES: usize = 256;
/// Larger than tiles get, so that a server that never stops is stopped.
const TILE_BYTES_MAX: u32 = 1 << 20;
/// How long to wait for the server to hear that the connection has ended.
pub const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);
