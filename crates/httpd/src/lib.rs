//! What the shells share of HTTP: a listener with limits, requests and replies, problems, health.
//!
//! A shell is a [`Service`]: it lists its [`routes!`], matches on them and answers a [`Reply`]. What
//! a client may do to a connection (open too many, stall, send too much, never read) is settled
//! here, as are panics, request ids and draining.
#![forbid(unsafe_code)]

mod body;
mod code;
mod connection;
mod credential;
mod elsewhere;
pub mod form;
mod limits;
mod operator;
mod page;
mod problem;
mod rate;
mod reply;
mod request;
mod request_id;
mod route;
mod server;
mod service;

pub use body::BodyError;
pub use code::Code;
pub use credential::Credential;
pub use limits::{Forwarded, Limits};
pub use operator::{Operator, Readiness, Standing};
pub use page::page;
pub use problem::{Issue, Problem};
pub use rate::Rate;
pub use reply::Reply;
pub use request::{Request, Scheme};
pub use request_id::RequestId;
pub use route::{Endpoint, Values};
pub use server::{Drained, Host, Server};
pub use service::{Audience, Fork, Service};
