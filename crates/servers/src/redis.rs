//! A Redis server with a folder of its own, on 127.0.0.1.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Port, Server};

/// How long it may take until it answers; it has nothing to load.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(1);

/// A Redis server; killed when dropped.
#[derive(Debug)]
pub struct Redis(Server);

impl Redis {
    /// Starts the program with its files in `dir`, which is made if it is not there, and waits until it
    /// answers. What it is told it keeps in its append-only file, synced once a second, and nowhere else.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start(binary: &Path, dir: &Path) -> io::Result<Self> {
        let files = ["--appendonly", "yes", "--save", ""];
        Self::start_with(binary, dir, &files)
    }

    /// As [`Redis::start`], with these arguments instead of the append-only file's.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start_with(binary: &Path, dir: &Path, arguments: &[&str]) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = Port::hold()?;
        let mut command = Command::new(binary);
        command.args(["--bind", "127.0.0.1", "--port", &port.number().to_string()]);
        command.arg("--dir").arg(dir).args(arguments);
        let output = dir.join("output");
        Server::start(command, output, port, PATIENCE, answers).map(Self)
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// Whether it answers, and has read its files.
fn answers(addr: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&addr, ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    connection.read_exact(&mut answer)?;
    match &answer {
        // It answers those that it knows.
        b"+PONG\r\n" | b"-NOAUTH" => Ok(()),
        _ => Err(io::Error::other("it is loading")),
    }
}
