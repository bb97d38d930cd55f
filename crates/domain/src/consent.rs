//! The consumer's consent to be contacted, as the publisher recorded it.

use crate::Timestamp;

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

impl Consent {
    /// Whether it says to what, when, from which address and on which page the consumer agreed.
    pub const fn is_whole(&self) -> bool {
        self.text.is_some() && self.at.is_some() && self.ip.is_some() && self.url.is_some()
    }
}

impl std::fmt::Debug for Consent {
    /// Without its content, which is personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Consent(..)")
    }
}
