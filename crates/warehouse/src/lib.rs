//! ClickHouse, known only by its HTTP interface: the schema, its migrations, the rows, and the way
//! in and out. An embedded engine or a server is a URL.
//!
//! Rows are deterministic and replaced by version, so an insert may always be repeated; row identity
//! does the work, not insert tokens. Every String column is free of personal data.
#![forbid(unsafe_code)]

mod address;
mod batch;
mod client;
mod doubt;
mod error;
mod held;
mod keep;
mod layout;
mod migrate;
mod outbox;
mod row;
mod search;
mod table;

pub use address::{Address, TlsError};
pub use batch::Batch;
pub use client::Warehouse;
pub use doubt::InDoubt;
pub use error::{Class, WarehouseError};
pub use held::Sought;
pub use layout::Layout;
pub use migrate::{SCHEMA_VERSION, schema};
pub use row::{
    AuctionRow, ConversionRow, CreditRow, DeadLetterRow, EventRow, Events, LeadRow, Money, PingRow,
    PostRow, PostbackRow, PostbackState, RefusalRow, Time,
};
pub use search::NamedLead;
pub use table::Table;
