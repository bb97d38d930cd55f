//! Made-up consumers with the fields of a vertical's lead, plausible and nobody's.
//!
//! Phone numbers are of the range kept for fiction (555-0100 to 555-0199 in every area), mail goes to
//! `example` domains.

mod auto;
mod solar;

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
/// What a browser calls itself.
pub(crate) const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Mobile Safari/537.36",
];

/// What consumers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vertical {
    /// Auto insurance: the fields of `deploy/catalog/auto-us.toml`.
    Auto,
    /// Solar panels: the fields of `deploy/catalog/solar-us.toml`.
    Solar,
}

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
    pub fn draw(vertical: Vertical, dice: &mut Dice, number: u64, marker: &str) -> Self {
        let (zip, city, state, area) = *dice.pick(&PLACES);
        let (first, last) = (*dice.pick(&FIRST), *dice.pick(&LAST));
        let mut person = Self {
            ping: object(json!({
                "zip": zip,
                "state": state,
                "home_owner": dice.happens(0.55),
                "credit_rating": dice.pick(&["excellent", "good", "fair", "poor"]),
                "ip_address": format!("198.51.100.{}", dice.between(1, 254)),
                "user_agent": dice.pick(&BROWSERS),
                MARKER_FIELD: marker,
            })),
            contact: object(json!({
                "first_name": first,
                "last_name": last,
                "phone": format!("({area}) 555-01{:02}", number % 100),
                "email": format!("{first}.{last}.{number}@example.com").to_lowercase(),
                "address": format!("{} {}", dice.between(1, 9999), dice.pick(&STREETS)),
                "city": city,
            })),
        };
        match vertical {
            Vertical::Auto => auto::add(&mut person, dice),
            Vertical::Solar => solar::add(&mut person, dice),
        }
        person
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

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_drawn_from_the_seed_and_a_ping_has_no_contact_data() {
        for vertical in [Vertical::Auto, Vertical::Solar] {
            let draw = |seed| Person::draw(vertical, &mut Dice::new(seed), 7, "m-1");
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
}
