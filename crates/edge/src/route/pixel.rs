//! `GET /p.gif`: a page of the advertiser reports a conversion by showing a picture.
//!
//! The parameters are those of a postback, with `campaign` instead of a token, and the visitor's
//! cookie says whose it is. Anybody can load a picture: its conversions are `pending` and change
//! nothing that a server said, unless the goal trusts pixels. What is wrong with it is counted, and
//! the picture comes all the same.

use std::borrow::Cow;

use domain::VisitorId;
use http::header::USER_AGENT;
use httpd::{Reply, Request};
use store::{Ack, Backend};

use super::postback::remembered;
use crate::agent::Agent;
use crate::append::append;
use crate::conversion::{Door, Said};
use crate::fields::Fields;
use crate::head::Desk;
use crate::seen::Flags;
use crate::{Edge, phones, pixel, visitor};

/// Answers a conversion pixel.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, request: &Request) -> Reply {
    let result = take(edge, request).await;
    edge.parts.metrics.count(telemetry::EDGE_PIXELS, [result]);
    pixel::reply()
}

async fn take<B: Backend>(edge: &Edge<B>, request: &Request) -> &'static str {
    let parts = &edge.parts;
    let snapshot = parts.snapshot.load_full();
    let mut pairs: Vec<_> = request.query().collect();
    let named = pairs.iter().find(|(name, _)| name == "campaign");
    let Some(campaign) = named.and_then(|(_, name)| snapshot.campaigns.get(&**name)) else {
        return "unknown";
    };
    // Who it is, the cookie says; what a page says of that, nobody can check.
    pairs.retain(|(name, _)| !matches!(&**name, "visitor" | "id" | "sent_at" | "ts"));
    for (name, _) in &mut pairs {
        *name = Cow::Owned(campaign.postback.parameter(name).to_owned());
    }
    let cookie: Option<VisitorId> = visitor::known(request, &parts.tracking);
    if let Some(visitor) = cookie {
        pairs.push(("visitor".into(), visitor.to_string().into()));
    }
    let desk = Desk {
        key: &parts.tracking,
        sealer: &parts.sealer,
        received: parts.clock.wall(),
        source: &format!("pixel/{}", campaign.name),
        country: phones::country(Some(campaign)),
    };
    let Ok(said) = Said::read(Fields::of(&pairs), campaign, Door::Pixel, &desk) else {
        return "invalid";
    };
    let agent = Agent::of(request.header(USER_AGENT).unwrap_or_default());
    let id = said
        .event_id(&parts.sealer)
        .unwrap_or_else(|| said.head.id(desk.received, &*parts.entropy));
    let record = said.record(id, &desk, Flags::of(request, agent).owned());
    match append(edge, &record, Ack::Kernel).await {
        Ok(()) => remembered(edge, &said).as_str(),
        Err(error) => {
            tracing::warn!(%error, "a pixel's conversion was not recorded");
            "unlogged"
        }
    }
}
