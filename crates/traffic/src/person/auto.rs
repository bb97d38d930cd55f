//! What somebody who asks for auto insurance tells.

use serde_json::json;

use super::{Person, object};
use crate::Dice;

const CARS: [(&str, &str); 6] = [
    ("Toyota", "Camry"),
    ("Honda", "Civic"),
    ("Ford", "F-150"),
    ("Chevrolet", "Malibu"),
    ("Tesla", "Model 3"),
    ("Subaru", "Outback"),
];
const INSURERS: [&str; 5] = ["Evergreen", "Blue Harbor", "Union Mutual", "Summit", "none"];

pub(super) fn add(person: &mut Person, dice: &mut Dice) {
    let (make, model) = *dice.pick(&CARS);
    let insured = dice.happens(0.75);
    let year = 2026 - dice.between(18, 78);
    let (month, day) = (dice.between(1, 12), dice.between(1, 28));
    let born = format!("{year}-{month:02}-{day:02}");
    person.ping.extend(object(json!({
        "age": 2026 - year,
        "gender": dice.pick(&["male", "female"]),
        "marital_status": dice.pick(&["single", "married", "divorced"]),
        "currently_insured": insured,
        "current_company": if insured { *dice.pick(&INSURERS) } else { "none" },
        "continuous_coverage_months": if insured { dice.between(1, 60) } else { 0 },
        "coverage_type": dice.pick(&["state_minimum", "standard", "premium"]),
        "licence_status": if dice.happens(0.95) { "active" } else { "suspended" },
        "sr22": dice.happens(0.04),
        "incidents": dice.between(0, 2),
        "vehicle_year": dice.between(2004, 2026),
        "vehicle_make": make,
        "vehicle_model": model,
        "vehicles": dice.between(1, 3),
        "drivers": dice.between(1, 3),
        "landing_page": "https://quotes.example/auto",
    })));
    // Some publishers leave the birth date to the post.
    if dice.happens(0.5) {
        person
            .ping
            .insert("date_of_birth".to_owned(), born.clone().into());
    }
    person
        .contact
        .insert("date_of_birth".to_owned(), born.into());
}
