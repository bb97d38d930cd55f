//! A port that is kept for a server: free, and nobody else's until it is let go.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};

/// A port of 127.0.0.1 that the kernel gives to nobody while this, or a copy of it, lives. Whoever is told of it
/// may listen there, once and again, as servers do that reuse addresses (`SO_REUSEADDR`).
///
/// It is bound and not listened on, which on Linux does not stand in a listener's way. Elsewhere it does, so there
/// the port is one that was free a moment ago.
#[derive(Debug, Clone)]
pub struct Port {
    addr: SocketAddr,
    _held: Option<Arc<Socket>>,
}

impl Port {
    /// Finds one.
    ///
    /// # Errors
    /// None is free.
    pub fn hold() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let addr = socket.local_addr()?.as_socket();
        let addr = addr.ok_or_else(|| io::Error::other("the socket has no address"))?;
        let held = cfg!(target_os = "linux").then(|| Arc::new(socket));
        Ok(Self { addr, _held: held })
    }

    /// Where to listen.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.addr.port()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A socket that does not reuse addresses, bound there.
    fn strict(addr: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&addr.into()).map(|()| socket)
    }

    #[test]
    fn a_held_port_is_listened_on_again_and_again_and_is_nobody_elses() {
        let port = Port::hold().unwrap();
        for _ in 0..3 {
            let listener = TcpListener::bind(port.addr()).unwrap();
            let client = TcpStream::connect(port.addr()).unwrap();
            assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
            drop(listener);
            assert!(TcpStream::connect(port.addr()).is_err(), "nobody listens");
            assert!(strict(port.addr()).is_err(), "it is held");
        }
        let copy = port.clone();
        drop(port);
        assert!(strict(copy.addr()).is_err(), "a copy holds it");
    }
}
