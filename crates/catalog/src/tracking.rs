//! What a campaign says of its conversions: goals, and how its advertiser reports them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use domain::{ConversionStatus, GoalName, Micros, Ppm};
use ipnet::IpNet;

use crate::Secret;

/// What counts as a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// Its name; `lead_sold` is made by the service itself.
    pub name: GoalName,
    /// To the publisher; none: as the conversion says.
    pub payout: Option<GoalPayout>,
    /// From the advertiser; none: as the conversion says.
    pub revenue: Option<Micros>,
    /// How far its conversions look back.
    pub windows: Windows,
    /// What a conversion begins as, if its sender does not say.
    pub approval: Approval,
    /// Whether one click, or one visitor, may convert more than once.
    pub repeat: Repeat,
    /// Among which conversions an order id is one of a kind.
    pub txid_scope: TxidScope,
    /// The step on a buyer's way that it stands for, for the credit models that weigh those.
    pub milestone: Option<Milestone>,
    /// Whether a pixel's word is as good as a server's. If not, its conversions are `pending`.
    pub pixel: PixelTrust,
}

/// How far conversions look back, and at what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// To clicks this old.
    pub click: Duration,
    /// To views this old.
    pub view: Duration,
    /// To none younger than this: a conversion so soon after a click is not its.
    pub minimum_age: Duration,
    /// What models that share credit out do with views.
    pub views: Views,
}

impl Windows {
    /// No window is longer: as old are the oldest events that are taken.
    pub const LONGEST: Duration = Duration::from_secs(90 * 86_400);

    /// The longer one.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.click.max(self.view)
    }
}

impl Default for Windows {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            click: 30 * day,
            view: day,
            minimum_age: Duration::ZERO,
            views: Views::Exclude,
        }
    }
}

/// What models that share credit out do with views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// They are not credited. The first and the last click are, and a view where there is no click.
    Exclude,
    /// They are credited like clicks.
    Include,
}

/// What a publisher gets for a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalPayout {
    /// This much, whatever it is worth.
    Fixed(Micros),
    /// This share of what it is worth, rounded down to the micro.
    Share(Ppm),
}

impl GoalPayout {
    /// The payout of a conversion worth `revenue`.
    #[must_use]
    pub fn of(self, revenue: Micros) -> Micros {
        match self {
            Self::Fixed(payout) => payout,
            Self::Share(share) => revenue.share_floor(share),
        }
    }
}

/// What a conversion begins as, if its sender does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// `approved`.
    Auto,
    /// `pending`, until somebody says more.
    Manual,
    /// `held`, and approved after so many days if nobody says otherwise.
    Hold {
        /// Days from the conversion.
        days: u16,
    },
}

impl Approval {
    /// The status a conversion begins with.
    pub const fn status(self) -> ConversionStatus {
        match self {
            Self::Auto => ConversionStatus::Approved,
            Self::Manual => ConversionStatus::Pending,
            Self::Hold { .. } => ConversionStatus::Held,
        }
    }
}

/// Whether one click, or without one a visitor, may convert more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Every order counts.
    Yes,
    /// The first one that counts; the others are kept, and worth nothing until it is taken back.
    No,
}

/// Among which conversions an order id is one of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxidScope {
    /// Those of one click: two clicks with the same order id are two conversions.
    Click,
    /// Those of the campaign: they are one, and it is the first click's.
    Campaign,
}

/// A step on a buyer's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// A lead came to be.
    LeadCreated,
    /// It became a chance of a sale.
    OpportunityCreated,
}

/// Whether a pixel's word is as good as a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelTrust {
    /// Its conversions begin as any others.
    Trusted,
    /// They are `pending` until a server says more: anybody can load a pixel.
    Untrusted,
}

/// How an advertiser's server reports conversions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostbackIn {
    /// Its names for our parameters: `clickid` for `click_id`.
    pub aliases: BTreeMap<String, &'static str>,
    /// Its words for our statuses, in lower case: `1` for `approved`.
    pub statuses: BTreeMap<String, ConversionStatus>,
    /// Where a token may come from; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// The key of signatures; none: they are not taken.
    pub secret: Option<Secret<String>>,
}

/// The parameters of a postback that can have an alias.
pub const POSTBACK_PARAMETERS: [&str; 13] = [
    "click_id",
    "goal",
    "txid",
    "amount",
    "currency",
    "status",
    "email",
    "phone",
    "visitor",
    "parent",
    "parent_goal",
    "id",
    "ts",
];

impl PostbackIn {
    /// Our name for a parameter.
    pub fn parameter<'a>(&self, name: &'a str) -> &'a str {
        self.aliases.get(name).copied().unwrap_or(name)
    }

    /// What a sender means by a status.
    pub fn status(&self, word: &str) -> Option<ConversionStatus> {
        let word = word.to_lowercase();
        let own = self.statuses.get(&word).copied();
        own.or_else(|| word.parse().ok())
    }

    /// Whether a token may come from this address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address))
    }
}

/// Sites whose pages may send events with the tag, as browsers write them: `https://shop.example`.
pub type Origins = BTreeSet<String>;
