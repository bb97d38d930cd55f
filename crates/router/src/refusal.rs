//! Why a request is refused: one ladder from what went wrong to a status and a stable code.

use intake::{Issue, Refusal};
use store::{LogError, StoreError};

/// A request that does not become a lead, a quote or an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no valid key was sent")]
    Unauthorized,
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
    pub(crate) fn class(&self) -> (u16, &'static str) {
        match self {
            Self::Unauthorized => (401, "unauthorized"),
            Self::Forbidden(_) => (403, "forbidden"),
            Self::NotFound(_) => (404, "not_found"),
            Self::Malformed(_) => (400, "malformed"),
            Self::Invalid(_) => (422, "invalid_lead"),
            Self::IdempotencyConflict => (409, "idempotency_conflict"),
            Self::PingExpired => (422, "ping_expired"),
            Self::PingUsed => (422, "ping_used"),
            Self::PingUnknown => (422, "ping_unknown"),
            Self::PingMismatch(_) => (422, "ping_mismatch"),
            Self::AlreadySettled => (409, "already_settled"),
            Self::NotInDoubt => (409, "not_in_doubt"),
            Self::Unavailable(_) => (503, "unavailable"),
        }
    }

    /// All issues, where the refusal is about members of the body.
    pub(crate) fn issues(&self) -> &[Issue] {
        match self {
            Self::Invalid(issues) | Self::PingMismatch(issues) => issues,
            _ => &[],
        }
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
