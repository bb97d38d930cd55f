//! What a publisher hears of why a lead was not bought: as much as its campaign discloses.
//!
//! `none`: that there is a reason. `code`: which, by its stable code. `full`: with a sentence, and the
//! waterfall: every step that was tried, without a name of a buyer or a contract and without a price.

use std::borrow::Cow;
use std::collections::BTreeMap;

use auction::Waterfall;
use catalog::Disclosure;
use domain::{ContractReason, LeadReason};
use serde::{Deserialize, Serialize};

/// The code of every reason where none is disclosed.
const UNDISCLOSED: &str = "undisclosed";

/// `reason` of a lead that is not sold.
#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

impl Reason {
    pub(crate) fn of(reason: LeadReason, disclosure: Disclosure) -> Self {
        let (code, message) = told(reason.as_str(), reason.message(), disclosure);
        Self { code, message }
    }
}

/// How many contracts ended for one reason, in the answer to a ping.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

impl Counted {
    /// Why the book did not run.
    pub(crate) fn away(reason: LeadReason, disclosure: Disclosure) -> Vec<Self> {
        Self::list([(reason.as_str(), (reason.message(), 1))], disclosure)
    }

    /// How many contracts ended for which reason, by code.
    pub(crate) fn of(waterfall: &Waterfall, disclosure: Disclosure) -> Vec<Self> {
        let mut counts = BTreeMap::new();
        let rows = waterfall.rows.iter().filter_map(auction::Row::reason);
        let excluded = waterfall.excluded.iter().map(|(why, count)| (why, *count));
        for (reason, count) in excluded.chain(rows.map(|reason| (reason, 1))) {
            counts
                .entry(reason.code())
                .or_insert((reason.message(), 0))
                .1 += count;
        }
        Self::list(counts, disclosure)
    }

    fn list(
        counts: impl IntoIterator<Item = (&'static str, (&'static str, u32))>,
        disclosure: Disclosure,
    ) -> Vec<Self> {
        let one = |(code, (message, count))| {
            let (code, message) = told(code, message, disclosure);
            let count = (disclosure > Disclosure::None).then_some(count);
            Self {
                code,
                message,
                count,
            }
        };
        // How many reasons there are is one already.
        let most = match disclosure {
            Disclosure::None => 1,
            Disclosure::Code | Disclosure::Full => usize::MAX,
        };
        counts.into_iter().map(one).take(most).collect()
    }
}

fn told(
    code: &'static str,
    message: &'static str,
    disclosure: Disclosure,
) -> (&'static str, Option<&'static str>) {
    match disclosure {
        Disclosure::None => (UNDISCLOSED, None),
        Disclosure::Code => (code, None),
        Disclosure::Full => (code, Some(message)),
    }
}

/// One step of a waterfall: how it ended at the ping and at the post, for how many contracts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<String>,
    message: Cow<'static, str>,
    contracts: u32,
}

/// What was tried for a lead, who got as far as the ladder first; none if nothing was, or unless all is
/// disclosed.
pub(crate) fn steps(waterfall: &Waterfall, disclosure: Disclosure) -> Option<Vec<Step>> {
    if disclosure < Disclosure::Full {
        return None;
    }
    let (posted, others): (Vec<_>, Vec<_>) = waterfall
        .rows
        .iter()
        .partition(|row| row.post_reason.is_some());
    let rows = posted.into_iter().chain(others).map(|row| Step {
        ping: row.ping_reason.as_ref().map(ToString::to_string),
        post: row.post_reason.as_ref().map(ToString::to_string),
        message: row.reason().map_or("", ContractReason::message).into(),
        contracts: 1,
    });
    let excluded = waterfall.excluded.iter().map(|(reason, count)| Step {
        ping: Some(reason.to_string()),
        post: None,
        message: reason.message().into(),
        contracts: *count,
    });
    let steps: Vec<Step> = rows.chain(excluded).collect();
    (!steps.is_empty()).then_some(steps)
}
