//! The router's routes: who may call them, and how refusals look outside.
//!
//! Those under `/v1/buyer` are a buyer's, under `/v1/admin` an operator's, the others a publisher's.

use std::sync::Arc;

use bytes::Bytes;
use catalog::Owner;
use domain::{BuyerName, PublisherName};
use http::StatusCode;
use httpd::{Endpoint, Problem, Reply, Request, Service};
use serde::Serialize;
use store::Backend;

use crate::attempt::{Asked, Attempt};
use crate::lookup::By;
use crate::market::Market;
use crate::refusal::Refused;
use crate::settle::Settling;
use crate::{Router, catalogs};

httpd::routes! {
    /// All that the router answers.
    enum Route {
        Ping "POST" "/v1/campaigns/{campaign}/ping";
        Post "POST" "/v1/campaigns/{campaign}/post";
        Validate "POST" "/v1/campaigns/{campaign}/validate";
        Find "GET" "/v1/leads";
        Lookup "GET" "/v1/leads/{lead_id}";
        Inspect "GET" "/v1/admin/leads/{lead_id}";
        Catalog "GET" "/v1/admin/catalog";
        CheckCatalog "POST" "/v1/admin/catalog:validate";
        PutCatalog "POST" "/v1/admin/catalog:apply";
        SettleByKey "POST" "/v1/buyer/posts/{idempotency_key}/settle";
        SettleLeg "POST" "/v1/admin/leads/{lead_id}/legs/{leg}/settle";
    }
}

/// How the requests begin that auctions are run for.
pub const AUCTIONS: &[u8] = b"POST /v1/campaigns/";

/// All that the router answers.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    Route::ALL.iter().map(|route| route.endpoint())
}

/// The router as a service. Cheap to clone.
pub struct RouterService<B: Backend>(pub Arc<Router<B>>);

/// A request: it takes the market of its time.
struct Visit<'a, B: Backend> {
    router: &'a Arc<Router<B>>,
    market: Arc<Market>,
}

/// The answer to a settlement.
#[derive(Serialize)]
struct Settled<'a> {
    status: &'static str,
    lead_id: Option<String>,
    request_id: &'a str,
}

impl<B: Backend> Service for RouterService<B> {
    async fn call(&self, request: Request) -> Reply {
        let mut attempt = Attempt::new(request.id());
        let visit = Visit {
            router: &self.0,
            market: self.0.market.load_full(),
        };
        match visit.route(request, &mut attempt).await {
            Ok(reply) => reply,
            Err(refused) => {
                self.0.note(&attempt, &refused).await;
                attempt.name(Problem::from(refused)).into()
            }
        }
    }
}

impl<B: Backend> Visit<'_, B> {
    async fn route(&self, request: Request, attempt: &mut Attempt) -> Result<Reply, Refused> {
        let path = request.path().to_owned();
        let (route, values) = Route::find(&path).ok_or(Refused::NoRoute)?;
        let [first, second] = values;
        attempt.asked = match route {
            Route::Ping => Some(Asked::Ping),
            Route::Post => Some(Asked::Post),
            _ => None,
        };
        attempt.campaign = self.market.campaign_named(first);
        let endpoint = route.endpoint();
        if !endpoint.takes(request.method()) {
            return Err(Refused::Method(endpoint.methods));
        }
        match route {
            Route::Ping => self.ping(request, first, attempt).await,
            Route::Post => self.post(request, first, attempt).await,
            Route::Validate => self.validate(request, first, attempt).await,
            Route::Find => self.find(request).await,
            Route::Lookup => self.lookup(request, first).await,
            Route::Inspect => self.inspect(request, first).await,
            Route::Catalog => {
                self.operator(&request)?;
                Ok(catalogs::shown(&self.market.snapshot))
            }
            Route::CheckCatalog => {
                self.operator(&request)?;
                catalogs::check(&*self.router.catalogs, request).await
            }
            Route::PutCatalog => {
                self.operator(&request)?;
                catalogs::put(&*self.router.catalogs, request).await
            }
            Route::SettleByKey => self.settle_by_key(request, first, attempt).await,
            Route::SettleLeg => self.settle_leg(request, (first, second), attempt).await,
        }
    }

    async fn ping(
        &self,
        mut request: Request,
        campaign: &str,
        attempt: &mut Attempt,
    ) -> Result<Reply, Refused> {
        let (publisher, body) = self.publisher_post(&mut request, attempt).await?;
        let id = request.id().as_str().to_owned();
        let caller = self.router.caller(&self.market, &publisher, campaign, id)?;
        let key = idempotency_key(&request)?;
        json(self.router.ping(caller, key, &body, attempt).await)
    }

    async fn post(
        &self,
        mut request: Request,
        campaign: &str,
        attempt: &mut Attempt,
    ) -> Result<Reply, Refused> {
        let (publisher, body) = self.publisher_post(&mut request, attempt).await?;
        let id = request.id().as_str().to_owned();
        let caller = self.router.caller(&self.market, &publisher, campaign, id)?;
        let key = idempotency_key(&request)?;
        json(self.router.post(caller, key, &body, attempt).await)
    }

    async fn validate(
        &self,
        mut request: Request,
        campaign: &str,
        attempt: &mut Attempt,
    ) -> Result<Reply, Refused> {
        let (publisher, body) = self.publisher_post(&mut request, attempt).await?;
        let key = idempotency_key(&request)?;
        let id = request.id().as_str().to_owned();
        let caller = self.router.caller(&self.market, &publisher, campaign, id)?;
        json(Router::<B>::validate(&caller, key, &body))
    }

    async fn find(&self, request: Request) -> Result<Reply, Refused> {
        let publisher = self.publisher(&request)?;
        self.within_rate(&publisher)?;
        let of = |wanted: &str| {
            let mut pairs = request.query();
            pairs.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
        };
        let campaign = of("campaign");
        let names = ["idempotency_key", "ping_id", "publisher_lead_id"].map(of);
        let id = request.id().as_str().to_owned();
        let (router, campaign) = (self.router, campaign.as_deref());
        json(match names.each_ref().map(Option::as_deref) {
            [Some(key), None, None] => router.find(&publisher, campaign, By::Key(key), &id).await,
            [None, Some(ping), None] => {
                router.find(&publisher, campaign, By::Ping(ping), &id).await
            }
            [None, None, Some(name)] => router.named(&publisher, campaign, name, &id).await,
            _ => {
                let why = "name one of `idempotency_key`, `ping_id` and `publisher_lead_id`";
                Err(Refused::Malformed(why.to_owned()))
            }
        })
    }

    async fn lookup(&self, request: Request, lead: &str) -> Result<Reply, Refused> {
        let publisher = self.publisher(&request)?;
        self.within_rate(&publisher)?;
        json(
            self.router
                .lookup(&publisher, lead, request.id().as_str())
                .await,
        )
    }

    async fn inspect(&self, request: Request, lead: &str) -> Result<Reply, Refused> {
        self.operator(&request)?;
        let mut pairs = request.query();
        let explain = pairs.find_map(|(name, value)| (name == "explain").then_some(value));
        let id = request.id().as_str().to_owned();
        json(self.router.inspect(lead, explain.as_deref(), &id).await)
    }

    async fn settle_by_key(
        &self,
        mut request: Request,
        key: &str,
        attempt: &mut Attempt,
    ) -> Result<Reply, Refused> {
        let buyer = self.buyer(&request)?;
        let body = json_body(&mut request).await?;
        let settling = self
            .router
            .settle_by_key(&buyer, key, &body, attempt)
            .await?;
        Ok(settled(attempt, settling))
    }

    async fn settle_leg(
        &self,
        mut request: Request,
        (lead, leg): (&str, &str),
        attempt: &mut Attempt,
    ) -> Result<Reply, Refused> {
        self.operator(&request)?;
        let body = json_body(&mut request).await?;
        let settling = self.router.settle_leg(lead, leg, &body, attempt).await?;
        Ok(settled(attempt, settling))
    }

    /// A publisher's POST: the key is checked, and the request counted, before the body is read.
    async fn publisher_post(
        &self,
        request: &mut Request,
        attempt: &mut Attempt,
    ) -> Result<(PublisherName, Bytes), Refused> {
        let publisher = self.publisher(request)?;
        attempt.publisher = Some(publisher.clone());
        self.within_rate(&publisher)?;
        let body = json_body(request).await?;
        Ok((publisher, body))
    }

    fn owner(&self, request: &Request) -> Result<Owner, Refused> {
        let credential = request.credential().ok_or(Refused::Unauthorized)?;
        let owner = self.market.snapshot.authenticate(credential.expose());
        owner.cloned().ok_or(Refused::Unauthorized)
    }

    fn publisher(&self, request: &Request) -> Result<PublisherName, Refused> {
        match self.owner(request)? {
            Owner::Publisher(name) => Ok(name),
            _ => Err(Refused::Forbidden("the key is not a publisher's")),
        }
    }

    fn within_rate(&self, publisher: &PublisherName) -> Result<(), Refused> {
        let counted = self.market.request_of(publisher);
        counted.map_err(Refused::RateLimited)
    }

    fn operator(&self, request: &Request) -> Result<(), Refused> {
        match self.owner(request)? {
            Owner::Admin => Ok(()),
            _ => Err(Refused::Forbidden("the key is not an operator's")),
        }
    }

    fn buyer(&self, request: &Request) -> Result<BuyerName, Refused> {
        match self.owner(request)? {
            Owner::Buyer(name) => Ok(name),
            _ => Err(Refused::Forbidden("the key is not a buyer's")),
        }
    }
}

/// The body, of a request that says it is JSON or says nothing.
async fn json_body(request: &mut Request) -> Result<Bytes, Refused> {
    let json = request
        .media_type()
        .is_none_or(|media| media.eq_ignore_ascii_case("application/json"));
    if !json {
        return Err(Refused::MediaType("application/json"));
    }
    Ok(request.body().await?)
}

fn idempotency_key(request: &Request) -> Result<Option<&str>, Refused> {
    let unprintable = || "an idempotency key has 1 to 255 printable characters".to_owned();
    let key = request
        .headers()
        .get("idempotency-key")
        .map(|value| value.to_str());
    key.transpose()
        .map_err(|_| Refused::Malformed(unprintable()))
}

fn json(answer: Result<Bytes, Refused>) -> Result<Reply, Refused> {
    answer.map(|body| Reply::bytes(StatusCode::OK, "application/json", body))
}

fn settled(attempt: &Attempt, settling: Settling) -> Reply {
    let (status, word) = match settling {
        Settling::Settled(settlement) => (StatusCode::OK, settlement.as_str()),
        Settling::Waiting => (StatusCode::ACCEPTED, "waiting"),
    };
    let answer = Settled {
        status: word,
        lead_id: attempt.lead_id().map(|lead| lead.to_string()),
        request_id: attempt.request.as_str(),
    };
    Reply::json(status, &answer)
}
