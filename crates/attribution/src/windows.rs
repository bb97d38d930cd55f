//! How far a conversion looks back, and which of the touches there a model weighs.

use std::time::Duration;

use domain::Timestamp;

use crate::{Touch, TouchKind};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a conversion looks back. Both ends are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The oldest click that counts.
    pub click_through: Duration,
    /// The oldest view that counts.
    pub view_through: Duration,
    /// The youngest touch that counts: a conversion sooner after it is none of its.
    pub minimum_age: Duration,
    /// What models that share credit out do with views.
    pub views: Views,
}

/// What models that share credit out do with views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Views {
    /// They are not credited.
    #[default]
    Exclude,
    /// They are credited like clicks.
    Include,
}

/// Which eligible touches a model weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Clicks; views only where no click is eligible.
    AtViewsLast,
    /// Clicks, and views as [`Windows::views`] says.
    AsAsked,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            click_through: 30 * DAY,
            view_through: DAY,
            minimum_age: Duration::ZERO,
            views: Views::Exclude,
        }
    }
}

/// Why a conversion may not credit a touch before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// It came sooner after it than [`Windows::minimum_age`].
    TooSoon,
    /// It came when the window had closed.
    TooLate,
}

impl Missed {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooSoon => "too_soon",
            Self::TooLate => "too_late",
        }
    }
}

impl Windows {
    /// Why a conversion at `at` may not credit a touch before it; none if it may.
    pub(crate) fn missed(&self, touch: &Touch, at: Timestamp) -> Option<Missed> {
        let window = match touch.kind {
            TouchKind::Click => self.click_through,
            TouchKind::View => self.view_through,
        };
        if touch.at < at.minus(window) {
            return Some(Missed::TooLate);
        }
        (touch.at > at.minus(self.minimum_age)).then_some(Missed::TooSoon)
    }

    /// The touches that a conversion at `at` may credit, of touches in order.
    pub(crate) fn eligible<'a>(&self, touches: &'a [Touch], at: Timestamp) -> Vec<&'a Touch> {
        let from = at.minus(self.click_through.max(self.view_through));
        let from = touches.partition_point(|touch| touch.at < from);
        let touches = touches.get(from..).unwrap_or_default().iter();
        touches
            .take_while(|touch| touch.at <= at)
            .filter(|touch| self.missed(touch, at).is_none())
            .collect()
    }

    /// Those of the eligible touches that a model weighs.
    pub(crate) fn weighed<'a>(&self, eligible: &[&'a Touch], looks: Looks) -> Vec<&'a Touch> {
        let clicked = |touch: &&&Touch| touch.kind == TouchKind::Click;
        let views = match looks {
            Looks::AtViewsLast if eligible.iter().any(|touch| clicked(&touch)) => Views::Exclude,
            Looks::AtViewsLast => Views::Include,
            Looks::AsAsked => self.views,
        };
        match views {
            Views::Exclude => eligible.iter().filter(clicked).copied().collect(),
            Views::Include => eligible.to_vec(),
        }
    }
}
