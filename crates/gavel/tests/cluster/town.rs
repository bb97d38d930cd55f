//! A Kafka, a Redis, a ClickHouse and the shipped sandbox buyers, and nodes of the service that share them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use domain::{Clock, Mono, Timestamp};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, TopicPartitionList};
use serde_json::{Value, json};
use servers::{KAFKA, Kafka, Port, REDIS, Redis};
use tempfile::TempDir;
use traffic::{Call, Dice, Plan, Pool, Ports, Shared};

use crate::library;
use crate::node::Node;

const GAVEL: &str = env!("CARGO_BIN_EXE_gavel");
/// No wait in these tests is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);
pub(crate) const LOOK: Duration = Duration::from_millis(100);
/// The head of a campaign of the shipped catalog, and what stands there for those who have little time.
const TARGETED: &str = "[campaigns.auto-us-targeted]\n";
const QUICK: &str = "tmax = \"4s\"\ntmax_ceiling = \"5s\"\n";
/// Seconds after which others have the partitions of a node that was killed: what those tests wait for.
const SESSION: u32 = 3;
/// And after which they take up its leads, from the deadline on.
const LEASE: u32 = 10;
pub(crate) const ADMIN: &str = "key-of-the-operator-in-tests";

/// The machine's clock.
#[derive(Debug)]
struct Now(Instant);

impl Clock for Now {
    fn mono(&self) -> Mono {
        let since = u64::try_from(self.0.elapsed().as_micros());
        Mono::from_micros(since.unwrap_or(u64::MAX))
    }

    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = i64::try_from(since.unwrap_or_default().as_micros());
        Timestamp::from_micros(micros.unwrap_or(i64::MAX))
    }
}

/// A child that says in one line that it is ready, and ends with its test.
struct Process {
    child: Child,
    ready: String,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        assert_ne!(ready, "", "it has ended");
        Self { child, ready }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One town at a time: each is a Redis, an engine and some nodes, and tests run side by side.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
/// How many there were: each has topics and keys of its own.
static TOWNS: AtomicU64 = AtomicU64::new(0);

/// The broker of all towns that leave it alone.
fn broker(jars: &Path) -> &'static Kafka {
    static BROKER: OnceLock<Kafka> = OnceLock::new();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-of-towns");
    BROKER.get_or_init(|| Kafka::start_afresh(jars, &dir).unwrap())
}

/// What nodes share.
pub(crate) struct Town {
    brokers: SocketAddr,
    pub(crate) redis: Redis,
    shared: Shared,
    clickhouse: Port,
    vars: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    _engine: Process,
    _buyers: Process,
    home: TempDir,
    /// Last, when all of it has gone.
    _turn: MutexGuard<'static, ()>,
}

/// What the nodes had to say is shown with what failed.
impl Drop for Town {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for folder in fs::read_dir(self.home.path()).into_iter().flatten() {
            let log = folder.map(|folder| folder.path().join("serve.log"));
            let Some((log, said)) = log
                .ok()
                .and_then(|log| Some((log.clone(), fs::read_to_string(log).ok()?)))
            else {
                continue;
            };
            println!("{}\n{said}", log.display());
        }
    }
}

impl Town {
    /// Starts what nodes share; nothing where a program is missing, which is said aloud. `more` goes behind
    /// the shipped catalog. Who is killed here is not waited for long.
    pub(crate) fn found(more: &str) -> Option<Self> {
        Some(Self::found_in_peace(more)?.hasty())
    }

    /// The same for nodes that nobody kills: none is taken for dead because the machine stood still.
    pub(crate) fn found_in_peace(more: &str) -> Option<Self> {
        let jars = KAFKA.find()?;
        Self::found_by(more, |_| broker(&jars).addr())
    }

    fn hasty(mut self) -> Self {
        let shared = self.shared.clone();
        self.shared = shared.with_session(SESSION).with_lease(LEASE);
        self
    }

    /// As the first, with a Kafka of its own, for who does something to it.
    pub(crate) fn found_with_kafka() -> Option<(Self, Kafka)> {
        let jars = KAFKA.find()?;
        let mut own = None;
        let town = Self::found_by("", |home| {
            let kafka = Kafka::start(&jars, &home.join("kafka")).unwrap();
            own.insert(kafka).addr()
        });
        town.map(Self::hasty).zip(own)
    }

    fn found_by(more: &str, brokers: impl FnOnce(&Path) -> SocketAddr) -> Option<Self> {
        let redis = REDIS.find()?;
        let library = library::library()?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::tempdir().unwrap();
        let folder = |name: &str| home.path().join(name);
        let brokers = brokers(home.path());
        let redis = Redis::start(&redis, &folder("redis")).unwrap();
        let port = Port::hold().unwrap();
        let clickhouse = port.addr();
        let mut engine = Command::new(GAVEL);
        engine.args(["clickhouse", "--exit-with-stdin", "--listen"]);
        engine
            .arg(clickhouse.to_string())
            .arg("--data")
            .arg(folder("clickhouse"));
        engine.env("GAVEL_LIBCHDB", library);
        let engine = Process::start(&mut engine);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut buyers = Command::new(GAVEL);
        buyers.args(["sandbox", "--exit-with-stdin", "--journal"]);
        buyers.arg(folder("buyers")).arg("--profile");
        let buyers = Process::start(buyers.arg(root.join("deploy/sandbox/steady.toml")));
        let ready: Value = serde_json::from_str(&buyers.ready).unwrap();
        let vars = (1..).zip(ready["buyers"].as_array().unwrap());
        let vars = vars.map(|(number, buyer)| {
            let url = format!("http://{}", buyer["addr"].as_str().unwrap());
            (format!("sandbox_{number:02}"), url)
        });
        let shipped = fs::read_to_string(root.join("deploy/catalog/auto-us.toml")).unwrap();
        // Nobody works on a lead for long here: after a loss that is what has to be waited for.
        let quick = shipped
            .replace("tmax = \"10s\"", "tmax = \"4s\"")
            .replace("tmax_ceiling = \"30s\"", "tmax_ceiling = \"5s\"")
            .replace(TARGETED, &format!("{TARGETED}{QUICK}"));
        fs::write(folder("catalog.toml"), format!("{quick}\n{more}")).unwrap();
        let dice = &mut Dice::new(TOWNS.fetch_add(1, Ordering::Relaxed));
        let shared = Shared::new(brokers.to_string(), redis.url(), dice);
        Some(Self {
            vars: vars.collect(),
            shared: shared.with_clickhouse(clickhouse),
            clickhouse: port,
            clock: Arc::new(Now(Instant::now())),
            brokers,
            redis,
            _engine: engine,
            _buyers: buyers,
            home,
            _turn: turn,
        })
    }

    /// Starts a node with these roles, all if none is named, and waits until it is ready.
    pub(crate) async fn node(&self, name: &str, roles: &'static [&'static str]) -> Node {
        self.node_by(self.clickhouse(), name, roles).await
    }

    /// The same with another way to ClickHouse.
    pub(crate) async fn node_by(
        &self,
        clickhouse: SocketAddr,
        name: &str,
        roles: &'static [&'static str],
    ) -> Node {
        let node = self.plan_by(clickhouse, name, roles);
        node.start().await;
        node
    }

    /// A node that is not started yet.
    pub(crate) fn plan(&self, name: &str, roles: &'static [&'static str]) -> Node {
        self.plan_by(self.clickhouse(), name, roles)
    }

    fn plan_by(&self, clickhouse: SocketAddr, name: &str, roles: &'static [&'static str]) -> Node {
        let plan = Plan {
            gavel: GAVEL.into(),
            dir: self.home.path().join(name),
            catalog: self.catalog(),
            vars: self.vars.clone(),
            admin_key: ADMIN.to_owned(),
            ports: Ports::hold().unwrap(),
            shared: Some(self.shared.clone().with_clickhouse(clickhouse)),
            roles,
        };
        Node::planned(plan, Arc::clone(&self.clock))
    }

    /// The file of the catalog that every node starts with.
    pub(crate) fn catalog(&self) -> PathBuf {
        self.home.path().join("catalog.toml")
    }

    /// The buyers' journals.
    pub(crate) fn journals(&self) -> PathBuf {
        self.home.path().join("buyers")
    }

    /// Where ClickHouse is.
    pub(crate) fn clickhouse(&self) -> SocketAddr {
        self.clickhouse.addr()
    }

    /// Consumers of these groups begin at the beginning of the log; nobody may be in them now.
    pub(crate) async fn forget_groups(&self, groups: &[&str]) {
        let prefix = self.shared.prefix();
        let groups = groups.iter().map(|group| format!("{prefix}{group}"));
        let mut left: Vec<String> = groups.collect();
        let admin: AdminClient<DefaultClientContext> = self.kafka_client("");
        let began = Instant::now();
        loop {
            let names: Vec<&str> = left.iter().map(String::as_str).collect();
            let forgotten = admin.delete_groups(&names, &AdminOptions::new()).await;
            let refused = forgotten.unwrap().into_iter().filter_map(Result::err);
            // It may take a while until who has left is no member any more.
            let refused = refused.map(|(group, why)| {
                assert_eq!(why, RDKafkaErrorCode::NonEmptyGroup, "{group}");
                group
            });
            left = refused.collect();
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{left:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Somebody gives a topic more partitions than it was made with.
    pub(crate) async fn more_partitions(&self, topic: &str, partitions: usize) {
        let topic = format!("{}{topic}", self.shared.prefix());
        let admin: AdminClient<DefaultClientContext> = self.kafka_client("");
        let more = NewPartitions::new(&topic, partitions);
        let made = admin.create_partitions([&more], &AdminOptions::new()).await;
        made.unwrap().pop().unwrap().unwrap();
    }

    /// Waits until a group has read and committed all there is.
    pub(crate) async fn until_read(&self, group: &str) {
        let began = Instant::now();
        loop {
            let read = tokio::task::block_in_place(|| self.read_by(group));
            if matches!(read, Ok((committed, ends)) if committed == ends) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{group} has read so much of so much: {read:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many records a group has committed, and how many there are.
    fn read_by(&self, group: &str) -> KafkaResult<(i64, i64)> {
        let prefix = self.shared.prefix();
        let consumer: BaseConsumer = self.kafka_client(&format!("{prefix}{group}"));
        let (mut committed, mut ends) = (0, 0);
        for topic in ["events", "leads"].map(|topic| format!("{prefix}{topic}")) {
            let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE)?;
            let mut partitions = TopicPartitionList::new();
            for partition in metadata.topics()[0].partitions() {
                partitions.add_partition(&topic, partition.id());
                let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), PATIENCE)?;
                ends += end;
            }
            let of_group = consumer.committed_offsets(partitions, PATIENCE)?;
            for partition in of_group.elements() {
                committed += partition.offset().to_raw().unwrap_or(0).max(0);
            }
        }
        Ok((committed, ends))
    }

    fn kafka_client<T: FromClientConfig>(&self, group: &str) -> T {
        let mut config = ClientConfig::new();
        config.set("group.id", group);
        config.set("bootstrap.servers", self.brokers.to_string());
        config.create().unwrap()
    }

    /// The value of a query with one row and one number.
    pub(crate) async fn count(&self, sql: &str) -> u64 {
        let column = self.column(sql).await;
        let one = column.first().and_then(|text| text.parse().ok());
        one.unwrap_or_else(|| panic!("{sql}: {column:?}"))
    }

    /// The rows of a query with one column.
    pub(crate) async fn column(&self, sql: &str) -> Vec<String> {
        let clock = Arc::clone(&self.clock);
        let pool = Pool::new(self.clickhouse(), 1, PATIENCE, clock);
        let call = Call::text("/?default_format=TSV", sql.to_owned());
        let answered = pool.call(call).await.unwrap();
        let text = String::from_utf8_lossy(&answered.body).into_owned();
        assert!(answered.status.is_success(), "{sql}: {text}");
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a query says so many.
    pub(crate) async fn until(&self, sql: &str, wanted: u64) {
        let began = Instant::now();
        loop {
            let count = self.count(sql).await;
            if count == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{sql}: {count}, not {wanted}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What a ping may say of somebody.
pub(crate) fn partial() -> Value {
    json!({
        "zip": "78701", "state": "TX", "age": 34, "currently_insured": true, "home_owner": true,
        "credit_rating": "good", "coverage_type": "standard", "vehicle_year": 2021,
        "vehicle_make": "Toyota", "vehicle_model": "Camry",
    })
}

/// A person's lead.
pub(crate) fn lead(person: u32) -> Value {
    let mut lead = partial();
    let (area, line) = (200 + person / 10_000 % 700, person % 10_000);
    lead["first_name"] = "Ada".into();
    lead["last_name"] = "Example".into();
    lead["phone"] = format!("512-{area}-{line:04}").into();
    lead["email"] = format!("ada-{person}@example.com").into();
    lead
}
