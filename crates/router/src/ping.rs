//! `POST /v1/campaigns/{campaign}/ping`: a publisher asks what a lead is worth.

use std::sync::Arc;
use std::time::Duration;

use auction::{Context, Kind, LeadView, Rung};
use bytes::Bytes;
use domain::{AuctionId, FieldName, Micros, Timestamp};
use intake::{Body, ConsentRule, PingRequest};
use proto::{Claim, LeadBody, LeadRecord, Message, Quote, Quoted};
use store::{Ack, Backend, ClaimKey, Claims, Digest, EventLog, Lookup, PING_KEPT, Topic};

use crate::answer::{self, AboutPing, Offer};
use crate::attempt::Attempt;
use crate::away::Brought;
use crate::call::{Caller, Endpoint, claim_key, digest, sent_key};
use crate::disclose::Counted;
use crate::refusal::Refused;
use crate::round::{RoundOrder, RoundResult};
use crate::{Router, records};

/// A quote lives at most this long, whatever the campaign says.
const LONGEST_QUOTE: Duration = Duration::from_secs(300);
const _: () = assert!(LONGEST_QUOTE.as_secs() < PING_KEPT.as_secs());
/// Told to the publisher as gone this much earlier than it is.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);

/// A claim on a ping's key.
struct Keyed {
    key: ClaimKey,
    digest: Digest,
}

impl<B: Backend> Router<B> {
    /// Answers a ping.
    pub(crate) async fn ping(
        self: &Arc<Self>,
        caller: Caller,
        key: Option<&str>,
        bytes: &[u8],
        attempt: &mut Attempt,
    ) -> Result<Bytes, Refused> {
        let body = Body::read(bytes, &intake::Limits::default())?;
        attempt.read(&body);
        let keyed = sent_key(key, &body)?.map(|key| Keyed {
            key: claim_key(
                &caller.publisher,
                &caller.stall.campaign.name,
                Endpoint::Ping,
                key,
            ),
            digest: digest(&body),
        });
        if let Some(keyed) = &keyed {
            match self
                .backend
                .claims()
                .lookup(&keyed.key, &keyed.digest)
                .await?
            {
                Lookup::Quote(answer) => return Ok(Bytes::copy_from_slice(&answer)),
                Lookup::Conflict | Lookup::Lead(_) => return Err(Refused::IdempotencyConflict),
                Lookup::Free => {}
            }
        }
        let request = intake::parse_ping(&caller.stall.campaign.form, &body)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refused::Unavailable("too many leads at once"))?;
        let auction = AuctionId::mint(caller.wall, self.entropy.as_ref());
        attempt.auction(auction);
        let router = Arc::clone(self);
        let work = async move {
            let quote = router.quote_for(&caller, auction, request, keyed);
            let answer = router.stopped.run_until_cancelled(quote).await;
            drop(place);
            answer.unwrap_or(Err(Refused::Unavailable("the ping was interrupted")))
        };
        let task = self.tasks.spawn_on(work, &self.runtime);
        task.await
            .map_err(|_| Refused::Unavailable("the ping was interrupted"))?
    }

    async fn quote_for(
        &self,
        caller: &Caller,
        auction: AuctionId,
        request: PingRequest,
        keyed: Option<Keyed>,
    ) -> Result<Bytes, Refused> {
        let PingRequest {
            control,
            fields,
            warnings,
        } = request;
        let (_, deadline) = Self::deadline(caller, &control);
        let min_payout = control.min_payout.unwrap_or(Micros::ZERO);
        let campaign = &caller.stall.campaign;
        let values = |name: &FieldName| fields.get(name.as_str());
        let mut consumer = self.consumer_claim(campaign, &caller.publisher, control.test, values);
        // A ping claims nothing: a lead in flight counts as one that may yet be sold.
        consumer.patient = false;
        // Where a post has to bring it, consent will come with the post.
        let consented = campaign.form.consent == ConsentRule::Tcpa;
        let known = self.known(campaign, &consumer, None, consented, caller.wall, values);
        let brought = Brought {
            sub: &control.sub,
            test: control.test,
            consent: true,
        };
        let known = self
            .judge(caller, brought, known.await?, caller.wall)
            .await?;
        let order = RoundOrder {
            stall: &caller.stall,
            rules: &caller.rules,
            context: Context {
                consumer: known.consumer.clone(),
                ..Self::context(&caller.market, &caller.publisher, &control, caller.wall)
            },
            lead: LeadView::Ping(&fields),
            fields: &fields,
            sub: &control.sub,
            kind: Kind::Ping,
            min_payout,
            now: caller.started,
            deadline,
        };
        let (recorded, result) = match known.away {
            None => {
                let (screened, facts, passes) = self.screen(&order).await?;
                let recorded = records::facts(&facts, &campaign.book);
                (
                    recorded,
                    self.run_round(&order, screened, facts, passes).await,
                )
            }
            Some(_) => (
                records::facts(&known.facts, &campaign.book),
                RoundResult::nothing(),
            ),
        };
        let round = result.round;
        let wall = self.clock.wall();
        let seed = self.entropy.next_u64();
        let about = |took| AboutPing {
            auction,
            currency: caller.rules.currency,
            test: control.test,
            warnings: &warnings,
            took,
            request_id: &caller.request_id,
        };
        let took = self.clock.mono().since(caller.started);
        let top = round
            .rungs
            .first()
            .map(|top| (top.payout, expiry(wall, caller.rules.quote_ttl, top)));
        let answer = match top {
            Some((payout, expires_at)) => {
                let quote = Quote {
                    auction: auction.as_bytes().to_vec(),
                    generation: caller.market.snapshot.generation.clone(),
                    rungs: round.rungs.iter().map(records::rung).collect(),
                    payout_micros: payout.get(),
                    min_payout_micros: min_payout.get(),
                    test: control.test,
                    seed,
                    expires_at_us: expires_at.as_micros(),
                    locked: self.locked(&caller.stall, &fields),
                    promise: caller.rules.quote_promise.number().into(),
                    min_margin_micros: caller.rules.min_margin.get(),
                };
                let campaign = &caller.stall.campaign.name;
                let sealed =
                    self.quotes
                        .seal(quote, &caller.publisher, campaign, self.entropy.as_ref());
                let ping_id =
                    sealed.map_err(|_| Refused::Unavailable("the quote could not be sealed"))?;
                let expires_in = expires_at.since(wall);
                answer::quoted(
                    about(took),
                    &Offer {
                        ping_id: &ping_id,
                        payout,
                        expires_at,
                        expires_in,
                    },
                )
            }
            None => {
                let disclosure = campaign.disclosure;
                let reasons = match known.away {
                    Some(reason) => Counted::away(reason, disclosure),
                    None => Counted::of(&round.waterfall, disclosure),
                };
                answer::no_bid(about(took), reasons)
            }
        };
        let record = Quoted {
            campaign: caller.stall.campaign.name.to_string(),
            publisher: caller.publisher.to_string(),
            claim: keyed.as_ref().map(|keyed| Claim {
                key: keyed.key.0.clone(),
                digest: keyed.digest.to_vec(),
            }),
            generation: caller.market.snapshot.generation.clone(),
            seed,
            test: control.test,
            quoted: top.is_some(),
            payout_micros: top.map_or(0, |(payout, _)| payout.get()),
            currency: caller.rules.currency.to_string(),
            expires_at_us: top.map_or(0, |(_, expires_at)| expires_at.as_micros()),
            waterfall: Some(records::waterfall(&round.waterfall, &result.statuses)),
            answer: keyed.as_ref().map_or(Vec::new(), |_| answer.to_vec()),
            took_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            click_id: self
                .click(&control)
                .map_or(Vec::new(), |click| click.as_bytes().to_vec()),
            facts: Some(recorded),
            sub: control.sub,
            barred: records::barred(&known.consumer),
        };
        self.record_quote(auction, record).await;
        if let Some(Keyed { key, digest }) = keyed {
            self.backend
                .claims()
                .quoted(key, digest, answer.to_vec().into(), wall)
                .await?;
        }
        let overhead = self
            .clock
            .mono()
            .since(caller.started)
            .saturating_sub(result.awaited);
        self.metrics
            .time(telemetry::AUCTION_OVERHEAD, ["ping"], overhead);
        Ok(answer)
    }

    /// A quote's record is evidence, not a promise: the promise is in the sealed quote.
    async fn record_quote(&self, auction: AuctionId, quoted: Quoted) {
        let record = LeadRecord {
            subject: auction.as_bytes().to_vec(),
            n: 0,
            at_us: self.clock.wall().as_micros(),
            instance: self.instance,
            body: Some(LeadBody::Quoted(quoted)),
        };
        let key = store::key::auction(auction);
        let appended = self.backend.log().append(
            Topic::Leads,
            key,
            record.encode_to_vec().into(),
            Ack::Kernel,
        );
        if let Err(error) = appended.await {
            tracing::warn!(%auction, %error, "quote not recorded");
        }
    }
}

/// When a quote ends: after the campaign's time or five minutes, or with the quoted bid, and then a
/// little earlier.
fn expiry(wall: Timestamp, ttl: Duration, top: &Rung) -> Timestamp {
    let longest = wall.plus(ttl.min(LONGEST_QUOTE));
    top.expires
        .map_or(longest, |expires| longest.min(expires))
        .minus(EXPIRY_MARGIN)
        .max(wall)
}
