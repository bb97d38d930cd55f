//! Redis behind the ports that it has, and a log in memory.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::{Clock as _, Timestamp};
use servers::REDIS;
use store::{Backend, Caps as _, StoreError};
use store_local::{Local, LocalLog, LocalOptions, LocalVault};
use store_redis::{Redis, RedisCaps, RedisClaims, RedisJourneys, RedisLately, RedisOptions};
use testkit::conformance::Harness;
use testkit::{FakeClock, SeededEntropy};

/// The server of all cases; it ends with the process.
static SERVER: OnceLock<Option<Server>> = OnceLock::new();
/// Prefixes given so far.
static CASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    redis: servers::Redis,
    _dir: tempfile::TempDir,
}

fn server() -> Option<&'static Server> {
    let started = SERVER.get_or_init(|| {
        let binary: PathBuf = REDIS.find()?;
        let dir = tempfile::tempdir().unwrap();
        let redis = servers::Redis::start(&binary, dir.path()).unwrap();
        Some(Server { redis, _dir: dir })
    });
    started.as_ref()
}

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) redis: Redis,
    pub(crate) local: Local,
}

impl Backend for Store {
    type Log = LocalLog;
    type Claims = RedisClaims;
    type Caps = RedisCaps;
    type Journeys = RedisJourneys;
    type Lately = RedisLately;
    type Vault = LocalVault;

    fn log(&self) -> &LocalLog {
        self.local.log()
    }

    fn claims(&self) -> &RedisClaims {
        self.redis.claims()
    }

    fn caps(&self) -> &RedisCaps {
        self.redis.caps()
    }

    fn journeys(&self) -> &RedisJourneys {
        self.redis.journeys()
    }

    fn lately(&self) -> &RedisLately {
        self.redis.lately()
    }

    fn vault(&self) -> &LocalVault {
        self.local.vault()
    }
}

/// A server that was started again has nothing.
pub(crate) const NOTHING: &str = "*";

/// A case's own part of the server.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) options: RedisOptions,
    pub(crate) clock: FakeClock,
    /// Which keys are gone after a crash.
    pub(crate) gone: &'static str,
    entropy: SeededEntropy,
}

impl Cluster {
    /// Empty; none where there is no Redis to start.
    pub(crate) async fn fresh() -> Option<Self> {
        let server = server()?;
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let clock = FakeClock::default();
        let options = RedisOptions {
            clock: Some(clock.port()),
            url: server.redis.url(),
            prefix: format!("case-{case}"),
            connect_within: Duration::from_secs(30),
            answer_within: Duration::from_secs(30),
            ..RedisOptions::default()
        };
        let redis = Redis::open(options.clone()).await.unwrap();
        let local = Local::open(LocalOptions::default(), clock.port()).unwrap();
        let made = redis.make_again(local.log(), Duration::ZERO).await;
        assert_eq!(made, Ok(Some(0)));
        let restored = redis.restore_journeys(local.log(), |_| Vec::new()).await;
        assert_eq!(restored, Ok(0));
        Some(Self {
            store: Store { redis, local },
            options,
            clock,
            gone: NOTHING,
            entropy: SeededEntropy::new(case.into()),
        })
    }
}

impl Server {
    /// Deletes what begins with a prefix and goes on like this.
    fn forget(&self, prefix: &str, gone: &str) {
        let mut connection = redis::Client::open(self.redis.url())
            .unwrap()
            .get_connection()
            .unwrap();
        for space in ["claims", "caps"] {
            let pattern = format!("{{{prefix}.{space}}}:{gone}");
            let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
                .arg(pattern)
                .query(&mut connection)
                .unwrap();
            let () = redis::cmd("DEL").arg(keys).query(&mut connection).unwrap();
        }
    }
}

impl Harness for Cluster {
    type Backend = Store;

    fn store(&self) -> &Store {
        &self.store
    }

    /// Everything that Redis had of leads is gone, and made again from the log. Journeys are of an epoch before;
    /// the events of the cases are not in the log, so what the server has of them is all there is.
    async fn reopen(&mut self) -> bool {
        // Epochs are told apart by when they began.
        self.clock.advance(Duration::from_millis(1));
        server().unwrap().forget(&self.options.prefix, self.gone);
        let lost = self
            .store
            .redis
            .caps()
            .used(&["b:b/balance".parse().unwrap()])
            .await;
        assert_eq!(lost, Err(StoreError::Lost));
        let made = self
            .store
            .redis
            .make_again(self.store.log(), Duration::ZERO);
        assert!(made.await.unwrap().is_some());
        let journeys = self.store.redis.journeys();
        assert_eq!(journeys.through(0).await, Err(StoreError::Lost));
        let restored = self
            .store
            .redis
            .restore_journeys(self.store.log(), |_| Vec::new());
        restored.await.unwrap();
        true
    }

    fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }
}
