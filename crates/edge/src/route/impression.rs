//! `GET /i/{link}`: records that an advertisement was seen, and answers a picture.
//!
//! The picture comes whatever happens: a page that shows it must not break because a link is gone.

use std::sync::Arc;

use catalog::LinkStatus;
use domain::EventId;
use http::header::SET_COOKIE;
use httpd::{Reply, Request};
use proto::TouchRecord;
use store::Backend;

use crate::params::Params;
use crate::seen::Seen;
use crate::{Edge, append, pixel, visitor};

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
    let params = Params::of(request);
    let seen = Seen::of(request, &params, &parts.sealer);
    // What is seen leads nowhere: it has no landing page.
    let id = EventId::mint(at, &*parts.entropy);
    let touch = TouchRecord {
        id: id.as_bytes(),
        at_us: at.as_micros(),
        visitor: visitor.as_bytes(),
        source: "pixel",
        ..seen.touch(link)
    };
    match append::touch(edge, &visitor, &touch).await {
        Ok(()) if seen.is_flagged() => count("flagged"),
        Ok(()) => count("logged"),
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
