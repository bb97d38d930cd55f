//! Records of one look at librdkafka's queue, by partition. Their bytes share one buffer a partition:
//! whoever keeps one of them keeps its batch.

use bytes::BytesMut;
use store::{Delivery, Record, Topic};

/// Bytes and records of one look, about.
const MOST_BYTES: usize = 1 << 20;
const MOST_RECORDS: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Batch {
    runs: Vec<Run>,
    records: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Run {
    topic: Topic,
    partition: u16,
    bytes: BytesMut,
    /// Each record's offset, and where its bytes end.
    records: Vec<(u64, usize)>,
}

impl Batch {
    pub(super) fn add(&mut self, topic: Topic, partition: u16, offset: u64, payload: &[u8]) {
        let of = |run: &Run| (run.topic, run.partition) == (topic, partition);
        let at = self.runs.iter().position(of).unwrap_or_else(|| {
            self.runs.push(Run {
                topic,
                partition,
                bytes: BytesMut::new(),
                records: Vec::new(),
            });
            self.runs.len() - 1
        });
        let Some(run) = self.runs.get_mut(at) else {
            return;
        };
        run.bytes.extend_from_slice(payload);
        run.records.push((offset, run.bytes.len()));
        self.records += 1;
        self.bytes += payload.len();
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES || self.records >= MOST_RECORDS
    }

    /// One delivery a partition.
    pub(super) fn deliveries(self) -> impl Iterator<Item = Delivery> {
        self.runs.into_iter().map(|run| {
            let mut rest = run.bytes.freeze();
            let mut from = 0;
            let records = run.records.into_iter().map(|(offset, end)| {
                let payload = rest.split_to(end - from);
                from = end;
                Record { offset, payload }
            });
            Delivery::Records {
                topic: run.topic,
                partition: run.partition,
                records: records.collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_by_partition_as_they_went_in() {
        let mut batch = Batch::default();
        for (partition, offset, payload) in [(1, 7, "a"), (0, 3, "bcd"), (1, 9, ""), (1, 12, "ef")]
        {
            batch.add(Topic::Events, partition, offset, payload.as_bytes());
        }
        let out: Vec<_> = batch
            .deliveries()
            .map(|delivery| match delivery {
                Delivery::Records {
                    partition, records, ..
                } => {
                    let texts = records.iter().map(|record| {
                        let text = String::from_utf8_lossy(&record.payload).into_owned();
                        (record.offset, text)
                    });
                    (partition, texts.collect::<Vec<_>>())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let text = |offset, text: &str| (offset, text.to_owned());
        assert_eq!(out[0], (1, vec![text(7, "a"), text(9, ""), text(12, "ef")]));
        assert_eq!(out[1], (0, vec![text(3, "bcd")]));
    }
}
