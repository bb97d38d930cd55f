//! Everything a topic holds now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use store::{LogError, Record, Replay, Topic};
use tokio::task::spawn_blocking;

use crate::KafkaOptions;
use crate::error::log_error;
use crate::scan::Scan;
use crate::watch::Watch;

/// A reading of a whole topic.
pub struct KafkaReplay {
    options: Arc<KafkaOptions>,
    /// None while it is looked at, and after a failure.
    scan: Option<Scan>,
    /// What was read and not handed over yet.
    ready: BTreeMap<u16, Vec<Record>>,
    /// Whether it was said that all is read that was there when it began.
    ended: bool,
}

impl KafkaReplay {
    /// Asks how far the topic goes now, also by what others have appended.
    pub(crate) async fn begin(
        options: Arc<KafkaOptions>,
        watch: Watch,
        topic: Topic,
    ) -> Result<Self, LogError> {
        let asked = Arc::clone(&options);
        let begun = spawn_blocking(move || {
            let name = watch.ends.name(topic).to_owned();
            let oldest = vec![0; watch.ends.of(topic).len()];
            Scan::begin(&asked, watch, &name, &oldest)
        });
        let scan = begun.await.map_err(ended)?;
        Ok(Self {
            options,
            scan: Some(scan.map_err(|error| log_error(&error))?),
            ready: BTreeMap::new(),
            ended: false,
        })
    }
}

impl Replay for KafkaReplay {
    async fn next(&mut self) -> Result<Option<(u16, Vec<Record>)>, LogError> {
        while self.ready.is_empty() {
            let Some(mut scan) = self.scan.take() else {
                return Ok(None);
            };
            // What came later is there once it was fetched, or it is not.
            let through = scan.is_through();
            if through && !self.ended {
                self.ended = true;
                self.scan = Some(scan);
                return Ok(None);
            }
            let patience = match through {
                true => Duration::ZERO,
                false => self.options.patience,
            };
            let looked = spawn_blocking(move || {
                let scanned = scan.look(patience);
                (scan, scanned)
            });
            let (scan, scanned) = looked.await.map_err(ended)?;
            let scanned = scanned.map_err(|error| log_error(&error))?;
            if scanned.is_empty() && through {
                self.scan = Some(scan);
                return Ok(None);
            }
            if scanned.is_empty() && !scan.is_through() {
                let silent = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                self.scan = Some(scan);
                return Err(log_error(&silent));
            }
            self.scan = Some(scan);
            for record in scanned {
                let of = self.ready.entry(record.partition).or_default();
                of.push(Record {
                    offset: record.offset,
                    payload: record.payload.unwrap_or_default(),
                });
            }
        }
        Ok(self.ready.pop_first())
    }
}

fn ended(_: tokio::task::JoinError) -> LogError {
    LogError::Unavailable("the runtime ends".to_owned())
}
