//! Two nodes are one service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::node::Node;
use crate::town::{Town, lead, partial};

const PING: &str = "/v1/campaigns/auto-us/ping";
const POST: &str = "/v1/campaigns/auto-us/post";
/// What one broker that has just begun gives reason to say.
const NEWS: &[&str] = &["there is one copy", "Coordinator load in progress"];
/// Leads that go to both nodes at once.
const TWINS: u32 = 20;

async fn direct(node: &Node, key: &str, person: u32) -> Value {
    let body = json!({ "tmax_ms": 5000, "lead": lead(person) });
    node.ask(POST, key, &body).await
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    let text = answer[name].as_str();
    text.unwrap_or_else(|| panic!("no {name}: {answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_are_one_service() {
    let Some(town) = Town::found_in_peace("") else {
        return;
    };
    let one = town.node("one", &[]).await;
    let other = town.node("other", &["edge", "router"]).await;

    // A quote of one is posted through the other.
    let asked = json!({ "tmax_ms": 5000, "lead": partial() });
    let quote = one.ask(PING, "quote-1", &asked).await;
    assert_eq!(text(&quote, "status"), "quoted", "{quote}");
    let post = json!({ "ping_id": text(&quote, "ping_id"), "tmax_ms": 5000, "lead": lead(1) });
    let sold = other.ask(POST, "lead-1", &post).await;
    assert_eq!(text(&sold, "status"), "sold", "{sold}");

    // Whoever asks again is told the same, wherever.
    let again = one.ask(POST, "lead-1", &post).await;
    assert_eq!(again, sold);
    one.until_sold(text(&sold, "lead_id")).await;

    // One key at both at once is one lead.
    let mut leads = BTreeSet::from([text(&sold, "lead_id").to_owned()]);
    for person in 2..2 + TWINS {
        let key = format!("twin-{person}");
        let (here, there) = tokio::join!(direct(&one, &key, person), direct(&other, &key, person));
        assert_eq!(here["lead_id"], there["lead_id"], "{here} {there}");
        assert_eq!(here["status"], there["status"], "{here} {there}");
        assert!(leads.insert(text(&here, "lead_id").to_owned()));
    }
    let all = u64::from(TWINS) + 1;
    town.until("SELECT count() FROM v_leads", all).await;
    town.until("SELECT count() FROM v_leads WHERE status = 'pending'", 0)
        .await;
    let sold = "SELECT count() FROM v_posts WHERE state = 'accepted'";
    town.until(
        sold,
        town.count("SELECT count() FROM v_leads WHERE status = 'sold'")
            .await,
    )
    .await;

    // A click at one node and its conversion at the other meet in the tables.
    let id = other.click().await;
    let token = "demo-postback-token-auto-us";
    let path = format!("/postback?click_id={id}&goal=policy_bound&txid=T-1&token={token}");
    let told = one.get(&path).await;
    assert!(told.status.is_success(), "{}: {:?}", told.status, told.body);
    town.until("SELECT count() FROM v_conversions WHERE txid = 'T-1'", 1)
        .await;
    let credit =
        "SELECT count() FROM v_credits WHERE model = 'last_click' AND link = 'alpha-search'";
    town.until(credit, 1).await;

    for node in [&one, &other] {
        assert_eq!(node.complaints(NEWS), Vec::<String>::new());
    }
}
