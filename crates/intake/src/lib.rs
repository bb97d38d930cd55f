//! Bytes of a publisher's request -> a typed lead, or all its issues at once.
//!
//! [`Body::read`] takes the bytes apart once; [`parse_ping`] and [`parse_post`] check what it holds
//! against a campaign's [`Form`]. No message quotes a value: issues name members.
#![forbid(unsafe_code)]

mod body;
mod consent;
mod consumer;
pub mod contact;
mod control;
mod form;
pub mod hash;
mod issue;
mod kind;
mod lead;
mod members;
mod request;
mod rule;
mod schema;
mod suppression;

pub use body::{Body, Limits};
pub use consumer::Identifier;
pub use control::{Control, Exclusion, SUBS, publisher_lead_id, publisher_lead_id_of};
pub use form::{ConsentRule, Form, Unknown};
pub use issue::{Issue, IssueCode, Refusal};
pub use kind::choice::{ChoiceError, Choices};
pub use kind::derived::{Derived, What};
pub use kind::{Kind, state};
pub use request::{PingRequest, PostRequest, parse_ping, parse_post};
pub use rule::Rule;
pub use schema::{Field, Presence, Schema, SchemaError};
pub use suppression::Suppression;
