//! `GET /c/{link}`: records the click, then sends the visitor on.
//!
//! The answer waits for the log's `Ack::Kernel` and for nothing else. A log that refuses costs the
//! click its id, never the visitor their page.

use std::sync::Arc;

use catalog::{Link, LinkStatus};
use domain::ClickId;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use httpd::{Reply, Request};
use proto::TouchRecord;
use store::Backend;

use crate::expand::{Values, expand};
use crate::fallback::{self, Reason};
use crate::params::Params;
use crate::seen::Seen;
use crate::{Edge, append, visitor};

/// Answers a click.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, request: &Request) -> Reply {
    let parts = &edge.parts;
    let snapshot = parts.snapshot.load_full();
    let fall = |reason, link: Option<&Link>| {
        let service = parts.fallback_url.as_ref();
        fallback::reply(reason, link, &snapshot, service, &parts.metrics)
    };
    let name = request.path().strip_prefix("/c/").unwrap_or_default();
    let Some(link) = snapshot.links.get(name).map(Arc::as_ref) else {
        return fall(Reason::Unknown, None);
    };
    if link.status == LinkStatus::Paused {
        return fall(Reason::Paused, Some(link));
    }

    let (clock, entropy) = (&*parts.clock, &*parts.entropy);
    let params = Params::of(request);
    let at = clock.wall();
    let visitor = visitor::of(request, &parts.tracking, clock, entropy);
    let click = ClickId::mint(at, entropy, &visitor, &parts.tracking);
    let seen = Seen::of(request, &params, &parts.sealer);
    let touch = TouchRecord {
        // A click's event has the unique part of the click's id.
        id: click.as_bytes().get(..16).unwrap_or_default(),
        at_us: at.as_micros(),
        visitor: visitor.as_bytes(),
        click_id: click.as_bytes(),
        landing: &link.destination.landing,
        source: "redirect",
        ..seen.touch(link)
    };
    let logged = append::touch(edge, &visitor, &touch).await;
    if let Err(error) = &logged {
        tracing::warn!(%error, "a click was not recorded");
    }
    let destination = expand(
        &link.destination,
        &Values {
            click: logged.is_ok().then_some(&click),
            link,
            params: &params,
            agent: seen.agent,
            country: parts
                .country_header
                .as_ref()
                .and_then(|name| request.header(name)),
            ip_hash: &seen.ip_hash,
            at,
            entropy,
        },
    );
    let Ok(location) = HeaderValue::try_from(destination) else {
        return fall(Reason::Unsendable, Some(link));
    };
    match logged {
        Ok(()) if seen.is_flagged() => edge.clicks.flagged.one(),
        Ok(()) => edge.clicks.logged.one(),
        Err(_) => edge.clicks.unlogged.one(),
    }
    let reply =
        Reply::redirect(location).header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match visitor::cookie(&visitor, request.scheme()) {
        Some(cookie) => reply.header(SET_COOKIE, cookie),
        None => reply,
    }
}
