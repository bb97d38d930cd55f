//! The thread of a consumer. A session is one life of a librdkafka client: a failure that it cannot mend
//! by itself ends it, and after a pause another begins, from where the group is then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::Clock;
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use store::{Delivery, Topic};

use super::Member;
use super::batch::Batch;
use crate::KafkaOptions;
use crate::error::log_error;
use crate::options::millis;
use crate::watch::Watch;

/// How long one look waits for something to come.
const LOOK: Duration = Duration::from_millis(100);
/// Fewer bytes than this may wait in Kafka for others, as long as one look takes.
const FEW_BYTES: usize = 256 << 10;
/// How long a full inbox holds the thread until the partitions are paused: what was fetched for a paused
/// one is fetched again.
const HOLD: Duration = Duration::from_millis(500);
/// Between two sessions.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two signs of life, at most: it is by them that a member hears that others come or go.
const SIGN: Duration = Duration::from_secs(1);

pub(super) struct Thread {
    pub(super) member: Member,
    pub(super) topics: Vec<Topic>,
    pub(super) options: Arc<KafkaOptions>,
    pub(super) watch: Watch,
    pub(super) clock: Arc<dyn Clock>,
}

impl Thread {
    /// Until the consumer is dropped.
    pub(super) fn run(self) {
        let group = self.watch.client;
        let mut node = self.options.node.as_deref();
        while !self.member.is_stopped() {
            let Err(Broken { error, fenced }) = self.session(node) else {
                continue;
            };
            if let Some(node) = node.take_if(|_| fenced) {
                // Two that insisted would take the partitions from each other for ever.
                tracing::error!(
                    group,
                    node,
                    "another process goes by this node's name, as of a copied data directory: this one goes on \
                     without a name"
                );
            } else {
                tracing::warn!(group, %error, "the consumer begins anew");
            }
            self.member.inbox.fail(log_error(&error));
            self.member.inbox.pause(PAUSE);
        }
    }

    fn config(&self, node: Option<&str>) -> ClientConfig {
        let Self { options, watch, .. } = self;
        let mut config = options.client(watch.client);
        config
            .set("group.id", format!("{}{}", options.prefix, watch.client))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(options.session))
            .set(
                "heartbeat.interval.ms",
                millis((options.session / 4).min(SIGN)),
            )
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // What is gone is said aloud, and the next session begins at what there is.
            .set("auto.offset.reset", "error")
            .set(
                "queued.max.messages.kbytes",
                (options.prefetch_bytes >> 10).max(1024).to_string(),
            )
            .set("fetch.queue.backoff.ms", "50")
            .set("fetch.error.backoff.ms", "100");
        if let Some(node) = node {
            config.set("group.instance.id", node);
        }
        // A lead waits for who reads lead records. Who reads events too makes rows of many at a time: an
        // answer of Kafka for each few of them costs both sides more than the records do.
        if self.topics.contains(&Topic::Events) {
            config
                .set("fetch.min.bytes", FEW_BYTES.to_string())
                .set("fetch.wait.max.ms", millis(LOOK));
        }
        config
    }

    fn session(&self, node: Option<&str>) -> Result<(), Broken> {
        let context = Context {
            watch: self.watch.clone(),
            changes: Mutex::default(),
            joined: AtomicBool::new(false),
            out: AtomicBool::new(true),
            ending: AtomicBool::new(false),
        };
        let client: BaseConsumer<Context> = self
            .config(node)
            .create_with_context(context)
            .map_err(|error| Broken {
                error,
                fenced: false,
            })?;
        let client = Arc::new(client);
        let mut session = Session {
            thread: self,
            client: Arc::clone(&client),
            paused: false,
        };
        self.member.commits.begin(client);
        let ended = session.begin().and_then(|()| session.run());
        let ended = ended.map_err(|error| Broken {
            error,
            fenced: session.is_fenced(),
        });
        if ended.is_ok() {
            session.leave();
        }
        // From here on nobody else has the client: dropping it closes it.
        for (topic, partition) in self.member.commits.end() {
            self.member.inbox.revoke(topic, partition);
        }
        session
            .client
            .context()
            .ending
            .store(true, Ordering::Release);
        ended
    }
}

/// Why a session ended before its time.
struct Broken {
    error: KafkaError,
    /// Whether it did because another process has come under this node's name.
    fenced: bool,
}

struct Session<'a> {
    thread: &'a Thread,
    client: Arc<BaseConsumer<Context>>,
    paused: bool,
}

impl Session<'_> {
    fn begin(&self) -> KafkaResult<()> {
        let ends = &self.thread.watch.ends;
        let topics = self.thread.topics.iter();
        let names: Vec<&str> = topics.map(|topic| ends.name(*topic)).collect();
        self.client.subscribe(&names)
    }

    fn run(&mut self) -> KafkaResult<()> {
        while !self.thread.member.is_stopped() {
            self.make_room()?;
            self.look()?;
            self.changes()?;
        }
        Ok(())
    }

    /// Gives up the place in the group, so that others need not wait for it. Only who has joined has one that it
    /// can give up: of whoever goes before that the group has heard all the same, and waits for it. It is not left
    /// to the end of the client: that keeps the place of a member with a name, and in mid-rebalance any.
    fn leave(&mut self) {
        let (client, clock) = (Arc::clone(&self.client), Arc::clone(&self.thread.clock));
        let until = clock.mono().plus(self.thread.options.patience);
        let mut step = |done: &dyn Fn(&Context) -> bool| {
            while !done(client.context()) && clock.mono() < until {
                // What is read now is another's to read.
                drop(client.poll(LOOK));
                if let Err(error) = self.changes() {
                    tracing::debug!(%error, "a change of partitions at the end");
                }
            }
        };
        step(&|context| context.joined.load(Ordering::Acquire));
        client.context().out.store(false, Ordering::Release);
        client.unsubscribe();
        step(&|context| context.out.load(Ordering::Acquire));
    }

    fn is_fenced(&self) -> bool {
        let fatal = self.client.client().fatal_error();
        fatal.is_some_and(|(code, _)| code == RDKafkaErrorCode::FencedInstanceId)
    }

    /// What librdkafka told of partitions.
    fn changes(&mut self) -> KafkaResult<()> {
        let changes = std::mem::take(&mut *self.client.context().changes.lock());
        changes
            .into_iter()
            .try_for_each(|change| self.change(change))
    }

    /// With a full inbox nothing more is read, and the group still hears of us.
    fn make_room(&mut self) -> KafkaResult<()> {
        let inbox = &self.thread.member.inbox;
        if !self.paused {
            inbox.wait_for_room(HOLD);
        }
        let full = inbox.is_full();
        if full != self.paused {
            let all = self.client.assignment()?;
            match full {
                true => self.client.pause(&all)?,
                false => self.client.resume(&all)?,
            }
            self.paused = full;
        }
        Ok(())
    }

    /// Takes what there is.
    fn look(&mut self) -> KafkaResult<()> {
        let watch = &self.thread.watch;
        let mut batch = Batch::default();
        let mut wait = LOOK;
        while !batch.is_full() {
            match self.client.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let place = (
                        watch.ends.topic(message.topic()),
                        u16::try_from(message.partition()),
                        u64::try_from(message.offset()),
                    );
                    if let (Some(topic), Ok(partition), Ok(offset)) = place {
                        // A record without a value is one that nobody can read: it is handed over empty, and
                        // ends where unreadable ones do.
                        let payload = message.payload().unwrap_or_default();
                        batch.add(topic, partition, offset, payload);
                        watch.ends.reach(topic, partition, offset.saturating_add(1));
                    }
                }
                Some(Err(error)) => self.failed(error)?,
            }
            wait = Duration::ZERO;
        }
        for delivery in batch.deliveries() {
            self.thread.member.inbox.put(delivery);
        }
        Ok(())
    }

    /// What librdkafka mends by itself goes on, a cluster that is away too: nothing comes meanwhile. What a
    /// person has to mend the task is told.
    fn failed(&self, error: KafkaError) -> KafkaResult<()> {
        match error {
            KafkaError::MessageConsumptionFatal(_)
            | KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => Err(error),
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::InvalidSessionTimeout,
            ) => {
                self.thread.member.inbox.fail(log_error(&error));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Every record of what is taken from us was handed over before.
    fn change(&mut self, change: Change) -> KafkaResult<()> {
        match change {
            Change::Gained(partitions) => {
                let committed = self
                    .client
                    .committed_offsets(partitions.clone(), self.thread.options.patience)?;
                let starts = self.starts(&partitions, &committed)?;
                let list = list(&self.thread.watch, &starts)?;
                self.client.incremental_assign(&list)?;
                // A partition that was paused when it was lost is so still when it comes back.
                match self.paused {
                    true => self.client.pause(&list)?,
                    false => self.client.resume(&list)?,
                }
                self.gained(&starts);
            }
            Change::Lost(partitions) => {
                for (topic, partition) in self.named(&partitions) {
                    self.thread.member.commits.lost(topic, partition);
                    self.thread.member.inbox.revoke(topic, partition);
                }
                self.client.incremental_unassign(&partitions)?;
            }
        }
        Ok(())
    }

    fn named(&self, list: &TopicPartitionList) -> Vec<(Topic, u16)> {
        let named = list.elements().into_iter().filter_map(|it| {
            let topic = self.thread.watch.ends.topic(it.topic())?;
            Some((topic, u16::try_from(it.partition()).ok()?))
        });
        named.collect()
    }

    fn gained(&self, starts: &[Start]) {
        let Member { inbox, commits, .. } = &self.thread.member;
        for start in starts {
            let Start {
                topic,
                partition,
                next_offset,
            } = *start;
            commits.gained(topic, partition, next_offset);
            inbox.put(Delivery::Assigned {
                topic,
                partition,
                next_offset,
            });
        }
    }

    /// Where each partition begins: at what the group has committed, as far as the log has it.
    fn starts(
        &self,
        partitions: &TopicPartitionList,
        committed: &TopicPartitionList,
    ) -> KafkaResult<Vec<Start>> {
        let watch = &self.thread.watch;
        let mut starts = Vec::new();
        for (topic, partition) in self.named(partitions) {
            let (name, number) = (watch.ends.name(topic), i32::from(partition));
            let patience = self.thread.options.patience;
            let (oldest, end) = self.client.fetch_watermarks(name, number, patience)?;
            watch.ends.reach_named(name, number, end);
            let of = committed.find_partition(name, number);
            let next = match of.as_ref().map(|it| (it.error(), it.offset())) {
                Some((Err(error), _)) => return Err(error),
                Some((Ok(()), Offset::Offset(next))) => next,
                _ => oldest,
            };
            if next < oldest || next > end {
                tracing::error!(
                    group = watch.client,
                    topic = topic.as_str(),
                    partition,
                    next,
                    oldest,
                    end,
                    "the log does not have what the group wants next"
                );
            }
            starts.push(Start {
                topic,
                partition,
                next_offset: u64::try_from(next.clamp(oldest, end.max(oldest))).unwrap_or(0),
            });
        }
        Ok(starts)
    }
}

/// Where a partition begins.
#[derive(Debug, Clone, Copy)]
struct Start {
    topic: Topic,
    partition: u16,
    next_offset: u64,
}

fn list(watch: &Watch, starts: &[Start]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for start in starts {
        let next = Offset::Offset(i64::try_from(start.next_offset).unwrap_or(i64::MAX));
        let name = watch.ends.name(start.topic);
        list.add_partition_offset(name, i32::from(start.partition), next)?;
    }
    Ok(list)
}

/// What a rebalance means for us.
enum Change {
    Gained(TopicPartitionList),
    Lost(TopicPartitionList),
}

/// What librdkafka tells while it is polled. A rebalance is carried out only once that is over, so that no
/// record that was read before is handed over after it.
pub(super) struct Context {
    pub(super) watch: Watch,
    changes: Mutex<Vec<Change>>,
    /// Whether the group has let us in: a rebalance has come of it, and we know who we are there.
    joined: AtomicBool,
    /// Whether we are in no group, as was told last.
    out: AtomicBool,
    /// Whether the client is closed.
    ending: AtomicBool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.watch.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }

    fn stats(&self, said: Statistics) {
        let out = said.cgrp.as_ref().is_some_and(|it| it.join_state == "init");
        self.out.store(out, Ordering::Release);
        self.watch.stats(said);
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.joined.store(true, Ordering::Release);
        let gained = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let partitions = partitions.clone();
        if self.ending.load(Ordering::Acquire) {
            // Nobody looks at the changes any more, and the client waits for this to go.
            if !gained && let Err(error) = client.incremental_unassign(&partitions) {
                tracing::debug!(%error, "cannot give up partitions at the end");
            }
            return;
        }
        self.changes.lock().push(match gained {
            true => Change::Gained(partitions),
            false => Change::Lost(partitions),
        });
    }
}
