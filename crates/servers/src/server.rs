//! A server of whatever kind: killed, stopped and started again on its port and folder.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Child, Port};

/// A server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    command: Command,
    output: PathBuf,
    port: Port,
    /// How long it may take until it answers.
    patience: Duration,
    /// Whether it answers.
    answers: fn(SocketAddr) -> io::Result<()>,
    child: Option<Child>,
}

impl Server {
    /// Starts it on this port and waits until it answers; what it writes goes to `output`.
    pub(crate) fn start(
        command: Command,
        output: PathBuf,
        port: Port,
        patience: Duration,
        answers: fn(SocketAddr) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut server = Self {
            command,
            output,
            port,
            patience,
            answers,
            child: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
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
        let (addr, answers) = (self.addr(), self.answers);
        child.wait_until(self.patience, &self.output, || answers(addr).is_ok())?;
        self.child = Some(child);
        Ok(())
    }

    fn running(&self) -> io::Result<&Child> {
        let child = self.child.as_ref();
        child.ok_or_else(|| io::Error::other("the server does not run"))
    }
}
