//! Publishers that hang up at seeded moments: within the request, after admission, during the ping,
//! during a post, between two. Whatever the moment, the lead has one outcome, what buyers got is
//! what the fold says, and a retry with the key is told the state.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{LeadId, Timestamp};
use proto::LeadBody;
use serde_json::{Value, json};
use store::Backend as _;
use testkit::SeededEntropy;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::buyers::{Kind, PATIENCE};
use crate::client::{self, Ask};
use crate::clock::{Still, pass, pass_until};
use crate::house::House;
use crate::records;
use crate::script::Answer;

const LEADS: u64 = 60;

const CATALOG: &str = r#"
[contracts.north]
ping = "bid"
price = { min = "1.00", max = "100.00" }
[contracts.south]
ping = "none"
price = { fixed = "8.00" }
"#;

/// What north does with a post, in turn.
const NORTH: [&str; 3] = [
    "after 50ms accepts",
    "after 50ms rejects",
    "after 50ms hangs up",
];

#[test]
fn a_publisher_that_hangs_up_leaves_one_outcome() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let still = Still::stand();
        hang_up_again_and_again().await;
        drop(still);
    });
    runtime.shutdown_background();
}

async fn hang_up_again_and_again() {
    let at = Timestamp::parse("2026-11-25T16:00:00Z").unwrap();
    let house = House::open(CATALOG, at).await;
    let script = |contract, kind, text: &[&str]| {
        let answers = text.iter().copied().map(Answer::read).collect();
        house.buyers.script(contract, kind, answers);
    };
    script("north", Kind::Ping, &["after 30ms bids 14.00"]);
    script("south", Kind::Post, &["after 30ms accepts"]);
    let dice = SeededEntropy::new(7);
    let mut told = BTreeMap::new();
    let mut posts = BTreeMap::<String, Vec<String>>::new();
    for number in 0..LEADS {
        script("north", Kind::Post, &[*dice.pick::<&str>(&NORTH)]);
        let key = format!("k-{number}");
        let ask = lead(&key, number);
        let bytes = client::bytes(&ask);
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        if dice.one_in(4) {
            // Within the request: all of it at most.
            let most = usize::try_from(dice.below(bytes.len() as u64 + 1)).unwrap();
            stream.write_all(&bytes[..most]).await.unwrap();
            pass(Duration::from_millis(10)).await;
        } else {
            stream.write_all(&bytes).await.unwrap();
            pass(Duration::from_millis(10 * dice.below(15))).await;
        }
        drop(stream);
        pass(Duration::from_millis(10 * dice.below(15))).await;

        // The retry may come while the lead is still worked on.
        let retry = async {
            let stream = client::send(house.address, &ask).await;
            client::read(stream).await
        };
        let mut retry = std::pin::pin!(retry);
        let mut answer = None;
        let answered = pass_until(PATIENCE, async || {
            if answer.is_none() {
                tokio::select! {
                    biased;
                    read = retry.as_mut() => answer = Some(read),
                    () = std::future::ready(()) => {}
                }
            }
            answer.is_some()
        });
        assert!(answered.await, "{key}: no answer");
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{key}: {answer:?}");
        told.insert(key, answer.body);
    }
    let ended = async || {
        house.router.in_progress() == 0 && house.progress.lag(house.kept.backend.log()) == Some(0)
    };
    assert!(pass_until(PATIENCE, ended).await, "leads do not end");
    for got in house.buyers.take() {
        if got.kind == Kind::Post {
            let lead = got.body["lead_id"].as_str().unwrap().to_owned();
            posts.entry(lead).or_default().push(got.contract);
        }
    }

    let records = records::read(&house.kept.backend).await;
    let mut leads = BTreeMap::<String, Vec<LeadId>>::new();
    for record in records.values().flatten() {
        if let Some(LeadBody::Received(received)) = &record.body {
            let key = received
                .claim
                .as_ref()
                .unwrap()
                .key
                .rsplit('/')
                .next()
                .unwrap();
            leads
                .entry(key.to_owned())
                .or_default()
                .push(record.lead_id().unwrap());
        }
    }
    assert_eq!(leads.len(), told.len(), "a lead for every key");
    let mut statuses = BTreeMap::<String, u32>::new();
    for (key, of_key) in &leads {
        let [lead] = &of_key[..] else {
            panic!("{key} is {of_key:?}");
        };
        let state = records::state(&house.kept.backend, *lead).await.unwrap();
        let status = state.lead_status().unwrap();
        let told: &Value = &told[key];
        assert_eq!(told["lead_id"], lead.to_string(), "{key}");
        assert_eq!(told["status"], status.as_str(), "{key}: {told}");
        let mut legs: Vec<_> = state.legs.iter().map(|leg| leg.contract.clone()).collect();
        let mut got = posts.remove(&lead.to_string()).unwrap_or_default();
        legs.sort();
        got.sort();
        assert_eq!(legs, got, "{key}: what buyers got");
        let accepted = state.legs.iter().filter(|leg| leg.reason == "won").count();
        let sold = usize::from(status == domain::LeadStatus::Sold);
        assert_eq!(accepted, sold, "{key}: {:?}", state.legs);
        *statuses.entry(status.to_string()).or_default() += 1;
    }
    assert!(posts.is_empty(), "posts of nobody's leads: {posts:?}");
    assert!(
        statuses.contains_key("sold") && statuses.contains_key("pending"),
        "{statuses:?}"
    );
}

fn lead(key: &str, number: u64) -> Ask {
    Ask {
        key: Some("the-secret-key-of-acme".to_owned()),
        method: "POST".to_owned(),
        path: "/v1/campaigns/auto/post".to_owned(),
        body: Some(json!({ "request_id": key, "lead": {
            "zip": "78701", "first_name": "Ann", "email": format!("ann{number}@example.com"),
            "phone": format!("512555{:04}", 100 + number),
        }})),
    }
}
