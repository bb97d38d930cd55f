//! Clients of the public HTTP interface, as the world has them: visitors who click, publishers who ping
//! and post, an advertiser's postbacks. And the books they keep, to hold against everybody else's.
#![forbid(unsafe_code)]

mod ask;
mod book;
mod checks;
mod client;
mod compare;
mod control;
mod dice;
mod driver;
mod endpoint;
mod gate;
mod held;
mod latency;
mod ledger;
mod live;
mod pace;
mod person;
mod postbacks;
mod service;
mod shared;
mod steal;
mod story;
mod world;

pub use book::{
    Asked, Book, ClickTold, ConversionTold, LeadTold, QuoteTold, RefusedTold, Told, UnansweredTold,
    Way, read_book,
};
pub use checks::{Books, Run};
pub use client::{Answered, Call, Pool, Unanswered};
pub use compare::Check;
pub use control::{CONTROL_CAMPAIGN, Control, ControlCall};
pub use dice::Dice;
pub use driver::{Driver, Stretch};
pub use endpoint::{Ear, Endpoint, Heard};
pub use gate::Gate;
pub use held::{
    Held, HeldAuction, HeldClick, HeldConversion, HeldCredit, HeldError, HeldLead, HeldPing,
    HeldPost, HeldRefusal, Warehouse,
};
pub use latency::{Percentiles, Sample, control as control_samples, overhead as overhead_samples};
pub use ledger::{Bought, Buyers, Clients, Pinged, key_of, sale_of};
pub use live::{Counts, Live};
pub use pace::Pace;
pub use person::{Person, Vertical};
pub use postbacks::{HeldNotice, HeldPayable, Postbacks};
pub use service::{Plan, Ports, Service, ServiceError, caught_up};
pub use shared::Shared;
pub use steal::{Seconds, Steal};
pub use story::DIRECT_MARKER;
pub use world::{Link, Mix, Patience, Publisher, Wanted, World};

/// The lead field whose value joins a client's request with what buyers journalled for it: an open
/// field, so every ping carries it.
pub const MARKER_FIELD: &str = "marker";
