//! Offers and tracking links.

use std::collections::BTreeMap;

use domain::{LinkName, OfferName};

use super::{Names, reference};
use crate::reader::Cursor;
use crate::{Destination, Link, LinkStatus, Offer, units};

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
        let offer = offer?;
        Some(Link {
            name: name.clone(),
            publisher: publisher?,
            offer: offer.name.clone(),
            campaign: offer.campaign.clone(),
            destination: destination?,
            status: status?,
            fallback_url: fallback_url?,
        })
    })
}
