//! IP addresses in their usual spelling.

use std::net::IpAddr;

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected an IP address";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let address: IpAddr = text_of(json, EXPECTED)?
        .parse()
        .map_err(|_| invalid(EXPECTED))?;
    Ok(FieldValue::Text(address.to_string()))
}
