//! Topic `events`: each event or refusal a row, the conversions of every journey it touched, and what
//! identities tell each other.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use proto::{ClickRead, EventBody, EventRecord, Message as _, RecordError};
use store::{Backend, JourneyUpdate, Journeys as _, Record, StoreError, Topic};
use telemetry::Metrics;
use warehouse::Batch;

use crate::aside::step_aside;
use crate::journey::{self, Meaning};
use crate::notice::Standing;
use crate::rows::conversion::By;
use crate::{forward, letter, rows};

/// Records worked on at a time: what is made of them on the way stays in the processor's cache, and a store
/// elsewhere is asked twice for all of them.
const SLICE: usize = 256;
/// Records on their way into the log at most, before their acknowledgements are waited for.
const UNDER_WAY: usize = 4096;

/// Applies the records of one partition and adds their rows to `batch`, which other partitions add theirs to
/// meanwhile. What is to be told is in the log when this returns: only then may the records be committed.
/// Returns the conversions that it made rows of, as publishers see them.
pub(crate) async fn apply<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    by: By<'_>,
    partition: u16,
    records: &[Record],
    batch: &Mutex<&mut Batch>,
) -> Result<Vec<Standing>, StoreError> {
    // Of one that several slices touch, the last.
    let mut standings = BTreeMap::new();
    // Slices do not wait for what those before them tell.
    let mut under_way = Vec::new();
    for slice in records.chunks(SLICE) {
        let all = meaning(metrics, partition, slice, &mut batch.lock());
        let next = slice.last().map(|last| last.offset.saturating_add(1));
        let through = (partition, next.unwrap_or(0));
        let rules = by.rules.version();
        let applied = backend.journeys();
        let applied = applied.apply(all.updates, through, rules).await?;
        let tellings = all.tellings.iter().chain(&applied.tellings);
        let told: Vec<EventRecord> = tellings.map(journey::told).collect();
        under_way.extend(forward::queue(backend, &told));
        if under_way.len() >= UNDER_WAY {
            forward::acknowledged(std::mem::take(&mut under_way)).await?;
        }
        for journey in applied.journeys {
            let made = rows::conversion::rows(&journey, by)?;
            let mut batch = batch.lock();
            batch.conversions.extend(made.rows);
            batch.credits.extend(made.credits);
            let conversions = made.standings.into_iter();
            standings.extend(conversions.map(|it| (it.conversion().to_owned(), it)));
        }
        step_aside().await;
    }
    forward::acknowledged(under_way).await?;
    Ok(standings.into_values().collect())
}

/// What a record of topic `events` means for journeys, without what they then tell each other: that is in the log
/// too. Nothing where it cannot be read. So a backend that lost its journeys learns them again.
pub fn journey_updates(record: &Record) -> Vec<JourneyUpdate> {
    let event = EventRecord::decode(record.payload.clone()).map_err(RecordError::from);
    let meaning = event.and_then(|event| journey::meaning(&event));
    meaning.map_or_else(|_| Vec::new(), |meaning| meaning.updates)
}

/// Adds the rows that these records have by themselves; gives what they mean.
fn meaning(metrics: &Metrics, partition: u16, records: &[Record], batch: &mut Batch) -> Meaning {
    let mut all = Meaning::default();
    for record in records {
        if let Err(error) = read(record, batch, &mut all) {
            let letter = letter::dead(metrics, Topic::Events, partition, record, &error);
            batch.dead_letters.push(letter);
        }
    }
    all
}

/// Adds the row that a record has by itself, if it has one, and what it means.
fn read(record: &Record, batch: &mut Batch, all: &mut Meaning) -> Result<(), RecordError> {
    // Most are clicks: nothing of one is copied but what is kept.
    if let Some(click) = ClickRead::read(&record.payload)
        && let Some(update) = JourneyUpdate::clicked(&click)
    {
        batch.events.push(&rows::event::click(&click)?);
        all.updates.push(update);
        return Ok(());
    }
    let event = EventRecord::decode(record.payload.clone())?;
    let meaning = journey::meaning(&event)?;
    match &event.body {
        // What identities tell each other is nobody else's.
        Some(EventBody::Told(_)) => {}
        Some(EventBody::Refused(refused)) => {
            batch.refusals.push(rows::refusal::row(&event, refused)?);
        }
        _ => batch.events.push(&rows::event::row(&event)?),
    }
    all.updates.extend(meaning.updates);
    all.tellings.extend(meaning.tellings);
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::VisitorId;
    use proto::Click;
    use store::{Identity, Limits, Node};

    use super::*;

    #[test]
    fn a_click_is_learnt_again_and_what_cannot_be_read_is_not() {
        let click = EventRecord {
            id: vec![1; 16],
            ts_us: 5,
            visitor: vec![2; 24],
            click_id: vec![3; 24],
            body: Some(EventBody::Click(Click::default())),
            ..EventRecord::default()
        };
        let record = |payload: Vec<u8>| Record {
            offset: 0,
            payload: payload.into(),
        };
        let learnt = journey_updates(&record(click.encode_to_vec()));
        let whose: Vec<Identity> = learnt.iter().map(|update| update.identity).collect();
        assert_eq!(whose, [Identity::Visitor(VisitorId::from_bytes([2; 24]))]);
        assert_eq!(journey_updates(&record(vec![0xff; 9])), []);
    }

    #[test]
    fn a_click_read_in_place_means_what_its_record_means() {
        let limits = Limits {
            entries: 2,
            visitors: 2,
            ties: 2,
        };
        let whole = Click {
            link: "l".to_owned(),
            publisher: "p".to_owned(),
            campaign: "c".to_owned(),
            sub: [("s1".to_owned(), "fb".to_owned())].into(),
            ad_ids: [("gclid".to_owned(), "g".to_owned())].into(),
            ip_hash: vec![7; 16],
            flags: vec!["bot".to_owned()],
            ..Click::default()
        };
        let plain = Click {
            flags: Vec::new(),
            ..whole.clone()
        };
        for (named, click) in [(false, whole), (true, plain), (false, Click::default())] {
            let event = EventRecord {
                id: vec![1; 16],
                ts_us: 5,
                received_us: 6,
                visitor: vec![2; 24],
                click_id: vec![3; 24],
                person: vec![vec![4; 16]],
                skew_us: Some(-1),
                named,
                body: Some(EventBody::Click(click)),
            };
            let record = Record {
                offset: 0,
                payload: event.encode_to_vec().into(),
            };
            let (mut batch, mut all) = (Batch::default(), Meaning::default());
            read(&record, &mut batch, &mut all).unwrap();
            let rows: Result<Vec<_>, _> = batch.events.iter().collect();
            assert_eq!(rows.unwrap(), [rows::event::row(&event).unwrap()]);
            let nodes = [all.updates, journey_updates(&record)].map(|updates| {
                let mut node = Node::default();
                for update in updates {
                    let told = node.learn(update.identity, update.ts_us, update.news, limits);
                    assert_eq!(told, []);
                }
                node
            });
            assert_eq!(nodes[0], nodes[1]);
            assert_eq!(nodes[0].own().count(), 1);
        }
    }
}
