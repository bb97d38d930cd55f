//! `cargo xtask clients`: tools that others made, unmodified, against the embedded ClickHouse.
//!
//! Each client is pinned in `clients/` with its hashes, or by Maven's coordinates, and kept under `target/clients`.
//! Node comes from PyPI: Debian's is too old. The Rust crate's test is one of `gavel`'s.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::tools::{self, Presence, Tool};
use crate::workspace::Workspace;
use crate::{engine, process};

const PYTHON: Tool = Tool {
    program: "python3",
    package: "python3-venv",
    needed_for: "running ClickHouse's Python client",
};

const JAVAC: Tool = Tool {
    program: "javac",
    package: "openjdk-17-jdk-headless",
    needed_for: "running ClickHouse's JDBC driver",
};

const MAVEN: Tool = Tool {
    program: "mvn",
    package: "maven",
    needed_for: "fetching ClickHouse's JDBC driver",
};

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// The crate `clickhouse`
    Rust,
    /// clickhouse-connect
    Python,
    /// @clickhouse/client
    Node,
    /// The JDBC driver
    Java,
}

/// Run clients that others made against the embedded ClickHouse: types, streams, errors, compression
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which; all of them if none is named
    clients: Vec<Client>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    engine::prepare()?;
    process::run(&mut process::cargo(
        workspace.root(),
        ["build", "-p", "gavel"],
    ))?;
    engine::fetch(&workspace.debug_binary("gavel"), workspace.root())?;
    let all = Client::value_variants();
    let clients = if args.clients.is_empty() {
        all
    } else {
        &args.clients
    };
    for client in clients {
        match drive(&workspace, *client)? {
            Presence::Complete => {}
            Presence::Lacking => bail!("{client:?} cannot be run here"),
        }
    }
    Ok(())
}

/// Runs one client on an engine of its own.
pub(crate) fn drive(workspace: &Workspace, client: Client) -> Result<Presence> {
    let (root, home) = (workspace.root(), workspace.target().join("clients"));
    if client == Client::Rust {
        let test = ["test", "-p", "gavel", "--test", "engine", "clients::"];
        process::run(process::cargo(root, test).env("CI", "true"))?;
        return Ok(Presence::Complete);
    }
    let needed: &[Tool] = match client {
        Client::Java => &[JAVAC, MAVEN],
        _ => &[PYTHON],
    };
    if matches!(tools::ensure(needed)?, Presence::Lacking) {
        return Ok(Presence::Lacking);
    }
    let sources = root.join("clients");
    fs::create_dir_all(&home)?;
    match client {
        Client::Rust => {}
        Client::Python => {
            let venv = venv(&home, &sources.join("python/requirements.txt"))?;
            let engine = Engine::start(workspace)?;
            let python = venv.join("bin/python");
            let mut script = process::command(&home, python, [sources.join("python/run.py")]);
            let (host, port) = engine.address.split_once(':').context("an address")?;
            process::run(script.args([host, port]))?;
        }
        Client::Node => {
            let venv = venv(&home, &sources.join("python/tools.txt"))?;
            let folder = home.join("package");
            fs::create_dir_all(&folder)?;
            for file in ["package.json", "package-lock.json", "run.mjs"] {
                fs::copy(sources.join("node").join(file), folder.join(file))?;
            }
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::env::split_paths(&path).collect::<Vec<_>>();
            let path = std::env::join_paths([venv.join("bin")].iter().chain(&path))?;
            let install = ["ci", "--no-audit", "--no-fund", "--silent"];
            let mut npm = process::command(&folder, venv.join("bin/npm"), install);
            process::run(npm.env("PATH", &path))?;
            let engine = Engine::start(workspace)?;
            let url = format!("http://{}", engine.address);
            let mut script = process::command(&folder, venv.join("bin/node"), ["run.mjs", &url]);
            process::run(&mut script)?;
        }
        Client::Java => {
            let jars = home.join("jars");
            let mut maven = process::command(&home, "mvn", ["-q", "-B", "-f"]);
            maven.arg(sources.join("java/pom.xml"));
            maven.arg("dependency:copy-dependencies");
            maven.arg(format!("-DoutputDirectory={}", jars.display()));
            process::run(&mut maven)?;
            let path = format!("{}/*:{}", jars.display(), home.display());
            let mut javac = process::command(&home, "javac", ["-cp", &path, "-d", "."]);
            process::run(javac.arg(sources.join("java/Run.java")))?;
            let engine = Engine::start(workspace)?;
            let run = ["-cp", &path, "Run", &engine.address];
            process::run(&mut process::command(&home, "java", run))?;
        }
    }
    Ok(Presence::Complete)
}

/// A Python of its own with what a list names by hash; made anew when the list is another.
fn venv(home: &Path, list: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(list)?;
    let venv = home.join(list.file_stem().context("a name")?);
    let installed = venv.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(venv);
    }
    let mut python = process::command(home, "python3", ["-m", "venv", "--clear"]);
    process::run(python.arg(&venv))?;
    let install = ["install", "-q", "--no-deps", "--require-hashes", "-r"];
    let mut pip = process::command(home, venv.join("bin/pip"), install);
    process::run(pip.arg(list))?;
    fs::write(installed, wanted)?;
    Ok(venv)
}

/// An engine on an empty folder; dropped, it ends.
struct Engine {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Engine {
    fn start(workspace: &Workspace) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let arguments = ["clickhouse", "--listen", "127.0.0.1:0", "--data"];
        let gavel = workspace.debug_binary("gavel");
        let mut command = process::command(workspace.root(), gavel, arguments);
        command.arg(data.path()).env("GAVEL_LOG", "warn");
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("ready http://").map(str::to_owned);
        let engine = Self {
            child,
            address: address.clone().unwrap_or_default(),
            _data: data,
        };
        match address {
            Some(_) => Ok(engine),
            None => bail!("the engine said {line:?}"),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
