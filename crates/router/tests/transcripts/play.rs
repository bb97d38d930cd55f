//! Plays a scenario and writes its transcript.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use domain::{Clock as _, Timestamp};
use serde_json::{Value, json};
use store::{Backend as _, fold};
use tokio::task::JoinHandle;

use crate::buyers::{Kind, PATIENCE};
use crate::client::{self, Answer, Ask};
use crate::clock::{Still, moment, pass, pass_until, quiet};
use crate::house::{self, ADMIN, House};
use crate::names::Names;
use crate::records::{self, Records};
use crate::script::{self, duration};

/// Where the clock begins unless the scenario says otherwise: a Wednesday, 11:00 in New York.
const NOON: &str = "2026-11-25T16:00:00Z";

/// What buyers get beside the lead, the same every time.
const HEAD: [&str; 7] = [
    "ping_id",
    "lead_id",
    "campaign",
    "contract",
    "currency",
    "source",
    "idempotency_key",
];

pub(crate) fn play(catalog: &str, steps: &str) -> String {
    play_and(catalog, steps, async |_, _| ()).0
}

/// Plays a scenario, and then something with what it has left behind.
pub(crate) fn play_and<T>(
    catalog: &str,
    steps: &str,
    then: impl AsyncFnOnce(&House, &Records) -> T,
) -> (String, T) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .build()
        .unwrap();
    let played = runtime.block_on(async {
        let still = Still::stand();
        let mut lines = steps.lines().map(str::trim).filter(|line| !line.is_empty());
        let at = lines.clone().find_map(|line| line.strip_prefix("at "));
        let at = Timestamp::parse(at.unwrap_or(NOON)).unwrap();
        let mut scene = Scene {
            house: House::open(catalog, at).await,
            catalog,
            names: Names::default(),
            background: VecDeque::new(),
            out: String::new(),
        };
        scene.promises();
        for line in &mut lines {
            scene.step(line).await;
        }
        let records = scene.end().await;
        let then = then(&scene.house, &records).await;
        drop(still);
        (scene.out, then)
    });
    runtime.shutdown_background();
    played
}

struct Scene<'c> {
    house: House,
    catalog: &'c str,
    names: Names,
    background: VecDeque<JoinHandle<Answer>>,
    out: String,
}

impl Scene<'_> {
    /// What the campaign promises its publishers.
    fn promises(&mut self) {
        for campaign in self.house.snapshot.campaigns.values() {
            for (publisher, terms) in &campaign.publishers {
                let (quote, direct) = (terms.rules.quote_promise, terms.rules.direct_promise);
                let name = &campaign.name;
                writeln!(
                    self.out,
                    "{name} promises {publisher} {quote:?} for a quote, {direct:?} for a direct post"
                )
                .unwrap();
            }
        }
    }

    async fn step(&mut self, line: &str) {
        if line.starts_with('#') || line.starts_with("at ") {
            return;
        }
        writeln!(self.out, "{line}").unwrap();
        if let Some((contract, kind, answers)) = scripted(line) {
            let answers = answers.split(';').map(script::Answer::read).collect();
            self.house.buyers.script(contract, kind, answers);
        } else if let Some(time) = line.strip_prefix("wait ") {
            pass(duration(time)).await;
            self.got();
        } else if let Some(contract) = line.strip_prefix("release ") {
            self.house.buyers.release(contract);
        } else if let Some(asked) = line.strip_prefix("until ") {
            self.until(asked).await;
        } else if line == "stop" {
            // A timer of no length waits for the next tick.
            tokio::join!(self.house.router.drain(Duration::ZERO), moment());
        } else if let Some(other) = line.strip_prefix("restart") {
            // What it was at is over before the next one starts.
            tokio::join!(self.house.router.drain(Duration::ZERO), moment());
            self.fold().await;
            self.house.restart(&house::over(self.catalog, other.trim()));
        } else if let Some(other) = line.strip_prefix("change ") {
            self.house.change(&house::over(self.catalog, other.trim()));
        } else if line == "aside" {
            self.house.turn_aside();
        } else if line == "share" {
            self.house.share().await;
        } else if line == "fold" {
            self.fold().await;
            self.got();
        } else if line == "join" {
            while let Some(asking) = self.background.pop_front() {
                self.answer(asking).await;
            }
        } else if let Some(request) = line.strip_prefix("& ") {
            let ask = self.request(request);
            let asking = self.ask(ask);
            self.background.push_back(asking);
            quiet().await;
        } else if let Some(rest) = line.strip_prefix("hang up after ") {
            let (moment, request) = rest.split_once(": ").expect("a request");
            let ask = self.request(request);
            let stream = client::send(self.house.address, &ask).await;
            let (asked, contract) = moment.split_once(' ').expect("a contract");
            self.until(&format!("{contract} is {asked}")).await;
            drop(stream);
            quiet().await;
        } else {
            let ask = self.request(line);
            let asking = self.ask(ask);
            self.answer(asking).await;
        }
    }

    async fn until(&self, asked: &str) {
        let (contract, word) = asked.split_once(" is ").expect("`until NAME is posted`");
        let kind = match word {
            "pinged" => Kind::Ping,
            "posted" => Kind::Post,
            _ => panic!("`until NAME is pinged` or `posted`"),
        };
        let before = self.house.buyers.count(contract, kind);
        let came = async || self.house.buyers.count(contract, kind) > before;
        assert!(pass_until(PATIENCE, came).await, "{asked}: it never was");
    }

    /// `ping {..}`, `bolt: direct {..}`, `acme: GET /v1/..`.
    fn request(&self, text: &str) -> Ask {
        let (who, what) = match text.split_once(": ") {
            Some((who, what))
                if who
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-') =>
            {
                (who, what)
            }
            _ => ("acme", text),
        };
        let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
        let body = |usual: Value| {
            let mut body = usual;
            let over = self.names.real(if rest.is_empty() { "{}" } else { rest });
            merge(
                &mut body,
                serde_json::from_str(&over).unwrap_or_else(|error| panic!("{rest}: {error}")),
            );
            Some(body)
        };
        let (method, path, body) = match word {
            "ping" => (
                "POST",
                "/v1/campaigns/auto/ping".to_owned(),
                body(usual(false)),
            ),
            "direct" => (
                "POST",
                "/v1/campaigns/auto/post".to_owned(),
                body(usual(true)),
            ),
            "validate" => (
                "POST",
                "/v1/campaigns/auto/validate".to_owned(),
                body(usual(true)),
            ),
            "post" => {
                let mut lead = usual(true);
                lead["ping_id"] = self.names.real(&self.names.last("pq")).into();
                ("POST", "/v1/campaigns/auto/post".to_owned(), body(lead))
            }
            "get" => {
                let lead = self.names.real(&self.names.last("ld"));
                ("GET", format!("/v1/leads/{lead}"), None)
            }
            method => {
                let (path, sent) = rest.split_once(' ').unwrap_or((rest, ""));
                let sent = self.names.real(sent);
                let sent = (!sent.is_empty()).then(|| serde_json::from_str(&sent).unwrap());
                (method, self.names.real(path), sent)
            }
        };
        let key = match who {
            "nobody" => None,
            "admin" => Some(ADMIN.to_owned()),
            who => Some(format!("the-secret-key-of-{who}")),
        };
        Ask {
            key,
            method: method.to_owned(),
            path,
            body,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "joined by `answer`")]
    fn ask(&self, ask: Ask) -> JoinHandle<Answer> {
        let to = self.house.address;
        tokio::spawn(async move {
            let stream = client::send(to, &ask).await;
            client::read(stream).await
        })
    }

    async fn answer(&mut self, asking: JoinHandle<Answer>) {
        let answered = pass_until(PATIENCE, async || asking.is_finished()).await;
        assert!(answered, "no answer\n{}", self.out);
        let answer = asking.await.unwrap();
        self.got();
        let mut body = answer.body;
        self.names.tidy(self.house.kept.clock.wall(), &mut body);
        let retry = answer
            .retry_after
            .map_or(String::new(), |after| format!(" (retry after {after} s)"));
        writeln!(self.out, "  -> {}{retry} {body}", answer.status).unwrap();
        moment().await;
    }

    /// What buyers got since the last look.
    fn got(&mut self) {
        for got in self.house.buyers.take() {
            let mut body = got.body;
            let key = body
                .get("idempotency_key")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let members = body.as_object_mut().unwrap();
            members.retain(|name, _| !HEAD.contains(&name.as_str()));
            self.names.tidy(self.house.kept.clock.wall(), &mut body);
            let key = key.map_or(String::new(), |key| format!(" {}", self.names.show(&key)));
            writeln!(self.out, "  {} <- {}{key} {body}", got.contract, got.kind).unwrap();
        }
    }

    /// Lets leads end, and the worker do what is due.
    async fn fold(&self) {
        let house = &self.house;
        let done = async || {
            if house.router.in_progress() > 0
                || house.progress.lag(house.kept.backend.log()) != Some(0)
            {
                return false;
            }
            let records = records::read(&house.kept.backend).await;
            for lead in records::leads(&records) {
                let state = records::state(&house.kept.backend, lead).await;
                let due = state.map(|state| fold::due(&state, house.kept.clock.wall()).unwrap());
                if !matches!(due, Some(fold::Due::Nothing)) {
                    return false;
                }
            }
            true
        };
        assert!(
            pass_until(PATIENCE, done).await,
            "leads do not end\n{}",
            self.out
        );
    }

    async fn end(&mut self) -> Records {
        assert!(self.background.is_empty(), "`join` is missing");
        self.fold().await;
        self.got();
        let records = records::read(&self.house.kept.backend).await;
        let shown = records::show(&self.house.kept.backend, &mut self.names, &records).await;
        self.out.push_str(&shown);
        self.out
            .push_str(&records::refusals(&self.house.kept.backend).await);
        records
    }
}

/// `north on ping: ..`.
fn scripted(line: &str) -> Option<(&str, Kind, &str)> {
    let (contract, rest) = line.split_once(" on ")?;
    if contract.contains(' ') {
        return None;
    }
    match rest.split_once(": ")? {
        ("ping", answers) => Some((contract, Kind::Ping, answers)),
        ("post", answers) => Some((contract, Kind::Post, answers)),
        _ => None,
    }
}

/// A lead that everybody would like to have.
fn usual(whole: bool) -> Value {
    let mut lead = json!({ "zip": "78701", "state": "TX", "age": 34 });
    if whole {
        merge(
            &mut lead,
            json!({ "first_name": "Ann", "phone": "(512) 555-0199", "email": "Ann@Example.com" }),
        );
    }
    json!({ "lead": lead })
}

/// Lays one body over another; null removes.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                if value.is_null() {
                    base.remove(&name);
                } else {
                    merge(base.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (base, over) => *base = over,
    }
}
