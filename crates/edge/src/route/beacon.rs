//! `POST /v1/beacon`: what the tag of a page sends.
//!
//! A browser that leaves a page sends it as text/plain and does not read the answer: 204. It is taken
//! from pages of the campaigns' sites alone, which the `Origin` header names; their browsers may read
//! what is wrong. The visitor's cookie is set here as by a click, so that both know the same visitor.

use catalog::Snapshot;
use domain::VisitorId;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, ORIGIN, SET_COOKIE,
    USER_AGENT, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use httpd::{Code, Problem, Reply, Request};
use store::{Ack, Backend};

use super::events::{count, record};
use crate::agent::Agent;
use crate::event::{Browser, Context, Sender};
use crate::head::Desk;
use crate::members::array;
use crate::seen::Flags;
use crate::{Edge, visitor};

/// Events of one beacon, at most.
const EVENTS: usize = 10;
/// Seconds for which a browser remembers what it may send.
const PREFLIGHT_SECONDS: u32 = 3600;

/// Answers a beacon, or a browser that asks whether it may send one.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, mut request: Request) -> Reply {
    let snapshot = edge.parts.snapshot.load_full();
    let origin = request.header(ORIGIN).map(str::to_owned);
    let Some(origin) = origin.filter(|origin| is_known(&snapshot, origin)) else {
        let problem = Problem::new(Code::Forbidden, "this site is none of a campaign's");
        return problem
            .header(VARY, HeaderValue::from_static("origin"))
            .into();
    };
    let reply = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        let taken = take(edge, &snapshot, &origin, &mut request).await;
        taken.unwrap_or_else(Reply::from)
    };
    let Ok(allowed) = HeaderValue::try_from(origin) else {
        return reply;
    };
    reply
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, allowed)
        .header(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        )
        .header(VARY, HeaderValue::from_static("origin"))
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

fn is_known(snapshot: &Snapshot, origin: &str) -> bool {
    let mut campaigns = snapshot.campaigns.values();
    campaigns.any(|campaign| campaign.origins.contains(origin))
}

fn preflight() -> Reply {
    Reply::empty(StatusCode::NO_CONTENT)
        .header(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST"),
        )
        .header(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type"),
        )
        .header(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_SECONDS))
}

async fn take<B: Backend>(
    edge: &Edge<B>,
    snapshot: &Snapshot,
    origin: &str,
    request: &mut Request,
) -> Result<Reply, Problem> {
    let parts = &edge.parts;
    let body = request.body().await?;
    let fits = ["text/plain", "application/json"];
    let media_type = request.media_type().map(str::to_ascii_lowercase);
    if !media_type.is_some_and(|name| fits.contains(&name.as_str())) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send JSON as text/plain or application/json",
        ));
    }
    let events = array(&body, EVENTS)?;
    let agent = Agent::of(request.header(USER_AGENT).unwrap_or_default());
    let flags = Flags::of(request, agent);
    let cookie = visitor::known(request, &parts.tracking);
    let sender = Sender::Tag(origin);
    let context = Context {
        snapshot,
        sender,
        desk: Desk {
            key: &parts.tracking,
            sealer: &parts.sealer,
            received: parts.clock.wall(),
            source: &sender.source(),
            country: None,
        },
        entropy: &*parts.entropy,
        browser: Some(Browser {
            ip: request.client_ip(),
            agent,
            flags,
            visitor: cookie,
        }),
    };
    let outcomes = record(edge, events, &context, Ack::Kernel).await;
    count(&parts.metrics, "tag", &outcomes);
    let visitor: Option<VisitorId> = cookie.or_else(|| {
        let mut visitors = outcomes.iter().filter_map(|outcome| outcome.visitor);
        visitors.next()
    });
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    Ok(
        match visitor.and_then(|visitor| visitor::cookie(&visitor, request.scheme())) {
            Some(cookie) => reply.header(SET_COOKIE, cookie),
            None => reply,
        },
    )
}
