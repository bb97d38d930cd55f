//! Rows of `events`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use domain::LeadId;
use proto::{Click, EventBody, EventRecord, RecordError};
use warehouse::{EventRow, Money, Time};

use super::entries;

/// The row of an event.
pub(crate) fn row(event: &EventRecord) -> Result<EventRow, RecordError> {
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
    match event.body.as_ref().ok_or(RecordError::Field("body"))? {
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
            row.campaign.clone_from(&visit.campaign);
            row.source.clone_from(&visit.source);
            row.page.clone_from(&visit.page);
            row.referrer.clone_from(&visit.referrer);
            row.utm = entries(&visit.utm);
            ad_ids(&mut row, &visit.ad_ids);
            row.ip_prefix.clone_from(&visit.ip_prefix);
            row.ip_hash = HEXLOWER.encode(&visit.ip_hash);
            row.device.clone_from(&visit.device);
            row.os.clone_from(&visit.os);
            row.flags.clone_from(&visit.flags);
        }
        // They are no events of analysts': one has a row elsewhere, the other none.
        EventBody::Refused(_) | EventBody::Told(_) => return Err(RecordError::Field("body")),
        EventBody::Identify(identify) => {
            row.kind = "identify".to_owned();
            row.campaign.clone_from(&identify.campaign);
            row.source.clone_from(&identify.source);
        }
        EventBody::Conversion(conversion) => {
            row.kind = "conversion".to_owned();
            row.campaign.clone_from(&conversion.campaign);
            row.publisher.clone_from(&conversion.payee);
            row.goal.clone_from(&conversion.goal);
            row.txid.clone_from(&conversion.txid);
            row.amount = conversion.amount_micros.map(Money);
            row.currency.clone_from(&conversion.currency);
            row.status.clone_from(&conversion.status);
            row.source.clone_from(&conversion.source);
            row.parent.clone_from(&conversion.parent);
            row.lead_id = match <[u8; 16]>::try_from(conversion.lead.as_slice()) {
                Ok(lead) => LeadId::from_bytes(lead).to_string(),
                Err(_) => String::new(),
            };
            row.flags.clone_from(&conversion.flags);
        }
    }
    Ok(row)
}

/// A click or an impression.
fn touch(row: &mut EventRow, click: &Click) {
    row.campaign.clone_from(&click.campaign);
    row.publisher.clone_from(&click.publisher);
    row.link.clone_from(&click.link);
    row.offer.clone_from(&click.offer);
    row.source.clone_from(&click.source);
    row.sub = entries(&click.sub);
    ad_ids(row, &click.ad_ids);
    row.landing.clone_from(&click.landing);
    row.referrer.clone_from(&click.referrer);
    row.ip_prefix.clone_from(&click.ip_prefix);
    row.ip_hash = HEXLOWER.encode(&click.ip_hash);
    row.device.clone_from(&click.device);
    row.os.clone_from(&click.os);
    row.flags.clone_from(&click.flags);
}

fn ad_ids(row: &mut EventRow, ids: &BTreeMap<String, String>) {
    let ad = |name: &str| ids.get(name).cloned().unwrap_or_default();
    row.gclid = ad("gclid");
    row.gbraid = ad("gbraid");
    row.wbraid = ad("wbraid");
    row.fbclid = ad("fbclid");
    row.fbc = ad("fbc");
    row.fbp = ad("fbp");
    row.ttclid = ad("ttclid");
    row.msclkid = ad("msclkid");
}
