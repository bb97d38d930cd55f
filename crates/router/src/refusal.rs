//! Why a request is refused: one ladder from what went wrong to a status and a stable code.

use std::time::Duration;

use httpd::{BodyError, Code, Problem};
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
    #[error("the body is to be {0}")]
    MediaType(&'static str),
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
    #[error("more requests a second than agreed")]
    RateLimited(Duration),
    #[error("the leg is settled already")]
    AlreadySettled,
    #[error("the leg is not in doubt")]
    NotInDoubt,
    #[error("the catalog has {} problem(s)", .0.len())]
    InvalidCatalog(Vec<catalog::Problem>),
    #[error("generation {0} is in force by now: nothing was changed")]
    CatalogChanged(String),
    #[error("{0}")]
    Unavailable(&'static str),
}

impl Refused {
    /// The stable code of the problem.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Unauthorized => Code::Unauthorized,
            Self::NoRoute | Self::NotFound(_) => Code::NotFound,
            Self::Method(_) => Code::MethodNotAllowed,
            Self::MediaType(_) => Code::UnsupportedMediaType,
            Self::Forbidden(_) => Code::Forbidden,
            Self::Body(_) | Self::Malformed(_) => Code::Malformed,
            Self::Invalid(_) => Code::InvalidLead,
            Self::IdempotencyConflict => Code::IdempotencyConflict,
            Self::PingExpired => Code::PingExpired,
            Self::PingUsed => Code::PingUsed,
            Self::PingUnknown => Code::PingUnknown,
            Self::PingMismatch(_) => Code::PingMismatch,
            Self::RateLimited(_) => Code::RateLimited,
            Self::AlreadySettled => Code::AlreadySettled,
            Self::NotInDoubt => Code::NotInDoubt,
            Self::InvalidCatalog(_) => Code::InvalidCatalog,
            Self::CatalogChanged(_) => Code::CatalogChanged,
            Self::Unavailable(_) => Code::Unavailable,
        }
    }

    /// All that is wrong with the request, where that is a list.
    pub(crate) fn issues(&self) -> &[Issue] {
        match self {
            Self::Invalid(issues) | Self::PingMismatch(issues) => issues,
            _ => &[],
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let code = refused.code();
        match refused {
            Refused::Unauthorized => {
                Self::unauthorized("send a valid key as Authorization: Bearer KEY")
            }
            Refused::Method(allow) => Self::method_not_allowed(allow),
            Refused::Body(error) => error.into(),
            Refused::RateLimited(wait) => Self::rate_limited(wait),
            Refused::Unavailable(why) => Self::unavailable(why),
            Refused::InvalidCatalog(problems) => {
                Self::new(code, detail).issues(problems.into_iter().map(told))
            }
            Refused::Invalid(issues) | Refused::PingMismatch(issues) => {
                Self::new(code, detail).issues(issues.into_iter().map(shown))
            }
            _ => Self::new(code, detail),
        }
    }
}

/// Whole seconds, and at least one: a client waits no shorter than it has to.
fn shown(issue: Issue) -> httpd::Issue {
    httpd::Issue {
        pointer: issue.pointer.into(),
        code: issue.code.as_str().into(),
        message: issue.message,
    }
}

/// A problem of a catalog: its path as a pointer, its line in front of what is wrong.
fn told(problem: catalog::Problem) -> httpd::Issue {
    let path = problem.path.replace(['.', '['], "/").replace(']', "");
    let line = problem.line.map(|line| format!("line {line}: "));
    httpd::Issue {
        pointer: format!("/{path}").into(),
        code: "invalid".into(),
        message: format!("{}{}", line.unwrap_or_default(), problem.message).into(),
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
