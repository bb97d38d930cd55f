//! Every status and reason is shown by a transcript: one that none shows fails this. What is chosen has
//! to make a difference too: `effects.rs`.

use std::collections::BTreeSet;

use domain::{ContractReason, CounterKey, FieldName, LeadReason, LeadStatus};

/// All reasons of contracts. A new one does not compile here until it is listed.
fn contract_reasons() -> Vec<ContractReason> {
    use ContractReason as R;
    let zip: FieldName = "zip".parse().unwrap();
    let all = vec![
        R::Won,
        R::LostToHigher,
        R::NotNeeded,
        R::BelowFloor,
        R::NoBid,
        R::PingTimeout,
        R::PingError,
        R::BadResponse,
        R::Filtered(zip),
        R::Schedule,
        R::SourceBlocked,
        R::Cap("c:b/c/d1".parse::<CounterKey>().unwrap().limit()),
        R::Balance,
        R::Paused,
        R::Suppressed,
        R::BuyerDuplicate,
        R::Geo,
        R::NotConsented,
        R::BreakerOpen,
        R::Throttled,
        R::TestMismatch,
        R::ExcludedByPublisher,
        R::Incompatible,
        R::BidExpired,
        R::NoTime,
        R::PostLimit,
        R::BuyerRejected,
        R::BuyerSaysDuplicate,
        R::PostTimeout,
        R::PostError,
        R::InDoubt,
        R::Abandoned,
        R::LateAccept,
        R::Cancelled,
    ];
    for reason in &all {
        match reason {
            R::Won | R::LostToHigher | R::NotNeeded | R::BelowFloor | R::NoBid => {}
            R::PingTimeout | R::PingError | R::BadResponse | R::Filtered(_) | R::Schedule => {}
            R::SourceBlocked | R::Cap(_) | R::Balance | R::Paused | R::Suppressed => {}
            R::BuyerDuplicate | R::Geo | R::NotConsented | R::BreakerOpen | R::Throttled => {}
            R::TestMismatch | R::ExcludedByPublisher | R::Incompatible | R::BidExpired => {}
            R::NoTime | R::PostLimit | R::BuyerRejected | R::BuyerSaysDuplicate => {}
            R::PostTimeout | R::PostError | R::InDoubt | R::Abandoned => {}
            R::LateAccept | R::Cancelled => {}
        }
    }
    all
}

/// What has to be shown, in the words of [`shown`].
fn wanted() -> BTreeSet<String> {
    let reasons = contract_reasons();
    let contracts = reasons.iter().map(|reason| reason.code().to_owned());
    let leads = LeadStatus::ALL.map(|status| format!("lead {}", status.as_str()));
    let why = LeadReason::ALL.map(|reason| format!("lead reason {}", reason.as_str()));
    contracts.chain(leads).chain(why).collect()
}

/// What a transcript shows: reasons in waterfalls and legs, folded states.
fn shown(transcript: &str) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    for line in transcript.lines() {
        if let Some(row) = line.strip_prefix("  | ") {
            let reasons = row.split(" | ").skip(2).map(str::trim);
            shown.extend(reasons.filter_map(|reason| reason.split('(').next().map(str::to_owned)));
        } else if let Some(state) = line.strip_prefix("  = ") {
            let (status, reason) = state.split_once(" (").unwrap_or((state, ""));
            shown.insert(format!("lead {status}"));
            shown.insert(format!("lead reason {}", reason.trim_end_matches(')')));
        } else if let Some(leg) = line.strip_prefix("  leg ") {
            let reason = leg.split(['(', ')']).nth(1).unwrap_or_default();
            shown.insert(reason.to_owned());
        } else if let Some((_, reason)) = line.split_once("\"reason\":{\"code\":\"") {
            let reason = reason.split('"').next().unwrap_or_default();
            shown.insert(format!("lead reason {reason}"));
        }
    }
    shown
}

#[test]
fn every_reason_and_status_is_shown() {
    let mut seen = BTreeSet::new();
    for file in std::fs::read_dir(crate::scenarios()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let transcript = text.splitn(3, crate::RULE).nth(2);
        seen.extend(shown(transcript.expect("a transcript")));
    }
    let wanted = wanted();
    let missing: Vec<_> = wanted.difference(&seen).collect();
    assert!(missing.is_empty(), "no transcript shows {missing:?}");
}
