//! Made-up consumers: the fields of an auto insurance lead, plausible and nobody's.
//!
//! Phone numbers are of the range kept for fiction (555-0100 to 555-0199 in every area), mail goes to
//! `example` domains.

use serde_json::{Map, Value, json};

use crate::{Dice, MARKER_FIELD};

/// ZIP, city, state, telephone area.
const PLACES: [(&str, &str, &str, u32); 12] = [
    ("78701", "Austin", "TX", 512),
    ("77002", "Houston", "TX", 713),
    ("90012", "Los Angeles", "CA", 213),
    ("94103", "San Francisco", "CA", 415),
    ("33130", "Miami", "FL", 305),
    ("32801", "Orlando", "FL", 407),
    ("10001", "New York", "NY", 212),
    ("60601", "Chicago", "IL", 312),
    ("85004", "Phoenix", "AZ", 602),
    ("30303", "Atlanta", "GA", 404),
    ("43215", "Columbus", "OH", 614),
    ("98101", "Seattle", "WA", 206),
];
const FIRST: [&str; 12] = [
    "Ada",
    "Blaise",
    "Carl",
    "Dorothy",
    "Emmy",
    "Felix",
    "Grace",
    "Henri",
    "Ida",
    "John",
    "Katherine",
    "Leonhard",
];
const LAST: [&str; 10] = [
    "Abel",
    "Bernoulli",
    "Cantor",
    "Euler",
    "Fermat",
    "Gauss",
    "Hopper",
    "Noether",
    "Pascal",
    "Riemann",
];
const STREETS: [&str; 6] = [
    "Oak Ave", "Main St", "Elm St", "Lake Dr", "Hill Rd", "Park Ln",
];
const CARS: [(&str, &str); 6] = [
    ("Toyota", "Camry"),
    ("Honda", "Civic"),
    ("Ford", "F-150"),
    ("Chevrolet", "Malibu"),
    ("Tesla", "Model 3"),
    ("Subaru", "Outback"),
];
const INSURERS: [&str; 5] = ["Evergreen", "Blue Harbor", "Union Mutual", "Summit", "none"];

/// What a browser calls itself.
pub(crate) const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Mobile Safari/537.36",
];

/// A consumer's lead, apart by what a ping may carry.
#[derive(Debug, Clone)]
pub struct Person {
    /// Fields of the ping; the post carries them as well.
    pub ping: Map<String, Value>,
    /// Fields that only the post carries.
    pub contact: Map<String, Value>,
}

impl Person {
    /// Makes somebody up. `marker` goes into the marker field, `number` keeps phone and mail apart
    /// within a run.
    pub fn draw(dice: &mut Dice, number: u64, marker: &str) -> Self {
        let (zip, city, state, area) = *dice.pick(&PLACES);
        let (first, last) = (*dice.pick(&FIRST), *dice.pick(&LAST));
        let (make, model) = *dice.pick(&CARS);
        let insured = dice.happens(0.75);
        let year = 2026 - dice.between(18, 78);
        let born = format!(
            "{year}-{:02}-{:02}",
            dice.between(1, 12),
            dice.between(1, 28)
        );
        let mut ping = json!({
            "zip": zip,
            "state": state,
            "age": 2026 - year,
            "gender": dice.pick(&["male", "female"]),
            "marital_status": dice.pick(&["single", "married", "divorced"]),
            "credit_rating": dice.pick(&["excellent", "good", "fair", "poor"]),
            "home_owner": dice.happens(0.55),
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
            "ip_address": format!("198.51.100.{}", dice.between(1, 254)),
            "user_agent": dice.pick(&BROWSERS),
            "landing_page": "https://quotes.example/auto",
            MARKER_FIELD: marker,
        });
        // Some publishers leave the birth date to the post.
        if dice.happens(0.5) {
            ping["date_of_birth"] = born.clone().into();
        }
        let contact = json!({
            "first_name": first,
            "last_name": last,
            "phone": format!("({area}) 555-01{:02}", number % 100),
            "email": format!("{first}.{last}.{number}@example.com").to_lowercase(),
            "address": format!("{} {}", dice.between(1, 9999), dice.pick(&STREETS)),
            "city": city,
            "date_of_birth": born,
        });
        let object = |value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self {
            ping: object(ping),
            contact: object(contact),
        }
    }

    /// The `lead` member of a ping.
    pub fn for_ping(&self) -> Value {
        Value::Object(self.ping.clone())
    }

    /// The `lead` member of a post.
    pub fn for_post(&self) -> Value {
        let mut whole = self.ping.clone();
        whole.extend(self.contact.clone());
        Value::Object(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_drawn_from_the_seed_and_a_ping_has_no_contact_data() {
        let draw = |seed| Person::draw(&mut Dice::new(seed), 7, "m-1");
        let person = draw(1);
        assert_eq!(person.for_post(), draw(1).for_post());
        assert_ne!(person.for_post(), draw(2).for_post());
        assert_eq!(person.ping[MARKER_FIELD], "m-1");
        for name in ["phone", "email", "first_name", "last_name", "address"] {
            assert!(
                !person.ping.contains_key(name) && person.contact.contains_key(name),
                "{name}"
            );
        }
    }
}
