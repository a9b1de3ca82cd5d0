//! Bytes to and from the other side, through as many layers of TLS as lie between.
//!
//! Each layer reads and writes without blocking and says "would block" as the socket below it does, so that a tunnel
//! through a proxy that is itself spoken to over TLS is one layer more and nothing else. Waiting is done in one place,
//! for the one socket at the bottom.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use async_io::Async;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A socket, or TLS over another wire.
pub(super) enum Wire {
    Tcp(Async<TcpStream>),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

impl Wire {
    /// The same wire with TLS over it, once both sides have agreed.
    ///
    /// # Errors
    /// What the library found wrong is inside of the error.
    pub(super) async fn with_tls(self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = Box::new(StreamOwned::new(connection, self));
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match stream.conn.wants_write() || stream.sock.wants_write() {
                        true => stream.sock.socket().writable().await?,
                        false => stream.sock.socket().readable().await?,
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self::Tls(stream))
    }

    /// Reads what is there, waiting until something is; 0 is the end.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.wants_write() {
                    // TLS has something to say before it hears more.
                    true => self.socket().writable().await?,
                    false => self.socket().readable().await?,
                },
                read => return read,
            }
        }
    }

    /// Writes some of `bytes`, waiting until there is room for any.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.socket().writable().await?,
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                written => return written,
            }
        }
    }

    /// Has on its way what a layer still holds.
    pub(super) async fn flushed(&mut self) -> io::Result<()> {
        loop {
            match self.flush() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.socket().writable().await?,
                flushed => return flushed,
            }
        }
    }

    /// The socket at the bottom.
    pub(super) fn socket(&self) -> &Async<TcpStream> {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(stream) => stream.sock.socket(),
        }
    }

    pub(super) const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether no layer holds anything that has come and was not read yet, be it bytes or the word that there are no more.
    /// What the socket holds is not looked at.
    pub(super) fn is_drained(&mut self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Tls(stream) => {
                let state = stream.conn.process_new_packets();
                let is_drained = state.is_ok_and(|it| it.plaintext_bytes_to_read() == 0 && !it.peer_has_closed());
                is_drained && stream.sock.is_drained()
            }
        }
    }

    /// Whether a layer waits for room, and not for bytes.
    fn wants_write(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(stream) => stream.conn.wants_write() || stream.sock.wants_write(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.get_ref().read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.get_ref().write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Without what it carries.
impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_tls() { "Tls" } else { "Tcp" })
    }
}
