//! What crate `fuzz` tries on quotes.

use domain::{CampaignName, PublisherName};

use crate::QuoteKey;

/// Whether a text is a quote for publisher `acme` on campaign `auto`.
pub fn opens(key: &QuoteKey, text: &str) -> bool {
    let names = (
        "acme".parse::<PublisherName>(),
        "auto".parse::<CampaignName>(),
    );
    let (Ok(publisher), Ok(campaign)) = names else {
        return false;
    };
    key.open(text, &publisher, &campaign).is_ok()
}
