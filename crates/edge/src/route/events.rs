//! `POST /v1/events`: a batch of events, each with a result of its own.
//!
//! A JSON array, or a JSON object a line; maybe compressed. What is wrong with one event is told in
//! its result and keeps no other from the log. All events of a batch are queued before any is waited
//! for, so that they share a sync.

use std::fmt::Display;

use bytes::Bytes;
use catalog::{Owner, Snapshot};
use domain::{ClickId, EventId, VisitorId};
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use httpd::{Code, Issue, Problem, Reply, Request};
use serde::{Serialize, Serializer};
use store::{Ack, Backend, Together as _};
use telemetry::Metrics;

use super::postback::remembered;
use crate::Edge;
use crate::append::{patience, settled, together};
use crate::conversion::Said;
use crate::event::{self, Context, Memory, Refused, Sender};
use crate::head::Desk;
use crate::inflate::{Encoding, Unreadable};
use crate::members::{BadBatch, Events, array, lines};
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
    code: &'static str,
    /// Whether the same event may be taken later.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Shown<EventId>>,
    /// The click that it is, to be handed on to its landing page.
    #[serde(skip_serializing_if = "Option::is_none")]
    click_id: Option<Shown<ClickId>>,
    /// Whose event it is: of one that was accepted.
    #[serde(skip)]
    pub(super) visitor: Option<VisitorId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Issue>,
}

/// An id that is written into the answer as it is shown, without a text of its own.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
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
    let outcomes = record(edge, events, &context, Ack::Durable).await;
    count(&parts.metrics, "api", &outcomes);
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

type Split = fn(&[u8], usize) -> Result<Events<'_>, BadBatch>;

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

/// Counts what became of events: most of a batch became the same.
pub(super) fn count(metrics: &Metrics, door: &'static str, outcomes: &[Outcome]) {
    for same in outcomes.chunk_by(|one, next| one.code == next.code) {
        if let Some(Outcome { code, .. }) = same.first() {
            metrics.add(telemetry::EDGE_EVENTS, [door, code], same.len() as u64);
        }
    }
}

/// Records what can be, and says of each event what became of it.
pub(super) async fn record<B: Backend>(
    edge: &Edge<B>,
    events: Events<'_>,
    context: &Context<'_>,
    ack: Ack,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(events.len());
    let mut queued = together(edge, ack);
    let mut told = Vec::with_capacity(events.len());
    let mut memory = Memory::default();
    for (index, members) in events.into_iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let Ok(mut members) = members else {
            outcomes.push(Outcome::refused(index, 400, "malformed", Vec::new()));
            continue;
        };
        match event::read(&mut members, context, &mut memory) {
            Ok(ready) => {
                match ready.record {
                    Ok(record) => record.join(&mut queued),
                    Err(error) => {
                        outcomes.push(unrecorded(index, &error));
                        continue;
                    }
                }
                told.push(Told {
                    index,
                    id: ready.id,
                    click: ready.click,
                    visitor: ready.visitor,
                    named: ready.named,
                    said: ready.said,
                });
            }
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
    let fates = queued.fates(tokio::time::sleep(patience(ack))).await;
    outcomes.extend(
        told.into_iter()
            .zip(fates)
            .map(|(told, fate)| match settled(fate) {
                Ok(()) => told.accepted(edge),
                Err(error) => unrecorded(told.index, &error),
            }),
    );
    outcomes.sort_by_key(|outcome| outcome.index);
    outcomes
}

fn unrecorded(index: usize, error: &dyn Display) -> Outcome {
    tracing::warn!(%error, "an event was not recorded");
    Outcome::refused(index, 503, "unavailable", Vec::new())
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
            event_id: Some(Shown(self.id)),
            click_id: self.click.map(Shown),
            visitor: self.visitor,
            flags: flags.map(|flag| flag.as_str()).collect(),
            errors: Vec::new(),
        }
    }
}
