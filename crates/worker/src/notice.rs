//! What publishers are to be told: each conversion's state as its publisher sees it, when that is not
//! what it was told last (docs/adr/0009).

use std::collections::{BTreeMap, BTreeSet};

use attribution::{Conversion, Journey, Payee, Rules, derive};
use domain::{ConversionStatus, NoticeId, Timestamp};
use proto::{JourneyBody, JourneyEntry};
use warehouse::{ConversionRow, Money, PostbackRow, PostbackState};

/// Who is told, and which statuses.
pub type Told = BTreeMap<String, BTreeSet<ConversionStatus>>;

/// A conversion as publishers see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Everything of a notice that does not depend on who is told.
    about: PostbackRow,
    status: ConversionStatus,
    /// Whose it is, and what that one gets; none if nobody's.
    payee: Option<(String, Money)>,
    /// Whether it concerns only those who know of the conversion.
    corrected: bool,
}

impl Standing {
    /// Of a conversion with this row, of a journey with these entries.
    pub(crate) fn of(
        row: &ConversionRow,
        conversion: &Conversion,
        journey: &Journey,
        entries: &[JourneyEntry],
        rules: &Rules,
    ) -> Self {
        let payee = match row.merged_into.is_empty() {
            true => rules.payee(journey, conversion),
            false => None,
        };
        let touch = payee.and_then(|Payee { touch, .. }| touch);
        let mut about = PostbackRow {
            conversion_id: row.conversion_id.clone(),
            status: row.status.clone(),
            currency: row.currency.clone(),
            campaign: row.campaign.clone(),
            goal: row.goal.clone(),
            txid: row.txid.clone(),
            lead_id: row.lead_id.clone(),
            ts: row.ts,
            conversion_version: row.version,
            ..PostbackRow::default()
        };
        let click = match touch {
            Some(touch) => touch.click,
            None => conversion.click,
        };
        about.click_id = click.map(|click| click.to_string()).unwrap_or_default();
        // The sub ids of the touch that is paid, else those of the lead.
        for entry in entries {
            let id = touch.map(|touch| touch.id.as_bytes().as_slice());
            let sub = match &entry.body {
                Some(JourneyBody::Touch(said)) if id == Some(&entry.id) => &said.sub,
                Some(JourneyBody::Conversion(said))
                    if conversion
                        .lead
                        .is_some_and(|lead| said.lead == lead.as_bytes()) =>
                {
                    about.publisher_lead_id.clone_from(&said.publisher_lead_id);
                    if touch.is_some() {
                        continue;
                    }
                    &said.sub
                }
                _ => continue,
            };
            about.sub = sub.clone().into_iter().collect();
        }
        Self {
            about,
            status: conversion.status,
            payee: payee.map(|payee| (payee.publisher.to_owned(), payee.payout.into())),
            corrected: false,
        }
    }

    /// Of a conversion that nothing has happened to, by other rules: it is told where something of it was told.
    pub(crate) fn corrected(self) -> Self {
        Self {
            corrected: true,
            ..self
        }
    }

    /// The conversion.
    pub(crate) fn conversion(&self) -> &str {
        &self.about.conversion_id
    }

    /// The notices that this calls for, when `last` are the conversion's notices so far, one for each
    /// publisher.
    pub(crate) fn notices(
        &self,
        last: &[PostbackRow],
        told: &Told,
        now: Timestamp,
    ) -> Vec<PostbackRow> {
        let mut notices = Vec::new();
        if self.corrected && last.is_empty() {
            return notices;
        }
        let before = |publisher: &str| last.iter().find(|row| row.publisher == publisher);
        if let Some((publisher, payout)) = &self.payee {
            let payout = if self.status.counts() {
                *payout
            } else {
                Money::default()
            };
            let before = before(publisher);
            notices.extend(self.notice(publisher, self.status, payout, before, told, now));
        }
        // Who was told of it and has it no more.
        for before in last {
            let had = before.status != ConversionStatus::Reversed.as_str()
                && before.status != ConversionStatus::Rejected.as_str();
            let has = (self.payee.as_ref()).is_some_and(|(payee, _)| *payee == before.publisher);
            if had && !has {
                let reversed = ConversionStatus::Reversed;
                let (publisher, before) = (&before.publisher, Some(before));
                let nothing = Money::default();
                notices.extend(self.notice(publisher, reversed, nothing, before, told, now));
            }
        }
        notices
    }

    fn notice(
        &self,
        publisher: &str,
        status: ConversionStatus,
        payout: Money,
        before: Option<&PostbackRow>,
        told: &Told,
        now: Timestamp,
    ) -> Option<PostbackRow> {
        if !told.get(publisher).is_some_and(|on| on.contains(&status)) {
            return None;
        }
        let about = &self.about;
        if let Some(before) = before {
            let same = before.status == status.as_str()
                && before.payout == payout
                && before.currency == about.currency;
            if same || before.conversion_version >= about.conversion_version {
                return None;
            }
        }
        let notices = before.map_or(0, |before| before.notices) + 1;
        let id = derive(
            "notice",
            &[
                about.conversion_id.as_bytes(),
                publisher.as_bytes(),
                &notices.to_be_bytes(),
                status.as_str().as_bytes(),
                &payout.0.to_be_bytes(),
                about.currency.as_bytes(),
            ],
        );
        let notice = PostbackRow {
            publisher: publisher.to_owned(),
            notice_id: NoticeId::from_bytes(id).to_string(),
            notices,
            status: status.as_str().to_owned(),
            payout,
            made_at: now.into(),
            next_at: now.into(),
            state: PostbackState::Waiting.as_str().to_owned(),
            ..about.clone()
        };
        Some(notice.versioned())
    }
}
