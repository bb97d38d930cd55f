//! One catalog for all nodes, whoever is told of a change.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::node::Node;
use crate::town::{LOOK, PATIENCE, Town, lead};

const POST: &str = "/v1/campaigns/auto-us/post";
/// How long a node may be behind another one: it looks four times a second.
const BEHIND: Duration = Duration::from_secs(5);

/// The town's catalog, with one buyer for the first campaign, at this price.
fn priced(shipped: &str, price: &str) -> String {
    let fixed = format!("price = {{ fixed = \"{price}\" }}");
    let bids = "price = { min = \"1.00\", max = \"100.00\" }\n";
    shipped
        .replace("price = { fixed = \"9.00\" }", &fixed)
        .replace(bids, &format!("{bids}on = false\n"))
}

/// Puts a catalog at a node: the status, and the answer.
async fn put(node: &Node, catalog: &str) -> (u16, Value) {
    let answered = node.operate("/v1/admin/catalog:apply", catalog).await;
    let body = answered.json().unwrap();
    (answered.status.as_u16(), body)
}

/// The price that a node sells a lead at.
async fn price(node: &Node, person: u32) -> String {
    let body = json!({ "tmax_ms": 5000, "lead": lead(person) });
    let sold = node.ask(POST, &format!("priced-{person}"), &body).await;
    assert_eq!(sold["status"], "sold", "{sold}");
    let began = Instant::now();
    loop {
        let lead = sold["lead_id"].as_str().unwrap();
        let seen = node.inspect(lead).await;
        match seen["legs"][0]["price"].as_str() {
            Some(price) => return price.to_owned(),
            None => assert!(began.elapsed() < PATIENCE, "{seen}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until nodes are at the same generation, and says which.
async fn agreed(nodes: [&Node; 2]) -> String {
    let began = Instant::now();
    loop {
        let (one, other) = (nodes[0].generation().await, nodes[1].generation().await);
        if one == other {
            return one;
        }
        assert!(began.elapsed() < BEHIND, "{one} and {other}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_is_told_all_obey_in_one_order() {
    let Some(town) = Town::found_in_peace("") else {
        return;
    };
    let shipped = fs::read_to_string(town.catalog()).unwrap();
    let one = town.node("one", &[]).await;
    let other = town.node("other", &["edge", "router"]).await;
    let first = agreed([&one, &other]).await;

    // Put at one, obeyed by the other.
    let (status, answer) = put(&one, &priced(&shipped, "21.00")).await;
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("applied")),
        "{answer}"
    );
    let second = agreed([&one, &other]).await;
    assert_eq!(answer["generation"], second.as_str());
    assert_ne!(first, second);
    assert_eq!(price(&other, 1).await, "21.00");
    assert_eq!(price(&one, 2).await, "21.00");

    // A bad one is refused with all that is wrong, and changes nothing anywhere.
    let bad = priced(&shipped, "29.00").replace(
        "currency = \"USD\"",
        "currency = \"dollars\"\nno_such_member = 1",
    );
    let (status, answer) = put(&other, &bad).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_catalog")));
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().collect();
    assert!(paths.len() > 1, "{answer}");
    assert_eq!(agreed([&one, &other]).await, second);

    // Put at both at once, again and again: they end at the same one, which is what the log says.
    for round in 0..5 {
        let here = priced(&shipped, &format!("{}.00", 30 + round));
        let there = priced(&shipped, &format!("{}.00", 40 + round));
        let (here, there) = tokio::join!(put(&one, &here), put(&other, &there));
        assert_eq!((here.0, there.0), (200, 200), "{here:?} {there:?}");
        let now = agreed([&one, &other]).await;
        let last = [&here.1["generation"], &there.1["generation"]];
        assert!(last.iter().any(|it| **it == now.as_str()), "{now} {last:?}");
    }

    // Who was away obeys what was put meanwhile, from its first request on; its file is older.
    other.end_in_order().await;
    let (status, answer) = put(&one, &priced(&shipped, "50.00")).await;
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("applied")),
        "{answer}"
    );
    other.start().await;
    assert_eq!(other.generation().await, one.generation().await);
    assert_eq!(price(&other, 3).await, "50.00");

    // One broker that has just begun, a catalog that was put over the file's: nothing else is to be said.
    let expected = &[
        "there is one copy",
        "Coordinator load in progress",
        "older than what is in force",
    ];
    for node in [&one, &other] {
        assert_eq!(node.complaints(expected), [""; 0]);
    }
}
