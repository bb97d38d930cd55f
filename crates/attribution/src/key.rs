//! What makes two conversion events one conversion.
//!
//! | the event names | key |
//! |---|---|
//! | click and txid | (click, goal, txid) |
//! | txid alone | (campaign, goal, txid), merged with a clicked conversion of the same txid |
//! | a conversion that it follows from | (campaign, that one's goal and txid, goal, txid), beside its click |
//! | a click | (campaign, goal, click) |
//! | a visitor | (campaign, goal, visitor as sent) |
//! | nothing, and its sender gave it an id | that id |
//! | nothing, or a macro that was not expanded | the event itself |

use domain::{ClickId, ConversionId, EventId, VisitorId};

use crate::{ConversionEvent, Parent, derive};

/// A conversion that follows from another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Following {
    /// The campaign.
    pub campaign: String,
    /// The other one.
    pub parent: Parent,
    /// The other one's click, where it counts for one.
    pub click: Option<ClickId>,
    /// The goal.
    pub goal: String,
    /// The order; empty for the only one of its goal.
    pub txid: String,
}

/// The key of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversionKey {
    /// An order of a click.
    ClickOrder {
        /// The click.
        click: ClickId,
        /// The goal.
        goal: String,
        /// The order.
        txid: String,
    },
    /// An order of a campaign.
    Order {
        /// The campaign.
        campaign: String,
        /// The goal.
        goal: String,
        /// The order.
        txid: String,
    },
    /// A conversion that follows from another one.
    Following(Following),
    /// A click converts once per goal.
    Click {
        /// The campaign.
        campaign: String,
        /// The goal.
        goal: String,
        /// The click.
        click: ClickId,
    },
    /// A visitor converts once per goal.
    Visitor {
        /// The campaign.
        campaign: String,
        /// The goal.
        goal: String,
        /// The visitor, as sent.
        visitor: VisitorId,
    },
    /// The id that its sender gave it.
    Named(EventId),
    /// The event names nothing that could tell it from another: kept, and not payable.
    Unkeyed(EventId),
}

impl ConversionKey {
    /// The key of an event taken alone.
    pub fn of(event: &ConversionEvent) -> Self {
        if event.invalid_macro {
            return Self::Unkeyed(event.id);
        }
        let (campaign, goal) = (event.campaign.clone(), event.goal.clone());
        if let Some(parent) = &event.parent {
            return Self::Following(Following {
                campaign,
                parent: parent.clone(),
                click: event.click,
                goal,
                txid: event.txid.clone().unwrap_or_default(),
            });
        }
        match (event.click, &event.txid, event.visitor) {
            (Some(click), Some(txid), _) => Self::ClickOrder {
                click,
                goal,
                txid: txid.clone(),
            },
            (None, Some(txid), _) => Self::Order {
                campaign,
                goal,
                txid: txid.clone(),
            },
            (Some(click), None, _) => Self::Click {
                campaign,
                goal,
                click,
            },
            (None, None, Some(visitor)) => Self::Visitor {
                campaign,
                goal,
                visitor,
            },
            (None, None, None) if event.named => Self::Named(event.id),
            (None, None, None) => Self::Unkeyed(event.id),
        }
    }

    /// The conversion's id, derived from the key: every node and every replay gives the same.
    pub fn id(&self) -> ConversionId {
        ConversionId::from_bytes(match self {
            Self::ClickOrder { click, goal, txid } => derive(
                "click-order",
                &[click.as_bytes(), goal.as_bytes(), txid.as_bytes()],
            ),
            Self::Order {
                campaign,
                goal,
                txid,
            } => derive(
                "order",
                &[campaign.as_bytes(), goal.as_bytes(), txid.as_bytes()],
            ),
            Self::Following(following) => following.id(),
            Self::Click {
                campaign,
                goal,
                click,
            } => derive(
                "click",
                &[campaign.as_bytes(), goal.as_bytes(), click.as_bytes()],
            ),
            Self::Visitor {
                campaign,
                goal,
                visitor,
            } => derive(
                "visitor",
                &[campaign.as_bytes(), goal.as_bytes(), visitor.as_bytes()],
            ),
            Self::Named(event) | Self::Unkeyed(event) => derive("event", &[event.as_bytes()]),
        })
    }
}

impl Following {
    fn id(&self) -> [u8; 16] {
        derive(
            "following",
            &[
                self.campaign.as_bytes(),
                self.parent.goal.as_bytes(),
                self.parent.txid.as_bytes(),
                self.click
                    .as_ref()
                    .map_or(&[][..], |click| click.as_bytes()),
                self.goal.as_bytes(),
                self.txid.as_bytes(),
            ],
        )
    }
}
