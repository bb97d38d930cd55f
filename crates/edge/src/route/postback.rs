//! `GET|POST /postback`: an advertiser's server reports a conversion.
//!
//! Its token says which campaign it is about; a signed one names the campaign. Everything wrong with
//! the values is told at once (422). A click id that is not ours, and macros that the sender's system
//! left unexpanded, do not refuse a conversion: it is kept, flagged, and matched to nothing. The
//! record's id is a keyed hash of all that the sender said, so a retry is the same event; only a
//! conversion that names nothing has nothing to be known by, and each such request is an event of
//! its own.

use std::borrow::Cow;

use bytes::Bytes;
use catalog::{Campaign, Owner, Snapshot};
use domain::EventId;
use http::{Method, StatusCode};
use httpd::{Code, Problem, Reply, Request, form};
use serde::Serialize;
use store::{Ack, Backend};

use crate::append::append;
use crate::conversion::{Door, Said};
use crate::fields::{Fields, Pairs};
use crate::head::Desk;
use crate::recent::Known;
use crate::{Edge, phones, signature};

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Serialize)]
struct Answer {
    /// `accepted`, `duplicate` or `updated`.
    result: &'static str,
    /// Whether it names a click of ours.
    matched: bool,
    event_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    request_id: String,
}

/// Answers a postback.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, mut request: Request) -> Reply {
    let answer = match read_form(&mut request).await {
        Ok(form) => take(edge, &request, &form).await,
        Err(problem) => Err(problem),
    };
    let (result, reply) = match answer {
        Ok(answer) => (answer.result, Reply::json(StatusCode::OK, &answer)),
        Err(problem) => (problem.code(), problem.into()),
    };
    edge.parts
        .metrics
        .count(telemetry::EDGE_POSTBACKS, [result]);
    reply
}

/// The body of a POST, empty where there is none.
async fn read_form(request: &mut Request) -> Result<Bytes, Problem> {
    if request.method() != Method::POST {
        return Ok(Bytes::new());
    }
    let body = request.body().await?;
    let fits = |media_type: &str| media_type.eq_ignore_ascii_case(FORM);
    if body.is_empty() || request.media_type().is_some_and(fits) {
        return Ok(body);
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("send {FORM}, or everything in the query"),
    ))
}

async fn take<B: Backend>(
    edge: &Edge<B>,
    request: &Request,
    form: &[u8],
) -> Result<Answer, Problem> {
    let parts = &edge.parts;
    let mut pairs: Vec<_> = request.query().chain(form::pairs(form)).collect();
    let snapshot = parts.snapshot.load_full();
    let campaign = authenticate(&snapshot, request, form, &pairs)?;
    for (name, _) in &mut pairs {
        let ours = campaign.postback.parameter(name);
        if ours != name {
            *name = Cow::Owned(ours.to_owned());
        }
    }
    let desk = Desk {
        key: &parts.tracking,
        sealer: &parts.sealer,
        received: parts.clock.wall(),
        source: &format!("advertiser/{}", campaign.name),
        country: phones::country(Some(campaign)),
    };
    let said =
        Said::read(Fields::of(&pairs), campaign, Door::Postback, &desk).map_err(|issues| {
            let detail = format!("{} value(s) cannot be taken", issues.len());
            Problem::new(Code::InvalidPostback, detail).issues(issues)
        })?;
    let id = said
        .event_id(&parts.sealer)
        .unwrap_or_else(|| said.head.id(desk.received, &*parts.entropy));
    keep(edge, &said, id, &desk).await?;
    Ok(Answer {
        result: remembered(edge, &said).as_str(),
        matched: said.head.click.is_some(),
        event_id: id.to_string(),
        flags: said
            .flags
            .iter()
            .map(|flag| flag.as_str().to_owned())
            .collect(),
        request_id: request.id().to_string(),
    })
}

async fn keep<B: Backend>(
    edge: &Edge<B>,
    said: &Said,
    id: EventId,
    desk: &Desk<'_>,
) -> Result<(), Problem> {
    let record = said.record(id, desk, []);
    append(edge, &record, Ack::Durable).await.map_err(|error| {
        tracing::warn!(%error, "a conversion was not recorded");
        Problem::unavailable("the conversion was not recorded; send it again")
    })
}

/// What was known of the conversion before. Only of one that is in the log now.
pub(super) fn remembered<B: Backend>(edge: &Edge<B>, said: &Said) -> Known {
    let sealer = &edge.parts.sealer;
    said.key(sealer).map_or(Known::New, |key| {
        edge.recent.remember(key, said.content(sealer))
    })
}

/// The campaign whose advertiser sent this: by `token`, from where tokens may come; by `campaign` and
/// `sig`; or by a key as other endpoints take it.
fn authenticate<'s>(
    snapshot: &'s Snapshot,
    request: &Request,
    form: &[u8],
    pairs: &Pairs<'_>,
) -> Result<&'s Campaign, Problem> {
    let find = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| &**value)
    };
    let campaign_of = |owner: Option<&'s Owner>| match owner {
        Some(Owner::Advertiser(campaign)) => snapshot
            .campaigns
            .get(campaign)
            .map(|campaign| &**campaign)
            .ok_or_else(|| Problem::unauthorized("the token's campaign is gone")),
        Some(_) => Err(Problem::new(
            Code::Forbidden,
            "this key is not an advertiser's",
        )),
        None => Err(Problem::unauthorized(
            "a postback needs its campaign's token, a signature or a key",
        )),
    };
    if let Some(token) = find("token") {
        let campaign = campaign_of(snapshot.authenticate(token))?;
        if !campaign.postback.allows(request.client_ip()) {
            return Err(Problem::new(
                Code::Forbidden,
                "the token does not hold for this address",
            ));
        }
        return Ok(campaign);
    }
    if find("sig").is_some() {
        let campaign = find("campaign").and_then(|name| snapshot.campaigns.get(name));
        let signed = campaign.filter(|campaign| {
            let secret = campaign.postback.secret.as_ref();
            secret
                .is_some_and(|secret| signature::is_valid(&secret.0, request.query_string(), form))
        });
        return signed
            .map(|campaign| &**campaign)
            .ok_or_else(|| Problem::unauthorized("the signature is not the campaign's"));
    }
    let credential = request.credential();
    campaign_of(credential.and_then(|credential| snapshot.authenticate(credential.expose())))
}
