//! What a node shares with others: Kafka's log and vault, Redis's claims, caps and journeys.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Cluster, Config};
use httpd::{Readiness, Standing};
use store::Backend;
use store_kafka::{
    FrontOptions, KafkaLog, KafkaOptions, KafkaVault, OpenError, Sasl, Security, ShippedLog,
    ShippedVault,
};
use store_local::OnFailure;
use store_redis::{
    Health, Redis, RedisCaps, RedisClaims, RedisJourneys, RedisLately, RedisOptions,
};
use telemetry::Redacted;
use tokio::task::JoinHandle;

use super::stores::Stores;
use super::{Ground, Role, identity};
use crate::cmd::Failure;

/// The stores of one node. Cloning shares them.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    log: ShippedLog,
    vault: ShippedVault,
    keys: KafkaVault,
    /// For those who answer.
    redis: Redis,
    /// Whether a role of this node uses it.
    needs_redis: bool,
    /// For batches, which must not stand in their way.
    batches: Redis,
    /// This node's name among the others, the same after a restart.
    node: String,
    watching: [JoinHandle<()>; 3],
}

impl Shared {
    /// Begins to ask for Kafka, connects to Redis, and watches over the state from then on.
    pub(super) async fn open(ground: &Ground<'_>, cluster: &Cluster) -> Result<Self, Failure> {
        let Ground { config, host, .. } = ground;
        let node = identity::load(&config.data_dir, host.entropy.as_ref());
        let node = node.map_err(Failure::work)?;
        let options = kafka(config, &cluster.kafka, &node);
        let partitions = options.partitions;
        let metrics = &host.metrics;
        let kafka = KafkaLog::begin(options, Arc::clone(&host.clock), metrics.clone());
        let kafka = kafka.map_err(Failure::work)?;
        let vault = config.data_dir.join("vault");
        let keys = KafkaVault::open(&kafka, vault, OnFailure::Abort).await;
        let keys = keys.map_err(Failure::work)?;
        let front = FrontOptions {
            reserve_bytes: config.log.reserve_bytes,
            ..FrontOptions::in_dir(config.data_dir.join("front"))
        };
        let log = ShippedLog::open(kafka, front, metrics.clone()).await;
        let log = log.map_err(Failure::work)?;
        let options = RedisOptions {
            url: cluster.redis.url.0.to_string(),
            authorities: cluster.redis.authorities.clone(),
            prefix: cluster.redis.prefix.clone(),
            instance: format!("{:016x}", ground.instance),
            partitions,
            journeys_kept: ground.spans.journeys.clone(),
            ..RedisOptions::default()
        };
        let needs_redis = ground.roles.has(Role::Router) || ground.roles.has(Role::Worker);
        let redis = match needs_redis {
            true => Redis::open(options.clone()).await,
            // Clicks, pixels and postbacks go on without it.
            false => Redis::begin(options.clone()),
        };
        let redis = redis.map_err(Failure::work)?;
        let batches = Redis::begin(options).map_err(Failure::work)?;
        let quiet = ground.spans.quiet.clone();
        let (watched, over) = (redis.clone(), log.clone());
        let work = &ground.runtimes.work;
        // What is lost is made again from the log: not before that can be read.
        let leads = work.spawn(async move {
            if over.heard().await.is_ok() {
                watched.watch(&over, || quiet.get()).await;
            }
        });
        let (told, of, name) = (redis.clone(), log.clone(), node.clone());
        let telling = work.spawn(async move {
            told.tell_of(&name, || of.standing().leads_bytes).await;
        });
        let (watched, over) = (batches.clone(), log.clone());
        let journeys = work.spawn(async move {
            let meaning = worker::journey_updates;
            if over.heard().await.is_ok() {
                watched.watch_journeys(&over, meaning).await;
            }
        });
        Ok(Self(Arc::new(Inner {
            vault: log.vault(keys.clone()),
            keys,
            log,
            redis,
            needs_redis,
            batches,
            node,
            watching: [leads, journeys, telling],
        })))
    }
}

fn kafka(config: &Config, kafka: &catalog::Kafka, node: &str) -> KafkaOptions {
    let sasl = kafka.user.as_ref().map(|user| Sasl {
        mechanism: match user.mechanism {
            catalog::Mechanism::Plain => store_kafka::Mechanism::Plain,
            catalog::Mechanism::ScramSha256 => store_kafka::Mechanism::ScramSha256,
            catalog::Mechanism::ScramSha512 => store_kafka::Mechanism::ScramSha512,
        },
        user: user.name.clone(),
        password: Redacted::new(user.password.0.clone()),
    });
    let tls = kafka.tls.as_ref().map(|tls| store_kafka::Tls {
        authorities: tls.authorities.clone(),
        certificate: None,
    });
    KafkaOptions {
        prefix: kafka.prefix.clone(),
        partitions: kafka.partitions,
        replicas: kafka.replicas,
        retention: config.log.retention,
        session: kafka.session,
        node: Some(node.to_owned()),
        security: Security { tls, sasl },
        ..KafkaOptions::of(&kafka.brokers)
    }
}

impl Stores for Shared {
    const PATIENCE: Duration = Duration::from_secs(3);

    async fn heard(&self) -> Result<(), Failure> {
        let wrong = |problems| Failure::work(OpenError::Problems(problems));
        self.0.log.heard().await.map_err(wrong)
    }

    async fn leads_at_hand(&self) {
        self.0.redis.until(|health| *health == Health::Up).await;
    }

    async fn journeys_at_hand(&self) {
        self.leads_at_hand().await;
        self.0.batches.journeys_at_hand().await;
    }

    fn tell(&self, readiness: &Readiness) {
        let (log, waits) = (self.0.log.clone(), self.0.needs_redis);
        readiness.register("kafka", move || {
            let standing = log.standing();
            match standing.away {
                _ if standing.full => Standing::missing("the journal in front of it is full"),
                Some(since) if let Some(why) = log.why_not_heard() => match waits {
                    true => {
                        Standing::missing(format!("not heard since the start at {since}: {why}"))
                    }
                    false => Standing::Away {
                        what: format!("not heard since the start: {why}"),
                        since,
                    },
                },
                Some(since) => Standing::Away {
                    what: "records of leads are kept in this node's journal".to_owned(),
                    since,
                },
                None => Standing::Ok,
            }
        });
        if !self.0.needs_redis {
            return;
        }
        let redis = self.0.redis.clone();
        readiness.register("redis", move || match redis.health() {
            Health::Up => Standing::Ok,
            Health::Looking => Standing::missing("it is being looked at"),
            Health::Lost => Standing::missing(match redis.waits_for() {
                Some(nodes) => {
                    format!("it is made again once nodes are heard that have lead records: {nodes}")
                }
                None => "it may have forgotten something: it is made again".to_owned(),
            }),
            Health::Away(why) => Standing::missing(&why),
        });
        let batches = self.0.batches.clone();
        readiness.register("journeys", move || match batches.journeys_short() {
            Some(since) => Standing::Away {
                what: "they were lost without Redis's files: what is older than the log is not credited"
                    .to_owned(),
                since,
            },
            None => Standing::Ok,
        });
    }

    async fn close(&self) {
        self.0.watching.iter().for_each(JoinHandle::abort);
        if self.0.log.standing().leads_bytes == 0
            && let Err(error) = self.0.redis.leave_roll(&self.0.node).await
        {
            tracing::info!(%error, "the others are not told that this node ends");
        }
        let inner = Arc::clone(&self.0);
        let closed = tokio::task::spawn_blocking(move || {
            inner.keys.close();
            inner.log.close();
        });
        if closed.await.is_err() {
            tracing::error!("closing the log panicked");
        }
    }
}

impl Backend for Shared {
    type Log = ShippedLog;
    type Claims = RedisClaims;
    type Caps = RedisCaps;
    type Journeys = RedisJourneys;
    type Lately = RedisLately;
    type Vault = ShippedVault;

    fn log(&self) -> &ShippedLog {
        &self.0.log
    }

    fn claims(&self) -> &RedisClaims {
        self.0.redis.claims()
    }

    fn caps(&self) -> &RedisCaps {
        self.0.redis.caps()
    }

    fn journeys(&self) -> &RedisJourneys {
        self.0.batches.journeys()
    }

    fn lately(&self) -> &RedisLately {
        self.0.redis.lately()
    }

    fn vault(&self) -> &ShippedVault {
        &self.0.vault
    }
}
