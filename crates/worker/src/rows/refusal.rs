//! Rows of `refusals`.

use proto::{EventRecord, RecordError, Refused};
use warehouse::{RefusalRow, Time};

/// The row of a refused request. A request is refused once, so its only version is the first.
pub(crate) fn row(event: &EventRecord, refused: &Refused) -> Result<RefusalRow, RecordError> {
    if refused.request_id.is_empty() {
        return Err(RecordError::Field("request_id"));
    }
    let issues = refused.issues.iter();
    Ok(RefusalRow {
        request_id: refused.request_id.clone(),
        kind: refused.kind.clone(),
        campaign: refused.campaign.clone(),
        publisher: refused.publisher.clone(),
        publisher_lead_id: refused.publisher_lead_id.clone(),
        test: refused.test,
        code: refused.code.clone(),
        status: u16::try_from(refused.status).map_err(|_| RecordError::Field("status"))?,
        pointer: issues.clone().map(|issue| issue.pointer.clone()).collect(),
        issue: issues.map(|issue| issue.code.clone()).collect(),
        issue_count: refused.issue_count,
        refused_at: Time(event.ts_us),
        version: 1,
    })
}
