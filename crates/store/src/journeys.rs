//! Journeys: what each identity did in (event time, id) order, with a revision that rises with each
//! change, and what identities tell each other.
//!
//! An event is put where its partition is: a touch with its visitor, a conversion with its click,
//! else its order, else its visitor, else itself; one that follows from
//! another with that one's order. Touches come to conversions and not the other way
//! round, so a conversion has one place that makes its rows, for ever:
//!
//! ```text
//! visitor --own touches--> person --its visitors' touches--> those visitors, and reports that name it
//! visitor --own touches, its persons--> orders that name the visitor
//! clicked conversion --claim--> its order --reports without a click--> every click that claims it
//!   (where an order is one of its campaign, whatever the click: reports with a click too)
//! order --what follows from it--> as its reports without a click
//! order --its reports--> the visitor it names --other orders' reports--> that order
//!   (where a goal counts once)
//! ```
//! Nobody tells on what it was told by another kind, so nothing runs in circles; who hears twice
//! learns nothing new; and what an identity knows in the end depends on the events alone, whatever
//! the order in which they came. One rule does all of this ([`Node`]); a backend only keeps nodes.
//!
//! Persons link one step far: a visitor sees the touches of all visitors with whom it shares a person,
//! not of those visitors' other persons. That is what makes a link that turns out to be none (a
//! person of too many visitors, a shared office phone) go away without a trace.

mod apply;
mod events;
mod learn;
mod node;
mod record;
mod set;

use std::future::Future;
use std::sync::Arc;

use domain::{ClickId, VisitorId};
use proto::{ClickRead, JourneyEntry, Lent, OrderClaim};

use crate::StoreError;

pub use apply::{Nodes, apply, touched_click};
pub use events::Clicked;
pub use node::{Limits, Node};

/// A keyed hash of an e-mail address or a phone number.
pub type Person = [u8; 16];

/// Whose journey an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A visitor.
    Visitor(VisitorId),
    /// The visitor of this click, whoever that is; of nobody while the click is not known.
    Click(ClickId),
    /// Whoever has this e-mail address or phone number.
    Person(Person),
    /// An order ([`crate::key::order`]), or an event without click, order and visitor.
    Key([u8; 16]),
}

/// Something to put into a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct JourneyUpdate {
    /// Whose it is.
    pub identity: Identity,
    /// Event time of what it comes from.
    pub ts_us: i64,
    /// What it is.
    pub news: News,
}

/// What an identity learns.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// An event of its own. One it has already changes nothing (of two versions of one id the
    /// smaller encoding is kept). A touch under [`Identity::Visitor`] with a `click_id` makes that
    /// click the visitor's, from then on, and absorbs what waited for the click.
    Event(JourneyEntry),
    /// As an event that is a click, of a visitor.
    Clicked(Clicked),
    /// It is this person; an order or a person names this one too.
    Person(Person),
    /// What another identity says.
    Told(Identity, What),
}

impl JourneyUpdate {
    /// What a click means for its visitor; none where that visitor or anything else of it cannot be read.
    pub fn clicked(read: &ClickRead<'_>) -> Option<Self> {
        let visitor = VisitorId::from_bytes(read.visitor.try_into().ok()?);
        Some(Self {
            identity: Identity::Visitor(visitor),
            ts_us: read.ts_us,
            news: News::Clicked(Clicked::new(read)?),
        })
    }

    /// The click that it is, if it is one.
    pub fn click(&self) -> Option<ClickId> {
        match &self.news {
            News::Event(entry) => touched_click(entry),
            News::Clicked(clicked) => Some(clicked.click),
            News::Person(_) | News::Told(..) => None,
        }
    }
}

/// What one identity tells another; as in [`proto::Told`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Tell me what you know.
    Follow,
    /// A touch.
    Touch(JourneyEntry),
    /// To a visitor: you are this person. To others: I, a visitor, am.
    Person(Person),
    /// I have too many visitors to link any.
    Parted,
    /// I have a clicked conversion of yours.
    Claim(OrderClaim),
    /// A report of mine, and the click whose it is.
    Lent(Lent),
    /// To an order that is one of its campaign: a report of yours with a click.
    Clicked(JourneyEntry),
    /// Between an order and the visitor it names, where the goal counts once: a report, not yours, of
    /// that visitor.
    Beside(JourneyEntry),
}

/// One identity tells another.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Who tells.
    pub from: Identity,
    /// Whom.
    pub to: Identity,
    /// Event time of what it comes from.
    pub ts_us: i64,
    /// What.
    pub what: What,
}

/// A journey after an update.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Whose it is: never a click whose visitor is known.
    pub identity: Identity,
    /// Rises by one with each update that changes the journey, and to one more than both when it
    /// absorbs another: the same updates in the same order give the same revision however they are
    /// batched, so equal revisions of a journey mean equal entries.
    pub revision: u32,
    /// Its conversions and all touches that they may look back on, in (event time, id) order; empty
    /// while it has no conversion.
    pub entries: Arc<[JourneyEntry]>,
    /// An order whose reports count for a conversion of this click.
    pub counted_by: Option<ClickId>,
    /// Reports of its clicks that count for the conversion of another click, and of which: the order is
    /// one of its campaign, and that click reported it first.
    pub elsewhere: Vec<(JourneyEntry, ClickId)>,
    /// Reports of others' conversions, before which its own may have to stand back.
    pub beside: Arc<[JourneyEntry]>,
    /// Some of its events were too many, and only the first by (event time, id) are here.
    pub capped: bool,
}

impl Journey {
    /// Whether anything of it is a conversion's.
    pub fn has_converted(&self) -> bool {
        !self.entries.is_empty() || !self.elsewhere.is_empty()
    }
}

/// What updates led to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Applied {
    /// Each journey that they belong to whole and once, also one that did not change.
    pub journeys: Vec<Journey>,
    /// What is to be told, in this order. Told again whenever an update comes again.
    pub tellings: Vec<Telling>,
}

/// How far a walk over the journeys of a partition has come. What a place is the backend knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here; empty at the start.
    At(Vec<u8>),
    /// All were walked over.
    End,
}

/// Some of a partition's journeys, all of which newer rules have to judge anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Anew {
    /// Each whole.
    pub journeys: Vec<Journey>,
    /// What is next.
    pub next: Place,
}

/// Journeys.
pub trait Journeys: Send + Sync + 'static {
    /// Applies updates in this order. `through` is the place in the log of topic `events` up to
    /// which the updates of a partition reach: (partition, next offset). A backend that snapshots
    /// uses it. `rules` is the number of the rules by which the caller makes rows of what it gets, newer ones
    /// have a higher one: whoever is on older rules than have read this partition's journeys is
    /// [`StoreError::Outdated`], and nothing is applied.
    fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
        rules: u32,
    ) -> impl Future<Output = Result<Applied, StoreError>> + Send;

    /// The next of a partition's journeys with conversions that were last judged by older rules than these; about
    /// `most` are looked at. None once there are no more. A walk begins whenever newer rules come, and goes
    /// on where [`Self::walked`] says, also in another process. Of what changes meanwhile whoever changes it makes
    /// the rows.
    fn anew(
        &self,
        partition: u16,
        rules: u32,
        most: usize,
    ) -> impl Future<Output = Result<Option<Anew>, StoreError>> + Send;

    /// The rows of all journeys before `next` are made by these rules, and will not be lost.
    fn walked(
        &self,
        partition: u16,
        rules: u32,
        next: Place,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
