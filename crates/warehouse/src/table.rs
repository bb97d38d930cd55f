//! The documented tables, by name.

/// A table. Each has a view `v_<name>` that gives every row once, in its last version; analysts and
/// reports read the views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Clicks and conversion reports, as they were logged.
    Events,
    /// One row per lead.
    Leads,
    /// One row per post of a lead to a buyer.
    Posts,
    /// One row per run over the book or the ladder: a publisher's ping, a direct post, the post of
    /// a quote.
    Auctions,
    /// One row per ping to a buyer.
    Pings,
    /// One row per conversion.
    Conversions,
    /// One row per conversion and model; the view has one per touch.
    Credits,
    /// One row per refused request of a publisher.
    Refusals,
    /// One row per conversion and publisher that is told of it.
    Postbacks,
    /// Records of the log that could not be read.
    DeadLetters,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::Leads,
        Self::Posts,
        Self::Auctions,
        Self::Pings,
        Self::Conversions,
        Self::Credits,
        Self::Refusals,
        Self::Postbacks,
        Self::DeadLetters,
    ];

    /// The table's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Leads => "leads",
            Self::Posts => "posts",
            Self::Auctions => "auctions",
            Self::Pings => "pings",
            Self::Conversions => "conversions",
            Self::Credits => "credits",
            Self::Refusals => "refusals",
            Self::Postbacks => "postbacks",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// Its view's name.
    pub const fn view(self) -> &'static str {
        match self {
            Self::Events => "v_events",
            Self::Leads => "v_leads",
            Self::Posts => "v_posts",
            Self::Auctions => "v_auctions",
            Self::Pings => "v_pings",
            Self::Conversions => "v_conversions",
            Self::Credits => "v_credits",
            Self::Refusals => "v_refusals",
            Self::Postbacks => "v_postbacks",
            Self::DeadLetters => "v_dead_letters",
        }
    }
}
