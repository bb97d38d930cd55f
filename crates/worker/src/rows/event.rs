//! Rows of `events`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use domain::LeadId;
use proto::{Click, EventBody, EventRecord, RecordError};
use warehouse::{EventRow, Money, Time};

/// The row of an event.
///
/// # Errors
/// A field of the record is not as it has to be, or it has no row among events.
pub fn row(event: &EventRecord) -> Result<EventRow<'_>, RecordError> {
    let mut row = EventRow {
        event_id: event.event_id()?.to_string().into(),
        ts: Time(event.ts_us),
        received_at: Time(event.received_us),
        visitor: text_of(event.visitor_id()?),
        click_id: text_of(event.click()?),
        person: event
            .persons()?
            .iter()
            .map(|hash| HEXLOWER.encode(hash).into())
            .collect(),
        skew_us: event.skew_us,
        // Of two copies of one id the earlier counts, as in a journey.
        version: u64::MAX - u64::try_from(event.ts_us).unwrap_or(0),
        ..EventRow::default()
    };
    match event.body.as_ref().ok_or(RecordError::Field("body"))? {
        EventBody::Click(click) => {
            row.kind = "click".into();
            touch(&mut row, click);
        }
        EventBody::Impression(click) => {
            row.kind = "impression".into();
            touch(&mut row, click);
        }
        EventBody::Visit(visit) => {
            row.kind = "visit".into();
            row.campaign = visit.campaign.as_str().into();
            row.source = visit.source.as_str().into();
            row.page = visit.page.as_str().into();
            row.referrer = visit.referrer.as_str().into();
            row.utm = pairs(&visit.utm);
            ad_ids(&mut row, &visit.ad_ids);
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
            row.lead_id = text_of(lead.map(LeadId::from_bytes));
            row.flags = texts(&conversion.flags);
        }
    }
    Ok(row)
}

/// A click or an impression.
fn touch<'e>(row: &mut EventRow<'e>, click: &'e Click) {
    row.campaign = click.campaign.as_str().into();
    row.publisher = click.publisher.as_str().into();
    row.link = click.link.as_str().into();
    row.offer = click.offer.as_str().into();
    row.source = click.source.as_str().into();
    row.sub = pairs(&click.sub);
    ad_ids(row, &click.ad_ids);
    row.landing = click.landing.as_str().into();
    row.referrer = click.referrer.as_str().into();
    row.ip_prefix = click.ip_prefix.as_str().into();
    row.ip_hash = HEXLOWER.encode(&click.ip_hash).into();
    row.device = click.device.as_str().into();
    row.os = click.os.as_str().into();
    row.flags = texts(&click.flags);
}

fn ad_ids<'e>(row: &mut EventRow<'e>, ids: &'e BTreeMap<String, String>) {
    for (name, id) in ids {
        let column = match name.as_str() {
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
        *column = id.as_str().into();
    }
}

/// An id that may not be there.
fn text_of(id: Option<impl ToString>) -> Cow<'static, str> {
    id.map(|id| id.to_string()).unwrap_or_default().into()
}

fn texts(texts: &[String]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let pairs = map.iter();
    pairs
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect()
}
