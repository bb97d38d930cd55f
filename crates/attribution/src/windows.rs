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

impl Windows {
    /// Whether a conversion at `at` may credit the touch.
    fn hold(&self, touch: &Touch, at: Timestamp) -> bool {
        let window = match touch.kind {
            TouchKind::Click => self.click_through,
            TouchKind::View => self.view_through,
        };
        touch.at >= at.minus(window) && touch.at <= at.minus(self.minimum_age)
    }

    /// The touches that a conversion at `at` may credit, of touches in order.
    pub(crate) fn eligible<'a>(&self, touches: &'a [Touch], at: Timestamp) -> Vec<&'a Touch> {
        let from = at.minus(self.click_through.max(self.view_through));
        let from = touches.partition_point(|touch| touch.at < from);
        let touches = touches.get(from..).unwrap_or_default().iter();
        touches
            .take_while(|touch| touch.at <= at)
            .filter(|touch| self.hold(touch, at))
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
