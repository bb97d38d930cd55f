//! Between records and attribution's values.

use attribution::{ConversionEvent, ConversionKey, Parent, Touch, TouchKind, derive};
use domain::{ClickId, ConversionId, LeadId, Micros, Timestamp, VisitorId};
use proto::{
    Click, Conversion, EventBody, EventRecord, JourneyBody, JourneyEntry, Message as _,
    RecordError, TouchEntry,
};
use store::{Identity, Journey, JourneyUpdate, News, Telling, What, key};

/// What an event means for journeys: for its own, and what that one tells others.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) updates: Vec<JourneyUpdate>,
    pub(crate) tellings: Vec<Telling>,
}

/// Reads an event.
pub(crate) fn meaning(event: &EventRecord) -> Result<Meaning, RecordError> {
    let ts_us = event.ts_us;
    let owner = key::owner(event)?;
    let mut meaning = Meaning::default();
    let mut learn = |news| {
        meaning.updates.push(JourneyUpdate {
            identity: owner,
            ts_us,
            news,
        });
    };
    match event.body.as_ref().ok_or(RecordError::Field("body"))? {
        EventBody::Refused(_) => return Ok(meaning),
        EventBody::Told(told) => {
            let telling = Telling::read(told, ts_us)?;
            meaning.updates.push(JourneyUpdate {
                identity: telling.to,
                ts_us,
                news: News::Told(telling.from, telling.what),
            });
            return Ok(meaning);
        }
        EventBody::Click(click) => {
            learn(News::Event(touch(
                event.clone(),
                touch_entry(click.clone()),
            )));
            return Ok(meaning);
        }
        EventBody::Impression(click) => {
            let view = TouchEntry {
                view: true,
                ..touch_entry(click.clone())
            };
            learn(News::Event(touch(event.clone(), view)));
        }
        EventBody::Conversion(conversion) => {
            let entry = report(event, conversion);
            let said = conversion_event(&entry, conversion)?;
            learn(News::Event(entry));
            // Who is meant where a conversion follows from another one, that one knows.
            if said.invalid_macro || said.parent.is_some() {
                return Ok(meaning);
            }
        }
        // Persons of nobody link nobody.
        EventBody::Visit(_) | EventBody::Identify(_) if matches!(owner, Identity::Key(_)) => {
            return Ok(meaning);
        }
        EventBody::Visit(_) | EventBody::Identify(_) => {}
    }
    let mut persons = event.persons()?;
    // Who comes with a click that another visitor made is that visitor.
    let visitor = event.visitor_id()?;
    let other = match (owner, visitor) {
        (Identity::Visitor(_), _) | (_, None) => None,
        (Identity::Click(_), Some(visitor)) => {
            persons.push(derive("visitor", &[visitor.as_bytes()]));
            Some(visitor)
        }
        (Identity::Person(_) | Identity::Key(_), Some(visitor)) => Some(visitor),
    };
    for person in persons {
        learn(News::Person(person));
        meaning.tellings.extend(other.map(|visitor| Telling {
            from: owner,
            to: Identity::Visitor(visitor),
            ts_us,
            what: What::Person(person),
        }));
    }
    Ok(meaning)
}

/// The conversion that a report is of; every conversion of a journey has its row under this id.
pub(crate) fn conversion_id(
    event: &EventRecord,
    conversion: &Conversion,
) -> Result<ConversionId, RecordError> {
    let entry = report(event, conversion);
    Ok(ConversionKey::of(&conversion_event(&entry, conversion)?).id())
}

/// One that follows from another conversion has that one's click and visitor.
fn report(event: &EventRecord, conversion: &Conversion) -> JourneyEntry {
    let mut report = entry(event.clone(), JourneyBody::Conversion(conversion.clone()));
    if !conversion.parent.is_empty() {
        report.click_id.clear();
        report.visitor.clear();
    }
    report
}

/// A touch is kept with its visitor and need not name it.
fn touch(event: EventRecord, touch: TouchEntry) -> JourneyEntry {
    JourneyEntry {
        visitor: Vec::new(),
        ..entry(event, JourneyBody::Touch(touch))
    }
}

fn entry(event: EventRecord, body: JourneyBody) -> JourneyEntry {
    JourneyEntry {
        id: event.id,
        ts_us: event.ts_us,
        click_id: event.click_id,
        visitor: event.visitor,
        named: event.named,
        body: Some(body),
    }
}

/// What is told, as a record of topic `events`; its id derives from what it says, so that telling it
/// again is a duplicate.
pub(crate) fn told(telling: &Telling) -> EventRecord {
    let told = telling.record();
    EventRecord {
        id: derive("told", &[&told.encode_to_vec()]).to_vec(),
        ts_us: telling.ts_us,
        received_us: telling.ts_us,
        body: Some(EventBody::Told(told)),
        ..EventRecord::default()
    }
}

fn touch_entry(click: Click) -> TouchEntry {
    TouchEntry {
        publisher: click.publisher,
        link: click.link,
        campaign: click.campaign,
        flagged: !click.flags.is_empty(),
        view: false,
        sub: click.sub,
    }
}

/// A journey as attribution sees it; flagged touches are none.
pub(crate) fn read(journey: &Journey) -> Result<attribution::Journey, RecordError> {
    let (mut touches, mut conversions) = (Vec::new(), Vec::new());
    for entry in journey.entries.iter() {
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
    let beside = reports(journey.beside.iter())?;
    Ok(attribution::Journey::beside(touches, conversions, beside))
}

/// The conversions of a journey that count for other clicks' conversions: by their events alone.
pub(crate) fn elsewhere(journey: &Journey) -> Result<attribution::Journey, RecordError> {
    let entries = journey.elsewhere.iter().map(|(entry, _)| entry);
    Ok(attribution::Journey::new([], reports(entries)?))
}

fn reports<'a>(
    entries: impl Iterator<Item = &'a JourneyEntry>,
) -> Result<Vec<ConversionEvent>, RecordError> {
    let reports = entries.filter_map(|entry| match &entry.body {
        Some(JourneyBody::Conversion(said)) => Some(conversion_event(entry, said)),
        Some(JourneyBody::Touch(_)) | None => None,
    });
    reports.collect()
}

fn conversion_event(
    entry: &JourneyEntry,
    conversion: &Conversion,
) -> Result<ConversionEvent, RecordError> {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let flagged = |name: &str| conversion.flags.iter().any(|flag| flag == name);
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
        named: entry.named,
        invalid_macro: flagged("invalid_macro"),
        unverified: flagged("unverified"),
        once: conversion.once,
        parent: named(&conversion.parent).map(|txid| Parent {
            goal: conversion.parent_goal.clone(),
            txid,
        }),
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
