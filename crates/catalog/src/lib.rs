//! Configuration and catalog: files, environment and flags -> one [`Config`] and one [`Snapshot`].
//!
//! The only crate that reads configuration. Everything that is wrong is reported at once, each
//! problem with its file, line and path. `deploy/config/embedded.full.toml` shows every member of a
//! configuration with its default, `deploy/catalog/auto-us.toml` a whole catalog.
#![forbid(unsafe_code)]

mod analytics;
mod cluster;
mod compile;
mod config;
mod consumers;
mod destination;
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod lists;
mod load;
mod outbound;
mod problem;
mod read_config;
mod reader;
pub mod reference;
mod snapshot;
mod suggest;
mod tracking;
mod tree;
mod units;
mod vars;

pub use analytics::{ClickHouse, Keep};
pub use cluster::{Cluster, Kafka, KafkaUser, Mechanism, Redis, Tls};
pub use config::{CatalogSource, Config, Engine, Limits, Listen, LogConfig, Secret, Secrets};
pub use consumers::{Consumers, DuplicateAgainst, DuplicateRule, DuplicateScope, Wary};
pub use destination::{Destination, Macro, Piece};
pub use key::{KeyDigest, Owner};
pub use load::{Overrides, check, load, load_catalog};
pub use outbound::{NoticeMacro, NoticeMethod, NoticePiece, NoticeUrl, PostbackOut};
pub use problem::Problem;
pub use snapshot::{
    Buyer, Campaign, Delivery, Disclosure, Link, LinkStatus, Offer, Payee, Pool, Publisher,
    PublisherTerms, Rates, Snapshot, Tmax,
};
pub use tracking::{
    Approval, Goal, GoalPayout, Milestone, Origins, POSTBACK_PARAMETERS, PixelTrust, PostbackIn,
    Repeat, TxidScope, Views, Windows,
};
