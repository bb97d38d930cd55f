//! What somebody who asks for solar panels tells.

use serde_json::json;

use super::{Person, object};
use crate::Dice;

const UTILITIES: [&str; 5] = [
    "Lone Star Power",
    "Bay Electric",
    "Sunshine Light",
    "Valley Edison",
    "unknown",
];

pub(super) fn add(person: &mut Person, dice: &mut Dice) {
    // Most who ask own the roof in question.
    let owner = dice.happens(0.85);
    let bill = dice.between(60, 450);
    person.ping.extend(object(json!({
        "home_owner": owner,
        "property_type": dice.pick(&["single_family", "townhouse", "condo", "mobile_home"]),
        "roof_type": dice.pick(&["asphalt_shingle", "tile", "metal", "flat"]),
        "roof_shade": dice.pick(&["none", "partial", "full", "unsure"]),
        "electric_bill": bill,
        "utility": dice.pick(&UTILITIES),
        "timeframe": dice.pick(&["now", "3_months", "6_months", "researching"]),
        "landing_page": "https://solar.example/save",
    })));
    // Some publishers leave the roof's age to the post.
    let age = dice.between(0, 40);
    let into = if dice.happens(0.5) {
        &mut person.ping
    } else {
        &mut person.contact
    };
    into.insert("roof_age_years".to_owned(), age.into());
}
