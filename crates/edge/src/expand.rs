//! A destination with its macros filled in.
//!
//! Every value is percent-encoded down to letters, digits and `-_~`, so that none can end the part
//! of the URL it stands in; that no macro stands in scheme or host is the catalog's to check.

use catalog::{Destination, Link, Macro, Piece};
use data_encoding::HEXLOWER;
use domain::{ClickId, Entropy, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::agent::Agent;
use crate::params::{Params, SUB_IDS};

/// What is left as it is in a value. A dot is, too: but see [`push`].
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'.');

/// What macros stand for in one click.
pub(crate) struct Values<'a> {
    /// The id of the click; none if it could not be recorded.
    pub(crate) click: Option<&'a ClickId>,
    pub(crate) link: &'a Link,
    pub(crate) params: &'a Params<'a>,
    pub(crate) agent: Agent,
    pub(crate) country: Option<&'a str>,
    pub(crate) ip_hash: &'a [u8; 16],
    pub(crate) at: Timestamp,
    pub(crate) entropy: &'a dyn Entropy,
}

/// Where a click goes.
pub(crate) fn expand(destination: &Destination, values: &Values<'_>) -> String {
    let mut url = String::with_capacity(256);
    for piece in &destination.pieces {
        match piece {
            Piece::Text(text) => url.push_str(text),
            Piece::Macro(name) => fill(&mut url, name, values),
        }
    }
    url
}

fn fill(url: &mut String, name: &Macro, values: &Values<'_>) {
    match name {
        Macro::ClickId => {
            if let Some(click) = values.click {
                push(url, &click.text());
            }
        }
        Macro::Publisher => push(url, values.link.publisher.as_str()),
        Macro::Campaign => push(url, values.link.campaign.as_str()),
        Macro::Sub(number) => {
            let name = SUB_IDS.get(usize::from(*number).wrapping_sub(1));
            push(
                url,
                name.and_then(|name| values.params.get(name))
                    .unwrap_or_default(),
            );
        }
        Macro::IpHash => push(url, &HEXLOWER.encode(values.ip_hash)),
        Macro::Ts => push(url, &values.at.as_millis().to_string()),
        Macro::Rand => push(url, &values.entropy.next_u64().to_string()),
        Macro::Param(name) => match name.as_str() {
            "country" => push(url, values.country.unwrap_or_default()),
            "device" => push(url, values.agent.device),
            "os" => push(url, values.agent.os),
            name => push(url, values.params.get(name).unwrap_or_default()),
        },
    }
}

/// Appends a value, encoded. One that is nothing but dots is left out: as a path segment it would
/// climb, and encoding does not help, as `%2e%2e` climbs too.
fn push(url: &mut String, value: &str) {
    if !value.is_empty() && value.bytes().all(|byte| byte == b'.') {
        return;
    }
    url.extend(utf8_percent_encode(value, ESCAPED));
}
