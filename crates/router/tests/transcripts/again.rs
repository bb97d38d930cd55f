//! Every lead of every scenario that came to the book, run again from its records, comes to the same
//! records byte for byte, and to the same posts. What may differ is said in `router::rerun`.

use std::collections::{BTreeMap, BTreeSet};

use auction::LadderEffect;
use catalog::Snapshot;
use proto::{LeadBody, LeadRecord, Message as _};
use router::rerun::{Effects, RerunError, rerun};
use store::{Backend as _, Vault as _};

use crate::buyers::Got;
use crate::house::{House, sealer};
use crate::records::Records;
use crate::{play, read, scenarios};

/// How leads fared, by what came of it.
type Fared = BTreeMap<String, usize>;

/// What the router has recorded of a lead, in its own order.
fn of_router(records: &[LeadRecord]) -> Vec<LeadRecord> {
    let own = records.iter().filter(|record| {
        matches!(
            record.body,
            Some(LeadBody::Received(_) | LeadBody::Posting(_) | LeadBody::Outcome(_))
        )
    });
    own.cloned().collect()
}

/// The bytes of a record's body.
fn bytes(record: &LeadRecord) -> Vec<u8> {
    record.body.as_ref().map(in_bytes).unwrap()
}

fn in_bytes(body: &LeadBody) -> Vec<u8> {
    let record = LeadRecord {
        body: Some(body.clone()),
        ..LeadRecord::default()
    };
    record.encode_to_vec()
}

/// A post as far as the auction decides it.
#[derive(Debug, PartialEq)]
struct Posted {
    contract: String,
    key: String,
    price: String,
    bid_id: Option<String>,
}

impl Posted {
    fn got(got: &Got) -> Self {
        let text = |name: &str| got.body[name].as_str().map(str::to_owned);
        Self {
            contract: got.contract.clone(),
            key: text("idempotency_key").unwrap(),
            price: text("price").unwrap(),
            bid_id: text("bid_id"),
        }
    }

    /// Those that left: some found nobody to be sent to.
    fn wanted(
        snapshot: &Snapshot,
        campaign: &str,
        records: &[LeadRecord],
        effects: &Effects,
    ) -> Vec<Self> {
        let replies = records.iter().flat_map(|record| match &record.body {
            Some(LeadBody::Posting(posting)) => posting.replies.as_slice(),
            Some(LeadBody::Outcome(outcome)) => outcome.replies.as_slice(),
            _ => &[],
        });
        let unsent: BTreeSet<u32> = replies
            .filter(|reply| reply.unsent)
            .map(|reply| reply.leg)
            .collect();
        let book = &snapshot.campaigns[campaign].book;
        let posts = effects.ladder.iter().filter_map(|effect| match effect {
            LadderEffect::Post {
                leg,
                slot,
                key,
                price,
                bid_id,
                ..
            } => (!unsent.contains(&u32::from(*leg))).then(|| Self {
                contract: book.get(*slot).unwrap().contract.to_string(),
                key: key.to_string(),
                price: price.to_string(),
                bid_id: bid_id.clone(),
            }),
            _ => None,
        });
        posts.collect()
    }
}

async fn run_again(scenario: &str, house: &House, records: &Records) -> Fared {
    let mut fared = Fared::new();
    for records in records.values().map(|records| of_router(records)) {
        let Some((first, LeadBody::Received(received))) = records
            .first()
            .and_then(|first| Some((first, first.body.as_ref()?)))
        else {
            continue;
        };
        let lead = first.lead_id().unwrap();
        let wrapped = house.kept.backend.vault().get(lead).await.unwrap().unwrap();
        let key = sealer().unwrap(lead, &wrapped).unwrap();
        let clear = key.open(lead, &received.sealed).unwrap();
        let mut all = house.kept.generations.all().into_iter();
        let snapshot = all.find(|snapshot| snapshot.generation == received.generation);
        let snapshot = snapshot.unwrap();
        let what = match rerun(&snapshot, &records, &clear) {
            Ok(again) => {
                let recorded: Vec<_> = records.iter().skip(1).map(bytes).collect();
                for (record, body) in records.iter().skip(1).zip(&again.bodies) {
                    assert_eq!(record.body.as_ref(), Some(body), "{scenario}: {lead}");
                }
                let written: Vec<_> = again.bodies.iter().map(in_bytes).collect();
                assert_eq!(written, recorded, "{scenario}: {lead}");
                let posted = house.buyers.posts(&lead.to_string());
                let posted: Vec<Posted> = posted.iter().map(Posted::got).collect();
                let posts = Posted::wanted(&snapshot, &received.campaign, &records, &again.effects);
                assert_eq!(posts, posted, "{scenario}: {lead}");
                "the same".to_owned()
            }
            Err(error @ (RerunError::NoOutcome | RerunError::TurnedAway)) => error.to_string(),
            Err(error) => panic!("{scenario}: {lead}: {error}"),
        };
        *fared.entry(what).or_default() += 1;
    }
    fared
}

#[test]
fn a_lead_run_again_from_its_records_is_the_same_lead() {
    let mut fared = Fared::new();
    for file in std::fs::read_dir(scenarios()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let [catalog, steps, _] = read(name);
        let again = async |house: &House, records: &Records| run_again(name, house, records).await;
        let (_, of_scenario) = play::play_and(&catalog, &steps, again);
        for (what, count) in of_scenario {
            *fared.entry(what).or_default() += count;
        }
    }
    let same = fared.get("the same").copied().unwrap_or(0);
    assert!(same > 100, "too few leads prove nothing: {fared:?}");
}
