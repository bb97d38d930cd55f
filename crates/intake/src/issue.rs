//! Why a request is refused: malformed bytes, or a list of issues with JSON pointers.

use std::borrow::Cow;

/// A request that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no JSON object of an acceptable size and depth: HTTP 400.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The document can be read, and these are all its issues: HTTP 422.
    #[error("{} issue(s)", .0.len())]
    Invalid(Vec<Issue>),
}

/// One thing that is wrong, or in a warning odd, about one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// RFC 6901 pointer to the member: `/lead/zip`.
    pub pointer: String,
    /// What kind of issue.
    pub code: IssueCode,
    /// A sentence for a person. Never contains a value that was sent.
    pub message: Cow<'static, str>,
}

/// The kinds of issues, stable in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueCode {
    /// A required member is absent.
    Missing,
    /// No such member.
    Unknown,
    /// A JSON type that the member does not take.
    WrongType,
    /// The value is not of the field's form.
    Invalid,
    /// The value is not one of the allowed ones.
    NotAllowed,
    /// Below the least value.
    TooSmall,
    /// Above the greatest value.
    TooLarge,
    /// Fewer characters or items than required.
    TooShort,
    /// More characters or items than allowed.
    TooLong,
    /// Contact data or another post-only field in a ping.
    PostOnly,
    /// The member has no meaning together with another one.
    Conflict,
}

impl IssueCode {
    /// The code in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::WrongType => "wrong_type",
            Self::Invalid => "invalid",
            Self::NotAllowed => "not_allowed",
            Self::TooSmall => "too_small",
            Self::TooLarge => "too_large",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::PostOnly => "post_only",
            Self::Conflict => "conflict",
        }
    }
}

/// What is wrong with a value, before it is known where the value is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: IssueCode,
    pub(crate) message: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(code: IssueCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn at(self, pointer: String) -> Issue {
        Issue {
            pointer,
            code: self.code,
            message: self.message,
        }
    }
}

/// The pointer to a member of what `parent` points to (RFC 6901: `~` and `/` are escaped).
pub(crate) fn pointer(parent: &str, member: &str) -> String {
    format!("{parent}/{}", member.replace('~', "~0").replace('/', "~1"))
}
