//! The consumer's consent as the publisher recorded it.

use domain::Timestamp;

use crate::body::{Json, Object};
use crate::issue::Fault;
use crate::kind::certificate;
use crate::members::{Members, plain};
use crate::{ConsentRule, Issue, IssueCode};

/// The record of consent in a post: it goes with the post to every buyer.
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
    pub(crate) fn read(object: &Object<'_>, rule: ConsentRule, issues: &mut Vec<Issue>) -> Self {
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
            trustedform_url: members.parsed(
                "trustedform_url",
                "expected the URL of a TrustedForm certificate",
                certificate::trustedform_url,
            ),
            jornaya_leadid: members.parsed(
                "jornaya_leadid",
                "expected a LeadiD: 36 hex digits and hyphens",
                certificate::leadid,
            ),
        };
        if rule == ConsentRule::Tcpa {
            for name in ["text", "at", "ip", "url"] {
                let blank =
                    |json: &Json<'_>| matches!(json, Json::Text(text) if text.trim().is_empty());
                if members.get(name).is_none_or(blank) {
                    let message = "this campaign needs it";
                    members.fault::<()>(name, Fault::new(IssueCode::Missing, message));
                }
            }
        }
        members.finish();
        consent
    }
}
