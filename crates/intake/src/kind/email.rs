//! E-mail addresses: the forms that real mail systems take, not all that RFC 5322 allows (no
//! quotes, no comments, no address literals). Trimmed and in lower case.

use domain::FieldValue;

use super::invalid;
use crate::IssueCode;
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected an e-mail address";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let Json::Text(text) = json else {
        return Err(Fault::new(IssueCode::WrongType, EXPECTED));
    };
    let address = text.trim().to_lowercase();
    let (local, domain) = address.rsplit_once('@').ok_or_else(|| invalid(EXPECTED))?;
    if is_local(local) && is_domain(domain) && address.len() <= 254 {
        Ok(FieldValue::Text(address))
    } else {
        Err(invalid(EXPECTED))
    }
}

fn is_local(local: &str) -> bool {
    let allowed = |c: char| {
        c.is_alphanumeric() || (c.is_ascii_punctuation() && !"\"(),:;<>@[\\]".contains(c))
    };
    (1..=64).contains(&local.len())
        && local.chars().all(allowed)
        && local.split('.').all(|part| !part.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.') && domain.split('.').all(label)
}
