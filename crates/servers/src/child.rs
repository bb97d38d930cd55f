//! A server's process. A shell stands between it and us: it kills the server as soon as our end of a
//! pipe is closed, which is when we ask for it and when we are gone ourselves, by `kill -9` too.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the server, says its number, waits for the end of the pipe, kills the server and reaps it.
const KEEPER: &str =
    r#""$@" </dev/null >&2 & echo "$!"; exec >/dev/null 2>&1; read -r _; kill -9 "$!"; wait"#;

/// How long between two looks at something that is about to happen.
const LOOK: Duration = Duration::from_millis(10);
/// A thread stops once what it asked of the disk is done.
const STANDS: Duration = Duration::from_secs(30);

/// The state of a process or a thread, whose folder of `/proc` this is; none if it is gone.
fn state(folder: &Path) -> Option<char> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The first word behind the name, which is in brackets and may hold any other.
    stat.rsplit(") ").next()?.chars().next()
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Child {
    keeper: process::Child,
    server: Pid,
}

impl Child {
    /// Starts `command`; what it writes goes to the end of the file `output`. Of the command's own
    /// settings its program, arguments, folder and environment count.
    ///
    /// # Errors
    /// There is no shell, or the file cannot be written.
    pub fn start(command: &Command, output: &Path) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(output)?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(command.get_program());
        keeper.args(command.get_args());
        if let Some(dir) = command.get_current_dir() {
            keeper.current_dir(dir);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(name, value),
                None => keeper.env_remove(name),
            };
        }
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.stderr(output).spawn()?;
        let mut said = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let server = said.trim().parse().ok().and_then(Pid::from_raw);
        let server = server.ok_or_else(|| io::Error::other("the shell started nothing"))?;
        Ok(Self { keeper, server })
    }

    /// Ends it as `kill -9` does and waits until it is gone; its files are as it left them.
    ///
    /// # Errors
    /// The shell cannot be waited for.
    pub fn kill(mut self) -> io::Result<()> {
        self.end()
    }

    /// Stops it where it is, and waits until the last of its threads stands: its connections stay open, and
    /// nobody answers.
    ///
    /// # Errors
    /// It is gone, or a thread goes on.
    #[expect(
        clippy::disallowed_methods,
        reason = "waits for a foreign process, by the machine's own clock"
    )]
    pub fn stop(&self) -> io::Result<()> {
        kill_process(self.server, Signal::STOP)?;
        let started = Instant::now();
        while !self.stands()? {
            if started.elapsed() > STANDS {
                return Err(io::Error::other("a thread of the server goes on"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether each of its threads is stopped, or gone.
    fn stands(&self) -> io::Result<bool> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.server.as_raw_pid()))?;
        for thread in threads {
            let runs = state(&thread?.path());
            if runs.is_some_and(|state| !matches!(state, 'T' | 'Z' | 'X')) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It is gone.
    pub fn go_on(&self) -> io::Result<()> {
        Ok(kill_process(self.server, Signal::CONT)?)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        let process = format!("/proc/{}", self.server.as_raw_pid());
        state(Path::new(&process)) == Some('Z')
    }

    /// Waits until `is_up` says so, or `patience` is over, or the server has ended.
    ///
    /// # Errors
    /// It is not up; the message has the end of what it wrote to `output`.
    #[expect(
        clippy::disallowed_methods,
        reason = "waits for a foreign process, by the machine's own clock"
    )]
    pub fn wait_until(
        &self,
        patience: Duration,
        output: &Path,
        mut is_up: impl FnMut() -> bool,
    ) -> io::Result<()> {
        let started = Instant::now();
        while !is_up() {
            if self.has_ended() || started.elapsed() > patience {
                let said = fs::read_to_string(output).unwrap_or_default();
                let from = said.len().saturating_sub(2000);
                let tail = said.get(from..).unwrap_or(&said);
                return Err(io::Error::other(format!("the server is not up: {tail}")));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.keeper.stdin.take());
        self.keeper.wait().map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // There is nobody left to tell; the shell has ended if this fails.
        let _ = self.end();
    }
}
