//! The generations of the catalog on this node. The log says which one is in force (`store::generations`);
//! here it is read while the service runs, compiled, and handed to all parts of the process.
//!
//! Nodes read the same log and are at different places of it for a moment, which is safe: a lead keeps the
//! generation it came under, its records say which, counters and claims are shared and know nothing of
//! generations, and a quote carries its promise with it. Of what the worker writes the rules' number is part.
//!
//! What is put is checked whole before it is in the log: compiled, and every part made ready for it. So a
//! generation that a node cannot obey comes from a newer version of the service. Such a node stays with the
//! one it has and says so; and it does not start.

mod course;
mod import;
mod kept;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use bytes::Bytes;
use catalog::{CatalogSource, KeyDigest, Problem, Snapshot};
use domain::{Clock, Entropy, Timestamp};
use httpd::{Readiness, Standing};
use parking_lot::Mutex;
use proto::{Generation, Message as _};
use router::{Catalogs, Pending, Put, PutError};
use store::generations::{InForce, Turn};
use store::{Ack, Backend, EventLog, Topic};
use telemetry::{CATALOG_GENERATION, Metrics};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Ground, rules};
use course::{Course, Place};
use import::{Import, Note};

pub(super) use kept::last;

/// How often the log is looked at for what others have put.
const LOOK: Duration = Duration::from_millis(250);
/// How long who puts a catalog waits until this node obeys it.
const WAIT: Duration = Duration::from_secs(5);
/// The pause after the log could not be read.
const PAUSE: Duration = Duration::from_secs(1);
/// Generations of before that are kept compiled.
const HELD: usize = 4;

/// A generation in force here.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) snapshot: Arc<Snapshot>,
    /// Its place in the order of all of them.
    pub(super) number: u64,
    /// The number of its rules.
    pub(super) rules: u32,
}

/// Makes a part ready for a generation, and returns what makes it obey.
type Follower = Box<dyn Fn(&Current) -> anyhow::Result<Box<dyn FnOnce() + Send>> + Send + Sync>;

/// How a node reads catalogs, and where it notes what it put.
pub(super) struct Desk {
    pub(super) source: CatalogSource,
    pub(super) admin_keys: Vec<KeyDigest>,
    pub(super) data_dir: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) metrics: Metrics,
}

impl Desk {
    /// This node's.
    pub(super) fn of(ground: &Ground<'_>) -> Self {
        let Ground { config, host, .. } = ground;
        Self {
            source: config.catalog.clone(),
            admin_keys: config.admin_keys.clone(),
            data_dir: config.data_dir.clone(),
            clock: Arc::clone(&host.clock),
            entropy: Arc::clone(&host.entropy),
            metrics: host.metrics.clone(),
        }
    }
}

/// The generations. Cloning shares them.
pub(super) struct Known<B>(Arc<Inner<B>>);

impl<B> Clone for Known<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<B> {
    backend: B,
    desk: Desk,
    current: ArcSwap<Current>,
    followers: Mutex<Vec<Follower>>,
    place: watch::Sender<Place>,
    /// There may be something to read.
    news: Notify,
    /// The newest generation cannot be obeyed, since then.
    stuck: Mutex<Option<(Timestamp, String)>>,
    held: Mutex<Vec<Arc<Snapshot>>>,
}

impl<B: Backend> Known<B> {
    /// Reads the log, puts the file's catalog into it if that has changed, and compiles what is in force.
    pub(super) async fn open(
        backend: B,
        desk: Desk,
        file: Arc<Snapshot>,
    ) -> anyhow::Result<(Self, Course<B::Log>)> {
        let unread = "cannot read the catalog's topic";
        let mut course = Course::<B::Log>::read(backend.log())
            .await
            .context(unread)?;
        let note = import::noted(&desk.data_dir);
        let is = course.in_force().map(|it| it.generation.as_str());
        let since = |from| course.took_since(&file.generation, from);
        match import::decide(&file.generation, is, note.as_ref(), since) {
            Import::Nothing => {}
            Import::Old => tracing::warn!(
                file = file.generation,
                in_force = is,
                "the catalog file is older than what is in force, which stands: SIGHUP puts the file"
            ),
            Import::Put => {
                let record = record(&file, "", &desk);
                let append = backend
                    .log()
                    .append(Topic::Catalog, 0, record, Ack::Durable);
                let at = append.await.context("cannot record the catalog")?;
                tracing::info!(generation = file.generation, "catalog generation recorded");
                while course.next() <= at.offset {
                    if !course.catch_up().await.context(unread)? {
                        tokio::time::sleep(LOOK / 10).await;
                    }
                }
            }
        }
        let note = Note {
            generation: file.generation.clone(),
            next: course.next(),
        };
        import::note(&desk.data_dir, &note).context("cannot note what was imported")?;
        let is = course.in_force().context("the catalog's topic is empty")?;
        let snapshot = match is.generation == file.generation {
            true => file,
            false => {
                let read = read(&desk, "catalog in force", course.canonical());
                Arc::new(read.map_err(|problems| anyhow!("{}", told(&problems)))?)
            }
        };
        let current = Current {
            snapshot,
            number: is.number,
            rules: is.rules,
        };
        let (place, _) = watch::channel(Place::default());
        let known = Self(Arc::new(Inner {
            backend,
            current: ArcSwap::from_pointee(current),
            desk,
            followers: Mutex::default(),
            place,
            news: Notify::new(),
            stuck: Mutex::default(),
            held: Mutex::default(),
        }));
        known.tell();
        known.keep(course.canonical());
        known.0.place.send_replace(course.place());
        Ok((known, course))
    }

    /// What is in force here.
    pub(super) fn current(&self) -> Arc<Current> {
        self.0.current.load_full()
    }

    /// A part of the process that obeys. All of them are named before the first change.
    pub(super) fn obeyed_by(
        &self,
        follower: impl Fn(&Current) -> anyhow::Result<Box<dyn FnOnce() + Send>> + Send + Sync + 'static,
    ) {
        self.0.followers.lock().push(Box::new(follower));
    }

    /// Says in `/readyz` what is in force here, and whether it is the newest.
    pub(super) fn register(&self, readiness: &Readiness) {
        let known = self.clone();
        readiness.register("catalog", move || {
            let stuck = known.0.stuck.lock();
            let away = stuck.as_ref().map(|(since, what)| Standing::Away {
                what: what.clone(),
                since: *since,
            });
            away.unwrap_or(Standing::Ok)
        });
        let known = self.clone();
        readiness.say("catalog_generation", move || {
            known.current().snapshot.generation.clone()
        });
    }

    /// Reads and obeys what is put, until the end.
    pub(super) async fn follow(self, mut course: Course<B::Log>, end: CancellationToken) {
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                () = self.0.news.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            // What was appended a moment ago is read at once, by where it is known.
            match course.catch_up().await {
                Ok(false) => {}
                Ok(true) => self.obey(course.place()).await,
                Err(error) => {
                    tracing::warn!(%error, "the catalog's topic cannot be read: this node stays as it is");
                    course = tokio::select! {
                        () = end.cancelled() => return,
                        course = self.again() => course,
                    };
                    self.obey(course.place()).await;
                }
            }
        }
    }

    async fn again(&self) -> Course<B::Log> {
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Ok(course) = Course::read(self.0.backend.log()).await {
                return course;
            }
        }
    }

    async fn obey(&self, place: Place) {
        if let Some(is) = &place.in_force
            && is.number != self.current().number
        {
            let generation = &is.generation;
            match self.obey_one(is.clone(), place.canonical.clone()).await {
                Ok(()) => {
                    *self.0.stuck.lock() = None;
                    self.tell();
                    tracing::info!(
                        generation,
                        number = is.number,
                        "catalog generation in force"
                    );
                }
                Err(why) => {
                    tracing::error!(
                        generation,
                        why,
                        "a generation of the catalog cannot be obeyed"
                    );
                    let since = self.0.desk.clock.wall();
                    let what = format!("generation {generation} cannot be obeyed: {why}");
                    *self.0.stuck.lock() = Some((since, what));
                }
            }
        }
        self.0.place.send_replace(place);
    }

    async fn obey_one(&self, is: InForce, canonical: Bytes) -> Result<(), String> {
        let known = self.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let snapshot = read(&known.0.desk, "catalog in force", &canonical);
            let current = Current {
                snapshot: Arc::new(snapshot.map_err(|problems| told(&problems))?),
                number: is.number,
                rules: is.rules,
            };
            let obey = known
                .prepare(&current)
                .map_err(|error| format!("{error:#}"))?;
            known.0.current.store(Arc::new(current));
            obey.into_iter().for_each(|obey| obey());
            known.keep(&canonical);
            Ok(())
        });
        let compiled = compiled.await;
        compiled.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Makes every part ready.
    fn prepare(&self, current: &Current) -> anyhow::Result<Vec<Box<dyn FnOnce() + Send>>> {
        let followers = self.0.followers.lock();
        followers.iter().map(|follower| follower(current)).collect()
    }

    fn keep(&self, canonical: &[u8]) {
        if let Err(error) = kept::keep(&self.0.desk.data_dir, canonical) {
            tracing::warn!(%error, "cannot keep the catalog for a start without the log");
        }
    }

    fn tell(&self) {
        let number = i64::try_from(self.current().number).unwrap_or(i64::MAX);
        self.0.desk.metrics.set(CATALOG_GENERATION, [], number);
    }

    /// Puts the catalog of the node's file.
    pub(super) async fn put_file(&self, file: Snapshot) -> Result<Put, PutError> {
        let note = file.generation.clone();
        let put = self.put_snapshot(Arc::new(file), "").await?;
        let note = Note {
            generation: note,
            next: self.0.place.borrow().next,
        };
        if let Err(error) = import::note(&self.0.desk.data_dir, &note) {
            tracing::warn!(%error, "cannot note what was imported");
        }
        Ok(put)
    }

    async fn compiled(&self, text: String) -> Result<Arc<Snapshot>, PutError> {
        let known = self.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let snapshot = catalog::load_catalog(
                "catalog",
                &text,
                &known.0.desk.source.vars,
                &known.0.desk.admin_keys,
            );
            snapshot.map(Arc::new).map_err(PutError::Problems)
        });
        let compiled = compiled.await;
        compiled.unwrap_or_else(|error| Err(PutError::Unavailable(error.to_string())))
    }

    /// All that is wrong with a catalog for this node.
    fn try_on(&self, snapshot: &Arc<Snapshot>) -> Result<(), PutError> {
        let problem = |path: &str, message: String| {
            let problem = Problem {
                file: "catalog".to_owned(),
                line: None,
                path: path.to_owned(),
                message,
            };
            Err(PutError::Problems(vec![problem]))
        };
        // Nobody means that who sends an empty body, or half a file.
        if snapshot.campaigns.is_empty() {
            return problem(
                "campaigns",
                "there is none: a campaign is stopped by `on = false`".to_owned(),
            );
        }
        let current = Current {
            snapshot: Arc::clone(snapshot),
            ..(*self.current()).clone()
        };
        match self.prepare(&current) {
            Ok(_) => Ok(()),
            Err(error) => problem("", format!("{error:#}")),
        }
    }

    async fn put_snapshot(&self, snapshot: Arc<Snapshot>, after: &str) -> Result<Put, PutError> {
        self.try_on(&snapshot)?;
        let generation = snapshot.generation.clone();
        let is = self.0.place.borrow().in_force.clone();
        let is = is.map(|is| is.generation).unwrap_or_default();
        if !after.is_empty() && after != is {
            return Err(PutError::Overtaken(is));
        }
        if generation == is {
            return Ok(Put::Unchanged(generation));
        }
        let record = record(&snapshot, after, &self.0.desk);
        let log = self.0.backend.log();
        let append = log.append(Topic::Catalog, 0, record, Ack::Durable);
        let at = append
            .await
            .map_err(|error| PutError::Unavailable(error.to_string()))?;
        let mut place = self.0.place.subscribe();
        let read = async {
            loop {
                self.0.news.notify_one();
                let looked =
                    tokio::time::timeout(LOOK / 10, place.wait_for(|it| it.next > at.offset));
                match looked.await {
                    Ok(Ok(place)) => return Some(place.clone()),
                    Ok(Err(_)) => return None,
                    Err(_) => {}
                }
            }
        };
        let Ok(Some(place)) = tokio::time::timeout(WAIT, read).await else {
            return Ok(Put::Waiting(generation));
        };
        let turn = place.turns.iter().find(|(offset, _)| *offset == at.offset);
        match turn {
            Some((_, Turn::PassedOver)) => {
                let is = place.in_force.map(|is| is.generation);
                Err(PutError::Overtaken(is.unwrap_or_default()))
            }
            Some((_, Turn::Same)) => Ok(Put::Unchanged(generation)),
            Some((_, Turn::Taken)) => Ok(Put::Applied(generation)),
            None => Ok(Put::Waiting(generation)),
        }
    }
}

impl<B: Backend> Catalogs for Known<B> {
    fn check(&self, text: String) -> Pending<'_, Result<String, PutError>> {
        Box::pin(async move {
            let snapshot = self.compiled(text).await?;
            self.try_on(&snapshot)?;
            Ok(snapshot.generation.clone())
        })
    }

    fn put(&self, text: String, after: Option<String>) -> Pending<'_, Result<Put, PutError>> {
        Box::pin(async move {
            let snapshot = self.compiled(text).await?;
            self.put_snapshot(snapshot, after.as_deref().unwrap_or_default())
                .await
        })
    }

    fn held<'a>(
        &'a self,
        generation: &'a str,
    ) -> Pending<'a, Result<Option<Arc<Snapshot>>, String>> {
        Box::pin(async move {
            let is = |snapshot: &&Arc<Snapshot>| snapshot.generation == generation;
            if let Some(held) = self.0.held.lock().iter().find(is) {
                return Ok(Some(Arc::clone(held)));
            }
            let found = course::find(self.0.backend.log(), generation).await;
            let Some(canonical) = found.map_err(|error| error.to_string())? else {
                return Ok(None);
            };
            let known = self.clone();
            let compiled = tokio::task::spawn_blocking(move || {
                let snapshot = read(&known.0.desk, "catalog of before", &canonical);
                snapshot.map(Arc::new).map_err(|problems| told(&problems))
            });
            let snapshot = compiled.await.map_err(|error| error.to_string())??;
            let mut held = self.0.held.lock();
            if held.len() >= HELD {
                held.remove(0);
            }
            held.push(Arc::clone(&snapshot));
            Ok(Some(snapshot))
        })
    }
}

/// Compiles what is in the log.
fn read(desk: &Desk, name: &str, canonical: &[u8]) -> Result<Snapshot, Vec<Problem>> {
    let text = String::from_utf8_lossy(canonical);
    catalog::load_catalog(name, &text, &Default::default(), &desk.admin_keys)
}

fn record(snapshot: &Snapshot, after: &str, desk: &Desk) -> Bytes {
    let mut id = vec![0; 16];
    desk.entropy.fill(&mut id);
    let generation = Generation {
        record: id,
        generation: snapshot.generation.clone(),
        canonical: snapshot.canonical.clone(),
        after: after.to_owned(),
        rules: rules::digest(snapshot),
        at_us: desk.clock.wall().as_micros(),
    };
    generation.encode_to_vec().into()
}

/// All of them, for a person.
fn told(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}
