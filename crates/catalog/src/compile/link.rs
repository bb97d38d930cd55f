//! Offers and tracking links.

use std::collections::BTreeMap;

use domain::{CampaignName, GoalName, LinkName, OfferName};

use super::{Names, reference, tracking};
use crate::reader::Cursor;
use crate::suggest::closest;
use crate::{Campaign, Destination, GoalPayout, Link, LinkStatus, Offer, units};

pub(super) fn offer(name: &OfferName, cursor: &Cursor<'_>, known: &Names<'_>) -> Option<Offer> {
    cursor.read_table(|table| {
        let campaign = table
            .need("campaign")
            .and_then(|c| reference(&c, &known.campaigns, "campaign"));
        let pages = table.need("landing_pages").and_then(|list| {
            let read: Vec<_> = list
                .items()
                .iter()
                .map(|c| c.with(units::web_url))
                .collect();
            if read.is_empty() {
                return list.complain("an offer has at least one landing page");
            }
            read.into_iter().collect()
        });
        Some(Offer {
            name: name.clone(),
            campaign: campaign?,
            landing_pages: pages?,
        })
    })
}

pub(super) fn link(
    name: &LinkName,
    cursor: &Cursor<'_>,
    known: &Names<'_>,
    offers: &BTreeMap<OfferName, Offer>,
    campaigns: &BTreeMap<CampaignName, Campaign>,
) -> Option<Link> {
    cursor.read_table(|table| {
        let publisher = table
            .need("publisher")
            .and_then(|c| reference(&c, &known.publishers, "publisher"));
        let offer: Option<OfferName> = table
            .need("offer")
            .and_then(|c| reference(&c, &known.offers, "offer"));
        // None too if the offer is broken: then the destination cannot be judged.
        let offer = offer.and_then(|offer| offers.get(&offer));
        let destination = table.need("destination").and_then(|c| {
            let pages = &offer?.landing_pages;
            c.with(|text| Destination::read(text, pages))
        });
        let statuses = [
            ("active", LinkStatus::Active),
            ("paused", LinkStatus::Paused),
        ];
        let status = table.or("status", LinkStatus::Active, |c| c.word(&statuses));
        let fallback_url = table.optional("fallback_url", |c| c.with(units::web_url));
        let payouts = table.or("payouts", BTreeMap::new(), |c| {
            payouts(&c, campaigns.get(&offer?.campaign)?)
        });
        let offer = offer?;
        Some(Link {
            name: name.clone(),
            publisher: publisher?,
            offer: offer.name.clone(),
            campaign: offer.campaign.clone(),
            destination: destination?,
            status: status?,
            fallback_url: fallback_url?,
            payouts: payouts?,
        })
    })
}

/// What this link pays for goals of its campaign, instead of what the goals do.
fn payouts(cursor: &Cursor<'_>, campaign: &Campaign) -> Option<BTreeMap<GoalName, GoalPayout>> {
    let read: Vec<_> = cursor
        .entries()
        .into_iter()
        .map(|(name, c)| {
            let Some(goal) = campaign.goals.get(name) else {
                let hint = closest(name, campaign.goals.keys().map(GoalName::as_str))
                    .map(|known| format!(": did you mean `{known}`?"))
                    .unwrap_or_default();
                return c.complain(format!("the campaign has no goal `{name}`{hint}"));
            };
            if name == "lead_sold" {
                return c.complain("what a lead's publisher gets is in `campaigns.*.publishers`");
            }
            Some((goal.name.clone(), tracking::goal_payout(c)?))
        })
        .collect();
    read.into_iter().collect()
}
