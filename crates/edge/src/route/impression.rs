//! `GET /i/{link}`: records that an advertisement was seen, and answers a picture.
//!
//! The picture comes whatever happens: a page that shows it must not break because a link is gone.

use std::sync::Arc;

use catalog::LinkStatus;
use domain::EventId;
use http::header::{REFERER, SET_COOKIE, USER_AGENT};
use httpd::{Reply, Request};
use proto::{Click, EventBody, EventRecord};
use store::{Ack, Backend};

use super::click::{flags, told};
use crate::agent::Agent;
use crate::append::append;
use crate::head::Head;
use crate::params::Params;
use crate::{Edge, address, pixel, visitor};

/// Answers an impression.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, request: &Request) -> Reply {
    let parts = &edge.parts;
    let snapshot = parts.snapshot.load_full();
    let count = |result| parts.metrics.count(telemetry::EDGE_IMPRESSIONS, [result]);
    let name = request.path().strip_prefix("/i/").unwrap_or_default();
    let link = match snapshot.links.get(name).map(Arc::as_ref) {
        None => {
            count("unknown");
            return pixel::reply();
        }
        Some(link) if link.status == LinkStatus::Paused => {
            count("paused");
            return pixel::reply();
        }
        Some(link) => link,
    };

    let at = parts.clock.wall();
    let visitor = visitor::of(request, &parts.tracking, &*parts.clock, &*parts.entropy);
    let agent = Agent::of(request.header(USER_AGENT.as_str()).unwrap_or_default());
    let flags = flags(request, agent);
    let logged = if flags.is_empty() {
        "logged"
    } else {
        "flagged"
    };
    let referrer = request.header(REFERER.as_str());
    let view = Click {
        device: agent.device.to_owned(),
        os: agent.os.to_owned(),
        flags,
        ip_prefix: address::prefix(request.client_ip()),
        ip_hash: address::hash(request.client_ip(), &parts.sealer).to_vec(),
        // What is seen leads nowhere.
        landing: String::new(),
        source: "pixel".to_owned(),
        ..told(link, &Params::of(request), referrer, &parts.sealer)
    };
    let head = Head::of_visitor(visitor);
    let record = EventRecord {
        body: Some(EventBody::Impression(view)),
        ..head.record(EventId::mint(at, &*parts.entropy), at)
    };
    match append(edge, &record, Ack::Kernel).await {
        Ok(()) => count(logged),
        Err(error) => {
            tracing::warn!(%error, "an impression was not recorded");
            count("unlogged");
        }
    }
    match visitor::cookie(&visitor, request.scheme()) {
        Some(cookie) => pixel::reply().header(SET_COOKIE, cookie),
        None => pixel::reply(),
    }
}
