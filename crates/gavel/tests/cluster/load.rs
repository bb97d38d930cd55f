//! Publishers who do not give up: each posts its leads, at whichever node, until there is an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use sandbox::{Answer, Entry, read_journals};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use traffic::Buyers;

use crate::node::Node;
use crate::town::{LOOK, PATIENCE, Town, lead};

const AT_ONCE: usize = 32;

/// What somebody was told, by key.
pub(crate) type Told = BTreeMap<String, Value>;

/// The service, as several nodes.
pub(crate) type Nodes = Arc<[Node; 2]>;

/// Posts a lead with its key, at one node after the other, until there is an answer. Every other comes from
/// a click.
async fn post(nodes: Nodes, campaign: &'static str, person: u32) -> (String, Value) {
    let mut body = json!({ "tmax_ms": 4000, "lead": lead(person) });
    if person.is_multiple_of(2) {
        body["click_id"] = nodes[person as usize / 2 % 2].click().await.into();
    }
    let key = format!("{campaign}-{person}");
    let path = format!("/v1/campaigns/{campaign}/post");
    let began = Instant::now();
    for turn in person as usize.. {
        let answered = nodes[turn % 2].try_ask(&path, &key, &body).await;
        let answer = answered.as_ref().and_then(traffic::Answered::json::<Value>);
        match (answered, answer) {
            (Some(answered), Some(answer)) if answered.status != 503 => {
                assert!(answer["lead_id"].is_string(), "{key}: {answer}");
                return (key, answer);
            }
            (_, answer) => assert!(
                began.elapsed() < PATIENCE,
                "{key} has no answer but {answer:?}\n{}\n{}",
                nodes[0].complaints(&[]).join("\n"),
                nodes[1].complaints(&[]).join("\n"),
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
    unreachable!("turns do not end")
}

/// Posts these persons' leads; `heard` is told after each answer how many there are.
pub(crate) async fn all(
    nodes: &Nodes,
    campaign: &'static str,
    persons: impl IntoIterator<Item = u32>,
    mut heard: impl FnMut(usize),
) -> Told {
    let mut told = Told::new();
    let mut under_way = JoinSet::new();
    for person in persons {
        if under_way.len() == AT_ONCE {
            let (key, answer) = under_way.join_next().await.unwrap().unwrap();
            told.insert(key, answer);
            heard(told.len());
        }
        under_way.spawn(post(Arc::clone(nodes), campaign, person));
    }
    told.extend(under_way.join_all().await);
    told
}

/// What everybody was told, and what came of a fault that begins in the midst of it, after so many answers.
pub(crate) async fn under_load<T>(
    nodes: &Nodes,
    (campaign, persons): (&'static str, Range<u32>),
    (begins, mut hears): (usize, impl FnMut(usize)),
    fault: impl Future<Output = T>,
) -> (Told, T) {
    let (begin, begun) = tokio::sync::oneshot::channel();
    let mut begin = Some(begin);
    let load = all(nodes, campaign, persons, |heard| {
        hears(heard);
        if heard == begins {
            begin.take().map(|begin| begin.send(()));
        }
    });
    let fault = async {
        begun.await.unwrap();
        fault.await
    };
    tokio::join!(load, fault)
}

/// Leads that a router took to post, and of whose post nobody knows.
const LEFT: &str = "SELECT lead_id FROM v_leads WHERE status = 'pending' \
    AND lead_id NOT IN (SELECT lead_id FROM v_posts)";
const DOUBT: &str = "SELECT sale_id FROM v_posts WHERE state = 'in_doubt'";
const OPEN: &str = "SELECT lead_id FROM v_leads WHERE status = 'pending'";

/// Waits until all that can end by itself has, and ends the rest as those who know would: by the buyers'
/// journals, and a lead whose router is gone by the operator.
pub(crate) async fn settle(town: &Town, node: &Node, leads: usize) {
    let began = Instant::now();
    town.until("SELECT count() FROM v_leads", leads as u64)
        .await;
    loop {
        let open = town.column(OPEN).await.len();
        let doubt = town.column(DOUBT).await;
        let left = town.column(LEFT).await;
        if open == 0 {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{open} open, {} in doubt, {} left\n{}",
            doubt.len(),
            left.len(),
            node.complaints(&[]).join("\n")
        );
        let journals = read_journals(&town.journals()).unwrap();
        let decided = Buyers::of(&journals).decided();
        for sale in doubt {
            let bought = decided.get(&sale) == Some(&Answer::Accepted);
            node.settle(&sale, if bought { "accepted" } else { "rejected" })
                .await;
        }
        for lead in left {
            node.end(&lead).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Leads that somebody was told of, and that the tables hold: the same, once all have ended.
pub(crate) async fn agree(town: &Town, told: &Told) {
    assert_eq!(town.column(OPEN).await, Vec::<String>::new());
    let leads = |status: &str| -> BTreeSet<String> {
        let of = told.values().filter(|answer| answer["status"] == status);
        of.map(|answer| answer["lead_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let told_of = leads("sold");
    let held = town
        .column("SELECT lead_id FROM v_leads WHERE status = 'sold'")
        .await;
    let held: BTreeSet<String> = held.into_iter().collect();
    let pending = leads("pending");
    let unknown: Vec<_> = held
        .difference(&told_of)
        .filter(|lead| !pending.contains(*lead))
        .collect();
    assert!(unknown.is_empty(), "sold, and nobody was told: {unknown:?}");
    assert!(told_of.is_subset(&held), "told to be sold, and are not");
    let journals = read_journals(&town.journals()).unwrap();
    let bought = Buyers::of(&journals).bought();
    let bought: BTreeSet<&str> = bought.iter().map(|sale| sale.lead.as_str()).collect();
    let held: BTreeSet<&str> = held.iter().map(String::as_str).collect();
    assert_eq!(held, bought, "what is sold is what buyers have bought");
    credits(town, held.len() as u64).await;
}

/// Each sale is one conversion, and one that came from a click is credited to it once, by each model.
async fn credits(town: &Town, sold: u64) {
    const CONVERSIONS: &str = "SELECT count() FROM v_conversions WHERE goal = 'lead_sold'";
    const CLICKED: &str = "SELECT count() FROM v_leads WHERE status = 'sold' AND click_id != ''";
    town.until(CONVERSIONS, sold).await;
    let clicked = town.count(CLICKED).await;
    assert!(clicked > 0);
    for model in ["first_click", "last_click", "linear"] {
        let credits = format!(
            "SELECT count() FROM v_credits WHERE model = '{model}' AND goal = 'lead_sold' AND startsWith(touch, 'ck_')"
        );
        town.until(&credits, clicked).await;
    }
}

/// What buyers have taken so far, each post once. Their journals only grow: however often this is asked, a line is
/// read once.
#[derive(Default)]
pub(crate) struct Taken {
    read: BTreeMap<PathBuf, u64>,
    sales: BTreeSet<String>,
}

impl Taken {
    /// How many there are by now.
    pub(crate) fn by_now(&mut self, town: &Town) -> u64 {
        for file in fs::read_dir(town.journals()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "jsonl") {
                self.read_on(path);
            }
        }
        self.sales.len() as u64
    }

    fn read_on(&mut self, path: PathBuf) {
        let mut file = File::open(&path).unwrap();
        let read = self.read.entry(path).or_default();
        file.seek(SeekFrom::Start(*read)).unwrap();
        let mut more = Vec::new();
        file.read_to_end(&mut more).unwrap();
        // One that is being written has no end yet.
        let lines = more.split_inclusive(|byte| *byte == b'\n');
        let whole: Vec<_> = lines.take_while(|line| line.ends_with(b"\n")).collect();
        *read += whole.iter().map(|line| line.len() as u64).sum::<u64>();
        let entries = whole.iter().map(|line| serde_json::from_slice(line));
        let entries: Vec<Entry> = entries.map(Result::unwrap).collect();
        let decided = Buyers::of(&entries).decided().into_iter();
        let accepted = decided.filter(|(_, answer)| *answer == Answer::Accepted);
        self.sales.extend(accepted.map(|(sale, _)| sale));
    }
}
