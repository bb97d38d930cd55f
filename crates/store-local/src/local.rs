//! The store as a whole: opening it, which is recovery, and closing it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use domain::Clock;
use store::{Backend, StoreError, Topic as Name};
use tokio::sync::Notify;

use crate::archive::Archive;
use crate::caps::LocalCaps;
use crate::claims::LocalClaims;
use crate::clock::StoreClock;
use crate::cold::Cold;
use crate::error::{OpenError, at};
use crate::floor::Floor;
use crate::journeys::{LocalJourneys, Place, Turns};
use crate::keeper::{self, Keeper};
use crate::lately::LocalLately;
use crate::log::{Groups, LocalLog, MOST_PARTITIONS, MemoryTopic, Reader, Topic};
use crate::options::LocalOptions;
use crate::past::Past;
use crate::shadow::{self, Shadow};
use crate::snapshot::Snapshots;
use crate::vault::LocalVault;

/// The embedded backend. Cloning shares it; the last clone that goes closes it as a killed process
/// would, [`Local::close`] closes it in order.
#[derive(Clone)]
pub struct Local(Arc<Inner>);

struct Inner {
    /// First, so that its thread has ended before the log goes.
    keeper: Option<keeper::Running>,
    log: LocalLog,
    claims: LocalClaims,
    caps: LocalCaps,
    journeys: LocalJourneys,
    lately: LocalLately,
    vault: LocalVault,
    cold: Option<Cold>,
}

impl Local {
    /// Opens a store, or makes one, and restores what the log and its snapshots say. Reads files:
    /// not for an async worker, but to be called inside a runtime.
    ///
    /// # Errors
    /// A file is damaged, of another shape, in use, or cannot be read or written.
    pub fn open(options: LocalOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if !(1..=MOST_PARTITIONS).contains(&options.partitions) {
            return Err(OpenError::Partitions {
                most: MOST_PARTITIONS,
            });
        }
        let clock = StoreClock::new(clock);
        match options.dir.clone() {
            Some(dir) => Self::open_files(&dir, &options, clock),
            None => Self::open_memory(&options, clock),
        }
    }

    fn open_memory(options: &LocalOptions, clock: StoreClock) -> Result<Self, OpenError> {
        let topic = |lanes| Topic::Memory(Arc::new(MemoryTopic::new(lanes, options.memory_bytes)));
        let topics = BTreeMap::from([
            (Name::Events, topic(options.partitions)),
            (Name::Leads, topic(options.partitions)),
            (Name::Catalog, topic(1)),
        ]);
        let nothing = vec![0; usize::from(options.partitions)];
        let floor = Arc::new(Floor::new(&nothing));
        let ended = ended(options, &topics[&Name::Leads], None);
        let (claims, caps) = leads(options, &clock, &floor, ended);
        Ok(Self(Arc::new(Inner {
            keeper: None,
            log: LocalLog::new(topics, Groups::in_memory(), floor),
            claims,
            caps,
            lately: LocalLately::open(clock.clone(), None),
            journeys: journeys(options, clock, None)?,
            vault: LocalVault::in_memory(),
            cold: None,
        })))
    }

    fn open_files(
        dir: &Path,
        options: &LocalOptions,
        clock: StoreClock,
    ) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let lanes = options.partitions;
        let open = |name: Name, journal| Topic::open(&dir.join(name.as_str()), journal);
        let topics = BTreeMap::from([
            (Name::Leads, open(Name::Leads, options.leads_journal())?),
            (Name::Events, open(Name::Events, options.journal(lanes))?),
            (
                Name::Catalog,
                open(Name::Catalog, options.catalog_journal())?,
            ),
        ]);
        let ends: BTreeMap<Name, Vec<u64>> = topics
            .iter()
            .map(|(name, topic)| (*name, topic.ends()))
            .collect();
        let groups_dir = dir.join("groups");
        let groups = Groups::open(&groups_dir, &ends).map_err(at(&groups_dir))?;

        let cold = Cold::open(&dir.join("cold"), &clock, options.cold())?;
        let topic = topics[&Name::Leads].clone();
        let ended = ended(options, &topic, Some(cold.clone()));
        let (shadow, snapshots, reader, folded) = recover(dir, options, &topic, &ended)?;
        clock.reached(shadow.clock());
        let floor = Arc::new(Floor::new(&shadow.next));

        let due = Arc::new(Notify::new());
        let place = Place {
            dir: dir.join("snapshots").join("journeys"),
            cold: cold.clone(),
            events: topics[&Name::Events].clone(),
            due: Arc::clone(&due),
            kept: options.journeys_kept.clone(),
        };
        let journeys = journeys(options, clock.clone(), Some(place))?;
        if let Some(through) = journeys.through() {
            no_gap(Name::Events, &topics[&Name::Events], &through)?;
            groups.rewind(Name::Events, &through);
        }

        let log = LocalLog::new(topics, groups, Arc::clone(&floor));
        let (claims, caps) = leads(options, &clock, &floor, ended.clone());
        let lately = LocalLately::open(clock.clone(), Some(dir.join("lately")));
        let keeper = Keeper {
            shadow,
            snapshots,
            archive: ended.archive,
            claims: claims.clone(),
            look: clock.now(),
            topic,
            leads: reader,
            journeys: journeys.clone(),
            floor,
            log: Arc::downgrade(&log.0),
            clock,
            retention: options.retention,
            snapshot_bytes: options.snapshot_bytes,
            folded,
            last_size: 0,
        };
        keeper.shadow.revive(&claims, &caps)?;
        let vault = LocalVault::open(dir.join("vault"), options.on_failure)?;
        let keeper = keeper::Running::start(keeper, due).map_err(at(dir))?;
        Ok(Self(Arc::new(Inner {
            keeper: Some(keeper),
            log,
            claims,
            caps,
            journeys,
            lately,
            vault,
            cold: Some(cold),
        })))
    }

    /// Writes snapshots of what the log says now, as [`Self::close`] does.
    ///
    /// # Errors
    /// The disk does not take them, or the store is closed.
    pub async fn snapshot(&self) -> Result<(), StoreError> {
        match &self.0.keeper {
            Some(keeper) => keeper.snapshot().await,
            None => Ok(()),
        }
    }

    /// Sets consumer groups back to where the log begins: what they made of it is gone. Nobody may be a member of one.
    ///
    /// # Errors
    /// The disk does not take it, or a group has a member.
    pub fn read_again(&self, groups: &[&str]) -> Result<(), StoreError> {
        let restart = |group: &&str| self.0.log.0.groups.restart(group);
        let restarted = groups.iter().try_for_each(restart);
        restarted.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Takes no more, syncs what it took, writes snapshots and ends its threads.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.0);
        let closed = tokio::task::spawn_blocking(move || inner.close());
        if closed.await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }
}

impl Inner {
    fn close(&self) {
        self.log.close();
        self.lately.save();
        if let Some(keeper) = &self.keeper {
            keeper.join();
        }
        self.vault.close();
        if let Some(cold) = &self.cold
            && let Err(error) = cold.persist()
        {
            tracing::error!(%error, "the last rows were not synced");
        }
    }
}

/// The fold of topic `leads` up to its end, and the reader that stands there.
fn recover(
    dir: &Path,
    options: &LocalOptions,
    leads: &Topic,
    ended: &shadow::Kept,
) -> Result<(Shadow, Snapshots, Reader, u64), OpenError> {
    let partitions = usize::from(options.partitions);
    let mut snapshots = Snapshots::open(dir.join("snapshots").join("leads"))?;
    let mut shadow = match snapshots.newest(&leads.ends())? {
        Some(content) => Shadow::restore(content, partitions, options.quote_bytes, ended.clone())?,
        None => Shadow::new(partitions, options.quote_bytes, ended.clone()),
    };
    no_gap(Name::Leads, leads, &shadow.next)?;
    let mut reader = leads.reader(shadow.next.clone())?;
    let folded = keeper::catch_up(&mut reader, &mut shadow)?;
    Ok((shadow, snapshots, reader, folded))
}

/// Refuses a log that begins after what is known of it.
fn no_gap(name: Name, topic: &Topic, through: &[u64]) -> Result<(), OpenError> {
    for (partition, (start, through)) in topic.starts().into_iter().zip(through).enumerate() {
        if start > *through {
            return Err(OpenError::Gap {
                topic: name.as_str(),
                partition,
                start,
                through: *through,
            });
        }
    }
    Ok(())
}

fn leads(
    options: &LocalOptions,
    clock: &StoreClock,
    floor: &Arc<Floor>,
    ended: shadow::Kept,
) -> (LocalClaims, LocalCaps) {
    let caps = LocalCaps::new(clock.clone(), ended.archive.clone());
    let claims = LocalClaims::new(
        clock.clone(),
        caps.clone(),
        Arc::clone(floor),
        ended,
        options.quote_bytes,
        options.waiters,
    );
    (claims, caps)
}

/// Where leads are that have ended.
fn ended(options: &LocalOptions, topic: &Topic, cold: Option<Cold>) -> shadow::Kept {
    shadow::Kept {
        past: Past::new(topic.clone(), options.retention),
        archive: Archive::new(cold),
        hot: options.leads_hot,
    }
}

fn journeys(
    options: &LocalOptions,
    clock: StoreClock,
    place: Option<Place>,
) -> Result<LocalJourneys, OpenError> {
    let turns = Turns {
        updates: options.snapshot_updates,
        within: options.snapshot_within,
    };
    let partitions = usize::from(options.partitions);
    LocalJourneys::open(clock, options.journeys, turns, partitions, place)
}

impl Backend for Local {
    type Log = LocalLog;
    type Claims = LocalClaims;
    type Caps = LocalCaps;
    type Journeys = LocalJourneys;
    type Lately = LocalLately;
    type Vault = LocalVault;

    fn log(&self) -> &LocalLog {
        &self.0.log
    }

    fn claims(&self) -> &LocalClaims {
        &self.0.claims
    }

    fn caps(&self) -> &LocalCaps {
        &self.0.caps
    }

    fn journeys(&self) -> &LocalJourneys {
        &self.0.journeys
    }

    fn lately(&self) -> &LocalLately {
        &self.0.lately
    }

    fn vault(&self) -> &LocalVault {
        &self.0.vault
    }
}
