//! The room: a folder of its own in the temporary directory, entered by `chroot`, removed at the end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use super::host::{Host, RELEASE};
use crate::process;

/// The script that mounts, enters and runs.
const ENTER: &str = include_str!("enter.sh");

/// A Debian root folder. Dropping it removes it, after a look that nothing is mounted in there.
pub(super) struct Room {
    folder: PathBuf,
    keep: bool,
    interrupt: Interrupt,
}

impl Room {
    pub(super) fn create(keep: bool) -> Result<Self> {
        let interrupt = Interrupt::listen()?;
        let name = format!("gavel-clean-room-{}", std::process::id());
        let folder = std::env::temp_dir().canonicalize()?.join(name);
        // It has to be new: an old one might be in use.
        std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let room = Self {
            folder,
            keep,
            interrupt,
        };
        std::fs::write(room.folder.join("enter.sh"), ENTER)?;
        Ok(room)
    }

    /// The folder that is `/` inside.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(super) fn debootstrap(&self, host: &Host) -> Result<()> {
        let mut command = isolated(&self.folder);
        command
            .args(["debootstrap", "--variant=minbase", RELEASE])
            .arg(self.root());
        command.args(host.mirror()).stdout(Stdio::null());
        eprintln!("$ {}", process::describe(&command));
        self.interrupt.run(&mut command)
    }

    /// Puts HEAD into the room as one file.
    pub(super) fn bring_bundle(&self, repo: &Path) -> Result<()> {
        let bundle = self.root().join("srv/gavel.bundle");
        let mut command = process::command(repo, "git", ["bundle", "create", "--quiet"]);
        process::run(command.arg(bundle).arg("HEAD"))
    }

    /// Runs a shell line in `dir` of the room. `CI` is not set there.
    pub(super) fn enter(&self, host: &Host, dir: &str, line: &str) -> Result<()> {
        let mut command = isolated(&self.folder);
        command.args(["sh", "enter.sh"]).args([
            self.root(),
            host.rustup.clone(),
            host.cargo_bin.clone(),
        ]);
        command.args([dir, line]).args(host.environment());
        eprintln!("room:{dir}# {line}");
        self.interrupt.run(&mut command)
    }

    /// What it takes on disk.
    pub(super) fn megabytes(&self) -> String {
        let mut command = process::command(&self.folder, "du", ["-sxm", "root"]);
        let answer = process::read(&mut command).unwrap_or_default();
        answer.split_whitespace().next().unwrap_or("?").to_owned()
    }

    fn remove(&self) -> Result<()> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        if let Some(mount) = mount_below(&mounts, &self.folder) {
            bail!("{mount} is still mounted: unmount it before you remove anything");
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let folder = self.folder.display();
        if self.keep {
            eprintln!("the room is left in {folder}");
        } else if let Err(error) = self.remove() {
            eprintln!("the room is left in {folder}: {error:#}");
        }
    }
}

/// A command in mount and process namespaces of its own; its processes die with `unshare`.
fn isolated(dir: &Path) -> Command {
    process::command(
        dir,
        "unshare",
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    )
}

/// A mount point in `folder`, if there is one; the fifth word of a line of `mountinfo` names it.
fn mount_below(mountinfo: &str, folder: &Path) -> Option<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .find(|point| Path::new(point).starts_with(folder))
        .map(str::to_owned)
}

/// Ctrl-C and SIGTERM end the step, not us: the room still has to be removed.
struct Interrupt {
    /// The process to end; 0 is none, `u32::MAX` an interrupt that has come.
    step: Arc<AtomicU32>,
}

const INTERRUPTED: u32 = u32::MAX;

impl Interrupt {
    fn listen() -> Result<Self> {
        let step = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&step);
        ctrlc::set_handler(move || {
            let pid = seen.swap(INTERRUPTED, Ordering::SeqCst);
            if pid != 0
                && pid != INTERRUPTED
                && let Err(error) = process::kill(pid)
            {
                eprintln!("clean room: {error:#}");
            }
        })?;
        Ok(Self { step })
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        let mut child = command.spawn().context("cannot start unshare")?;
        let before = self.step.swap(child.id(), Ordering::SeqCst);
        if before == INTERRUPTED {
            child.kill()?;
        }
        let status = child.wait()?;
        if before == INTERRUPTED || self.step.swap(0, Ordering::SeqCst) == INTERRUPTED {
            self.step.store(INTERRUPTED, Ordering::SeqCst);
            bail!("interrupted");
        }
        if !status.success() {
            bail!("the step failed: {status}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_in_the_room_is_seen() {
        let mountinfo = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                         30 22 0:5 / /tmp/room/root/proc rw - proc proc rw\n\
                         31 22 0:6 / /tmp/room-of-another rw - tmpfs tmpfs rw\n";
        let seen = mount_below(mountinfo, Path::new("/tmp/room"));
        assert_eq!(seen.as_deref(), Some("/tmp/room/root/proc"));
        assert_eq!(mount_below(mountinfo, Path::new("/tmp/roo")), None);
    }
}
