//! The address that the server listens on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use async_io::Async;
use socket2::{Domain, Protocol, Socket, Type};

/// A port on 127.0.0.1 that stays the server's own while nobody listens on it.
///
/// A port on which nothing listens refuses connections, which is what an outage is to look like. But a port that is not
/// bound can be taken by any other program, so on Linux a second socket keeps it.
pub(super) struct Door {
    addr: SocketAddr,
    _keeper: Option<Socket>,
}

impl Door {
    /// Takes the port; 0 is a free one.
    pub(super) fn claim(port: u16) -> io::Result<Self> {
        let keeper = socket((Ipv4Addr::LOCALHOST, port).into())?;
        let bound = keeper.local_addr()?.as_socket();
        let addr = bound.ok_or_else(|| io::Error::other("the bound address is not one of IPv4"))?;
        // Elsewhere two sockets cannot share a port in this way, and it is bound anew each time.
        Ok(Self { addr, _keeper: cfg!(target_os = "linux").then_some(keeper) })
    }

    /// Begins to listen.
    pub(super) fn open(&self) -> io::Result<Async<TcpListener>> {
        let socket = socket(self.addr)?;
        socket.listen(BACKLOG)?;
        Async::new(socket.into())
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn socket(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run that are still winding down must not keep the port.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Connections that may wait to be accepted; more than a benchmark opens at once.
const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_closed_door_refuses_and_can_be_opened_again() {
        let door = Door::claim(0).expect("a free port");
        let refused = || TcpStream::connect(door.addr()).map_err(|error| error.kind()).err();
        assert_eq!(refused(), Some(io::ErrorKind::ConnectionRefused));
        for _ in 0..2 {
            let listener = door.open().expect("the port is ours");
            assert_eq!(refused(), None);
            drop(listener);
            assert_eq!(refused(), Some(io::ErrorKind::ConnectionRefused));
        }
    }

    #[test]
    fn a_port_that_somebody_listens_on_cannot_be_taken() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = other.local_addr().expect("bound").port();
        let taken = Door::claim(port).map_err(|error| error.kind()).err();
        assert_eq!(taken, Some(io::ErrorKind::AddrInUse));
    }
}
