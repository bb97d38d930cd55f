//! The records of the log, generated from `proto/`, and their conversions to domain values.
//!
//! A record that was read may be damaged or from a newer version: conversions are checked and
//! name the field that is wrong.

mod click;
mod convert;
mod state;
mod touch;

#[allow(clippy::all, missing_docs, unreachable_pub, reason = "generated code")]
mod v1 {
    include!(concat!(env!("OUT_DIR"), "/gavel.v1.rs"));
}

pub use click::ClickRead;
pub use convert::RecordError;
pub use lead_record::Body as LeadBody;
pub use state::{KeptRecord, PartyRecord, StateRecord};
pub use touch::{Pairs, TouchRecord};
pub use v1::*;
pub use {
    event_record::Body as EventBody, journey_entry::Body as JourneyBody, told::What as ToldWhat,
};

pub use prost::Message;
