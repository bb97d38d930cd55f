//! What the answers to a contract's posts mean for the lead, and what is booked for it.

use std::time::Duration;

use auction::{PostPrice, Terms};
use domain::Settlement;

use crate::reader::Table;
use crate::units;

/// All of it, to be put into a contract's terms.
pub(super) struct Posting {
    post_price: PostPrice,
    resell_in_doubt: bool,
    settle_within: Duration,
    on_unsettled: Settlement,
}

pub(super) fn posting(table: &mut Table<'_>) -> Option<Posting> {
    let prices = [("bid", PostPrice::Bid), ("answer", PostPrice::Answer)];
    let silences = [
        ("reject", Settlement::Rejected),
        ("accept", Settlement::Accepted),
    ];
    let day = Duration::from_secs(86_400);
    let post_price = table.or("post_price", PostPrice::default(), |c| c.word(&prices));
    let resell_in_doubt = table.or("resell_in_doubt", false, |c| c.flag());
    let settle_within = table.or("settle_within", day, |c| c.with(units::duration));
    let on_unsettled = table.or("on_unsettled", Settlement::Rejected, |c| c.word(&silences));
    Some(Posting {
        post_price: post_price?,
        resell_in_doubt: resell_in_doubt?,
        settle_within: settle_within?,
        on_unsettled: on_unsettled?,
    })
}

impl Posting {
    pub(super) fn of(self, terms: Terms) -> Terms {
        Terms {
            post_price: self.post_price,
            resell_in_doubt: self.resell_in_doubt,
            settle_within: self.settle_within,
            on_unsettled: self.on_unsettled,
            ..terms
        }
    }
}
