//! What the publisher is paid for a rung under the promise, and what an accepted post is booked at.

use domain::{Micros, SaleFlag};

use super::{Booked, Climb, Quote};
use crate::{PostPrice, Promise, Rung, Terms};

impl Climb {
    /// The promise in force: the quote's own, or the campaign's for direct posts.
    fn quote(&self) -> Option<Quote> {
        self.quote.or_else(|| {
            Some(Quote {
                // Without a quote the best price is what would have been quoted.
                payout: self.rungs.first()?.payout,
                promise: self.rules.direct_promise,
                min_margin: self.rules.min_margin,
            })
        })
    }

    /// What the publisher is paid for this rung under the promise; none if it cannot be kept.
    pub(super) fn promised(&self, rung: &Rung) -> Option<Micros> {
        let Quote {
            payout,
            promise,
            min_margin,
        } = self.quote()?;
        let (paid, kept) = match promise {
            Promise::BreakEven => {
                let margin = rung.price.minus(payout).ok()?;
                (payout, margin >= min_margin)
            }
            Promise::KeepMargin => (payout, rung.payout >= payout),
            Promise::Reprice => (rung.payout, rung.payout >= self.min_payout),
        };
        kept.then_some(paid)
    }

    /// What a post at `price` and `payout` is booked at, now that its buyer has accepted it and named
    /// a price, or none. The sale stands, whatever it named.
    pub(super) fn booked(
        &self,
        terms: &Terms,
        price: Micros,
        payout: Micros,
        answered: Option<Micros>,
    ) -> Booked {
        let mut flags = Vec::new();
        let held = terms.held(price);
        let booked = match (terms.post_price, answered) {
            (_, None) => price,
            (PostPrice::Answer, Some(answered)) if answered > held => {
                flags.push(SaleFlag::PriceCut);
                held
            }
            (PostPrice::Answer, Some(answered)) if answered >= Micros::ZERO => answered,
            (PostPrice::Answer | PostPrice::Bid, Some(answered)) => {
                if answered != price {
                    flags.push(SaleFlag::PriceChanged);
                }
                price
            }
        };
        let reprices = self
            .quote()
            .is_some_and(|quote| quote.promise == Promise::Reprice);
        let payout = if reprices && booked != price {
            // The publisher's floor was promised too.
            self.rules.payout_of(terms, booked).max(self.min_payout)
        } else {
            payout
        };
        if booked < payout {
            flags.push(SaleFlag::NegativeMargin);
        }
        Booked {
            price: booked,
            payout,
            flags,
        }
    }
}
