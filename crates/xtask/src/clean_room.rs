//! `cargo xtask clean-room`: what a stranger has is a bare Debian, Rust and the README's two commands.
//!
//! A bookworm root folder is made from nothing, HEAD is cloned into it, and the commands run there. Each
//! step runs in mount and process namespaces of its own: when it ends, however it ends, the kernel takes
//! back its mounts and its processes, and nothing of this machine is left mounted in the room.

mod host;
mod room;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use self::host::Host;
use self::room::Room;
use crate::tools::{self, Presence};
use crate::workspace::Workspace;

/// The commands of the README, and no others.
const README_COMMANDS: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// What the README says to install before them.
const PACKAGES: &str = "build-essential ca-certificates git";

/// Run the README's two commands from a fresh clone on a bare Debian
///
/// Makes a bookworm folder with debootstrap (as root; about 40 s), installs what the README names,
/// clones HEAD into it, lends it this machine's Rust read-only, and runs `cargo xtask demo` and
/// `cargo xtask test` inside. This machine's settings for reaching package registries (apt sources,
/// npm and cargo settings, certificates, proxies) are lent too. Takes about 10 GB of temporary space,
/// which is given back at the end, also after a failure or Ctrl-C.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask clean-room -- 'cargo xtask tidy'")]
pub(crate) struct Args {
    /// The last step to take
    #[arg(long, value_enum, default_value_t = Step::Commands)]
    until: Step,
    /// Leave the room's folder behind and say where it is
    #[arg(long)]
    keep: bool,
    /// Shell lines to run in the clone instead of the README's two commands
    #[arg(last = true, value_name = "LINES")]
    lines: Vec<String>,
}

/// The steps in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// The bare Debian
    Debian,
    /// The packages that the README names
    Packages,
    /// The fresh clone
    Clone,
    /// The README's commands
    Commands,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !tools::is_root() {
        bail!("a clean room is made by root: debootstrap, chroot and mount need it");
    }
    if let Presence::Lacking = tools::ensure(&[tools::DEBOOTSTRAP])? {
        bail!("debootstrap is missing");
    }
    let workspace = Workspace::load()?;
    let host = Host::read()?;
    let room = Room::create(args.keep)?;
    let mut seconds = Vec::new();
    let result = steps(args, &workspace, &host, &room, &mut seconds);
    println!("\n{:>9}  step", "seconds");
    for (name, took) in &seconds {
        println!("{took:>9.1}  {name}");
    }
    println!("{:>9}  MB in the room", room.megabytes());
    result
}

fn steps(
    args: &Args,
    workspace: &Workspace,
    host: &Host,
    room: &Room,
    seconds: &mut Vec<(String, f64)>,
) -> Result<()> {
    let mut timed = |name: &str, step: &mut dyn FnMut() -> Result<()>| {
        println!("\n=== clean room: {name}");
        let started = Instant::now();
        let result = step();
        let end = if result.is_ok() { "" } else { " FAILED" };
        seconds.push((format!("{name}{end}"), started.elapsed().as_secs_f64()));
        result
    };
    timed("debootstrap bookworm", &mut || {
        room.debootstrap(host)?;
        host.lend_settings(&room.root())
    })?;
    if args.until >= Step::Packages {
        let line = format!(
            "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; \
             apt-get install -y -qq --no-install-recommends {PACKAGES} > /dev/null"
        );
        timed(&format!("apt-get install {PACKAGES}"), &mut || {
            room.enter(host, "/", &line)
        })?;
    }
    if args.until >= Step::Clone {
        timed("git clone", &mut || {
            room.bring_bundle(workspace.root())?;
            room.enter(
                host,
                "/srv",
                "git -c advice.detachedHead=false clone gavel.bundle gavel",
            )
        })?;
    }
    if args.until < Step::Commands {
        return Ok(());
    }
    let lines: Vec<&str> = match &args.lines[..] {
        [] => README_COMMANDS.to_vec(),
        own => own.iter().map(String::as_str).collect(),
    };
    // A second command is tried although the first has failed: both results are wanted.
    let results: Vec<Result<()>> = lines
        .iter()
        .map(|line| {
            let title = line.lines().next().unwrap_or_default();
            timed(title, &mut || room.enter(host, "/srv/gavel", line))
        })
        .collect();
    results.into_iter().collect()
}
