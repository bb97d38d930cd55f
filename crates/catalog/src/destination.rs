//! A link's destination: a URL of its offer with macros.

/// A destination, taken apart: where the edge puts what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Text and macros in turn.
    pub pieces: Vec<Piece>,
}

/// A part of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Copied as it is.
    Text(String),
    /// Replaced, URL-encoded.
    Macro(Macro),
}

/// What a macro stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Macro {
    /// `{click_id}`: the id of the click being made.
    ClickId,
    /// `{publisher}`: the link's publisher.
    Publisher,
    /// `{campaign}`: the offer's campaign.
    Campaign,
    /// `{s1}` to `{s10}`: a sub id, 1 to 10.
    Sub(u8),
    /// `{ip_hash}`: keyed hash of the address.
    IpHash,
    /// `{ts}`: the click's time, milliseconds since 1970.
    Ts,
    /// `{rand}`: a random number, against caches.
    Rand,
    /// Any other name: the query parameter of that name, empty if there is none.
    Param(String),
}
