//! Rows of `events`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use domain::LeadId;
use proto::{Click, EventBody, EventRecord, RecordError};
use warehouse::{EventRow, Money, Time};

/// The row of an event.
pub(crate) fn row(event: EventRecord) -> Result<EventRow, RecordError> {
    let mut row = EventRow {
        event_id: event.event_id()?.to_string(),
        ts: Time(event.ts_us),
        received_at: Time(event.received_us),
        visitor: event
            .visitor_id()?
            .map(|id| id.to_string())
            .unwrap_or_default(),
        click_id: event.click()?.map(|id| id.to_string()).unwrap_or_default(),
        person: event
            .persons()?
            .iter()
            .map(|hash| HEXLOWER.encode(hash))
            .collect(),
        skew_us: event.skew_us,
        // Of two copies of one id the earlier counts, as in a journey.
        version: u64::MAX - u64::try_from(event.ts_us).unwrap_or(0),
        ..EventRow::default()
    };
    match event.body.ok_or(RecordError::Field("body"))? {
        EventBody::Click(click) => {
            row.kind = "click".to_owned();
            touch(&mut row, click);
        }
        EventBody::Impression(click) => {
            row.kind = "impression".to_owned();
            touch(&mut row, click);
        }
        EventBody::Visit(visit) => {
            row.kind = "visit".to_owned();
            row.campaign = visit.campaign;
            row.source = visit.source;
            row.page = visit.page;
            row.referrer = visit.referrer;
            row.utm = visit.utm.into_iter().collect();
            ad_ids(&mut row, visit.ad_ids);
            row.ip_prefix = visit.ip_prefix;
            row.ip_hash = HEXLOWER.encode(&visit.ip_hash);
            row.device = visit.device;
            row.os = visit.os;
            row.flags = visit.flags;
        }
        // They are no events of analysts': one has a row elsewhere, the other none.
        EventBody::Refused(_) | EventBody::Told(_) => return Err(RecordError::Field("body")),
        EventBody::Identify(identify) => {
            row.kind = "identify".to_owned();
            row.campaign = identify.campaign;
            row.source = identify.source;
        }
        EventBody::Conversion(conversion) => {
            row.kind = "conversion".to_owned();
            row.campaign = conversion.campaign;
            row.publisher = conversion.payee;
            row.goal = conversion.goal;
            row.txid = conversion.txid;
            row.amount = conversion.amount_micros.map(Money);
            row.currency = conversion.currency;
            row.status = conversion.status;
            row.source = conversion.source;
            row.parent = conversion.parent;
            row.lead_id = match <[u8; 16]>::try_from(conversion.lead.as_slice()) {
                Ok(lead) => LeadId::from_bytes(lead).to_string(),
                Err(_) => String::new(),
            };
            row.flags = conversion.flags;
        }
    }
    Ok(row)
}

/// A click or an impression.
fn touch(row: &mut EventRow, click: Click) {
    row.campaign = click.campaign;
    row.publisher = click.publisher;
    row.link = click.link;
    row.offer = click.offer;
    row.source = click.source;
    row.sub = click.sub.into_iter().collect();
    ad_ids(row, click.ad_ids);
    row.landing = click.landing;
    row.referrer = click.referrer;
    row.ip_prefix = click.ip_prefix;
    row.ip_hash = HEXLOWER.encode(&click.ip_hash);
    row.device = click.device;
    row.os = click.os;
    row.flags = click.flags;
}

fn ad_ids(row: &mut EventRow, mut ids: BTreeMap<String, String>) {
    if ids.is_empty() {
        return;
    }
    let mut ad = |name: &str| ids.remove(name).unwrap_or_default();
    row.gclid = ad("gclid");
    row.gbraid = ad("gbraid");
    row.wbraid = ad("wbraid");
    row.fbclid = ad("fbclid");
    row.fbc = ad("fbc");
    row.fbp = ad("fbp");
    row.ttclid = ad("ttclid");
    row.msclkid = ad("msclkid");
}
