//! Between records and attribution's values.

use attribution::{ConversionEvent, ConversionKey, Touch, TouchKind};
use domain::{ClickId, LeadId, Micros, Timestamp, VisitorId};
use proto::{
    Click, Conversion, EventBody, EventRecord, JourneyBody, JourneyEntry, RecordError, TouchEntry,
};
use store::{Identity, JourneyUpdate};

/// What a journey keeps of an event, and whose it is; none of a kind that journeys do not keep.
pub(crate) fn update(event: &EventRecord) -> Result<Option<JourneyUpdate>, RecordError> {
    let body = match event.body.as_ref().ok_or(RecordError::Field("body"))? {
        EventBody::Click(click) => JourneyBody::Touch(touch_entry(click)),
        EventBody::Conversion(conversion) => JourneyBody::Conversion(conversion.clone()),
        EventBody::Impression(_) | EventBody::Visit(_) | EventBody::Identify(_) => return Ok(None),
    };
    let entry = JourneyEntry {
        id: event.event_id()?.as_bytes().to_vec(),
        ts_us: event.ts_us,
        click_id: event.click_id.clone(),
        visitor: event.visitor.clone(),
        body: Some(body),
    };
    let (click, visitor) = (event.click()?, event.visitor_id()?);
    let identity = match (&entry.body, click, visitor) {
        (Some(JourneyBody::Conversion(conversion)), click, visitor) => {
            let said = conversion_event(&entry, conversion)?;
            let key = ConversionKey::of(&said);
            match (&key, click, visitor) {
                (ConversionKey::Unkeyed(_), ..) => Identity::Key(*key.id().as_bytes()),
                (_, Some(click), _) => Identity::Click(click),
                (_, None, Some(visitor)) => Identity::Visitor(visitor),
                (_, None, None) => Identity::Key(*key.id().as_bytes()),
            }
        }
        (_, _, Some(visitor)) => Identity::Visitor(visitor),
        (_, Some(click), None) => Identity::Click(click),
        (_, None, None) => return Err(RecordError::Field("visitor")),
    };
    Ok(Some(JourneyUpdate { identity, entry }))
}

fn touch_entry(click: &Click) -> TouchEntry {
    TouchEntry {
        publisher: click.publisher.clone(),
        link: click.link.clone(),
        campaign: click.campaign.clone(),
        flagged: !click.flags.is_empty(),
        view: false,
    }
}

/// A journey's entries as attribution sees them; flagged touches are none.
pub(crate) fn read(entries: &[JourneyEntry]) -> Result<attribution::Journey, RecordError> {
    let (mut touches, mut conversions) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.body {
            Some(JourneyBody::Touch(touch)) if !touch.flagged => touches.push(Touch {
                at: Timestamp::from_micros(entry.ts_us),
                id: entry.event_id()?,
                kind: if touch.view {
                    TouchKind::View
                } else {
                    TouchKind::Click
                },
                click: fixed(&entry.click_id, "click_id")?.map(ClickId::from_bytes),
                publisher: touch.publisher.clone(),
                link: touch.link.clone(),
                campaign: touch.campaign.clone(),
            }),
            Some(JourneyBody::Conversion(conversion)) => {
                conversions.push(conversion_event(entry, conversion)?);
            }
            Some(JourneyBody::Touch(_)) | None => {}
        }
    }
    Ok(attribution::Journey::new(touches, conversions))
}

fn conversion_event(
    entry: &JourneyEntry,
    conversion: &Conversion,
) -> Result<ConversionEvent, RecordError> {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let currency = match conversion.currency.as_str() {
        "" => None,
        code => Some(code.parse().map_err(|_| RecordError::Field("currency"))?),
    };
    Ok(ConversionEvent {
        at: Timestamp::from_micros(entry.ts_us),
        id: entry.event_id()?,
        click: fixed(&entry.click_id, "click_id")?.map(ClickId::from_bytes),
        visitor: fixed(&entry.visitor, "visitor")?.map(VisitorId::from_bytes),
        campaign: conversion.campaign.clone(),
        goal: conversion.goal.clone(),
        txid: named(&conversion.txid),
        status: conversion
            .status
            .parse()
            .map_err(|_| RecordError::Field("status"))?,
        amount: conversion.amount_micros.map(Micros::new),
        currency,
        source: conversion.source.clone(),
        lead: fixed(&conversion.lead, "lead")?.map(LeadId::from_bytes),
        payee: named(&conversion.payee),
        payout: Micros::new(conversion.payout_micros),
        invalid_macro: conversion.flags.iter().any(|flag| flag == "invalid_macro"),
    })
}

/// An id of `N` bytes, or none.
fn fixed<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<[u8; N]>, RecordError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes
        .try_into()
        .map(Some)
        .map_err(|_| RecordError::Field(field))
}
