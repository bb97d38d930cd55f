//! The consumer's consent as the publisher recorded it.

use domain::Timestamp;

/// The record of consent in a post. It is checked for form; no contract asks for it yet.
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
