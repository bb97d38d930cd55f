//! Ids, names and amounts as text.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;

use domain::{
    AuctionId, BuyerKey, ClickId, ContractName, FieldName, LeadId, Micros, SaleId, Timestamp,
    TrackKey, VisitorId,
};

static KEY: LazyLock<TrackKey> = LazyLock::new(|| TrackKey::new([7; 32]));

/// What was read prints as it was written.
fn same<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}

/// What was read and printed reads as the same.
fn stable<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert!(
            read.to_string().parse().is_ok_and(|again: T| again == read),
            "{text}"
        );
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    same::<ContractName>(text);
    same::<FieldName>(text);
    stable::<LeadId>(text);
    stable::<AuctionId>(text);
    stable::<SaleId>(text);
    stable::<BuyerKey>(text);
    stable::<Micros>(text);
    // Whoever finds one without the key has broken the MAC.
    assert!(ClickId::parse(text, &KEY).is_err(), "a forged click id");
    assert!(VisitorId::parse(text, &KEY).is_err(), "a forged visitor id");
    if let Ok(at) = Timestamp::parse(text) {
        let _ = at.to_string();
    }
}
