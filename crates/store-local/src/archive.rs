//! Leads that ended some minutes ago, on disk: what they claim, where their records are, and by what
//! their consumers are known. Nothing of them stays in memory.
//!
//! | table | key | value |
//! |---|---|---|
//! | `leads` | lead | where its records are |
//! | `keys` | hash of an idempotency key | digest of the request, lead |
//! | `quotes` | auction | lead |
//! | `consumers` | campaign, hash | the leads it was seen with |
//!
//! Only the keeper writes here, in this order: the rows of a lead; [`Archive::moves`] is counted up;
//! the lead goes from memory. So whoever finds nothing in memory finds it here, if he looks after
//! that; and who looked here first, which spares him reading the disk under a lock, may rely on it as
//! long as nothing was moved since ([`Glance`]). A lead that a late record brings back to memory keeps
//! its rows, and memory comes first, until it is written here again.
//!
//! Rows are made of records that are synced and that every consumer has passed, so the archive is
//! never ahead of the log. It may be ahead of the snapshot that recovery starts from: see `shadow`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{AuctionId, LeadId, Timestamp};
use prost::Message;
use proto::RecordError;
use store::{ConsumerClaim, ConsumerHash, Digest, Earlier, Standing, StoreError};

use crate::claims::{KEPT, KeyHash};
use crate::cold::{Cold, Row, Table};
use crate::ended::{ConsumerItem, EndedLead, PlaceItem, fixed};
use crate::names::Names;
use crate::past::Ended;

/// Leads that are kept of one hash: of a consumer that comes more often the oldest unsold go first.
pub(crate) const PER_HASH: usize = 64;

/// The archive; in memory mode there is none, and it is always empty.
#[derive(Clone)]
pub(crate) struct Archive(Arc<Inner>);

struct Inner {
    cold: Option<Cold>,
    moves: AtomicU64,
}

/// The leads of a campaign that a hash was seen with.
#[derive(Clone, PartialEq, Message)]
struct SeenItem {
    #[prost(message, repeated, tag = "1")]
    leads: Vec<ConsumerItem>,
}

impl Archive {
    pub(crate) fn new(cold: Option<Cold>) -> Self {
        Self(Arc::new(Inner {
            cold,
            moves: AtomicU64::new(0),
        }))
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        match &self.0.cold {
            Some(cold) => cold.get(table, key),
            None => Ok(None),
        }
    }

    /// Where the records of a lead are.
    pub(crate) fn lead(&self, lead: LeadId) -> Result<Option<Ended>, StoreError> {
        let Some(row) = self.get(Table::Leads, lead.as_bytes())? else {
            return Ok(None);
        };
        let place = PlaceItem::decode(&*row).map_err(RecordError::from)?;
        Ok(Some(place.read()?))
    }

    /// What a post's key leads to.
    pub(crate) fn key(&self, key: &KeyHash) -> Result<Option<(Digest, LeadId)>, StoreError> {
        let Some(row) = self.get(Table::Keys, &key.0)? else {
            return Ok(None);
        };
        let (digest, lead) = row.split_at_checked(32).ok_or(RecordError::Field("key"))?;
        let lead = LeadId::from_bytes(fixed(lead, "lead")?);
        Ok(Some((fixed(digest, "digest")?, lead)))
    }

    /// The lead that used a quote.
    pub(crate) fn quote(&self, auction: AuctionId) -> Result<Option<LeadId>, StoreError> {
        let row = self.get(Table::Quotes, auction.as_bytes())?;
        let lead = row.map(|row| Ok(LeadId::from_bytes(fixed(&row, "lead")?)));
        lead.transpose()
    }

    /// Leads of a campaign with one of these hashes that are remembered at `now`, oldest first.
    pub(crate) fn consumers(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
        now: Timestamp,
    ) -> Result<Vec<Earlier>, StoreError> {
        let mut leads = BTreeMap::new();
        for hash in hashes {
            for item in self.seen(&seen_key(campaign, hash))?.leads {
                let earlier = item.earlier()?;
                if earlier.until > now {
                    leads.insert(earlier.lead, earlier);
                }
            }
        }
        Ok(leads.into_values().collect())
    }

    fn seen(&self, key: &[u8]) -> Result<SeenItem, StoreError> {
        let row = self.get(Table::Consumers, key)?;
        let seen = row.map(|row| SeenItem::decode(&*row).map_err(RecordError::from));
        Ok(seen.transpose()?.unwrap_or_default())
    }

    /// How often leads went from memory.
    fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Acquire)
    }

    /// What the archive says of everything that a lead wants to claim.
    pub(crate) fn glance<'r>(
        &self,
        key: KeyHash,
        quote: Option<AuctionId>,
        consumer: &'r ConsumerClaim,
        now: Timestamp,
    ) -> Result<Glance<'r>, StoreError> {
        // First: what moves while this reads is looked for again.
        let moves = self.moves();
        let (campaign, hashes) = (consumer.campaign.as_str(), consumer.hashes.as_slice());
        Ok(Glance {
            moves,
            key: self.key(&key)?,
            used: quote.map_or(Ok(None), |quote| self.quote(quote))?,
            earlier: self.consumers(campaign, hashes, now)?,
            archive: self.clone(),
            asked: Asked {
                key,
                quote,
                campaign,
                hashes,
                now,
            },
        })
    }

    /// Writes the rows of these leads, and of those that are over at `now` only what outlives them.
    /// The caller takes them from memory next.
    pub(crate) fn put(
        &self,
        leads: &[(LeadId, EndedLead)],
        names: &Names,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(cold) = &self.0.cold else {
            return Ok(());
        };
        let mut batch = cold.batch();
        let mut seen: BTreeMap<Vec<u8>, SeenItem> = BTreeMap::new();
        for (lead, known) in leads {
            let until = known.ended.at.plus(KEPT);
            if until > now {
                let place = PlaceItem::of(&known.ended).encode_to_vec();
                batch.put(Table::Leads, lead.as_bytes(), until, &place);
                if let Some((key, digest)) = &known.claimed.key {
                    let row = [digest.as_slice(), lead.as_bytes()].concat();
                    batch.put(Table::Keys, &key.0, until, &row);
                }
                if let Some(quote) = &known.claimed.quote {
                    batch.put(Table::Quotes, quote.as_bytes(), until, lead.as_bytes());
                }
            }
            let consumer = known.consumer.as_ref().filter(|known| known.until > now);
            let Some(earlier) = consumer.map(|consumer| consumer.earlier(names)) else {
                continue;
            };
            for hash in &earlier.hashes {
                let key = seen_key(&earlier.campaign, hash);
                if !seen.contains_key(&key) {
                    seen.insert(key.clone(), self.seen(&key)?);
                }
                if let Some(item) = seen.get_mut(&key) {
                    item.add(&earlier, now)?;
                }
            }
        }
        for (key, item) in seen {
            batch.put(Table::Consumers, &key, item.until()?, &item.encode_to_vec());
        }
        batch.write()?;
        self.0.moves.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// What was put is there after a power cut.
    pub(crate) fn persist(&self) -> Result<(), StoreError> {
        match &self.0.cold {
            Some(cold) => cold.persist(),
            None => Ok(()),
        }
    }
}

impl SeenItem {
    /// Adds a lead, or what is new of it; those that are over at `now` go.
    fn add(&mut self, earlier: &Earlier, now: Timestamp) -> Result<(), RecordError> {
        let known: Result<Vec<Earlier>, _> = self.leads.iter().map(ConsumerItem::earlier).collect();
        let mut known = known?;
        known.retain(|it| it.lead != earlier.lead && it.until > now);
        if known.len() >= PER_HASH {
            let unsold = known.iter().position(|it| it.standing == Standing::Unsold);
            known.remove(unsold.unwrap_or_default());
        }
        let at = known.partition_point(|it| it.lead < earlier.lead);
        known.insert(at, earlier.clone());
        self.leads = known.iter().map(ConsumerItem::of).collect();
        Ok(())
    }

    /// When the last of them is over.
    fn until(&self) -> Result<Timestamp, RecordError> {
        let mut until = Timestamp::default();
        for item in &self.leads {
            until = until.max(item.earlier()?.until);
        }
        Ok(until)
    }
}

/// Hashes are of one length, so no two of these are the same.
fn seen_key(campaign: &str, hash: &ConsumerHash) -> Vec<u8> {
    [campaign.as_bytes(), hash.as_slice()].concat()
}

/// What was asked of the archive before any lock was taken.
pub(crate) struct Glance<'r> {
    archive: Archive,
    asked: Asked<'r>,
    moves: u64,
    key: Option<(Digest, LeadId)>,
    used: Option<LeadId>,
    earlier: Vec<Earlier>,
}

struct Asked<'r> {
    key: KeyHash,
    quote: Option<AuctionId>,
    campaign: &'r str,
    hashes: &'r [ConsumerHash],
    now: Timestamp,
}

/// Each is for who holds the lock under which memory does not know it, and reads the disk there only
/// if leads have gone from memory since.
impl Glance<'_> {
    fn holds(&self) -> bool {
        self.archive.moves() == self.moves
    }

    /// What the key leads to.
    pub(crate) fn key(&self) -> Result<Option<(Digest, LeadId)>, StoreError> {
        match self.holds() {
            true => Ok(self.key),
            false => self.archive.key(&self.asked.key),
        }
    }

    /// The lead that used the quote.
    pub(crate) fn used(&self) -> Result<Option<LeadId>, StoreError> {
        match self.asked.quote {
            Some(quote) if !self.holds() => self.archive.quote(quote),
            _ => Ok(self.used),
        }
    }

    /// Earlier leads of the consumer.
    pub(crate) fn earlier(&mut self) -> Result<Vec<Earlier>, StoreError> {
        if self.holds() {
            return Ok(std::mem::take(&mut self.earlier));
        }
        let asked = &self.asked;
        self.archive
            .consumers(asked.campaign, asked.hashes, asked.now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use testkit::FakeClock;

    use super::*;
    use crate::claims::Claimed;
    use crate::clock::StoreClock;
    use crate::options::LocalOptions;
    use crate::remembered::Remembered;

    const KEY: KeyHash = KeyHash([1; 16]);
    const QUOTE: AuctionId = AuctionId::from_bytes([2; 16]);
    const HASH: ConsumerHash = [3; 16];

    fn ended(n: u8, at: Timestamp, standing: Standing, names: &mut Names) -> (LeadId, EndedLead) {
        let lead = LeadId::from_bytes([n; 16]);
        let earlier = Earlier {
            lead,
            campaign: "solar".into(),
            publisher: "pub".into(),
            at,
            until: at.plus(Duration::from_secs(3600)),
            standing,
            hashes: vec![HASH],
            buyers: vec!["buyer".into()],
        };
        let known = EndedLead {
            ended: Ended {
                at,
                applied: 3,
                legs: 1,
                records: [0, 1, 2].into(),
            },
            claimed: Claimed {
                key: Some((KEY, [9; 32])),
                quote: Some(QUOTE),
            },
            consumer: Some(Remembered::new(&earlier, names)),
        };
        (lead, known)
    }

    fn open(dir: &std::path::Path, now: Timestamp) -> Archive {
        let clock = StoreClock::new(FakeClock::new(now).port());
        let sizes = LocalOptions::default().cold();
        Archive::new(Some(Cold::open(&dir.join("cold"), &clock, sizes).unwrap()))
    }

    #[test]
    fn who_looked_before_a_lead_moved_here_looks_again() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_micros(4_102_488_000_000_000);
        let (archive, mut names) = (open(dir.path(), now), Names::default());
        let consumer = ConsumerClaim {
            campaign: "solar".into(),
            hashes: vec![HASH],
            ..ConsumerClaim::default()
        };
        let glance = || archive.glance(KEY, Some(QUOTE), &consumer, now).unwrap();
        let told = |glance: &mut Glance<'_>| {
            let (key, used) = (glance.key().unwrap(), glance.used().unwrap());
            let earlier = glance.earlier().unwrap();
            (key.map(|(_, lead)| lead), used, earlier.len())
        };
        assert_eq!(told(&mut glance()), (None, None, 0));
        let before = glance();
        let (lead, known) = ended(7, now, Standing::Sold, &mut names);
        archive.put(&[(lead, known)], &names, now).unwrap();
        for mut glance in [before, glance()] {
            assert_eq!(told(&mut glance), (Some(lead), Some(lead), 1));
        }
    }

    #[test]
    fn of_a_consumer_that_comes_often_the_oldest_unsold_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_micros(4_102_488_000_000_000);
        let (archive, mut names) = (open(dir.path(), now), Names::default());
        let known = |archive: &Archive, now| -> Vec<u8> {
            let earlier = archive.consumers("solar", &[HASH], now).unwrap();
            earlier.iter().map(|it| it.lead.as_bytes()[0]).collect()
        };
        // In two steps, so that the second finds what the first wrote.
        for leads in [1..40_u8, 40..71] {
            let leads: Vec<_> = leads
                .map(|n| {
                    let standing = match n {
                        3 | 9 => Standing::Unsold,
                        _ => Standing::Sold,
                    };
                    ended(n, now, standing, &mut names)
                })
                .collect();
            archive.put(&leads, &names, now).unwrap();
        }
        let kept: Vec<u8> = (1..71)
            .filter(|n| ![3, 9, 1, 2, 4, 5].contains(n))
            .collect();
        assert_eq!(known(&archive, now), kept);
        let over = now.plus(Duration::from_secs(3600));
        assert_eq!(known(&archive, over), []);
    }
}
