//! Journeys in Redis: nodes by identity, apart by partition of the log.
//!
//! A batch is read in one script, applied here by the rule that all share, and written in one script, if
//! nobody wrote to the partition meanwhile. So two workers on one partition for a moment, one of which
//! should be gone, are one after the other; and who learns twice knows once.

mod hand;
mod restore;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ClickId;
use redis::Cmd;
use store::{Anew, Applied, Identity, JourneyUpdate, Journeys, Place, StoreError};

use crate::link::{Call, Link};
use crate::names::Space;
use crate::options::RedisOptions;
use crate::script;
use hand::{Hand, click_name, name};

/// How often a batch is tried again because somebody else wrote.
const TRIES: usize = 16;
/// How long a node is kept at least, however old its events: what it tells has to come round.
const LEAST: Duration = Duration::from_secs(24 * 3600);
/// Where a walk is that is over.
const END: &str = "end";

/// Journeys of a cluster.
#[derive(Debug, Clone)]
pub struct RedisJourneys {
    link: Link,
}

impl RedisJourneys {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }

    /// Up to where in the log of topic `events` a partition has been applied. A worker goes on no later: after
    /// a loss that may be before what it has committed.
    ///
    /// # Errors
    /// Redis is away, or has lost the partition.
    pub async fn through(&self, partition: u16) -> Result<u64, StoreError> {
        through(&self.link, partition).await
    }
}

impl Journeys for RedisJourneys {
    async fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
        rules: u32,
    ) -> Result<Applied, StoreError> {
        let reach = Reach {
            through,
            rules: Some(rules),
        };
        apply(&self.link, self.link.options(), &updates, reach).await
    }

    async fn anew(
        &self,
        partition: u16,
        rules: u32,
        most: usize,
    ) -> Result<Option<Anew>, StoreError> {
        let asked = self
            .link
            .call(Space::Journeys(partition), &script::ANEW, |it| {
                it.arg(rules).arg(most.max(1));
            });
        let (newest, next, nodes): (u32, String, Vec<Vec<u8>>) = asked.await?;
        let next = match (newest, next.as_str()) {
            (0, "over") => return Ok(None),
            (0, END) => Place::End,
            (0, at) => Place::At(at.into()),
            (newest, _) => return Err(StoreError::Outdated(newest)),
        };
        let limits = self.link.options().journeys;
        let journeys = nodes.iter().map(|node| {
            let (identity, node) = hand::read(node)?;
            Ok(node.journey(identity, limits))
        });
        let journeys = journeys.collect::<Result<_, StoreError>>()?;
        Ok(Some(Anew { journeys, next }))
    }

    async fn walked(&self, partition: u16, rules: u32, next: Place) -> Result<(), StoreError> {
        let next = match &next {
            Place::At(at) => at.as_slice(),
            Place::End => END.as_bytes(),
        };
        let told = self
            .link
            .call(Space::Journeys(partition), &script::WALKED, |it| {
                it.arg(rules).arg(next);
            });
        match told.await? {
            0 => Ok(()),
            newest => Err(StoreError::Outdated(newest)),
        }
    }
}

async fn through(redis: &(impl Call + Sync), partition: u16) -> Result<u64, StoreError> {
    let space = Space::Journeys(partition);
    redis.call(space, &script::THROUGH, |_: &mut Cmd| {}).await
}

/// How far a batch reaches.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// Partition and next offset.
    through: (u16, u64),
    /// By which rules rows are made of it; none where nobody makes any.
    rules: Option<u32>,
}

async fn apply(
    redis: &(impl Call + Sync),
    options: &RedisOptions,
    updates: &[JourneyUpdate],
    reach: Reach,
) -> Result<Applied, StoreError> {
    let (partition, _) = reach.through;
    let space = Space::Journeys(partition);
    let mut wanted = Wanted::of(updates);
    for _ in 0..TRIES {
        let mut hand = read(redis, space, &wanted).await?;
        match store::journeys::apply(&mut hand, updates.to_vec(), options.journeys) {
            Ok(applied) => {
                let write = hand.writing(reach, options.journeys_kept.get(), LEAST);
                match redis.call(space, &script::WRITE, write).await? {
                    (1, _) => return Ok(applied),
                    (_, 0) => {}
                    (_, newest) => return Err(StoreError::Outdated(newest)),
                }
            }
            // It was nobody's when it was read, and is somebody's now.
            Err(missing) => wanted.add(missing),
        }
    }
    Err(StoreError::Unavailable("too many at once".to_owned()))
}

/// What a batch works on.
#[derive(Default)]
struct Wanted {
    clicks: BTreeSet<ClickId>,
    identities: BTreeSet<Identity>,
}

impl Wanted {
    fn of(updates: &[JourneyUpdate]) -> Self {
        let mut wanted = Self::default();
        for update in updates {
            wanted.add(update.identity);
            if let Some(click) = update.click() {
                wanted.add(Identity::Click(click));
            }
        }
        wanted
    }

    fn add(&mut self, identity: Identity) {
        if let Identity::Click(click) = identity {
            self.clicks.insert(click);
        }
        self.identities.insert(identity);
    }
}

/// What a script says of a batch: the turn, the clicks' visitors and those visitors' nodes, and the nodes.
type Read = (String, Vec<Vec<u8>>, Vec<Vec<u8>>, Vec<Vec<u8>>);

async fn read(
    redis: &(impl Call + Sync),
    space: Space,
    wanted: &Wanted,
) -> Result<Hand, StoreError> {
    let asked = redis.call(space, &script::READ, |command| {
        command.arg(wanted.clicks.len());
        for click in &wanted.clicks {
            command.arg(click_name(*click));
        }
        for identity in &wanted.identities {
            command.arg(name(*identity));
        }
    });
    let (turn, owners, owned, nodes): Read = asked.await?;
    let mut hand = Hand::new(turn);
    for ((click, owner), node) in wanted.clicks.iter().zip(&owners).zip(owned) {
        hand.click(*click, owner, node)?;
    }
    for (identity, node) in wanted.identities.iter().zip(nodes) {
        hand.known(*identity, node)?;
    }
    Ok(hand)
}
