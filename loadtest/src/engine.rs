//! Finding and killing the service's ClickHouse: the child of its process that runs `gavel clickhouse`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// Between two looks for a child that is not there yet.
const LOOK: Duration = Duration::from_millis(20);

/// Kills the engine of the service with this process id; waits up to `limit` for it to be there.
/// Returns whether there was one.
///
/// # Errors
/// `/proc` cannot be read.
pub async fn kill(service: u32, limit: Duration, clock: &dyn Clock) -> Result<bool> {
    let until = clock.mono().plus(limit);
    loop {
        if let Some(engine) = find(service)? {
            // Gone already is as good as killed.
            let _ = kill_process(engine, Signal::KILL);
            return Ok(true);
        }
        if clock.mono() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The process id of the service's engine, if it has one now.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of(service: u32) -> Result<Option<u32>> {
    let engine = find(service)?;
    Ok(engine.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()))
}

fn find(parent: u32) -> Result<Option<Pid>> {
    for entry in fs::read_dir("/proc").context("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        // A process may end between two reads.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Ok(command) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let is_engine = command.split(|byte| *byte == 0).nth(1) == Some(b"clickhouse");
        if is_engine && parent_of(&stat) == Some(parent) {
            return Ok(Pid::from_raw(pid));
        }
    }
    Ok(None)
}

/// The fourth field of `/proc/PID/stat`; the second one, a name in parentheses, may hold anything.
fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_past_a_strange_name() {
        assert_eq!(parent_of("12 (a) b (c)) S 7 12 12 0"), Some(7));
        assert_eq!(parent_of("12"), None);
    }
}
