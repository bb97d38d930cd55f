//! A client and the thread that hears of its records' fates.
//!
//! The one that rdkafka has (`ThreadedProducer`) looks for a tenth of a second at a time. A look of whole
//! milliseconds is over a little early, and what is left of the last one is spun away: a hundredth of a core
//! for each producer of a node, though nobody sends anything.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;

use super::Deliveries;

/// How long one look takes, so how long the end is waited for. It is waited for in whole milliseconds, and the
/// rest is less than it takes to wake up.
const LOOK: Duration = Duration::from_micros(250_050);

pub(super) struct Polled {
    client: Arc<BaseProducer<Deliveries>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Polled {
    pub(super) fn new(config: &ClientConfig, context: Deliveries) -> KafkaResult<Self> {
        let name = format!("kafka-{}", context.watch.client);
        let client: BaseProducer<Deliveries> = config.create_with_context(context)?;
        let client = Arc::new(client);
        let stopped = Arc::new(AtomicBool::new(false));
        let (polled, stop) = (Arc::clone(&client), Arc::clone(&stopped));
        let thread = Builder::new().name(name).spawn(move || {
            while !stop.load(Ordering::Acquire) {
                polled.poll(LOOK);
            }
        });
        let thread = thread.map_err(|error| {
            KafkaError::ClientCreation(format!("there is no thread for it: {error}"))
        })?;
        Ok(Self {
            client,
            stopped,
            thread: Some(thread),
        })
    }
}

impl Deref for Polled {
    type Target = BaseProducer<Deliveries>;

    fn deref(&self) -> &BaseProducer<Deliveries> {
        &self.client
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // One that panicked hears no more, which is what is asked for.
            let _ = thread.join();
        }
    }
}
