//! What a campaign asks of a publisher's pings and posts: its fields, what becomes of others, consent.

use std::sync::Arc;

use crate::Schema;

/// A campaign's form.
#[derive(Debug, Clone)]
pub struct Form {
    /// The fields.
    pub schema: Arc<Schema>,
    /// What becomes of members of `lead` that the schema has not.
    pub unknown: Unknown,
    /// Whether a post has to carry the consumer's consent.
    pub consent: ConsentRule,
}

impl Form {
    /// A form that asks for nothing beside its fields.
    pub const fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            unknown: Unknown::Ignore,
            consent: ConsentRule::None,
        }
    }
}

/// What becomes of members of `lead` that the schema has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// Left out, with a warning.
    Ignore,
    /// A post's are kept as contact data, in text: sealed, and sent to the buyers of the post.
    Keep,
    /// An issue.
    Refuse,
}

/// Whether a lead is sold without the consumer's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsentRule {
    /// It is.
    None,
    /// A lead without it is not sold. It has to say to what, when, from which address and on which page the consumer agreed. A
    /// certificate is not part of it: a schema that wants one has a field for it.
    Tcpa,
}
