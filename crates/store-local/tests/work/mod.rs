//! What the worker does with topic `leads`, without its tables.

use std::time::Duration;

use proto::{LeadRecord, Message as _};
use store::{Backend, Caps, Claims, Consumer, Delivery, EventLog, Topic};
use store_local::Local;

/// Folds everything, settles what has ended, and commits.
pub(crate) async fn work(store: &Local) {
    let subscribed = store.log().subscribe("worker", &[Topic::Leads]).await;
    let mut worker = subscribed.unwrap();
    while let Some(delivery) = worker.next(Duration::ZERO).await.unwrap() {
        let Delivery::Records {
            topic,
            partition,
            records,
        } = delivery
        else {
            continue;
        };
        for record in &records {
            let decoded = LeadRecord::decode(record.payload.clone()).unwrap();
            let folded = store.claims().fold(record.offset, &decoded).await.unwrap();
            let lead = folded.state.lead_id().unwrap();
            for leg in &folded.state.legs {
                if let Some(usage) = leg.usage().unwrap() {
                    let one = leg.reservation(lead).unwrap();
                    store.caps().settle(&one, usage).await.unwrap();
                }
            }
        }
        let next = records.last().unwrap().offset + 1;
        worker.commit(&[(topic, partition, next)]).await.unwrap();
    }
}
