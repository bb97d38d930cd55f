//! The consumer's consent, read from a post.

use domain::{Consent, Timestamp};

use crate::body::{Json, Object};
use crate::issue::Fault;
use crate::kind::certificate;
use crate::members::{Members, plain};
use crate::{ConsentRule, Issue, IssueCode};

pub(crate) fn read(object: &Object<'_>, rule: ConsentRule, issues: &mut Vec<Issue>) -> Consent {
    let mut members = Members::new(object, "/consent", issues);
    let expected = "expected an IP address";
    let consent = Consent {
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
