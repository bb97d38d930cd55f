//! A backend whose log keeps what it was given, or refuses.

use std::future::{self, Future};
use std::sync::Arc;

use parking_lot::Mutex;
use proto::{EventRecord, Message as _};
use store::{Ack, Backend, EventLog, LogError, Position, Topic};
use store_local::{
    Local, LocalCaps, LocalClaims, LocalConsumer, LocalJourneys, LocalLately, LocalLog,
    LocalReplay, LocalVault,
};

/// What an appended record was.
#[derive(Debug, Clone)]
pub(crate) struct Appended {
    pub(crate) key: u64,
    pub(crate) ack: Ack,
    pub(crate) bytes: Vec<u8>,
}

impl Appended {
    pub(crate) fn event(&self) -> EventRecord {
        EventRecord::decode(self.bytes.as_slice()).unwrap()
    }
}

/// How the log behaves.
#[derive(Debug, Clone, Default)]
pub(crate) enum Mood {
    #[default]
    Takes,
    Refuses(LogError),
    NeverAnswers,
}

#[derive(Clone)]
pub(crate) struct Store {
    local: Local,
    log: Log,
}

/// The log of [`Store`].
#[derive(Clone)]
pub(crate) struct Log {
    local: Local,
    state: Arc<Mutex<(Mood, Vec<Appended>)>>,
}

impl Store {
    pub(crate) fn new(local: Local) -> Self {
        let log = Log {
            local: local.clone(),
            state: Arc::default(),
        };
        Self { local, log }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.log.state.lock().0 = mood;
    }

    /// What was appended since the last call.
    pub(crate) fn take(&self) -> Vec<Appended> {
        std::mem::take(&mut self.log.state.lock().1)
    }
}

impl EventLog for Log {
    type Consumer = LocalConsumer;
    type Replay = LocalReplay;

    fn append(
        &self,
        topic: Topic,
        key: u64,
        record: bytes::Bytes,
        ack: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static {
        assert_eq!(topic, Topic::Events);
        let mut state = self.state.lock();
        let mood = state.0.clone();
        if matches!(mood, Mood::Takes) {
            state.1.push(Appended {
                key,
                ack,
                bytes: record.to_vec(),
            });
        }
        async move {
            match mood {
                Mood::Takes => Ok(Position {
                    partition: 0,
                    offset: 0,
                }),
                Mood::Refuses(error) => Err(error),
                Mood::NeverAnswers => future::pending().await,
            }
        }
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> Result<LocalConsumer, LogError> {
        self.log().subscribe(group, topics).await
    }

    async fn replay(&self, topic: Topic) -> Result<LocalReplay, LogError> {
        self.log().replay(topic).await
    }

    fn ends(&self, topic: Topic) -> Vec<u64> {
        self.log().ends(topic)
    }
}

impl Log {
    fn log(&self) -> &LocalLog {
        self.local.log()
    }
}

impl Backend for Store {
    type Log = Log;
    type Claims = LocalClaims;
    type Caps = LocalCaps;
    type Journeys = LocalJourneys;
    type Lately = LocalLately;
    type Vault = LocalVault;

    fn log(&self) -> &Log {
        &self.log
    }

    fn claims(&self) -> &LocalClaims {
        self.local.claims()
    }

    fn caps(&self) -> &LocalCaps {
        self.local.caps()
    }

    fn journeys(&self) -> &LocalJourneys {
        self.local.journeys()
    }

    fn lately(&self) -> &LocalLately {
        self.local.lately()
    }

    fn vault(&self) -> &LocalVault {
        self.local.vault()
    }
}
