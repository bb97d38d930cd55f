//! The address of a page without its query and fragment, in which sites put personal data: what is
//! left may be seen by analysts. A bare host and path will do.

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;
use crate::members::plain;

const EXPECTED: &str = "expected the address of a page";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, EXPECTED)?;
    let page = text.split(['?', '#']).next().unwrap_or_default();
    plain(page, 500)?;
    // `@` stands between a user and a host, or in somebody's mail address.
    if page.is_empty() || page.contains([' ', '@']) {
        return Err(invalid(EXPECTED));
    }
    Ok(FieldValue::Text(page.to_owned()))
}
