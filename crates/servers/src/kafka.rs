//! A Kafka broker with a folder of its own, on 127.0.0.1: one node of Apache's, its own controller.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Port, Server};

/// How long it may take until it answers: two Java programs start, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(1);
/// The cluster's id: any 16 bytes, in the alphabet of URLs.
const CLUSTER: &str = "Z2F2ZWwtdGVzdC1icm9rZQ";
/// Compiled once and quickly: most brokers here are gone before more than that would pay.
const SHORT: &str = "-XX:TieredStopAtLevel=1";
/// Its controller takes it for dead after this, and not because the machine stood still.
const NEVER_KILLED: &str = "broker.session.timeout.ms=30000";
/// "Which versions do you speak?", with the number 7 to know its answer by, from a client without a name.
const VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// A Kafka broker; killed when dropped.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    _controller: Port,
}

impl Kafka {
    /// Starts the broker whose jars are in `jars` with its files in `dir`, which is made if it is not
    /// there, and waits until it answers.
    ///
    /// # Errors
    /// There is no Java, or it cannot be started, or does not answer.
    pub fn start(jars: &Path, dir: &Path) -> io::Result<Self> {
        Self::start_with(jars, dir, "")
    }

    /// As [`Kafka::start`], in a folder without what was there before. For a broker that lives as long as its process
    /// and is not killed in between: nobody is there to clear up behind it, so the next one does.
    ///
    /// # Errors
    /// The folder cannot be cleared; there is no Java, or it cannot be started, or does not answer.
    pub fn start_afresh(jars: &Path, dir: &Path) -> io::Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        Self::start_with(jars, dir, NEVER_KILLED)
    }

    /// As [`Kafka::start`], compiled as brokers are that stay: it begins slower, and a record then costs half as
    /// much. For who measures something beside it.
    ///
    /// # Errors
    /// There is no Java, or it cannot be started, or does not answer.
    pub fn start_to_stay(jars: &Path, dir: &Path) -> io::Result<Self> {
        Self::launch(jars, dir, "", None)
    }

    /// As [`Kafka::start`], with these lines of settings behind our own; `{listeners}` and `{protocols}`
    /// in them stand for what ours say, so that a listener can be added.
    ///
    /// # Errors
    /// There is no Java, or it cannot be started, or does not answer.
    pub fn start_with(jars: &Path, dir: &Path, settings: &str) -> io::Result<Self> {
        Self::launch(jars, dir, settings, Some(SHORT))
    }

    fn launch(jars: &Path, dir: &Path, settings: &str, compiled: Option<&str>) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let (port, controller) = (Port::hold()?, Port::hold()?);
        let (file, output) = (dir.join("broker.properties"), dir.join("output"));
        fs::write(&file, lines(dir, &port, &controller, settings))?;
        let java = || {
            let mut java = Command::new(java());
            java.arg("-cp").arg(jars.join("*")).current_dir(dir);
            java
        };
        if !dir.join("data/meta.properties").exists() {
            let mut format = java();
            format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
            let formatted = format.arg(&file).stdin(Stdio::null()).output()?;
            if !formatted.status.success() {
                let said = String::from_utf8_lossy(&formatted.stderr).into_owned();
                return Err(io::Error::other(format!("cannot lay out a folder: {said}")));
            }
        }
        let mut command = java();
        command
            .args(["-Xmx512m", "-XX:+UseSerialGC"])
            .args(compiled);
        command.arg("kafka.Kafka").arg(&file);
        let server = Server::start(command, output, port, PATIENCE, answers)?;
        Ok(Self {
            server,
            _controller: controller,
        })
    }
}

impl Deref for Kafka {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Kafka {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// `JAVA_HOME`'s, else the one of the `PATH`.
#[expect(
    clippy::disallowed_methods,
    reason = "for tests and commands alone, which learn from the environment"
)]
fn java() -> PathBuf {
    let home = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    home.map_or_else(|| PathBuf::from("java"), |home| home.join("bin/java"))
}

/// One replica of everything, no waits for others, and a session short enough to come back in seconds
/// after it was killed: the controller waits for the old one to end.
fn lines(dir: &Path, port: &Port, controller: &Port, settings: &str) -> String {
    let (port, controller) = (port.addr(), controller.addr());
    let listeners = format!("PLAINTEXT://{port},CONTROLLER://{controller}");
    let protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT";
    let settings = settings
        .replace("{listeners}", &listeners)
        .replace("{protocols}", protocols);
    let data = dir.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map={protocols}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
{settings}
",
        data = data.display()
    )
}

/// Whether it answers: it does so only once the controller has let it in.
fn answers(addr: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&addr, ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.write_all(&VERSIONS)?;
    let mut answer = [0; 10];
    connection.read_exact(&mut answer)?;
    match answer {
        [_, _, _, _, 0, 0, 0, 7, 0, 0] => Ok(()),
        _ => Err(io::Error::other("it does not speak yet")),
    }
}
