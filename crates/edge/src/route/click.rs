//! `GET /c/{link}`: records the click, then sends the visitor on.
//!
//! The answer waits for the log's `Ack::Kernel` and for nothing else. A log that refuses costs the
//! click its id, never the visitor their page.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Link, LinkStatus};
use domain::{ClickId, Timestamp, VisitorId};
use http::header::{CACHE_CONTROL, REFERER, SET_COOKIE, USER_AGENT};
use http::{HeaderValue, Method};
use httpd::{Reply, Request};
use proto::{Click, EventBody, EventRecord, Message as _};
use store::{Ack, Backend, EventLog as _, Sealer, Topic};

use crate::agent::Agent;
use crate::expand::{Values, expand};
use crate::fallback::{self, Reason};
use crate::params::{AD_IDS, Params, SUB_IDS};
use crate::scrub::{cut, host_and_path, scrub};
use crate::{Edge, address, visitor};

/// A log that takes longer to write 300 bytes is as good as full.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// Longest sub id that is recorded.
const SUB_BYTES: usize = 256;
/// Longest ad click id and landing page that is recorded.
const TEXT_BYTES: usize = 512;

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
    let ip_hash = address::hash(request.client_ip(), &parts.sealer);
    let agent = Agent::of(request.header(USER_AGENT.as_str()).unwrap_or_default());
    let flags = flags(request, agent);
    let flagged = !flags.is_empty();

    let record = EventRecord {
        body: Some(EventBody::Click(Click {
            device: agent.device.to_owned(),
            os: agent.os.to_owned(),
            flags,
            ip_prefix: address::prefix(request.client_ip()),
            ip_hash: ip_hash.to_vec(),
            ..told(
                link,
                &params,
                request.header(REFERER.as_str()),
                &parts.sealer,
            )
        })),
        ..event(&click, &visitor, at)
    };
    let logged = log(edge, &visitor, record).await;
    let result = match logged {
        Logged::Yes if flagged => "flagged",
        Logged::Yes => "logged",
        Logged::No => "unlogged",
    };
    let destination = expand(
        &link.destination,
        &Values {
            click: (logged == Logged::Yes).then_some(&click),
            link,
            params: &params,
            agent,
            country: parts
                .country_header
                .as_ref()
                .and_then(|name| request.header(name.as_str())),
            ip_hash: &ip_hash,
            at,
            entropy,
        },
    );
    let Ok(location) = HeaderValue::try_from(destination) else {
        return fall(Reason::Unsendable, Some(link));
    };
    parts.metrics.count(telemetry::EDGE_CLICKS, [result]);
    let reply =
        Reply::redirect(location).header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match visitor::cookie(&visitor, request.scheme()) {
        Some(cookie) => reply.header(SET_COOKIE, cookie),
        None => reply,
    }
}

/// Why this click is no touch: nobody may have seen the page.
pub(super) fn flags(request: &Request, agent: Agent) -> Vec<String> {
    let prefetch = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        request
            .header(name)
            .is_some_and(|value| value.starts_with("prefetch"))
    });
    [
        (request.method() == Method::HEAD, "head"),
        (prefetch, "prefetch"),
        (agent.is_robot(), "bot"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, flag)| flag.to_owned())
    .collect()
}

/// The head of the record. A click's event has the unique part of the click's id.
fn event(click: &ClickId, visitor: &VisitorId, at: Timestamp) -> EventRecord {
    EventRecord {
        id: click
            .as_bytes()
            .first_chunk::<16>()
            .map(|id| id.to_vec())
            .unwrap_or_default(),
        ts_us: at.as_micros(),
        received_us: at.as_micros(),
        visitor: visitor.as_bytes().to_vec(),
        click_id: click.as_bytes().to_vec(),
        ..EventRecord::default()
    }
}

/// What link and parameters say, without anything personal.
pub(super) fn told(
    link: &Link,
    params: &Params<'_>,
    referrer: Option<&str>,
    sealer: &Sealer,
) -> Click {
    let sub = params.among(&SUB_IDS);
    let ad_ids = params.among(&AD_IDS);
    Click {
        link: link.name.as_str().to_owned(),
        publisher: link.publisher.as_str().to_owned(),
        offer: link.offer.as_str().to_owned(),
        campaign: link.campaign.as_str().to_owned(),
        sub: sub
            .map(|(name, value)| {
                (
                    name.to_owned(),
                    scrub(value, SUB_BYTES, sealer).into_owned(),
                )
            })
            .collect(),
        ad_ids: ad_ids
            .map(|(name, value)| {
                (
                    name.to_owned(),
                    scrub(value, TEXT_BYTES, sealer).into_owned(),
                )
            })
            .collect(),
        landing: landing(link),
        source: "redirect".to_owned(),
        referrer: referrer
            .map(|url| host_and_path(url, sealer))
            .unwrap_or_default(),
        ..Click::default()
    }
}

/// Where the link leads, as configured and without its query: a macro's value may be personal.
fn landing(link: &Link) -> String {
    let mut text = String::new();
    for piece in &link.destination.pieces {
        let (part, ends) = match piece {
            catalog::Piece::Text(part) => match part.split_once(['?', '#']) {
                Some((part, _)) => (part, true),
                None => (part.as_str(), false),
            },
            catalog::Piece::Macro(_) => ("{}", false),
        };
        text.push_str(part);
        if ends {
            break;
        }
    }
    cut(&text, TEXT_BYTES).to_owned()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Logged {
    Yes,
    No,
}

async fn log<B: Backend>(edge: &Edge<B>, visitor: &VisitorId, record: EventRecord) -> Logged {
    let key = u64::from(visitor.shard());
    let record = record.encode_to_vec().into();
    let append = edge
        .parts
        .backend
        .log()
        .append(Topic::Events, key, record, Ack::Kernel);
    match tokio::time::timeout(LOG_PATIENCE, append).await {
        Ok(Ok(_)) => Logged::Yes,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a click was not recorded");
            Logged::No
        }
        Err(_) => {
            tracing::warn!("a click was not recorded: the log did not answer in time");
            Logged::No
        }
    }
}
