//! The values Gavel is about: ids, money, time, the fields of a lead, outcomes and reasons.
//!
//! Nothing here does I/O, reads a clock or draws randomness; both arrive through [`Clock`] and
//! [`Entropy`], which only the binary and the test kit implement.
#![forbid(unsafe_code)]

mod cap;
mod consent;
mod conversion;
mod fields;
mod flag;
mod id;
mod local;
mod money;
mod name;
mod pattern;
mod payout;
mod reason;
mod reservation;
mod source;
mod time;
mod track;

pub use cap::{
    Calendar, CapScope, CapUnit, CapWindow, CounterKey, CounterKeyError, CounterOwner, Counts,
    Limit, Meter,
};
pub use consent::Consent;
pub use conversion::{ConversionStatus, StatusError};
pub use fields::{ClassError, ContactFields, FieldClass, FieldValue, FullLead, PingFields};
pub use flag::SaleFlag;
pub use id::{
    AuctionId, BuyerKey, BuyerPingId, ConversionId, EventId, IdError, LeadId, NoticeId, SaleId,
};
pub use local::{CalendarDate, LocalTime, Weekday};
pub use money::{Currency, Micros, MoneyError, Ppm, split};
pub use name::{
    BuyerName, CampaignName, ContractName, FieldName, GoalName, LinkName, NameError, OfferName,
    PublisherName,
};
pub use pattern::{Pattern, PatternError};
pub use payout::Payout;
pub use reason::{ContractReason, LeadReason, LeadStatus, LegState, SettledBy, Settlement};
pub use reservation::{CounterUse, Reservation, ReservationId, Usage};
pub use source::{Clock, Entropy};
pub use time::{Mono, TimeError, Timestamp, Zone};
pub use track::{ClickId, TrackError, TrackKey, VisitorId};
