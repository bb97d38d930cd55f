//! Keys. All keys of one script share a hash tag, so that a cluster keeps them together; the first of
//! them is the tag's epoch, and a script makes the others from its name.

/// Which keys belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Space {
    /// Keys, quotes, consumers and leads.
    Claims,
    /// Counters and reservations.
    Caps,
    /// Journeys of a partition of the log.
    Journeys(u16),
    /// What routers learnt lately.
    Lately,
}

impl Space {
    /// All that the leads' log is folded into.
    pub(crate) const OF_LEADS: [Self; 2] = [Self::Claims, Self::Caps];

    /// What all its keys begin with.
    pub(crate) fn base(self, prefix: &str) -> String {
        match self {
            Self::Claims => format!("{{{prefix}.claims}}:"),
            Self::Caps => format!("{{{prefix}.caps}}:"),
            Self::Journeys(partition) => format!("{{{prefix}.journeys.{partition}}}:"),
            Self::Lately => format!("{{{prefix}.lately}}:"),
        }
    }

    /// The key of its epoch.
    pub(crate) fn epoch(self, prefix: &str) -> String {
        self.base(prefix) + "epoch"
    }
}
