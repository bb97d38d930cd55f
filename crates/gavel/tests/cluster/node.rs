//! A process of the service, and what is asked of it.

use std::fs;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use domain::{Clock, SaleId};
use http::HeaderName;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use traffic::{Answered, Call, Plan, Pool, Service};

use crate::town::{ADMIN, LOOK, PATIENCE};

const PUBLISHER: &str = "demo-publisher-alpha-media";

/// A process of the service.
pub(crate) struct Node {
    service: Mutex<Option<Service>>,
    plan: Plan,
    public: Pool,
    operator: Pool,
    clock: Arc<dyn Clock>,
}

impl Node {
    /// One that is not started yet.
    pub(crate) fn planned(plan: Plan, clock: Arc<dyn Clock>) -> Self {
        Self {
            service: Mutex::new(None),
            public: Pool::new(plan.ports.public.addr(), 64, PATIENCE, Arc::clone(&clock)),
            operator: plan.operator_pool(Arc::clone(&clock)),
            plan,
            clock,
        }
    }

    /// Starts it, as it was when it ended.
    pub(crate) async fn start(&self) {
        *self.service.lock().await = Some(self.plan.start().unwrap());
        self.ready().await;
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        let mut service = self.service.lock().await;
        let service = service.as_mut().unwrap();
        let ready = service.ready(&self.operator, PATIENCE, self.clock.as_ref());
        if let Err(error) = ready.await {
            panic!("{error}\n{}", self.log());
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn begin(&self) {
        *self.service.lock().await = Some(self.plan.start().unwrap());
        self.readiness().await;
    }

    /// What it says of itself.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let answered = self.told("/readyz").await;
        (answered.status.as_u16(), answered.json().unwrap())
    }

    /// What an operator is told, as soon as there is an answer.
    async fn told(&self, path: &str) -> Answered {
        let began = Instant::now();
        loop {
            match self.operator.call(Call::get(path)).await {
                Ok(answered) => return answered,
                Err(none) => {
                    assert!(began.elapsed() < PATIENCE, "{none}\n{}", self.log());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills it.
    pub(crate) async fn kill(&self) {
        let mut service = self.service.lock().await.take().unwrap();
        service.kill().await.unwrap();
    }

    /// Kills it once Kafka has all of its lead records: a lead whose last word it has alone nobody else can end.
    pub(crate) async fn kill_when_shipped(&self) {
        let began = Instant::now();
        while self.metric("gavel_kafka_away").await != Some(0) {
            assert!(began.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
        self.kill().await;
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut service = self.service.lock().await.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, service.ended()).await;
        ended.unwrap().unwrap()
    }

    /// Ends it in order, and starts it again with the same addresses and files.
    pub(crate) async fn exchange(&self) {
        self.end_in_order().await;
        self.start().await;
    }

    /// Ends it in order.
    pub(crate) async fn end_in_order(&self) {
        let service = self.service.lock().await.take().unwrap();
        let ended = service.stop(PATIENCE).await.unwrap();
        assert!(ended.success(), "{ended}\n{}", self.log());
    }

    /// A metric's value, named with its labels; none if it is not shown.
    pub(crate) async fn metric(&self, name: &str) -> Option<u64> {
        let answered = self.told("/metrics").await;
        let metrics = String::from_utf8_lossy(&answered.body).into_owned();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok())
    }

    /// Its process.
    pub(crate) async fn id(&self) -> u32 {
        let service = self.service.lock().await;
        service.as_ref().unwrap().id().unwrap()
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.plan.dir.join("serve.log")).unwrap_or_default()
    }

    /// Lines of its log that are worse than news, but for those with one of these in them.
    pub(crate) fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let log = self.log();
        let bad = log
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"));
        bad.filter(|line| !expected.iter().any(|one| line.contains(one)))
            .map(str::to_owned)
            .collect()
    }

    /// A publisher's request, once.
    pub(crate) async fn try_ask(&self, path: &str, key: &str, body: &Value) -> Option<Answered> {
        let call = Call::json(path, body).with_key(PUBLISHER);
        let call = call.with(HeaderName::from_static("idempotency-key"), key);
        self.public.call(call).await.ok()
    }

    /// A publisher's request; 503 means "come again", and so does a lead that has not ended.
    pub(crate) async fn ask(&self, path: &str, key: &str, body: &Value) -> Value {
        let began = Instant::now();
        loop {
            let answered = self.try_ask(path, key, body).await.unwrap();
            let text = String::from_utf8_lossy(&answered.body).into_owned();
            if answered.status != 503 {
                let body = answered.json::<Value>();
                let body = body.unwrap_or_else(|| panic!("{}: {text}", answered.status));
                if body["status"] != "pending" {
                    return body;
                }
            }
            assert!(
                began.elapsed() < PATIENCE,
                "still {}: {text}",
                answered.status
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a lead that was sold is known to be so: until then nobody says anything else of it.
    pub(crate) async fn until_sold(&self, lead: &str) {
        let began = Instant::now();
        loop {
            let answered = self.get(&format!("/v1/leads/{lead}")).await;
            let found = answered.json::<Value>().unwrap_or_default();
            match (answered.status.as_u16(), found["status"].as_str()) {
                (200, Some("sold")) => return,
                (200, Some("pending")) | (404 | 503, _) => {}
                _ => panic!("{}: {found}", answered.status),
            }
            assert!(began.elapsed() < PATIENCE, "{}: {found}", answered.status);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The operator says what became of a post. It may have been settled meanwhile.
    pub(crate) async fn settle(&self, sale: &str, status: &str) {
        let sale: SaleId = sale.parse().unwrap();
        let (lead, leg) = (sale.lead.to_string(), sale.leg.to_string());
        let status = self.say(&lead, &leg, status).await;
        assert!(matches!(status, 200 | 202 | 409), "{sale}: {status}");
    }

    /// The operator says that the router of a lead is gone; he may have to come again later (409), or the
    /// worker has ended it meanwhile (404).
    pub(crate) async fn end(&self, lead: &str) {
        let status = self.say(lead, "1", "rejected").await;
        assert!(matches!(status, 200 | 202 | 404 | 409), "{lead}: {status}");
    }

    async fn say(&self, lead: &str, leg: &str, status: &str) -> u16 {
        let path = format!("/v1/admin/leads/{lead}/legs/{leg}/settle");
        let body = json!({ "status": status, "reference": "settled" });
        let began = Instant::now();
        loop {
            let call = Call::json(&path, &body).with_key(ADMIN);
            match self.public.call(call).await {
                Ok(answered) if answered.status != 503 => return answered.status.as_u16(),
                _ => assert!(began.elapsed() < PATIENCE, "{path} has no answer"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Clicks a link at this node, or at none if it is away: the click's id, or an empty one.
    pub(crate) async fn click(&self) -> String {
        let Ok(click) = self.public.call(Call::get("/c/alpha-search")).await else {
            return String::new();
        };
        let to = click.header(&http::header::LOCATION).unwrap_or_default();
        let id = to.split_once("ck_").map_or("", |(_, id)| id);
        let id = id.split('&').next().unwrap_or_default();
        format!("ck_{id}")
    }

    /// What the operator is answered to a text.
    pub(crate) async fn operate(&self, path: &str, text: &str) -> Answered {
        let call = Call::text(path, text.to_owned()).with_key(ADMIN);
        self.public.call(call).await.unwrap()
    }

    /// What the operator sees of a lead.
    pub(crate) async fn inspect(&self, lead: &str) -> Value {
        let call = Call::get(format!("/v1/admin/leads/{lead}")).with_key(ADMIN);
        self.public.call(call).await.unwrap().json().unwrap()
    }

    /// The catalog generation that is in force at this node.
    pub(crate) async fn generation(&self) -> String {
        let (_, ready) = self.readiness().await;
        ready["catalog_generation"].as_str().unwrap().to_owned()
    }

    /// What somebody gets.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        let call = Call::get(path).with_key(PUBLISHER);
        self.public.call(call).await.unwrap()
    }
}
