//! `POST /v1/events`: a batch of events, each with a result of its own.
//!
//! A JSON array, or a JSON object a line; maybe compressed. What is wrong with one event is told in
//! its result and keeps no other from the log. All events of a batch are queued before any is waited
//! for, so that they share a sync.

use std::pin::pin;

use bytes::Bytes;
use catalog::{Owner, Snapshot};
use domain::{ClickId, EventId, VisitorId};
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use httpd::{Code, Issue, Problem, Reply, Request};
use serde::Serialize;
use store::{Ack, Backend};

use super::postback::remembered;
use crate::Edge;
use crate::append::{no_answer, patience, queue};
use crate::conversion::Said;
use crate::event::{self, Context, Ready, Refused, Sender};
use crate::head::Desk;
use crate::inflate::{Encoding, Unreadable};
use crate::members::{BadBatch, Members, array, lines};
use crate::recent::Known;

/// Largest body, as sent.
const BODY_BYTES: usize = 1 << 20;
/// Largest body, decoded.
const DECODED_BYTES: usize = 8 << 20;
/// Most events of a batch.
const EVENTS: usize = 1_000;
/// After so many events others get their turn.
const TURN: usize = 50;

#[derive(Serialize)]
struct Answer {
    accepted: usize,
    refused: usize,
    results: Vec<Outcome>,
    request_id: String,
}

/// What became of one event.
#[derive(Serialize)]
pub(super) struct Outcome {
    index: usize,
    /// As if it had come alone.
    status: u16,
    pub(super) code: &'static str,
    /// Whether the same event may be taken later.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// The click that it is, to be handed on to its landing page.
    #[serde(skip_serializing_if = "Option::is_none")]
    click_id: Option<String>,
    /// Whose event it is: of one that was accepted.
    #[serde(skip)]
    pub(super) visitor: Option<VisitorId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Issue>,
}

impl Outcome {
    fn is_accepted(&self) -> bool {
        self.status == 200
    }

    fn refused(index: usize, status: u16, code: &'static str, errors: Vec<Issue>) -> Self {
        Self {
            index,
            status,
            code,
            retryable: status >= 500,
            event_id: None,
            click_id: None,
            visitor: None,
            flags: Vec::new(),
            errors,
        }
    }
}

/// Answers a batch.
pub(super) async fn call<B: Backend>(edge: &Edge<B>, mut request: Request) -> Reply {
    match take(edge, &mut request).await {
        Ok(results) => {
            let accepted = results.iter().filter(|one| one.is_accepted()).count();
            let answer = Answer {
                accepted,
                refused: results.len() - accepted,
                results,
                request_id: request.id().to_string(),
            };
            Reply::json(StatusCode::OK, &answer)
        }
        Err(problem) => problem.into(),
    }
}

async fn take<B: Backend>(edge: &Edge<B>, request: &mut Request) -> Result<Vec<Outcome>, Problem> {
    let parts = &edge.parts;
    let snapshot = parts.snapshot.load_full();
    // Who asks is known before anything large is read.
    let sender = authenticate(&snapshot, request)?;
    if let Sender::Publisher(name) = sender {
        let counted = edge.rates.take(&snapshot, name, &parts.clock);
        counted.map_err(Problem::rate_limited)?;
    }
    let split = splitter(request.media_type())?;
    let encoding = Encoding::of(request.header(CONTENT_ENCODING)).ok_or_else(|| {
        Problem::new(
            Code::UnsupportedMediaType,
            "of content encodings gzip, zstd and br are taken, one at a time",
        )
    })?;
    let body = request.body_within(BODY_BYTES).await?;
    let Ok(_permit) = edge.batches.try_acquire() else {
        return Err(Problem::unavailable("too many batches at the same time"));
    };
    let body = decoded(body, encoding).await?;
    let events = split(&body, EVENTS)?;
    let context = Context {
        snapshot: &snapshot,
        sender,
        desk: Desk {
            key: &parts.tracking,
            sealer: &parts.sealer,
            received: parts.clock.wall(),
            source: &sender.source(),
            country: None,
        },
        entropy: &*parts.entropy,
        browser: None,
    };
    let outcomes = record(edge, &events, &context, Ack::Durable).await;
    for outcome in &outcomes {
        parts
            .metrics
            .count(telemetry::EDGE_EVENTS, ["api", outcome.code]);
    }
    Ok(outcomes)
}

fn authenticate<'s>(snapshot: &'s Snapshot, request: &Request) -> Result<Sender<'s>, Problem> {
    let credential = request.credential();
    let owner = credential.and_then(|credential| snapshot.authenticate(credential.expose()));
    match owner {
        Some(Owner::Publisher(name)) => match snapshot.publishers.get(name) {
            Some(publisher) if publisher.on => Ok(Sender::Publisher(name)),
            _ => Err(Problem::new(Code::Forbidden, "the publisher is paused")),
        },
        Some(Owner::Advertiser(campaign)) => Ok(Sender::Advertiser(campaign)),
        Some(Owner::Admin) => Ok(Sender::Operator),
        Some(Owner::Buyer(_)) => Err(Problem::new(Code::Forbidden, "buyers send no events")),
        None => Err(Problem::unauthorized("events need a key")),
    }
}

type Split = fn(&[u8], usize) -> Result<Vec<&[u8]>, BadBatch>;

fn splitter(media_type: Option<&str>) -> Result<Split, Problem> {
    let named = media_type.map(str::to_ascii_lowercase);
    match named.as_deref() {
        Some("application/json") => Ok(array),
        Some("application/x-ndjson" | "application/jsonl" | "application/x-jsonlines") => Ok(lines),
        _ => Err(Problem::new(
            Code::UnsupportedMediaType,
            "send application/json or application/x-ndjson",
        )),
    }
}

async fn decoded(body: Bytes, encoding: Encoding) -> Result<Bytes, Problem> {
    if encoding == Encoding::Identity {
        return Ok(body);
    }
    let inflate = move || encoding.inflate(&body, DECODED_BYTES);
    let inflated = tokio::task::spawn_blocking(inflate).await;
    match inflated.unwrap_or(Err(Unreadable::Broken)) {
        Ok(decoded) => Ok(decoded.into()),
        Err(Unreadable::Broken) => Err(Problem::new(
            Code::Malformed,
            "the body is not what its content encoding says",
        )),
        Err(Unreadable::TooLarge) => Err(Problem::new(
            Code::BodyTooLarge,
            "the body grows too large when it is decoded",
        )),
    }
}

/// Records what can be, and says of each event what became of it.
pub(super) async fn record<B: Backend>(
    edge: &Edge<B>,
    events: &[&[u8]],
    context: &Context<'_>,
    ack: Ack,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(events.len());
    let mut queued = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let ready = match Members::read(event) {
            Ok(members) => event::read(members, context),
            Err(_) => {
                outcomes.push(Outcome::refused(index, 400, "malformed", Vec::new()));
                continue;
            }
        };
        match ready {
            Ok(ready) => queued.push((queue(edge, &ready.record, ack), Told::of(index, ready))),
            Err(Refused::Forbidden(why)) => {
                let issue = Issue {
                    pointer: "".into(),
                    code: "forbidden".into(),
                    message: why.into(),
                };
                outcomes.push(Outcome::refused(index, 403, "forbidden", vec![issue]));
            }
            Err(Refused::Invalid(issues)) => {
                outcomes.push(Outcome::refused(index, 422, "invalid_event", issues));
            }
        }
    }
    // All are under way: waiting for one after the other takes as long as for the last.
    let mut late = pin!(tokio::time::sleep(patience(ack)));
    for (append, told) in queued {
        let appended = tokio::select! {
            biased;
            appended = append => appended,
            () = &mut late => Err(no_answer()),
        };
        outcomes.push(match appended {
            Ok(_) => told.accepted(edge),
            Err(error) => {
                tracing::warn!(%error, "an event was not recorded");
                Outcome::refused(told.index, 503, "unavailable", Vec::new())
            }
        });
    }
    outcomes.sort_by_key(|outcome| outcome.index);
    outcomes
}

/// What the sender is told of an event that is on its way: its record is not kept for that.
struct Told {
    index: usize,
    id: EventId,
    click: Option<ClickId>,
    visitor: Option<VisitorId>,
    named: bool,
    said: Option<Box<Said>>,
}

impl Told {
    fn of(index: usize, ready: Ready) -> Self {
        Self {
            index,
            id: ready.id,
            click: ready.click,
            visitor: ready.record.visitor_id().unwrap_or_default(),
            named: ready.record.named,
            said: ready.said,
        }
    }

    fn accepted<B: Backend>(self, edge: &Edge<B>) -> Outcome {
        let known = match &self.said {
            Some(said) => remembered(edge, said),
            None if self.named => edge.recent.remember(*self.id.as_bytes(), [0; 16]),
            None => Known::New,
        };
        let flags = self.said.iter().flat_map(|said| said.flags.iter());
        Outcome {
            index: self.index,
            status: 200,
            code: known.as_str(),
            retryable: false,
            event_id: Some(self.id.to_string()),
            click_id: self.click.map(|click| click.to_string()),
            visitor: self.visitor,
            flags: flags.map(|flag| flag.as_str()).collect(),
            errors: Vec::new(),
        }
    }
}
