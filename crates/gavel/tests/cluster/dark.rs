//! Nodes start while Kafka is away: visitors are sent on, all else waits until it is heard.

use std::fs;
use std::time::Instant;

use http::header::{LOCATION, RETRY_AFTER};
use serde_json::{Value, json};

use crate::node::Node;
use crate::town::{LOOK, PATIENCE, Town, lead};

const POST: &str = "/v1/campaigns/auto-us/post";
const LINK: &str = "/c/alpha-search";
const CLICKS: usize = 20;

/// Clicks as often, and says where visitors were sent.
async fn clicks(node: &Node) -> String {
    let mut to = String::new();
    for _ in 0..CLICKS {
        let click = node.get(LINK).await;
        assert_eq!(click.status, 302);
        to = click.header(&LOCATION).unwrap_or_default().to_owned();
        assert!(to.contains("cid=ck_"), "{to}");
    }
    to
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_while_kafka_is_away_and_what_it_took_is_there_later() {
    let Some((town, mut kafka)) = Town::found_with_kafka() else {
        return;
    };
    // Nobody has made the topics yet.
    kafka.kill().unwrap();
    let node = town.plan("node", &[]);
    node.begin().await;
    assert_eq!(node.get("/i/alpha-search").await.status, 200);
    clicks(&node).await;

    // It says what it waits for and since when, and so does who is refused.
    let began = Instant::now();
    let ready = loop {
        let (status, ready) = node.readiness().await;
        assert_eq!((status, &ready["ready"]), (503, &json!(false)), "{ready}");
        let said = ready["checks"]["kafka"]["what"].as_str().unwrap();
        assert!(
            said.starts_with("not heard since the start at 20"),
            "{said}"
        );
        if said.contains("refused") {
            break ready;
        }
        assert!(began.elapsed() < PATIENCE, "{said}");
        tokio::time::sleep(LOOK).await;
    };
    assert_eq!(ready["checks"]["catalog"]["status"], "missing", "{ready}");
    let body = json!({ "tmax_ms": 4000, "lead": lead(1) });
    let post = node.try_ask(POST, "early", &body).await.unwrap();
    let goal = "click_id=none&goal=policy_bound&txid=T-1&token=demo-postback-token-auto-us";
    let postback = node.get(&format!("/postback?{goal}")).await;
    for refused in [post, postback] {
        assert_eq!(refused.status, 503);
        assert!(refused.header(&RETRY_AFTER).is_some());
        let problem: Value = refused.json().unwrap();
        assert_eq!(problem["code"], "unavailable", "{problem}");
    }

    // Killed, and again without Kafka: what is in its journal stays.
    node.kill().await;
    node.begin().await;
    clicks(&node).await;

    kafka.start_again().unwrap();
    node.ready().await;
    let sold = node.ask(POST, "early", &body).await;
    assert_eq!(sold["status"], "sold", "{sold}");
    let of = |kind: &str| format!("SELECT count() FROM v_events WHERE kind = '{kind}'");
    town.until(&of("click"), 2 * CLICKS as u64).await;
    town.until(&of("impression"), 1).await;

    // Without the log visitors go where its last generation says, not the file.
    let file = fs::read_to_string(town.catalog()).unwrap();
    let moved = file.replace("/auto?cid={click_id}", "/auto?moved=yes&cid={click_id}");
    let put = node.operate("/v1/admin/catalog:apply", &moved).await;
    let put: Value = put.json().unwrap();
    assert_eq!(put["status"], "applied", "{put}");
    node.end_in_order().await;
    for topic in ["events", "leads"] {
        town.more_partitions(topic, 5).await;
    }
    kafka.kill().unwrap();
    let edge = town.plan("edge", &["edge"]);
    tokio::join!(node.begin(), edge.begin());
    let to = clicks(&node).await;
    assert!(to.contains("moved=yes"), "{to}");
    // To an edge that is no reason to stay away, not even on its first day.
    clicks(&edge).await;
    edge.ready().await;
    let (_, ready) = edge.readiness().await;
    for part in ["kafka", "catalog"] {
        let check = &ready["checks"][part];
        assert_eq!(check["status"], "away", "{ready}");
        assert!(check["since"].is_string(), "{ready}");
    }

    // That the topics are not as they have to be it hears when Kafka is there: it ends, and says all that is wrong.
    kafka.start_again().unwrap();
    assert_eq!(node.ended().await.code(), Some(1));
    for topic in ["events", "leads"] {
        let wrong = format!("{topic}: it has 5 partitions, not 4");
        assert!(node.log().contains(&wrong), "{wrong}: {}", node.log());
    }
}
