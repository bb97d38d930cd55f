//! What `/proc` says of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Processor time of all threads, ended ones included, in user and kernel.
///
/// # Errors
/// There is no such process.
pub fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    ticks(&stat)
        .map(|ticks| {
            Duration::from_secs(1) / per_second() * u32::try_from(ticks).unwrap_or(u32::MAX)
        })
        .with_context(|| format!("{path} is not as expected"))
}

fn per_second() -> u32 {
    u32::try_from(rustix::param::clock_ticks_per_second())
        .unwrap_or(100)
        .max(1)
}

/// `utime` and `stime`; the second field, a name in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// Memory and handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// The most it ever was.
    pub peak_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub handles: u64,
    /// Those of them that are sockets.
    pub sockets: u64,
}

impl Usage {
    /// Handles that are no sockets.
    pub fn files(&self) -> u64 {
        self.handles - self.sockets
    }
}

/// Memory and handles of a process now.
///
/// # Errors
/// There is no such process.
pub fn usage(pid: u32) -> Result<Usage> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let dir = format!("/proc/{pid}/fd");
    let (mut handles, mut sockets) = (0, 0);
    for handle in fs::read_dir(&dir).with_context(|| dir.clone())?.flatten() {
        handles += 1;
        // One that was closed meanwhile leads nowhere.
        let to = fs::read_link(handle.path()).unwrap_or_default();
        sockets += u64::from(to.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
    }
    let field = |name| number(&status, name).with_context(|| format!("{path} has no {name}"));
    Ok(Usage {
        rss_kib: field("VmRSS:")?,
        peak_kib: field("VmHWM:")?,
        threads: field("Threads:")?,
        handles,
        sockets,
    })
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_past_a_strange_name() {
        assert_eq!(
            ticks("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
            Some(25)
        );
        assert_eq!(ticks("1 (a) S 2"), None);
        assert_eq!(
            number("VmHWM:\t  12 kB\nVmRSS:\t 9 kB\n", "VmRSS:"),
            Some(9)
        );
    }

    #[test]
    fn the_own_process_is_there() {
        let own = std::process::id();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let usage_now = usage(own).unwrap();
        assert!(usage_now.sockets >= 1 && usage_now.files() >= 3);
        drop(listener);
        cpu(own).unwrap();
        assert!(usage(u32::MAX).is_err());
    }
}
