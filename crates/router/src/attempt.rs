//! What is known of a publisher's ping or post by the time it is refused, and where it is kept: a
//! counter, and one record of topic `events`.
//!
//! Not of topic `leads`: what fills leads' partitions stands in the way of their answers, and who
//! knocks at the door with a wrong key ten thousand times a second must not. A refusal is evidence,
//! as durable as a click, and costs one write.

use std::time::Duration;

use domain::{AuctionId, CampaignName, EventId, LeadId, PublisherName};
use http::StatusCode;
use httpd::{Problem, RequestId};
use intake::{Body, Issue, IssueCode};
use proto::{EventBody, EventRecord, Message as _, RefusedIssue};
use store::{Ack, Backend, EventLog as _, Topic, key};
use telemetry::{ROUTER_REFUSALS, ROUTER_REFUSALS_UNLOGGED};

use crate::Router;
use crate::refusal::Refused;

/// Issues that are kept of one refusal.
const MOST_ISSUES: usize = 32;
/// A log that takes longer to write a few hundred bytes is as good as full: the publisher waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Ping,
    /// Of a quote, or of a body that nobody could read.
    Post,
    Direct,
}

impl Asked {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Post => "post",
            Self::Direct => "direct",
        }
    }
}

/// A request, as far as it has come.
pub(crate) struct Attempt {
    pub(crate) request: RequestId,
    /// None for what sells nothing: it cannot be refused in this sense.
    pub(crate) asked: Option<Asked>,
    pub(crate) publisher: Option<PublisherName>,
    pub(crate) campaign: Option<CampaignName>,
    publisher_lead_id: Option<String>,
    test: bool,
    subject: Option<Subject>,
}

/// What was admitted: every answer from then on names it, a problem too.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Auction(AuctionId),
    Lead(LeadId),
}

impl Attempt {
    pub(crate) fn new(request: RequestId) -> Self {
        Self {
            request,
            asked: None,
            publisher: None,
            campaign: None,
            publisher_lead_id: None,
            test: false,
            subject: None,
        }
    }

    /// It is about this auction.
    pub(crate) fn auction(&mut self, auction: AuctionId) {
        self.subject = Some(Subject::Auction(auction));
    }

    /// It is about this lead.
    pub(crate) fn lead(&mut self, lead: LeadId) {
        self.subject = Some(Subject::Lead(lead));
    }

    /// The lead it is about, once that is known.
    pub(crate) fn lead_id(&self) -> Option<LeadId> {
        match self.subject? {
            Subject::Auction(_) => None,
            Subject::Lead(lead) => Some(lead),
        }
    }

    /// Says in a problem what it is about.
    pub(crate) fn name(&self, problem: Problem) -> Problem {
        match self.subject {
            Some(Subject::Auction(auction)) => problem.member("auction_id", auction.to_string()),
            Some(Subject::Lead(lead)) => problem.member("lead_id", lead.to_string()),
            None => problem,
        }
    }

    /// Takes from the body what tells this request from others.
    pub(crate) fn read(&mut self, body: &Body<'_>) {
        if self.asked == Some(Asked::Post) && body.text("ping_id").is_none() {
            self.asked = Some(Asked::Direct);
        }
        self.publisher_lead_id = intake::publisher_lead_id(body).map(str::to_owned);
        self.test = body.flag("test");
    }

    fn record(&self, asked: Asked, refused: &Refused, status: StatusCode) -> proto::Refused {
        let issues = refused.issues();
        proto::Refused {
            request_id: self.request.to_string(),
            kind: asked.as_str().to_owned(),
            publisher: text(&self.publisher),
            campaign: text(&self.campaign),
            publisher_lead_id: self.publisher_lead_id.clone().unwrap_or_default(),
            test: self.test,
            code: refused.code().as_str().to_owned(),
            status: status.as_u16().into(),
            issues: issues.iter().take(MOST_ISSUES).map(kept).collect(),
            issue_count: u32::try_from(issues.len()).unwrap_or(u32::MAX),
        }
    }
}

fn text(name: &Option<impl ToString>) -> String {
    name.as_ref().map_or_else(String::new, ToString::to_string)
}

/// An issue without what a publisher wrote: a member that there is not may be named after anybody.
fn kept(issue: &Issue) -> RefusedIssue {
    let pointer = match (issue.code, issue.pointer.rsplit_once('/')) {
        (IssueCode::Unknown, Some((parent, _))) => format!("{parent}/*"),
        _ => issue.pointer.clone(),
    };
    RefusedIssue {
        pointer,
        code: issue.code.as_str().to_owned(),
    }
}

impl<B: Backend> Router<B> {
    /// Counts and records a ping or post that became neither a quote nor a lead. What is not the
    /// publisher's doing (5xx) is no refusal.
    pub(crate) async fn note(&self, attempt: &Attempt, refused: &Refused) {
        let code = refused.code();
        let status = code.status();
        let Some(asked) = attempt.asked.filter(|_| status.is_client_error()) else {
            return;
        };
        self.metrics
            .count(ROUTER_REFUSALS, [asked.as_str(), code.as_str()]);
        let now = self.clock.wall();
        let record = EventRecord {
            id: EventId::mint(now, self.entropy.as_ref())
                .as_bytes()
                .to_vec(),
            ts_us: now.as_micros(),
            received_us: now.as_micros(),
            body: Some(EventBody::Refused(attempt.record(asked, refused, status))),
            ..EventRecord::default()
        };
        let key = key::event(&record).unwrap_or_default();
        let bytes = record.encode_to_vec().into();
        let appended = self
            .backend
            .log()
            .append(Topic::Events, key, bytes, Ack::Kernel);
        if !matches!(tokio::time::timeout(PATIENCE, appended).await, Ok(Ok(_))) {
            // A full disk and a flood come together: a line each would be the next flood.
            tracing::debug!("refusal not recorded");
            self.metrics.count(ROUTER_REFUSALS_UNLOGGED, []);
        }
    }
}
