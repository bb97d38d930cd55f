//! What makes two conversion events one conversion.
//!
//! | the event names | key |
//! |---|---|
//! | click and txid | (click, goal, txid) |
//! | txid alone | (campaign, goal, txid), merged with a clicked conversion of the same txid |
//! | a click | (campaign, goal, click) |
//! | a visitor | (campaign, goal, visitor as sent) |
//! | nothing, or a macro that was not expanded | the event itself |

use domain::{ClickId, ConversionId, EventId, VisitorId};
use sha2::{Digest, Sha256};

use crate::ConversionEvent;

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
            (None, None, None) => Self::Unkeyed(event.id),
        }
    }

    /// The conversion's id: a UUIDv8 (RFC 9562, 5.8) of the key's SHA-256, so that every node and
    /// every replay gives the same.
    pub fn id(&self) -> ConversionId {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        match self {
            Self::ClickOrder { click, goal, txid } => {
                part(b"click-order");
                part(click.as_bytes());
                part(goal.as_bytes());
                part(txid.as_bytes());
            }
            Self::Order {
                campaign,
                goal,
                txid,
            } => {
                part(b"order");
                part(campaign.as_bytes());
                part(goal.as_bytes());
                part(txid.as_bytes());
            }
            Self::Click {
                campaign,
                goal,
                click,
            } => {
                part(b"click");
                part(campaign.as_bytes());
                part(goal.as_bytes());
                part(click.as_bytes());
            }
            Self::Visitor {
                campaign,
                goal,
                visitor,
            } => {
                part(b"visitor");
                part(campaign.as_bytes());
                part(goal.as_bytes());
                part(visitor.as_bytes());
            }
            Self::Unkeyed(event) => {
                part(b"event");
                part(event.as_bytes());
            }
        }
        ConversionId::from_bytes(uuid_v8(hash.finalize().into()))
    }
}

/// The first half of a hash, marked as a UUIDv8.
fn uuid_v8(hash: [u8; 32]) -> [u8; 16] {
    let [
        mut bytes @ ..,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
    ]: [u8; 32] = hash;
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}
