//! What of the catalog enters credits and payouts.

use std::time::Duration;

use catalog::{Approval, GoalPayout, Payee, Snapshot};
use sha2::{Digest as _, Sha256};
use worker::{GoalRules, Pay, Policy, Rules, Told, Views, Windows};

use super::generations::Current;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How late an event may be and still find its journey whole.
const MAX_LATENESS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The worker's policy under a generation.
pub(super) fn policy(current: &Current) -> Policy {
    Policy {
        rules: Rules {
            number: current.rules,
            ..of(&current.snapshot)
        },
        told: told(&current.snapshot),
    }
}

/// A digest of all that enters credits. Another spelling in a later version of the service counts as a
/// change, and so rows are written again that were good.
pub(super) fn digest(snapshot: &Snapshot) -> Vec<u8> {
    Sha256::digest(format!("{:?}", of(snapshot))).to_vec()
}

/// The rules of a catalog, without their number.
fn of(snapshot: &Snapshot) -> Rules {
    let mut rules = Rules::default();
    for (name, campaign) in &snapshot.campaigns {
        let campaign_name = name.to_string();
        let usual = windows(&campaign.windows);
        rules.windows.insert(campaign_name.clone(), usual);
        for (name, goal) in &campaign.goals {
            let rule = GoalRules {
                windows: windows(&goal.windows),
                pay: goal.payout.map(pay),
                hold: match goal.approval {
                    Approval::Hold { days } => DAY * u32::from(days),
                    Approval::Auto | Approval::Manual => Duration::ZERO,
                },
            };
            rules
                .goals
                .insert((campaign_name.clone(), name.to_string()), rule);
        }
        for (publisher, terms) in &campaign.publishers {
            if terms.payee == Payee::ClickOwner {
                let posted = (campaign_name.clone(), publisher.to_string());
                rules.click_owners.insert(posted);
            }
        }
    }
    for (name, link) in &snapshot.links {
        for (goal, payout) in &link.payouts {
            let key = (name.to_string(), goal.to_string());
            rules.links.insert(key, pay(*payout));
        }
    }
    rules
}

/// Who is told of its conversions, and of which statuses.
fn told(snapshot: &Snapshot) -> Told {
    let publishers = snapshot.publishers.iter();
    let told = publishers.filter_map(|(name, publisher)| {
        let postback = publisher.postback.as_ref()?;
        Some((name.to_string(), postback.on.clone()))
    });
    told.collect()
}

/// How long a journey is kept after its last event: as long as a conversion that comes as late as may
/// be can look back on it, and as long again as the log may hand it over once more.
pub(super) fn journeys_kept(snapshot: &Snapshot, retention: Duration) -> Duration {
    let campaigns = snapshot.campaigns.values();
    let windows = campaigns.flat_map(|campaign| {
        let goals = campaign.goals.values().map(|goal| &goal.windows);
        goals.chain([&campaign.windows])
    });
    let longest = windows.map(catalog::Windows::longest).max();
    longest.unwrap_or_default() + MAX_LATENESS + retention
}

fn windows(of: &catalog::Windows) -> Windows {
    Windows {
        click_through: of.click,
        view_through: of.view,
        minimum_age: of.minimum_age,
        views: match of.views {
            catalog::Views::Exclude => Views::Exclude,
            catalog::Views::Include => Views::Include,
        },
    }
}

fn pay(payout: GoalPayout) -> Pay {
    match payout {
        GoalPayout::Fixed(amount) => Pay::Fixed(amount),
        GoalPayout::Share(share) => Pay::Share(share),
    }
}
