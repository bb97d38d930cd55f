//! Caps and balances in a scenario, and what is used of them.
//!
//! ```text
//! contract north: day cap 10, 9 used, 10 at the hold; month cap 500.00 money sent
//! contract north: balance 100.00, 99.00 used; buyer week cap 50; publisher hour cap 2
//! contract south: of north-inc
//! campaign: publisher day cap 20, 20 used
//! ```

use std::sync::Arc;

use auction::{Account, Cap, CapSize, Caps, PublisherLimits, Rules, Terms};
use domain::{
    CapScope, CapUnit, CapWindow, CounterKey, CounterOwner, Counts, Limit, Meter, Micros,
};

/// What is used of each counter: when the facts are read, and when a hold is asked for.
#[derive(Debug, Default)]
pub(crate) struct Used(Vec<(CounterOwner, Limit, [i64; 2])>);

impl Used {
    /// Of the facts (0), or at the hold (1).
    pub(crate) fn of(&self, key: &CounterKey, when: usize) -> i64 {
        let mut used = self.0.iter().filter(|(of, limit, _)| {
            *limit == key.limit()
                && match (of, &key.owner) {
                    (CounterOwner::Buyer(of), CounterOwner::Buyer(buyer)) => of == buyer,
                    (
                        CounterOwner::Contract(_, of),
                        CounterOwner::Contract(_, contract)
                        | CounterOwner::Publisher(_, contract, _),
                    ) => of == contract,
                    // There is one publisher.
                    (_, CounterOwner::Campaign(..)) => true,
                    _ => false,
                }
        });
        used.next().map_or(0, |(_, _, used)| used[when])
    }

    fn note(&mut self, terms: &Terms, limit: Limit, words: &[&str]) -> Option<()> {
        let amount = |text: &str| match limit.meter.unit() {
            CapUnit::Leads => text.parse().ok(),
            CapUnit::Money => text.parse::<Micros>().ok().map(Micros::get),
        };
        let used = match *words {
            [] => return Some(()),
            [used, "used"] => [amount(used)?; 2],
            [used, "used,", then, "at", "the", "hold"] => [amount(used)?, amount(then)?],
            _ => return None,
        };
        let (buyer, contract) = (terms.buyer.clone(), terms.contract.clone());
        let of = match limit.scope {
            CapScope::Buyer => CounterOwner::Buyer(buyer),
            _ => CounterOwner::Contract(buyer, contract),
        };
        self.0.push((of, limit, used));
        Some(())
    }
}

/// `hour cap 10`, `month cap 50.00 money sent`; then what is used of it.
fn cap<'w, 't>(words: &'w [&'t str]) -> Option<(Cap, &'w [&'t str])> {
    let [window, "cap", size, rest @ ..] = words else {
        return None;
    };
    let windows = CapWindow::ALL.into_iter();
    let window = windows.clone().find(|known| known.as_str() == *window)?;
    let words: Vec<&str> = rest.iter().map(|word| word.trim_end_matches(',')).collect();
    let (size, past) = match words.first() {
        Some(&"money") => (CapSize::Money(plain(size).parse().ok()?), 1),
        _ => (CapSize::Leads(plain(size).parse().ok()?), 0),
    };
    let (counts, past) = match words.get(past) {
        Some(&"sent") => (Counts::Sent, past + 1),
        _ => (Counts::Sold, past),
    };
    let cap = Cap {
        window,
        counts,
        size,
    };
    Some((cap, &rest[past..]))
}

fn plain(word: &str) -> &str {
    word.trim_end_matches(',')
}

fn limit(scope: CapScope, meter: Meter) -> Limit {
    Limit { scope, meter }
}

/// Reads a clause of the contract read last; none if it is about no limit.
pub(crate) fn contract(book: &mut [Terms], used: &mut Used, words: &[&str]) -> Option<()> {
    let (terms, before) = book.split_last_mut()?;
    match words {
        ["of", buyer] => {
            terms.buyer = buyer.parse().ok()?;
            let mut others = before.iter().filter(|other| other.buyer == terms.buyer);
            terms.account = Arc::clone(&others.next()?.account);
            Some(())
        }
        ["balance", amount, rest @ ..] => {
            account(terms).balance = Some(plain(amount).parse().ok()?);
            used.note(terms, limit(CapScope::Buyer, Meter::Balance), rest)
        }
        ["buyer", words @ ..] => {
            let (cap, rest) = cap(words)?;
            account(terms).caps.caps.push(cap);
            used.note(terms, limit(CapScope::Buyer, cap.meter()), rest)
        }
        ["publisher", words @ ..] => {
            let (cap, rest) = cap(words)?;
            terms.publisher_caps.push(cap);
            used.note(terms, limit(CapScope::Publisher, cap.meter()), rest)
        }
        words => {
            let (cap, rest) = cap(words)?;
            terms.caps.push(cap);
            used.note(terms, limit(CapScope::Contract, cap.meter()), rest)
        }
    }
}

fn account(terms: &mut Terms) -> &mut Account {
    Arc::make_mut(&mut terms.account)
}

/// Reads a clause of the campaign; none if it is about no limit.
pub(crate) fn campaign(rules: &mut Rules, used: &mut Used, words: &[&str]) -> Option<()> {
    let ["publisher", words @ ..] = words else {
        return None;
    };
    let (cap, rest) = cap(words)?;
    let limits = rules.limits.get_or_insert_with(|| {
        Arc::new(PublisherLimits {
            campaign: "auto".parse().unwrap(),
            caps: Caps::default(),
        })
    });
    Arc::make_mut(limits).caps.caps.push(cap);
    let anybody = Terms::new("any".parse().ok()?, "any".parse().ok()?);
    used.note(&anybody, limit(CapScope::Campaign, cap.meter()), rest)
}
