//! The floor of batch ingest: hyper on one thread, serde_json into structs that borrow, and rdkafka's own
//! producer with the settings of the service's producer of events. A batch is answered once every event is
//! acknowledged by all in-sync replicas.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use loadtest::floor;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use serde::{Deserialize, Serialize};

const TOPIC: &str = "bare-events";
/// As the service's topics have in these tests.
const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// As `store-kafka` sets up its producer of events.
const SETTINGS: [(&str, &str); 11] = [
    ("client.id", "bare-ingest"),
    ("allow.auto.create.topics", "false"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    ("statistics.interval.ms", "5000"),
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", "5"),
    ("compression.type", "lz4"),
    ("delivery.timeout.ms", "5000"),
    ("queue.buffering.max.messages", "200000"),
];

/// An event of the load, as it comes and as it goes into the log.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(borrow)]
    link: Cow<'a, str>,
    #[serde(borrow)]
    visitor: Cow<'a, str>,
    #[serde(borrow)]
    ip: Cow<'a, str>,
    #[serde(borrow)]
    user_agent: Cow<'a, str>,
    #[serde(borrow)]
    referrer: Cow<'a, str>,
    #[serde(borrow)]
    s1: Cow<'a, str>,
    #[serde(borrow)]
    s2: Cow<'a, str>,
    #[serde(borrow)]
    gclid: Cow<'a, str>,
}

fn main() -> Result<()> {
    let brokers = std::env::args().nth(1).context("which brokers?")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&brokers))
}

async fn serve(brokers: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    for made in admin.create_topics(&[topic], &AdminOptions::new()).await? {
        ensure!(made.is_ok(), "topic {TOPIC}: {made:?}");
    }
    for (name, value) in SETTINGS {
        config.set(name, value);
    }
    let producer: FutureProducer = config.create()?;
    producer.client().fetch_metadata(Some(TOPIC), PATIENCE)?;
    let producer = Arc::new(producer);
    floor::serve(move |request| {
        let producer = Arc::clone(&producer);
        async move { answer(request, &producer).await }
    })
    .await
}

async fn answer(request: Request<Incoming>, producer: &FutureProducer) -> Response<Full<Bytes>> {
    let (status, said) = match ingest(request, producer).await {
        Ok(accepted) => (
            StatusCode::OK,
            format!("{{\"accepted\":{accepted},\"refused\":0}}"),
        ),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(said)));
    *response.status_mut() = status;
    response
}

async fn ingest(request: Request<Incoming>, producer: &FutureProducer) -> Result<usize> {
    let body = request.into_body().collect().await?.to_bytes();
    let events: Vec<Event<'_>> = serde_json::from_slice(&body)?;
    let mut deliveries = Vec::with_capacity(events.len());
    for (partition, event) in (0..PARTITIONS).cycle().zip(&events) {
        let record = serde_json::to_vec(event)?;
        let record = FutureRecord::<(), _>::to(TOPIC)
            .partition(partition)
            .payload(&record);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    for delivery in deliveries {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    Ok(events.len())
}
