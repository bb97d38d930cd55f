//! Waterfalls and pings.

use std::collections::{BTreeMap, HashSet};

use super::{Books, Run};
use crate::compare::Check;

impl Books<'_> {
    pub(super) fn waterfalls(&self) -> Check {
        let bad: Vec<String> = self
            .held
            .auctions
            .iter()
            .filter(|auction| auction.kind != "post")
            .filter(|auction| {
                let size = self.book_sizes.get(&auction.campaign).copied().unwrap_or(0);
                auction.rows + auction.excluded != size
                    || auction.rows_without_reason > 0
                    || auction.contracts_twice > 0
            })
            .map(|auction| {
                format!(
                    "{} has {} + {}",
                    auction.auction_id, auction.rows, auction.excluded
                )
            })
            .collect();
        let detail = match bad.first() {
            None => format!("{} auctions", self.held.auctions.len()),
            Some(first) => format!("{} auctions are not whole: {first}", bad.len()),
        };
        Check::that(
            "every contract of the book has one reason",
            bad.is_empty(),
            detail,
        )
    }

    pub(super) fn pings(&self) -> Vec<Check> {
        let owner = |auction: &str, lead: &str| {
            if lead.is_empty() {
                auction.to_owned()
            } else {
                lead.to_owned()
            }
        };
        let held_all = self.held.pings.iter().map(|ping| {
            (
                owner(&ping.auction_id, &ping.lead_id),
                ping.contract.as_str(),
            )
        });
        let held_bids = self
            .held
            .pings
            .iter()
            .filter(|ping| ping.result == "bid")
            .map(|ping| {
                (
                    owner(&ping.auction_id, &ping.lead_id),
                    ping.contract.as_str(),
                    ping.bid,
                )
            });
        let pinged = self.buyers.pinged(&self.clients);
        let sent = pinged
            .iter()
            .map(|ping| (ping.owner.clone(), ping.contract.as_str()));
        let bids = pinged
            .iter()
            .filter_map(|ping| Some((ping.owner.clone(), ping.contract.as_str(), ping.bid?)));
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        for ping in &self.held.pings {
            *ends.entry(&ping.result).or_default() += 1;
        }
        let known = ["bid", "no_bid", "timeout", "failed", "cancelled"];
        let mut checks = vec![Check::that(
            "pings sent = bids + no-bids + time-outs + failures + cancelled",
            ends.keys().all(|end| known.contains(end)),
            format!("{} = {ends:?}", self.held.pings.len()),
        )];
        match self.run {
            Run::Undisturbed => checks.extend([
                Check::within(
                    "pings: every bid held was journalled",
                    ("held", held_bids),
                    ("journals", bids),
                ),
                Check::within(
                    "pings: every journalled ping is held",
                    ("journals", sent),
                    ("held", held_all),
                ),
            ]),
            // A killed auction's pings are in no record: only what is held has a counterpart. Its
            // client may never have been told the auction's name.
            Run::WithCrashes => {
                let told: HashSet<&str> = self
                    .clients
                    .quotes
                    .iter()
                    .map(|quote| quote.auction.as_str())
                    .collect();
                let held = held_bids.filter(|(owner, _, _)| told.contains(owner.as_str()));
                checks.push(Check::within(
                    "pings: every bid of a told quote was journalled",
                    ("held", held),
                    ("journals", bids),
                ));
            }
        }
        checks
    }
}
