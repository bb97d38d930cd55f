//! A server of the test's own, and a log in memory that outlives it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{CounterKey, Timestamp};
use servers::REDIS;
use store::Backend as _;
use store_local::{Local, LocalLog, LocalOptions};
use store_redis::{Health, Redis, RedisOptions};
use testkit::FakeClock;

/// What it was told is on disk before it answers.
pub(crate) const KEEPS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
/// It has no files.
pub(crate) const FORGETS: &[&str] = &["--save", "", "--appendonly", "no"];

/// Longest wait for something that is about to happen.
const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    pub(crate) server: servers::Redis,
    pub(crate) local: Local,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// None where there is no Redis to start.
    pub(crate) async fn start(files: &[&str]) -> Option<Self> {
        let binary = REDIS.find()?;
        let dir = tempfile::tempdir().unwrap();
        let server = servers::Redis::start_with(&binary, dir.path(), files).unwrap();
        let local = Local::open(LocalOptions::default(), FakeClock::new(wall()).port()).unwrap();
        Some(Self {
            server,
            local,
            _dir: dir,
        })
    }

    pub(crate) fn log(&self) -> &LocalLog {
        self.local.log()
    }

    /// No call of theirs is given up: a server that is slow is not what they are about.
    pub(crate) fn options(&self, instance: &str) -> RedisOptions {
        RedisOptions {
            url: self.server.url(),
            instance: instance.to_owned(),
            connect_within: SOON,
            answer_within: SOON,
            ..RedisOptions::default()
        }
    }

    /// The store, made for the first time and looked at: a first look that is under way while a test goes on brings
    /// scripts that are not there.
    pub(crate) async fn made(&self) -> Redis {
        self.made_by(self.options("first")).await
    }

    /// The same by who has other options.
    pub(crate) async fn made_by(&self, options: RedisOptions) -> Redis {
        let redis = Redis::open(options).await.unwrap();
        assert_eq!(redis.health(), Health::Lost);
        let made = redis.make_again(self.log(), Duration::ZERO).await;
        assert!(made.unwrap().is_some());
        self.until(&redis, |stands| *stands == Health::Up).await;
        redis
    }

    /// Waits until the store stands so.
    pub(crate) async fn until(&self, redis: &Redis, stands: impl Fn(&Health) -> bool) -> Health {
        tokio::time::timeout(SOON, redis.until(stands))
            .await
            .unwrap()
    }
}

pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

pub(crate) fn counter() -> CounterKey {
    "c:buyer-1/contract-1/total".parse().unwrap()
}
