//! The rows, one struct per table; fields are the columns, by name.

mod attribution;
mod binary;
mod event;
mod lead;
mod postback;
mod refusal;

use domain::{Micros, Timestamp};
use serde::{Deserialize, Serialize};

pub use attribution::{ConversionRow, CreditRow};
pub use event::{DeadLetterRow, EventRow, Events};
pub use lead::{AuctionRow, LeadRow, PingRow, PostRow};
pub use postback::{PostbackRow, PostbackState};
pub use refusal::RefusalRow;

/// A `Decimal(18, 6)`: millionths, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

impl From<Micros> for Money {
    fn from(micros: Micros) -> Self {
        Self(micros.get())
    }
}

/// A `DateTime64(6, 'UTC')`: microseconds since the epoch, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.as_micros())
    }
}
