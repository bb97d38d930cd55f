//! Whether Kafka was heard: a node may start while it is away. Until the topics are made and checked nothing
//! is sent and nothing is read, as what goes to a topic of another layout is lost; a thread asks until they
//! are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use store::LogError;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{OpenError, Problems, during};
use crate::watch::Watch;
use crate::{KafkaOptions, scan, topics};

/// How long one look for a broker waits.
const LOOK: Duration = Duration::from_millis(200);
/// After one that answered, and not to all.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of Kafka.
#[derive(Debug, Clone)]
enum Heard {
    /// It has not answered; what was seen of it last.
    NotYet(String),
    /// The topics are as they have to be.
    Well,
    /// They are not, or it does not let us in.
    Wrong(Problems),
}

/// Asks until Kafka is heard, or until it is dropped.
pub(crate) struct Hearing {
    heard: watch::Sender<Heard>,
    /// Whether all is well, for every record to look at.
    well: Arc<AtomicBool>,
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Hearing {
    /// Begins to ask. Within a runtime.
    pub(crate) fn begin(options: Arc<KafkaOptions>, watch: Watch) -> Result<Self, OpenError> {
        let (heard, _) = watch::channel(Heard::NotYet("no broker has answered".to_owned()));
        let well = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let asker = Asker {
            options,
            watch,
            heard: heard.clone(),
            well: Arc::clone(&well),
            stop: stop.clone(),
        };
        let runtime = Handle::current();
        let thread = Builder::new()
            .name("kafka-topics".to_owned())
            .spawn(move || runtime.block_on(asker.run()))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            heard,
            well,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether it was heard, and all is well.
    pub(crate) fn is_well(&self) -> bool {
        self.well.load(Ordering::Acquire)
    }

    /// What those get who come before.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match self.is_well() {
            true => Ok(()),
            false => Err(LogError::Unavailable(
                "kafka: it was not heard yet".to_owned(),
            )),
        }
    }

    /// Why it was not heard, if it was not.
    pub(crate) fn why_not(&self) -> Option<String> {
        match &*self.heard.borrow() {
            Heard::NotYet(why) => Some(why.clone()),
            Heard::Wrong(problems) => Some(problems.0.join("; ")),
            Heard::Well => None,
        }
    }

    /// Waits until it is heard.
    ///
    /// # Errors
    /// All that is not as it has to be there.
    pub(crate) async fn heard(&self) -> Result<(), Problems> {
        let mut heard = self.heard.subscribe();
        let known = heard.wait_for(|heard| !matches!(heard, Heard::NotYet(_)));
        match known.await.as_deref() {
            Ok(Heard::Wrong(problems)) => Err(problems.clone()),
            // The other end is ours.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Asks no more. Blocks until the last question is over.
    pub(crate) fn end(&self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.lock().take() {
            // One that panicked has nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Asker {
    options: Arc<KafkaOptions>,
    watch: Watch,
    heard: watch::Sender<Heard>,
    well: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Asker {
    async fn run(self) {
        tokio::select! {
            () = self.ask() => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn ask(&self) {
        loop {
            match self.ask_once().await {
                Ok(()) => {
                    self.well.store(true, Ordering::Release);
                    self.heard.send_replace(Heard::Well);
                    return;
                }
                Err(OpenError::Problems(problems)) => {
                    self.heard.send_replace(Heard::Wrong(problems));
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "kafka was not heard yet");
                    self.heard.send_replace(Heard::NotYet(error.to_string()));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask_once(&self) -> Result<(), OpenError> {
        let asking = Asking {
            watch: self.watch.clone(),
            heard: self.heard.clone(),
            refused: Mutex::default(),
        };
        let asking: BaseConsumer<Asking> = self
            .options
            .client("ends")
            .create_with_context(asking)
            .map_err(during("set up a client"))?;
        self.reach(&asking)?;
        topics::prepare(&self.options, self.watch.clone()).await?;
        self.find_ends(&asking)
    }

    /// Waits until a broker answers.
    fn reach(&self, asking: &BaseConsumer<Asking>) -> Result<(), OpenError> {
        while asking.fetch_metadata(None, LOOK).is_err() {
            self.go_on()?;
            // Nothing is read by it: what comes are errors, which its context hears.
            while asking.poll(LOOK).is_some() {}
            if let Some(why) = asking.context().refused.lock().take() {
                return Err(OpenError::Problems(Problems(vec![why])));
            }
        }
        Ok(())
    }

    /// Asks how far every partition goes.
    fn find_ends(&self, asking: &BaseConsumer<Asking>) -> Result<(), OpenError> {
        let Self { options, watch, .. } = self;
        for (topic, name, partitions) in watch.ends.topics() {
            for partition in 0..partitions {
                self.go_on()?;
                let reached = scan::reach(asking, name, partition, options.patience);
                let (_, end) = reached.map_err(during("ask how far a partition goes"))?;
                watch.ends.reach(topic, partition, end);
            }
        }
        Ok(())
    }

    fn go_on(&self) -> Result<(), OpenError> {
        match self.stop.is_cancelled() {
            true => Err(OpenError::Silent("it is asked no more".to_owned())),
            false => Ok(()),
        }
    }
}

/// Of the client that asks: it hears why nobody answers, which answers do not say.
struct Asking {
    watch: Watch,
    heard: watch::Sender<Heard>,
    /// Why we are not let in, which is no better when it is asked again.
    refused: Mutex<Option<String>>,
}

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.watch.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication) {
            let why = format!("it does not let us in: {reason}");
            *self.refused.lock() = Some(why);
        }
        // That all are down says nothing more than what was said of each.
        let says_why = error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown);
        self.heard.send_if_modified(|heard| match heard {
            Heard::NotYet(why) if says_why => {
                reason.clone_into(why);
                true
            }
            Heard::NotYet(_) | Heard::Well | Heard::Wrong(_) => false,
        });
        self.watch.error(error, reason);
    }

    fn stats(&self, said: Statistics) {
        self.watch.stats(said);
    }
}

impl ConsumerContext for Asking {}
