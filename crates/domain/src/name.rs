//! Names of catalog objects: chosen by the operator, stable, and short enough for a URL.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name breaks the rule: 1 to 64 of `a-z 0-9 _ - .`, beginning with a letter or digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is 1 to 64 characters of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit"
)]
pub struct NameError;

fn check(text: &str) -> Result<(), NameError> {
    let first = text.bytes().next().ok_or(NameError)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = plain(first)
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| plain(b) || matches!(b, b'_' | b'-' | b'.'));
    good.then_some(()).ok_or(NameError)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// What is sold: a vertical and its field schema, say `auto-us`.
    CampaignName,
    /// Who sends leads.
    PublisherName,
    /// Who buys.
    BuyerName,
    /// One buyer's standing order on one campaign.
    ContractName,
    /// Landing pages and goals of a campaign.
    OfferName,
    /// One publisher on one offer.
    LinkName,
    /// What counts as a conversion.
    GoalName,
    /// A field of a lead.
    FieldName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_url_safe_and_short() {
        assert!("auto-us".parse::<CampaignName>().is_ok());
        for bad in ["", "-a", "Auto", "a b", "a/b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<CampaignName>(), Err(NameError), "{bad:?}");
        }
    }
}
