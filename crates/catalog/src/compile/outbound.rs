//! How a publisher is told of its conversions.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ConversionStatus;

use super::tracking;
use crate::outbound::{NoticeMethod, NoticeUrl, PostbackOut};
use crate::reader::{Cursor, Table};
use crate::units;

/// The longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) fn postback(table: &mut Table<'_>) -> Option<PostbackOut> {
    let url = table.need("url").and_then(|c| c.with(NoticeUrl::read));
    let methods = [("get", NoticeMethod::Get), ("post", NoticeMethod::Post)];
    let method = table.or("method", NoticeMethod::Get, |c| c.word(&methods));
    let secret = table.optional("secret", |c| tracking::secret(&c));
    let on = table.or("on", BTreeSet::from(ConversionStatus::ALL), |c| {
        statuses(&c)
    });
    let connections = table.or("connections", 4, |c| c.int(1, 64));
    let timeout = table.or("timeout", Duration::from_secs(5), |c| {
        c.with(|text| match units::duration(text)? {
            time if time.is_zero() || time > LONGEST => Err("expected a time up to 30s".to_owned()),
            time => Ok(time),
        })
    });
    Some(PostbackOut {
        url: url?,
        method: method?,
        secret: secret?,
        on: on?,
        connections: usize::try_from(connections?).ok()?,
        timeout: timeout?,
    })
}

fn statuses(cursor: &Cursor<'_>) -> Option<BTreeSet<ConversionStatus>> {
    let words = ConversionStatus::ALL.map(|status| (status.as_str(), status));
    let items = cursor.some_items("status")?;
    let read: Vec<_> = items.iter().map(|c| c.word(&words)).collect();
    read.into_iter().collect()
}
