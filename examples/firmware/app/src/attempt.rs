//! One attempt: connect, ask, check, close, within a deadline.

use embassy_net::{
    IpEndpoint, Stack,
    tcp::{self, ConnectError, TcpSocket},
};
use embassy_time::{Duration, with_timeout};
use tile_http::{Answer, Error, Request, TileCheck, get};

/// A socket's buffers, which one call after the other uses.
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
    /// No connection.
    Connect(ConnectError),
    /// A connection, and no answer that could be trusted.
    Answer(Error<tcp::Error>),
    /// The attempt's time ran out.
    Timeout,
}

/// Makes one attempt, of at most `timeout` from connecting to the last byte.
///
/// Takes up to [`CLOSE_TIMEOUT`] longer to tell the server that the connection has ended. A future that is dropped does
/// not: the stack then answers whatever the server still sends with a reset.
///
/// # Errors
/// There is no answer that could be trusted. An answer with another status than 200 is no error.
pub async fn attempt(
    stack: Stack<'_>,
    buffers: &mut Buffers,
    server: IpEndpoint,
    request: &Request<'_>,
    timeout: Duration,
) -> Result<Answer, Failure> {
    let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
    let result = with_timeout(timeout, exchange(&mut socket, server, request)).await.unwrap_or(Err(Failure::Timeout));
    match result {
        Ok(_) => socket.close(),
        Err(_) => socket.abort(),
    }
    // Neither a lost acknowledgement nor a socket that has failed changes the result.
    let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    result
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
