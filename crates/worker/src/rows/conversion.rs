//! Rows of `conversions` and `credits`: every conversion of a journey, whole, at its revision.

use attribution::{Conversion, ConversionKey, Credit, CreditVersion, Following, Rules};
use domain::{ClickId, ConversionId};
use proto::{JourneyBody, JourneyEntry, RecordError};
use store::{Identity, Journey};
use warehouse::{ConversionRow, CreditRow, Money, Time};

use crate::journey;
use crate::notice::{Standing, Told};

/// Journeys are a fold of the log and have never been restored from anything else.
const EPOCH: u8 = 0;

/// By what rows are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) told: &'a Told,
}

/// What a journey's conversions come to.
#[derive(Debug, Default)]
pub(crate) struct Conversions {
    pub(crate) rows: Vec<ConversionRow>,
    pub(crate) credits: Vec<CreditRow>,
    /// As publishers see them; none where nobody is told.
    pub(crate) standings: Vec<Standing>,
}

/// The rows of a journey. One without conversions has none.
pub(crate) fn rows(journey: &Journey, by: By<'_>) -> Result<Conversions, RecordError> {
    let By { rules, told } = by;
    let read = journey::read(journey)?;
    let version = CreditVersion {
        epoch: EPOCH,
        rules: rules.version(),
        revision: journey.revision,
    }
    .pack();
    let elsewhere = journey::elsewhere(journey)?;
    let mut made = Conversions::default();
    let here = read.conversions().iter().map(|conversion| {
        let order = journey.counted_by;
        (conversion, order.and_then(|by| counted_by(conversion, by)))
    });
    let there = elsewhere.conversions().iter().map(|conversion| {
        let by = journey.elsewhere.iter();
        let by = by.filter(|(report, _)| is_of(report, conversion));
        let mut by = by.filter_map(|(_, by)| counted_by(conversion, *by));
        (conversion, by.next())
    });
    for (conversion, merged_into) in here.chain(there) {
        let mut row = ConversionRow {
            visitor: visitor(journey, conversion),
            version,
            ..conversion_row(conversion)
        };
        if journey.capped {
            row.flags.push("capped".to_owned());
        }
        let windows = rules.windows(conversion);
        let mut split = read.credits(conversion, &windows);
        match merged_into {
            Some(other) => {
                row.merged_into = other.to_string();
                split.iter_mut().for_each(|credit| credit.parts.clear());
            }
            None => {
                let touches = read.touches_of(conversion, &windows).len();
                row.touches = u32::try_from(touches).unwrap_or(u32::MAX);
                let missed = read.missed(conversion, &windows);
                row.flags.extend(missed.map(|why| why.as_str().to_owned()));
                if let Some(payable) = rules.payable(&read, conversion) {
                    row.payee = payable.payee;
                    row.payout = payable.payout.into();
                    row.due_at = Some(payable.due.into());
                }
            }
        }
        if !told.is_empty() {
            let standing = Standing::of(&row, conversion, &read, &journey.entries, rules);
            made.standings.push(standing);
        }
        made.rows.push(row);
        let rows = split.iter();
        made.credits
            .extend(rows.map(|credit| credit_row(conversion, credit, version)));
    }
    Ok(made)
}

fn visitor(journey: &Journey, conversion: &Conversion) -> String {
    let visitor = match journey.identity {
        Identity::Visitor(visitor) => Some(visitor),
        Identity::Click(_) | Identity::Person(_) | Identity::Key(_) => conversion.visitor,
    };
    visitor
        .map(|visitor| visitor.to_string())
        .unwrap_or_default()
}

/// The conversion of the click that a conversion's reports count for.
fn counted_by(conversion: &Conversion, click: ClickId) -> Option<ConversionId> {
    let goal = conversion.goal.clone();
    let key = match &conversion.key {
        ConversionKey::Following(following) => ConversionKey::Following(Following {
            click: Some(click),
            ..following.clone()
        }),
        _ => ConversionKey::ClickOrder {
            click,
            goal,
            txid: conversion.txid.clone()?,
        },
    };
    Some(key.id())
}

/// Whether it is a report of a conversion of a click.
fn is_of(report: &JourneyEntry, conversion: &Conversion) -> bool {
    let Some(JourneyBody::Conversion(said)) = &report.body else {
        return false;
    };
    let click = conversion
        .click
        .is_some_and(|click| report.click_id == click.as_bytes());
    let parent = conversion.parent.as_ref();
    click
        && said.goal == conversion.goal
        && Some(&said.txid).filter(|txid| !txid.is_empty()) == conversion.txid.as_ref()
        && parent.map_or("", |parent| &parent.txid) == said.parent
        && parent.is_none_or(|parent| parent.goal == said.parent_goal)
}

fn conversion_row(conversion: &Conversion) -> ConversionRow {
    let versions = &conversion.versions;
    let mut flags = Vec::new();
    if matches!(conversion.key, ConversionKey::Unkeyed(_)) {
        flags.push("unkeyed".to_owned());
    }
    if conversion.invalid_macro {
        flags.push("invalid_macro".to_owned());
    }
    if conversion.unverified {
        flags.push("unverified".to_owned());
    }
    if conversion.repeat {
        flags.push("repeat".to_owned());
    }
    ConversionRow {
        conversion_id: conversion.id.to_string(),
        campaign: conversion.campaign.clone(),
        goal: conversion.goal.clone(),
        txid: conversion.txid.clone().unwrap_or_default(),
        click_id: conversion
            .click
            .map(|click| click.to_string())
            .unwrap_or_default(),
        lead_id: conversion
            .lead
            .map(|lead| lead.to_string())
            .unwrap_or_default(),
        source: conversion.source.clone(),
        status: conversion.status.as_str().to_owned(),
        amount: conversion.amount.into(),
        currency: currency(conversion),
        restated: conversion.restated,
        flags,
        said_by: versions.iter().map(|it| it.event.to_string()).collect(),
        said_at: versions.iter().map(|it| it.at.into()).collect(),
        said_from: versions.iter().map(|it| it.source.clone()).collect(),
        said_status: versions
            .iter()
            .map(|it| it.status.as_str().to_owned())
            .collect(),
        said_amount: versions.iter().map(|it| it.amount.into()).collect(),
        ts: conversion.at.into(),
        ..ConversionRow::default()
    }
}

/// A conversion that nobody is credited for has a row without touches: it replaces one that had.
fn credit_row(conversion: &Conversion, credit: &Credit<'_>, version: u64) -> CreditRow {
    let parts = &credit.parts;
    CreditRow {
        conversion_id: conversion.id.to_string(),
        model: credit.model.to_owned(),
        campaign: conversion.campaign.clone(),
        goal: conversion.goal.clone(),
        currency: currency(conversion),
        ts: Time::from(conversion.at),
        touch: parts.iter().map(|part| part.touch.name()).collect(),
        publisher: parts
            .iter()
            .map(|part| part.touch.publisher.clone())
            .collect(),
        link: parts.iter().map(|part| part.touch.link.clone()).collect(),
        share: parts.iter().map(|part| part.share).collect(),
        value: parts.iter().map(|part| Money::from(part.value)).collect(),
        version,
    }
}

fn currency(conversion: &Conversion) -> String {
    conversion
        .currency
        .map(|currency| currency.to_string())
        .unwrap_or_default()
}
