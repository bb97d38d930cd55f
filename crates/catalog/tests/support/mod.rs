//! A small catalog that is good, and how its problems are shown.

use std::collections::BTreeMap;

use catalog::{Problem, load_catalog};

/// A small catalog that is good.
pub(crate) const GOOD: &str = r#"
[schemas.s]
zip = { type = "zip", ping = "required" }
age = { type = "int", min = 16 }
cover = { type = "enum", values = ["full", "basic"], aliases = { full = ["complete"] } }
born = { type = "date", class = "sensitive" }
phone = { type = "phone", class = "contact", post = "required" }

[publishers.pub]
keys = ["a-publisher-key-1"]

[buyers.buy]
keys = ["a-buyer-key-00001"]

[campaigns.camp]
schema = "s"
postback_tokens = ["a-postback-token-1"]
publishers = { pub = { margin = "20%" } }
goals = { lead_sold = {}, bound = { payout = "1.00" } }

[contracts.con]
campaign = "camp"
buyer = "buy"
ping = "bid"
price = { min = "1.00", max = "9.00" }
filter = "age >= 18"
ping_url = "http://127.0.0.1:1/ping"
post_url = "http://127.0.0.1:1/post"

[offers.off]
campaign = "camp"
landing_pages = ["https://land.example/a"]

[links.lin]
publisher = "pub"
offer = "off"
destination = "https://land.example/a?c={click_id}"
"#;

/// One problem a line.
pub(crate) fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What is wrong with a catalog.
pub(crate) fn problems_of(text: &str) -> String {
    match load_catalog("c", text, &BTreeMap::new(), &[]) {
        Ok(_) => "good".to_owned(),
        Err(problems) => lines(&problems),
    }
}
