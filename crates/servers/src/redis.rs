//! A Redis server with a folder of its own, on 127.0.0.1.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Child, free_port};

/// How long it may take until it answers; it has nothing to load.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(1);

/// A Redis server; killed when dropped.
#[derive(Debug)]
pub struct Redis {
    command: Command,
    output: PathBuf,
    addr: SocketAddr,
    child: Option<Child>,
}

impl Redis {
    /// Starts the program with its files in `dir`, which is made if it is not there, and waits until it
    /// answers. What it is told it keeps in its append-only file, synced once a second.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start(binary: &Path, dir: &Path, port: Option<u16>) -> io::Result<Self> {
        Self::start_with(binary, dir, port, &["--appendonly", "yes"])
    }

    /// As [`Redis::start`], with these arguments instead of the append-only file's.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start_with(
        binary: &Path,
        dir: &Path,
        port: Option<u16>,
        arguments: &[&str],
    ) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = port.map_or_else(free_port, Ok)?;
        let mut command = Command::new(binary);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.arg("--dir").arg(dir).args(arguments);
        let mut redis = Self {
            command,
            output: dir.join("output"),
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            child: None,
        };
        redis.start_again()?;
        Ok(redis)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Ends it as `kill -9` does; its files are as it left them.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.take().map_or(Ok(()), Child::kill)
    }

    /// Stops it where it is: connections stay open, and nobody answers.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop(&self) -> io::Result<()> {
        self.running()?.stop()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn go_on(&self) -> io::Result<()> {
        self.running()?.go_on()
    }

    /// Starts it again with the same port and folder after it was killed, and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.kill()?;
        let child = Child::start(&self.command, &self.output)?;
        child.wait_until(PATIENCE, &self.output, || answers(self.addr).is_ok())?;
        self.child = Some(child);
        Ok(())
    }

    fn running(&self) -> io::Result<&Child> {
        let child = self.child.as_ref();
        child.ok_or_else(|| io::Error::other("the server does not run"))
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
        b"+PONG\r\n" => Ok(()),
        _ => Err(io::Error::other("it is loading")),
    }
}
