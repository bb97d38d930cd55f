//! The floor of the worker: reads the same records from Kafka, decodes them, and inserts the same rows, the
//! conversions' and the credits' being known: nothing is looked up, joined or computed. Once the next batch is
//! in, it goes on. Says as one line of JSON what it did.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Clock as _;
use loadtest::clock::OsClock;
use loadtest::feed::CLICKS;
use loadtest::process;
use proto::{EventBody, EventRecord, Message as _};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use warehouse::{Address, Batch, ConversionRow, CreditRow, Money, Time, Warehouse};

/// As the worker's.
const BATCH: usize = 20_000;
const MODELS: [&str; 3] = ["first_click", "last_click", "linear"];
const LOOK: Duration = Duration::from_millis(100);
/// As `store-kafka` sets up its consumers.
const SETTINGS: [(&str, &str); 7] = [
    ("group.id", "bare-consumer"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.queue.backoff.ms", "50"),
    ("socket.nagle.disable", "true"),
    ("statistics.interval.ms", "1000"),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, topic, url, database, from, to] = args.as_slice() else {
        anyhow::bail!("usage: BROKERS TOPIC CLICKHOUSE DATABASE FROM,.. TO,..");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let warehouse = Warehouse::connect(Address::new(url, database))?;
    runtime.block_on(warehouse.migrate())?;
    let (from, to) = (offsets(from)?, offsets(to)?);
    let consumer = consumer(brokers, topic, &from)?;
    let clock = OsClock::start();
    let (mut began, mut spent) = (None, Duration::ZERO);
    let (mut records, mut rows) = (0, 0);
    let mut left: i64 = from.iter().zip(&to).map(|(from, to)| to - from).sum();
    while left > 0 {
        let mut batch = Batch::default();
        let mut taken = 0;
        while taken < BATCH && left > 0 {
            let Some(message) = consumer.poll(LOOK) else {
                continue;
            };
            let message = message?;
            if began.is_none() {
                began = Some(clock.mono());
                spent = process::cpu(std::process::id())?;
            }
            let partition = usize::try_from(message.partition())?;
            let last = to.get(partition).context("a partition too many")?;
            if message.offset() >= *last {
                continue;
            }
            left -= 1;
            taken += 1;
            add(message.payload().unwrap_or_default(), &mut batch)?;
        }
        runtime.block_on(warehouse.insert(&batch))?;
        records += taken;
        rows += batch.len();
    }
    let took = clock
        .mono()
        .since(began.context("there was nothing to read")?);
    let spent = process::cpu(std::process::id())?.saturating_sub(spent);
    println!(
        "{{\"records\":{records},\"rows\":{rows},\"seconds\":{},\"cpu_us\":{}}}",
        took.as_secs_f64(),
        spent.as_micros()
    );
    Ok(())
}

fn offsets(text: &str) -> Result<Vec<i64>> {
    let offsets = text.split(',').map(str::parse);
    offsets.collect::<Result<_, _>>().context("offsets")
}

fn consumer(brokers: &str, topic: &str, from: &[i64]) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (name, value) in SETTINGS {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let mut all = TopicPartitionList::new();
    for (partition, from) in (0..).zip(from) {
        all.add_partition_offset(topic, partition, Offset::Offset(*from))?;
    }
    consumer.assign(&all)?;
    ensure!(!from.is_empty(), "no partition");
    Ok(consumer)
}

fn add(record: &[u8], batch: &mut Batch) -> Result<()> {
    let event = EventRecord::decode(record)?;
    if let Some(EventBody::Told(_)) = event.body {
        return Ok(());
    }
    let row = worker::event_row(&event)?;
    if let Some(EventBody::Conversion(_)) = &event.body {
        let (conversion, credits) = known(&row);
        batch.conversions.push(conversion);
        batch.credits.extend(credits);
    }
    batch.events.push(&row);
    Ok(())
}

/// As the worker's are, of a journey as the load has them.
fn known(event: &warehouse::EventRow<'_>) -> (ConversionRow, Vec<CreditRow>) {
    let value = event.amount.unwrap_or(Money(0));
    let id = || event.event_id.to_string();
    let conversion = ConversionRow {
        conversion_id: id(),
        campaign: event.campaign.to_string(),
        goal: event.goal.to_string(),
        txid: event.txid.to_string(),
        click_id: event.click_id.to_string(),
        visitor: event.click_id.to_string(),
        source: event.source.to_string(),
        status: event.status.to_string(),
        amount: value,
        currency: event.currency.to_string(),
        payee: "north".to_owned(),
        touches: CLICKS as u32,
        said_by: vec![id()],
        said_at: vec![event.ts],
        said_from: vec![event.source.to_string()],
        said_status: vec![event.status.to_string()],
        said_amount: vec![value],
        ts: event.ts,
        version: 1,
        ..ConversionRow::default()
    };
    let credits = MODELS.map(|model| {
        let touches = if model == "linear" { CLICKS } else { 1 };
        let each = |text: &str| (0..touches).map(|_| text.to_owned()).collect::<Vec<_>>();
        CreditRow {
            conversion_id: id(),
            model: model.to_owned(),
            campaign: event.campaign.to_string(),
            goal: event.goal.to_string(),
            currency: event.currency.to_string(),
            ts: Time(event.ts.0),
            touch: each(&event.event_id),
            publisher: each("north"),
            link: each("north-a"),
            share: (0..touches).map(|_| 1_000_000_000 / touches).collect(),
            value: (0..touches).map(|_| value).collect(),
            version: 1,
        }
    });
    (conversion, credits.into())
}
