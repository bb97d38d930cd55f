//! Every route x every bad input, against a real process: the documented problem within five
//! seconds, never a 500, a hang, a panic or an unexpected line in the log.
//!
//! Routes come from the lists by which the services themselves route, so a new one is walked at
//! once; it needs a line in `doors.rs` that says whose it is and what body it takes. Inputs are
//! the table in `inputs.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test of a process, which fails by panicking"
)]

mod doors;
mod inputs;
mod process;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use httpd::Code;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::doors::{Door, Reader, doors};
use crate::inputs::{Expect, INPUTS};
use crate::process::Service;
use crate::wire::{Answer, Outcome};

/// No answer may take longer.
const LIMIT: Duration = Duration::from_secs(5);
/// Cases at once.
const AT_ONCE: usize = 48;

#[test]
fn every_route_answers_every_bad_input() {
    let service = Service::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut wrong = runtime.block_on(walk(&service));
    wrong.extend(service.complaints());
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

async fn walk(service: &Service) -> Vec<String> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut cases = JoinSet::new();
    let mut count = BTreeMap::<&str, usize>::new();
    for door in doors() {
        for input in INPUTS {
            let Some(expect) = (input.expect)(&door) else {
                continue;
            };
            *count.entry(input.name).or_default() += 1;
            let (door, places) = (door.clone(), Arc::clone(&places));
            let address = service.address(door.listener);
            cases.spawn(async move {
                let _place = places.acquire_owned().await.unwrap();
                let began = Instant::now();
                let sent = tokio::time::timeout(2 * LIMIT, (input.send)(address, door.clone()));
                let outcome = sent.await.unwrap_or(Outcome::Hangs);
                let took = began.elapsed();
                let why = judge(&door, &expect, &outcome, took)?;
                Some(format!(
                    "{} {} with {}: {why}, after {took:.1?}: {outcome:?}",
                    door.method, door.path, input.name
                ))
            });
        }
    }
    let unused: Vec<_> = INPUTS
        .iter()
        .filter(|input| !count.contains_key(input.name))
        .collect();
    assert!(
        unused.is_empty(),
        "no route takes part in {:?}",
        unused.iter().map(|input| input.name).collect::<Vec<_>>()
    );
    cases.join_all().await.into_iter().flatten().collect()
}

/// What is wrong with an outcome, if anything is.
fn judge(door: &Door, expect: &Expect, outcome: &Outcome, took: Duration) -> Option<String> {
    if took > LIMIT {
        return Some("too slow".to_owned());
    }
    let answer = match (outcome, expect) {
        (Outcome::Answered(answer), _) => answer,
        (Outcome::Closed, Expect::Framing(_)) => return None,
        (Outcome::Closed | Outcome::Hangs, _) => return Some("no answer".to_owned()),
    };
    match expect {
        // The parser of HTTP itself answers without a body: nobody knows yet what was asked.
        Expect::Framing(statuses) => {
            let parser = statuses.contains(&answer.status) && answer.body.is_empty();
            (!parser).then(|| problem(door, answer, &[]))?
        }
        Expect::Problem(codes) => problem(door, answer, codes),
        // Not ready is what an operator asked about.
        Expect::Fine if answer.status == 503 && door.path.starts_with("/readyz") => None,
        Expect::Fine if answer.status >= 500 => problem(door, answer, &[Code::Unavailable]),
        Expect::Fine => None,
    }
}

/// What is wrong with a problem, if anything is; any code will do if none is named.
fn problem(door: &Door, answer: &Answer, codes: &[Code]) -> Option<String> {
    let of_status = |code: &&Code| code.status().as_u16() == answer.status;
    if !codes.is_empty() && !codes.iter().any(|code| of_status(&code)) {
        return Some(format!("expected {codes:?}"));
    }
    if answer.header("x-request-id").is_none() && door.listener == "public" {
        return Some("no request id".to_owned());
    }
    match door.reader {
        Reader::Person if answer.body.trim_start().starts_with('{') => {
            return Some("JSON for a person".to_owned());
        }
        Reader::Person => return None,
        Reader::Program => {}
    }
    if answer.header("content-type") != Some("application/problem+json") {
        return Some("not a problem".to_owned());
    }
    let Ok(body) = serde_json::from_str::<Value>(&answer.body) else {
        return Some("not JSON".to_owned());
    };
    let said = body["code"].as_str().unwrap_or_default();
    let Some(known) = Code::ALL.iter().find(|code| code.as_str() == said) else {
        return Some(format!("{said:?} is no code"));
    };
    let whole = body["status"] == answer.status
        && known.status().as_u16() == answer.status
        && body["request_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("rq_"))
        && body["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty());
    if !whole {
        return Some("the problem is not whole".to_owned());
    }
    if !codes.is_empty() && !codes.contains(known) {
        return Some(format!("expected {codes:?}"));
    }
    if answer.status == 405 && answer.header("allow") != Some(door.methods) {
        return Some("`Allow` does not say what is taken".to_owned());
    }
    if answer.status == 503 && answer.header("retry-after").is_none() {
        return Some("no `Retry-After`".to_owned());
    }
    None
}
