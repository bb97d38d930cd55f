//! A Kafka, a Redis, a ClickHouse and the shipped sandbox buyers, and nodes of the service that share them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use domain::{Clock, Mono, SaleId, Timestamp};
use http::HeaderName;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, TopicPartitionList};
use serde_json::{Value, json};
use servers::{KAFKA, Kafka, Port, REDIS, Redis};
use tempfile::TempDir;
use tokio::sync::Mutex;
use traffic::{Answered, Call, Dice, Plan, Pool, Ports, Service, Shared};

use crate::library;

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
const ADMIN: &str = "key-of-the-operator-in-tests";
const PUBLISHER: &str = "demo-publisher-alpha-media";

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

/// A process of the service.
pub(crate) struct Node {
    service: Mutex<Option<Service>>,
    plan: Plan,
    public: Pool,
    operator: Pool,
    clock: Arc<dyn Clock>,
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
    /// the shipped catalog.
    pub(crate) fn found(more: &str) -> Option<Self> {
        let jars = KAFKA.find()?;
        Self::found_by(more, |_| broker(&jars).addr())
    }

    /// The same with a Kafka of its own, for who does something to it.
    pub(crate) fn found_with_kafka() -> Option<(Self, Kafka)> {
        let jars = KAFKA.find()?;
        let mut own = None;
        let town = Self::found_by("", |home| {
            let kafka = Kafka::start(&jars, &home.join("kafka")).unwrap();
            own.insert(kafka).addr()
        });
        town.zip(own)
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
        let shared = Shared::new(brokers.to_string(), redis.url(), dice)
            .with_clickhouse(clickhouse)
            .with_session(SESSION)
            .with_lease(LEASE);
        Some(Self {
            vars: vars.collect(),
            shared,
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
        let clock = Arc::clone(&self.clock);
        Node {
            service: Mutex::new(None),
            public: Pool::new(plan.ports.public.addr(), 64, PATIENCE, Arc::clone(&clock)),
            operator: plan.operator_pool(Arc::clone(&clock)),
            plan,
            clock,
        }
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
        let groups: Vec<String> = groups
            .iter()
            .map(|group| format!("{prefix}{group}"))
            .collect();
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let admin: AdminClient<DefaultClientContext> = self.kafka_client("");
        let forgotten = admin.delete_groups(&names, &AdminOptions::new()).await;
        for group in forgotten.unwrap() {
            group.unwrap();
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
            let (committed, ends) = tokio::task::block_in_place(|| self.read_by(group));
            if committed == ends {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{group} has read {committed} of {ends}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many records a group has committed, and how many there are.
    fn read_by(&self, group: &str) -> (i64, i64) {
        let prefix = self.shared.prefix();
        let consumer: BaseConsumer = self.kafka_client(&format!("{prefix}{group}"));
        let (mut committed, mut ends) = (0, 0);
        for topic in ["events", "leads"].map(|topic| format!("{prefix}{topic}")) {
            let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE).unwrap();
            let mut partitions = TopicPartitionList::new();
            for partition in metadata.topics()[0].partitions() {
                partitions.add_partition(&topic, partition.id());
                ends += consumer
                    .fetch_watermarks(&topic, partition.id(), PATIENCE)
                    .unwrap()
                    .1;
            }
            let of_group = consumer.committed_offsets(partitions, PATIENCE).unwrap();
            for partition in of_group.elements() {
                committed += partition.offset().to_raw().unwrap_or(0).max(0);
            }
        }
        (committed, ends)
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

impl Node {
    /// Starts it, as it was when it ended.
    pub(crate) async fn start(&self) {
        *self.service.lock().await = Some(self.plan.start().unwrap());
        self.ready().await;
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        let mut service = self.service.lock().await;
        let service = service.as_mut().unwrap();
        let ready = service.ready(&self.operator, PATIENCE, self.clock.as_ref());
        if let Err(error) = ready.await {
            panic!("{error}\n{}", self.log());
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn begin(&self) {
        *self.service.lock().await = Some(self.plan.start().unwrap());
        let began = Instant::now();
        while self.readiness().await.is_none() {
            assert!(began.elapsed() < PATIENCE, "no answer\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What it says of itself; nothing if it does not answer.
    pub(crate) async fn readiness(&self) -> Option<(u16, Value)> {
        let answered = self.operator.call(Call::get("/readyz")).await.ok()?;
        Some((answered.status.as_u16(), answered.json()?))
    }

    /// Kills it.
    pub(crate) async fn kill(&self) {
        let mut service = self.service.lock().await.take().unwrap();
        service.kill().await.unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut service = self.service.lock().await.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, service.ended()).await;
        ended.unwrap().unwrap()
    }

    /// Ends it in order, and starts it again with the same addresses and files.
    pub(crate) async fn exchange(&self) {
        self.end_in_order().await;
        self.start().await;
    }

    /// Ends it in order.
    pub(crate) async fn end_in_order(&self) {
        let service = self.service.lock().await.take().unwrap();
        let ended = service.stop(PATIENCE).await.unwrap();
        assert!(ended.success(), "{ended}\n{}", self.log());
    }

    /// A metric's value, named with its labels; none if it is not shown.
    pub(crate) async fn metric(&self, name: &str) -> Option<u64> {
        let answered = self.operator.call(Call::get("/metrics")).await.ok()?;
        let metrics = String::from_utf8_lossy(&answered.body).into_owned();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok())
    }

    /// Its process.
    pub(crate) async fn id(&self) -> u32 {
        let service = self.service.lock().await;
        service.as_ref().unwrap().id().unwrap()
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.plan.dir.join("serve.log")).unwrap_or_default()
    }

    /// Lines of its log that are worse than news, but for those with one of these in them.
    pub(crate) fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let log = self.log();
        let bad = log
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"));
        bad.filter(|line| !expected.iter().any(|one| line.contains(one)))
            .map(str::to_owned)
            .collect()
    }

    /// A publisher's request, once.
    pub(crate) async fn try_ask(&self, path: &str, key: &str, body: &Value) -> Option<Answered> {
        let call = Call::json(path, body).with_key(PUBLISHER);
        let call = call.with(HeaderName::from_static("idempotency-key"), key);
        self.public.call(call).await.ok()
    }

    /// A publisher's request; 503 means "come again".
    pub(crate) async fn ask(&self, path: &str, key: &str, body: &Value) -> Value {
        let began = Instant::now();
        loop {
            let answered = self.try_ask(path, key, body).await.unwrap();
            if answered.status != 503 {
                let text = String::from_utf8_lossy(&answered.body).into_owned();
                let body = answered.json::<Value>();
                return body.unwrap_or_else(|| panic!("{}: {text}", answered.status));
            }
            assert!(began.elapsed() < PATIENCE, "still 503");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The operator says what became of a post. It may have been settled meanwhile.
    pub(crate) async fn settle(&self, sale: &str, status: &str) {
        let sale: SaleId = sale.parse().unwrap();
        let (lead, leg) = (sale.lead.to_string(), sale.leg.to_string());
        let status = self.say(&lead, &leg, status).await;
        assert!(matches!(status, 200 | 202 | 409), "{sale}: {status}");
    }

    /// The operator says that the router of a lead is gone; he may have to come again later (409), or the
    /// worker has ended it meanwhile (404).
    pub(crate) async fn end(&self, lead: &str) {
        let status = self.say(lead, "1", "rejected").await;
        assert!(matches!(status, 200 | 202 | 404 | 409), "{lead}: {status}");
    }

    async fn say(&self, lead: &str, leg: &str, status: &str) -> u16 {
        let path = format!("/v1/admin/leads/{lead}/legs/{leg}/settle");
        let body = json!({ "status": status, "reference": "settled" });
        let began = Instant::now();
        loop {
            let call = Call::json(&path, &body).with_key(ADMIN);
            match self.public.call(call).await {
                Ok(answered) if answered.status != 503 => return answered.status.as_u16(),
                _ => assert!(began.elapsed() < PATIENCE, "{path} has no answer"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Clicks a link at this node, or at none if it is away: the click's id, or an empty one.
    pub(crate) async fn click(&self) -> String {
        let Ok(click) = self.public.call(Call::get("/c/alpha-search")).await else {
            return String::new();
        };
        let to = click.header(&http::header::LOCATION).unwrap_or_default();
        let id = to.split_once("ck_").map_or("", |(_, id)| id);
        let id = id.split('&').next().unwrap_or_default();
        format!("ck_{id}")
    }

    /// What the operator is answered to a text.
    pub(crate) async fn operate(&self, path: &str, text: &str) -> Answered {
        let call = Call::text(path, text.to_owned()).with_key(ADMIN);
        self.public.call(call).await.unwrap()
    }

    /// What the operator sees of a lead.
    pub(crate) async fn inspect(&self, lead: &str) -> Value {
        let call = Call::get(format!("/v1/admin/leads/{lead}")).with_key(ADMIN);
        self.public.call(call).await.unwrap().json().unwrap()
    }

    /// The catalog generation that is in force at this node.
    pub(crate) async fn generation(&self) -> String {
        let ready = self.operator.call(Call::get("/readyz")).await.unwrap();
        let ready: Value = ready.json().unwrap();
        ready["catalog_generation"].as_str().unwrap().to_owned()
    }

    /// What somebody gets.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        let call = Call::get(path).with_key(PUBLISHER);
        self.public.call(call).await.unwrap()
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
