//! The consumer's consent as the publisher recorded it.

use domain::Timestamp;

use crate::Issue;
use crate::body::Object;
use crate::members::{Members, plain};

/// The record of consent in a post. It is checked for its form; no contract asks for it yet.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Consent {
    /// The text the consumer agreed to.
    pub text: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// From which address.
    pub ip: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// On which page.
    pub url: Option<String>,
    /// The sellers named on it.
    pub sellers: Vec<String>,
    /// TrustedForm certificate.
    pub trustedform_url: Option<String>,
    /// Jornaya LeadiD.
    pub jornaya_leadid: Option<String>,
}

impl std::fmt::Debug for Consent {
    /// Without its content, which is personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Consent(..)")
    }
}

impl Consent {
    pub(crate) fn read(object: &Object<'_>, issues: &mut Vec<Issue>) -> Self {
        let mut members = Members::new(object, "/consent", issues);
        let expected = "expected an IP address";
        let consent = Self {
            text: members.text("text", 10_000),
            at: members.parsed("at", "expected a time in RFC 3339", |text| {
                Timestamp::parse(text).ok()
            }),
            ip: members.parsed("ip", expected, |text| {
                text.parse::<std::net::IpAddr>()
                    .ok()
                    .map(|ip| ip.to_string())
            }),
            user_agent: members.text("user_agent", 1_000),
            url: members.text("url", 2_000),
            sellers: members.list("sellers", 100, |seller| {
                plain(seller, 200).map(|()| seller.to_owned())
            }),
            trustedform_url: members.text("trustedform_url", 500),
            jornaya_leadid: members.text("jornaya_leadid", 100),
        };
        members.finish();
        consent
    }
}
