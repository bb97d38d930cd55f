//! A log whose beginning went with its retention.

use std::future::Future;

use bytes::Bytes;
use store::{Ack, EventLog, LogError, Position, Record, Replay, Topic};
use store_local::LocalLog;

/// Of each partition nothing before this offset is left.
pub(crate) struct CutLog {
    pub(crate) log: LocalLog,
    pub(crate) begins: u64,
}

pub(crate) struct CutReplay {
    whole: <LocalLog as EventLog>::Replay,
    begins: u64,
}

impl Replay for CutReplay {
    async fn next(&mut self) -> Result<Option<(u16, Vec<Record>)>, LogError> {
        let next = self.whole.next().await?;
        Ok(next.map(|(partition, mut records)| {
            records.retain(|record| record.offset >= self.begins);
            (partition, records)
        }))
    }
}

impl EventLog for CutLog {
    type Consumer = <LocalLog as EventLog>::Consumer;
    type Replay = CutReplay;

    fn append(
        &self,
        topic: Topic,
        key: u64,
        record: Bytes,
        ack: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static {
        self.log.append(topic, key, record, ack)
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> Result<Self::Consumer, LogError> {
        self.log.subscribe(group, topics).await
    }

    async fn replay(&self, topic: Topic) -> Result<CutReplay, LogError> {
        Ok(CutReplay {
            whole: self.log.replay(topic).await?,
            begins: self.begins,
        })
    }

    fn ends(&self, topic: Topic) -> Vec<u64> {
        self.log.ends(topic)
    }
}
