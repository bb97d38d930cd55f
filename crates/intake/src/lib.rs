//! Bytes of a publisher's request -> a typed lead, or all its issues at once.
//!
//! [`Body::read`] takes the bytes apart once; [`parse_ping`] and [`parse_post`] check what it holds
//! against a campaign's [`Schema`]. Nothing here quotes a value in a message: issues name fields.
#![forbid(unsafe_code)]

mod body;
mod consent;
mod control;
mod issue;
mod request;
mod schema;

pub use body::{Body, Limits};
pub use consent::Consent;
pub use control::{Control, Exclusion};
pub use issue::{Issue, IssueCode, Refusal};
pub use request::{PingRequest, PostRequest, parse_ping, parse_post};
pub use schema::{Field, Kind, Presence, Rules, Schema, SchemaError};
