//! `cargo xtask clients`: tools that others made, unmodified, against the embedded ClickHouse.
//!
//! Each client is pinned in `clients/` with its hashes and kept under `target/clients`.
//! Node and Go come from PyPI: Debian's are too old. The Rust crate's test is one of `gavel`'s.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use sha2::{Digest as _, Sha256};

use crate::tools::{self, Presence, Tool};
use crate::workspace::Workspace;
use crate::{engine, process};

/// Debian's may be there without its environments, brought by another package.
const PYTHON: Tool = Tool {
    program: "python3",
    proof: &["-c", "import ensurepip"],
    package: "python3-venv",
    needed_for: "running ClickHouse's Python client",
};

const JAVAC: Tool = Tool {
    program: "javac",
    proof: &[],
    package: "openjdk-17-jdk-headless",
    needed_for: "running ClickHouse's JDBC driver",
};

const MAVEN: Tool = Tool {
    program: "mvn",
    proof: &[],
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
    /// clickhouse-go over HTTP
    Go,
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
            if jars.exists() {
                fs::remove_dir_all(&jars)?;
            }
            let mut maven = process::command(&home, "mvn", ["-q", "-B", "-f"]);
            maven.arg(sources.join("java/pom.xml"));
            maven.arg("dependency:copy-dependencies");
            maven.arg(format!("-DoutputDirectory={}", jars.display()));
            process::run(&mut maven)?;
            verify(&jars, &sources.join("java/jars.sha256"))?;
            let path = format!("{}/*:{}", jars.display(), home.display());
            let mut javac = process::command(&home, "javac", ["-cp", &path, "-d", "."]);
            process::run(javac.arg(sources.join("java/Run.java")))?;
            let engine = Engine::start(workspace)?;
            let run = ["-cp", &path, "Run", &engine.address];
            process::run(&mut process::command(&home, "java", run))?;
        }
        Client::Go => {
            let venv = venv(&home, &sources.join("python/go.txt"))?;
            let program = home.join("clickhouse-go");
            let build = ["build", "-mod=readonly", "-buildvcs=false", "-o"];
            let mut go = process::command(&sources.join("go"), venv.join("bin/go"), build);
            // This compiler and no other, and all that it fetches and makes beside it.
            go.arg(&program).arg(".").env("GOTOOLCHAIN", "local");
            go.env("GOPATH", home.join("gopath"))
                .env("GOCACHE", home.join("gocache"));
            process::run(go.env_remove("GOFLAGS"))?;
            let engine = Engine::start(workspace)?;
            process::run(&mut process::command(&home, program, [&engine.address]))?;
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

/// Every file is listed with its hash, and every listed one is there: Maven's coordinates name no hash.
fn verify(folder: &Path, list: &Path) -> Result<()> {
    let listed = fs::read_to_string(list)?;
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let hash = Sha256::digest(fs::read(file.path())?);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        found.insert(format!("{hash}  {}", file.file_name().to_string_lossy()));
    }
    let other: Vec<&String> = found.symmetric_difference(&listed).collect();
    if !other.is_empty() {
        bail!("{} names other files: {other:?}", list.display());
    }
    Ok(())
}

/// Who asks: one who writes, and one who only reads, whose password is `reads`.
const USERS: &str = "default none writer
reader sha256:3566cf23ecb6f832d67d1439e0cb3d05eb7f4ad702c6f478aa96f19812f18e8c readonly max_execution_time=60
";

/// An engine on an empty folder; dropped, it ends.
struct Engine {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Engine {
    fn start(workspace: &Workspace) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let users = data.path().join("users");
        fs::write(&users, USERS)?;
        let arguments = ["clickhouse", "--listen", "127.0.0.1:0", "--data"];
        let gavel = workspace.debug_binary("gavel");
        let mut command = process::command(workspace.root(), gavel, arguments);
        command.arg(data.path().join("engine"));
        command.arg("--users").arg(users).env("GAVEL_LOG", "warn");
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
