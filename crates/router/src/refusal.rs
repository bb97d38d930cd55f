//! Why a request is refused: one ladder from what went wrong to a status and a stable code.

use http::StatusCode;
use httpd::{BodyError, Problem};
use intake::{Issue, Refusal};
use store::{LogError, StoreError};

/// A request that does not become a lead, a quote or an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no valid key was sent")]
    Unauthorized,
    #[error("there is nothing here")]
    NoRoute,
    #[error("use {0}")]
    Method(&'static str),
    #[error("the body is to be application/json")]
    MediaType,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Malformed(String),
    #[error("the request has {} issue(s)", .0.len())]
    Invalid(Vec<Issue>),
    #[error("the Idempotency-Key was used with another body")]
    IdempotencyConflict,
    #[error("the quote does not hold any more")]
    PingExpired,
    #[error("the quote was used by another post")]
    PingUsed,
    #[error("the ping_id is not a quote for this publisher and campaign")]
    PingUnknown,
    #[error("fields differ from the ping")]
    PingMismatch(Vec<Issue>),
    #[error("the leg is settled already")]
    AlreadySettled,
    #[error("the leg is not in doubt")]
    NotInDoubt,
    #[error("{0}")]
    Unavailable(&'static str),
}

impl Refused {
    /// HTTP status and the stable code of the problem.
    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoRoute | Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Body(_) | Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_lead"),
            Self::IdempotencyConflict => (StatusCode::CONFLICT, "idempotency_conflict"),
            Self::PingExpired => (StatusCode::UNPROCESSABLE_ENTITY, "ping_expired"),
            Self::PingUsed => (StatusCode::UNPROCESSABLE_ENTITY, "ping_used"),
            Self::PingUnknown => (StatusCode::UNPROCESSABLE_ENTITY, "ping_unknown"),
            Self::PingMismatch(_) => (StatusCode::UNPROCESSABLE_ENTITY, "ping_mismatch"),
            Self::AlreadySettled => (StatusCode::CONFLICT, "already_settled"),
            Self::NotInDoubt => (StatusCode::CONFLICT, "not_in_doubt"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let (status, code) = refused.class();
        match refused {
            Refused::Unauthorized => {
                Self::unauthorized("send a valid key as Authorization: Bearer KEY")
            }
            Refused::Method(allow) => Self::method_not_allowed(allow),
            Refused::Body(error) => error.into(),
            Refused::Unavailable(why) => Self::unavailable(why),
            Refused::Invalid(issues) | Refused::PingMismatch(issues) => {
                Self::new(status, code, detail).issues(issues.into_iter().map(shown))
            }
            _ => Self::new(status, code, detail),
        }
    }
}

fn shown(issue: Issue) -> httpd::Issue {
    httpd::Issue {
        pointer: issue.pointer.into(),
        code: issue.code.as_str().into(),
        message: issue.message,
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(why) => Self::Malformed(why),
            Refusal::Invalid(issues) => Self::Invalid(issues),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "request refused: a store did not answer");
        Self::Unavailable("a store did not answer")
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        tracing::warn!(%error, "request refused: the log did not take a record");
        Self::Unavailable("the log did not take the record")
    }
}
