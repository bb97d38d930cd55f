//! Rows of `events`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use domain::{ClickId, EventId, LeadId, VisitorId};
use proto::{ClickRead, EventBody, EventRecord, RecordError};
use warehouse::{EventRow, Money, Time};

/// The row of an event.
///
/// # Errors
/// A field of the record is not as it has to be, or it has no row among events.
pub fn row(event: &EventRecord) -> Result<EventRow<'_>, RecordError> {
    let mut row = EventRow {
        skew_us: event.skew_us,
        ..head(
            event.event_id()?,
            [event.ts_us, event.received_us],
            event.visitor_id()?,
            event.click()?,
            &event.persons()?,
        )
    };
    match event.body.as_ref().ok_or(RecordError::Field("body"))? {
        EventBody::Click(read) => return click(&ClickRead::of(event, read)),
        EventBody::Impression(read) => {
            let row = click(&ClickRead::of(event, read))?;
            return Ok(EventRow {
                kind: "impression".into(),
                ..row
            });
        }
        EventBody::Visit(visit) => {
            row.kind = "visit".into();
            row.campaign = visit.campaign.as_str().into();
            row.source = visit.source.as_str().into();
            row.page = visit.page.as_str().into();
            row.referrer = visit.referrer.as_str().into();
            row.utm = pairs(of_map(&visit.utm));
            ad_ids(&mut row, of_map(&visit.ad_ids));
            row.ip_prefix = visit.ip_prefix.as_str().into();
            row.ip_hash = HEXLOWER.encode(&visit.ip_hash).into();
            row.device = visit.device.as_str().into();
            row.os = visit.os.as_str().into();
            row.flags = texts(&visit.flags);
        }
        // They are no events of analysts': one has a row elsewhere, the other none.
        EventBody::Refused(_) | EventBody::Told(_) => return Err(RecordError::Field("body")),
        EventBody::Identify(identify) => {
            row.kind = "identify".into();
            row.campaign = identify.campaign.as_str().into();
            row.source = identify.source.as_str().into();
        }
        EventBody::Conversion(conversion) => {
            row.kind = "conversion".into();
            row.campaign = conversion.campaign.as_str().into();
            row.publisher = conversion.payee.as_str().into();
            row.goal = conversion.goal.as_str().into();
            row.txid = conversion.txid.as_str().into();
            row.amount = conversion.amount_micros.map(Money);
            row.currency = conversion.currency.as_str().into();
            row.status = conversion.status.as_str().into();
            row.source = conversion.source.as_str().into();
            row.parent = conversion.parent.as_str().into();
            let lead = <[u8; 16]>::try_from(conversion.lead.as_slice()).ok();
            row.lead_id = text_of(lead.map(|lead| LeadId::from_bytes(lead).text()));
            row.flags = texts(&conversion.flags);
        }
    }
    Ok(row)
}

/// The row of a click.
///
/// # Errors
/// As [`row`].
pub(crate) fn click<'e>(read: &ClickRead<'e>) -> Result<EventRow<'e>, RecordError> {
    let mut row = EventRow {
        kind: "click".into(),
        skew_us: read.skew_us,
        campaign: read.campaign.into(),
        publisher: read.publisher.into(),
        link: read.link.into(),
        offer: read.offer.into(),
        source: read.source.into(),
        sub: pairs(read.sub.iter().copied()),
        landing: read.landing.into(),
        referrer: read.referrer.into(),
        ip_prefix: read.ip_prefix.into(),
        ip_hash: HEXLOWER.encode(read.ip_hash).into(),
        device: read.device.into(),
        os: read.os.into(),
        flags: read.flags.iter().map(|flag| (*flag).into()).collect(),
        ..head(
            read.event_id()?,
            [read.ts_us, read.received_us],
            read.visitor_id()?,
            read.click()?,
            &read.persons()?,
        )
    };
    ad_ids(&mut row, read.ad_ids.iter().copied());
    Ok(row)
}

/// What every event has.
fn head(
    id: EventId,
    [ts_us, received_us]: [i64; 2],
    visitor: Option<VisitorId>,
    click: Option<ClickId>,
    persons: &[[u8; 16]],
) -> EventRow<'static> {
    let hashes = persons.iter().map(|hash| HEXLOWER.encode(hash).into());
    EventRow {
        event_id: id.text().into(),
        ts: Time(ts_us),
        received_at: Time(received_us),
        visitor: text_of(visitor.map(|visitor| visitor.text())),
        click_id: text_of(click.map(|click| click.text())),
        person: hashes.collect(),
        // Of two copies of one id the earlier counts, as in a journey.
        version: u64::MAX - u64::try_from(ts_us).unwrap_or(0),
        ..EventRow::default()
    }
}

fn ad_ids<'e>(row: &mut EventRow<'e>, ids: impl Iterator<Item = (&'e str, &'e str)>) {
    for (name, id) in ids {
        let column = match name {
            "gclid" => &mut row.gclid,
            "gbraid" => &mut row.gbraid,
            "wbraid" => &mut row.wbraid,
            "fbclid" => &mut row.fbclid,
            "fbc" => &mut row.fbc,
            "fbp" => &mut row.fbp,
            "ttclid" => &mut row.ttclid,
            "msclkid" => &mut row.msclkid,
            _ => continue,
        };
        *column = id.into();
    }
}

/// An id that may not be there.
fn text_of(id: Option<String>) -> Cow<'static, str> {
    id.unwrap_or_default().into()
}

fn texts(texts: &[String]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn pairs<'e>(pairs: impl Iterator<Item = (&'e str, &'e str)>) -> Vec<(Cow<'e, str>, Cow<'e, str>)> {
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn of_map(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}
