//! Who a lead's consumer is, and what that means before the book runs: duplicates, suppression lists,
//! and the contracts that do not take this one. Consumers are known by keyed hashes only.

use std::collections::BTreeMap;

use auction::{Bar, Consumer, Facts};
use catalog::{Campaign, DuplicateAgainst, DuplicateScope};
use domain::{FieldName, FieldValue, LeadId, LeadReason, PublisherName, Timestamp};
use store::{
    Against, Backend, Claims, ConsumerClaim, ConsumerHash, DuplicateRule, Earlier, KeySet,
    StoreError, Verdict,
};

use crate::Router;

/// What is known of a consumer once its earlier leads are read.
pub(crate) struct Known {
    /// For the contracts.
    pub(crate) consumer: Consumer,
    /// Why the book does not run for it.
    pub(crate) away: Option<LeadReason>,
    /// What was read to know that.
    pub(crate) facts: Facts,
}

/// What a lead says of a field.
pub(crate) trait Values<'v>: Fn(&FieldName) -> Option<&'v FieldValue> + Copy {}
impl<'v, F: Fn(&FieldName) -> Option<&'v FieldValue> + Copy> Values<'v> for F {}

impl<B: Backend> Router<B> {
    /// What the fence is told of the consumer. Those of test leads are other people: who tries things out
    /// with a real person's number keeps no real lead of that person out.
    pub(crate) fn consumer_claim<'v>(
        &self,
        campaign: &Campaign,
        publisher: &PublisherName,
        test: bool,
        values: impl Values<'v>,
    ) -> ConsumerClaim {
        let asked = &campaign.consumers;
        let fields = asked.fields();
        let mut by_field: BTreeMap<FieldName, Vec<ConsumerHash>> = BTreeMap::new();
        if !fields.is_empty() {
            for found in campaign.form.schema.identifiers(&fields, values) {
                let hash = match test {
                    false => self.sealer.consumer(&found.form, &found.value),
                    true => self
                        .sealer
                        .consumer(&format!("test/{}", found.form), &found.value),
                };
                by_field.entry(found.field).or_default().push(hash);
            }
        }
        let keys = |fields: &[FieldName], all| KeySet {
            fields: fields
                .iter()
                .map(|field| by_field.get(field).cloned().unwrap_or_default())
                .collect(),
            all,
        };
        let rules = asked.duplicates.iter().map(|rule| DuplicateRule {
            keys: keys(&rule.fields, rule.all),
            window: rule.window,
            publisher: match rule.scope {
                DuplicateScope::Campaign => None,
                DuplicateScope::Publisher => Some(publisher.to_string()),
            },
            against: match rule.against {
                DuplicateAgainst::Sold => Against::Sold,
                DuplicateAgainst::All => Against::All,
            },
        });
        let windows = asked.has_windows().then(|| keys(&asked.contact, false));
        ConsumerClaim {
            campaign: campaign.name.to_string(),
            publisher: publisher.to_string(),
            rules: rules.collect(),
            locks: windows.into_iter().collect(),
            remembered: asked.remembered(),
            patient: true,
            hashes: by_field.into_values().flatten().collect(),
        }
    }

    /// Reads the consumer's earlier leads, without `own`.
    pub(crate) async fn known<'v>(
        &self,
        campaign: &Campaign,
        claim: &ConsumerClaim,
        own: Option<LeadId>,
        consented: bool,
        now: Timestamp,
        values: impl Values<'v>,
    ) -> Result<Known, StoreError> {
        let mut earlier = Vec::new();
        if !claim.hashes.is_empty() {
            let claims = self.backend.claims();
            earlier = claims.earlier(&claim.campaign, &claim.hashes).await?;
            earlier.retain(|it| Some(it.lead) != own);
        }
        Ok(Known {
            consumer: Consumer {
                consented,
                barred: barred(campaign, claim, &earlier, now, values),
            },
            away: away(campaign, claim, &earlier, now, values),
            facts: Facts::default(),
        })
    }
}

fn away<'v>(
    campaign: &Campaign,
    claim: &ConsumerClaim,
    earlier: &[Earlier],
    now: Timestamp,
    values: impl Values<'v>,
) -> Option<LeadReason> {
    let schema = &campaign.form.schema;
    let mut lists = campaign.consumers.suppress.iter();
    if lists.any(|list| list.covers(schema, values)) {
        return Some(LeadReason::Suppressed);
    }
    match claim.judge(earlier.iter(), now) {
        Verdict::Duplicate(_) => Some(LeadReason::Duplicate),
        Verdict::Fresh | Verdict::Wait(_) => None,
    }
}

/// The contracts that do not take this consumer. What a ping does not tell is looked at again with
/// the whole lead.
fn barred<'v>(
    campaign: &Campaign,
    claim: &ConsumerClaim,
    earlier: &[Earlier],
    now: Timestamp,
    values: impl Values<'v>,
) -> BTreeMap<domain::ContractName, Bar> {
    let schema = &campaign.form.schema;
    let bar = |wary: &catalog::Wary| {
        if wary.suppress.iter().any(|it| it.covers(schema, values)) {
            return Some(Bar::Suppressed);
        }
        let window = wary.window?;
        let had = earlier.iter().any(|it| {
            it.buyers.iter().any(|buyer| buyer == wary.buyer.as_str())
                && it.at.plus(window) > now
                && claim.locks.iter().any(|keys| keys.matches(&it.hashes))
        });
        had.then_some(Bar::Duplicate)
    };
    let contracts = campaign.consumers.contracts.iter();
    contracts
        .filter_map(|wary| Some((wary.contract.clone(), bar(wary)?)))
        .collect()
}
