//! Settling what is in doubt, by what the buyers' own journals say: half by the buyers' call-back, half
//! by the operator.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::Clock;
use sandbox::{Answer, read_journals};
use serde::Deserialize;
use traffic::{Answered, Buyers, Call, Pool, Warehouse, caught_up, key_of};

use crate::cast::{Cast, OPERATOR_KEY};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long ClickHouse may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Between two looks at what is still open.
const LOOK: Duration = Duration::from_millis(300);

/// Everything it needs.
pub(crate) struct Settling<'a> {
    pub(crate) cast: &'static Cast,
    pub(crate) public: &'a Pool,
    pub(crate) operator: &'a Pool,
    pub(crate) warehouse: &'a Warehouse,
    pub(crate) journals: &'a Path,
    pub(crate) clock: &'a dyn Clock,
}

/// How many legs were settled, by whom.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) by_buyers: u32,
    pub(crate) by_operator: u32,
}

#[derive(Debug, Deserialize)]
struct OpenLeg {
    sale_id: String,
    lead_id: String,
    leg: u16,
    buyer: String,
}

const IN_DOUBT: &str =
    "SELECT sale_id, lead_id, leg, buyer FROM v_posts WHERE state = 'in_doubt' ORDER BY sale_id";
const OPEN: &str = "SELECT toUInt32(count()) AS value FROM v_leads WHERE status = 'pending'";

impl Settling<'_> {
    /// Settles until every lead has ended.
    pub(crate) async fn all(&self) -> Result<Settled> {
        let until = self.clock.mono().plus(LIMIT);
        let mut settled = Settled::default();
        loop {
            caught_up(self.operator, CATCH_UP, self.clock).await?;
            let legs: Vec<OpenLeg> = self.warehouse.rows(IN_DOUBT).await?;
            let entries = read_journals(self.journals)?;
            let decided = Buyers::of(&entries).decided();
            for leg in &legs {
                self.settle(leg, &decided, &mut settled).await?;
            }
            let open = self.warehouse.value::<u32>(OPEN).await?.unwrap_or(0);
            if legs.is_empty() && open == 0 {
                return Ok(settled);
            }
            if self.clock.mono() >= until {
                bail!(
                    "{} legs in doubt and {open} leads open after {LIMIT:?}",
                    legs.len()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn settle(
        &self,
        leg: &OpenLeg,
        decided: &HashMap<String, Answer>,
        settled: &mut Settled,
    ) -> Result<()> {
        // A post that is in no journal never arrived.
        let bought = decided.get(&leg.sale_id) == Some(&Answer::Accepted);
        let body = serde_json::json!({
            "status": if bought { "accepted" } else { "rejected" },
            "reference": "settled",
        });
        // Even and odd digits of the lead's id: half each, and the same again if asked twice.
        let by_buyer = leg
            .lead_id
            .bytes()
            .last()
            .is_some_and(|digit| digit % 2 == 0);
        let call = if by_buyer {
            let path = format!("/v1/buyer/posts/{}/settle", key_of(&leg.sale_id));
            Call::json(path, &body).with_key(&self.cast.key_of_buyer(&leg.buyer))
        } else {
            let path = format!("/v1/admin/leads/{}/legs/{}/settle", leg.lead_id, leg.leg);
            Call::json(path, &body).with_key(OPERATOR_KEY)
        };
        let answered = self.public.call(call).await.context("settlement")?;
        if taken(&answered) {
            let counter = if by_buyer {
                &mut settled.by_buyers
            } else {
                &mut settled.by_operator
            };
            *counter += u32::from(answered.status != 409);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&answered.body);
        bail!(
            "settlement of {} was refused: {} {text}",
            leg.sale_id,
            answered.status
        )
    }
}

/// Settled now, soon, or before.
fn taken(answered: &Answered) -> bool {
    matches!(answered.status.as_u16(), 200 | 202 | 409)
}
