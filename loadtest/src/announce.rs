//! How a bare program says where it listens: its first line of output.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use std::path::Path;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Says it.
///
/// # Errors
/// Nobody listens to the output.
pub fn say(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}")?;
    out.flush()
}

/// A running bare program; it ends with its handle.
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts one, and waits until it says where it listens.
    ///
    /// # Errors
    /// It does not start, or says something else.
    pub async fn start(program: &Path, args: &[String], cores: crate::core::Cores) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = cores
            .as_subject(|| command.spawn())?
            .with_context(|| program.display().to_string())?;
        let stdout = child.stdout.take().context("its output is not ours")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let address = line
            .trim()
            .parse()
            .with_context(|| format!("it said {line:?}"))?;
        Ok(Self { child, address })
    }

    /// Its process id.
    ///
    /// # Errors
    /// It has ended.
    pub fn id(&self) -> Result<u32> {
        self.child
            .id()
            .context("a bare program has ended by itself")
    }
}
