//! Certificates of consent: the URL of a TrustedForm certificate, and a Jornaya LeadiD.

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

const TRUSTEDFORM: &str = "expected the URL of a TrustedForm certificate";
const JORNAYA: &str = "expected a LeadiD: 36 hex digits and hyphens";

/// `https://cert.trustedform.com/..`, as sent.
pub(super) fn trustedform(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, TRUSTEDFORM)?;
    trustedform_url(&text)
        .map(FieldValue::Text)
        .ok_or_else(|| invalid(TRUSTEDFORM))
}

pub(crate) fn trustedform_url(text: &str) -> Option<String> {
    let text = text.trim();
    let url = ::url::Url::parse(text).ok()?;
    let issued = url.scheme() == "https"
        && (url.host_str())
            .is_some_and(|host| host == "trustedform.com" || host.ends_with(".trustedform.com"))
        && url.path().len() > 1;
    (issued && text.len() <= 500).then(|| text.to_owned())
}

/// A LeadiD, in upper case.
pub(super) fn jornaya(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, JORNAYA)?;
    leadid(&text)
        .map(FieldValue::Text)
        .ok_or_else(|| invalid(JORNAYA))
}

pub(crate) fn leadid(text: &str) -> Option<String> {
    let text = text.trim();
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let good = groups.iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit())
        })
    });
    (good && parts.next().is_none()).then(|| text.to_ascii_uppercase())
}
