//! `GET|POST /postback`: an advertiser's server reports a conversion.
//!
//! The token says which campaign it is about. Everything wrong with the values is told at once
//! (422). A click id that is not ours, and macros that the sender's system left unexpanded, do not
//! refuse a conversion: it is kept, flagged, and matched to nothing. The record's id is a keyed
//! hash of all that the sender said, so a retry is the same event; only a conversion without click
//! id and order id has nothing to be known by, and each such request is an event of its own.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use catalog::{Campaign, Owner};
use domain::EventId;
use http::{Method, StatusCode};
use httpd::{Code, Problem, Reply, Request, form};
use proto::{EventBody, EventRecord, Message as _};
use serde::Serialize;
use store::{Ack, Backend, EventLog as _, LogError, Topic, key};

use crate::Edge;
use crate::conversion::Said;
use crate::recent::Known;

/// A log that takes longer is as good as gone; the sender's retry is the same event.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
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
    let pairs: Vec<_> = request.query().chain(form::pairs(form)).collect();
    let snapshot = parts.snapshot.load_full();
    let campaign = authenticate(&snapshot, request, &pairs)?;
    let said = Said::read(&pairs, campaign, &parts.tracking, &parts.sealer).map_err(|issues| {
        let detail = format!("{} value(s) cannot be taken", issues.len());
        Problem::new(Code::InvalidPostback, detail).issues(issues)
    })?;

    let received = parts.clock.wall();
    let key = said.key(&parts.sealer);
    let id = match key {
        Some(_) => said.event_id(&parts.sealer),
        None => EventId::mint(received, &*parts.entropy),
    };
    let record = EventRecord {
        id: id.as_bytes().to_vec(),
        ts_us: received.as_micros(),
        received_us: received.as_micros(),
        visitor: Vec::new(),
        click_id: said
            .click
            .map(|click| click.as_bytes().to_vec())
            .unwrap_or_default(),
        body: Some(EventBody::Conversion(said.record())),
        ..EventRecord::default()
    };
    append(edge, record).await?;

    let known = key.map_or(Known::New, |key| edge.recent.remember(key, id));
    Ok(Answer {
        result: match known {
            Known::New => "accepted",
            Known::Same => "duplicate",
            Known::Other => "updated",
        },
        matched: said.click.is_some(),
        event_id: id.to_string(),
        flags: said
            .flags
            .iter()
            .map(|flag| flag.as_str().to_owned())
            .collect(),
        request_id: request.id().to_string(),
    })
}

/// The campaign whose advertiser sent this: by `token`, or by a key as other endpoints take it.
fn authenticate<'s>(
    snapshot: &'s catalog::Snapshot,
    request: &Request,
    pairs: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Result<&'s Campaign, Problem> {
    let token = pairs
        .iter()
        .find(|(name, _)| name == "token")
        .map(|(_, token)| &**token);
    let credential = request.credential();
    let owner = token
        .or(credential.as_ref().map(httpd::Credential::expose))
        .and_then(|token| snapshot.authenticate(token));
    match owner {
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
            "a postback needs its campaign's token",
        )),
    }
}

async fn append<B: Backend>(edge: &Edge<B>, record: EventRecord) -> Result<(), Problem> {
    let key = key::event(&record).map_err(|error| Problem::unavailable(error.to_string()))?;
    let record = record.encode_to_vec().into();
    let append = edge
        .parts
        .backend
        .log()
        .append(Topic::Events, key, record, Ack::Durable);
    let appended = tokio::time::timeout(LOG_PATIENCE, append).await;
    match appended.unwrap_or_else(|_| Err(LogError::Unavailable("no answer in time".to_owned()))) {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "a conversion was not recorded");
            Err(Problem::unavailable(
                "the conversion was not recorded; send it again",
            ))
        }
    }
}
