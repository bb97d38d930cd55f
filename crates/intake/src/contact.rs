//! The one spelling of a consumer's phone number and e-mail address, which everything that compares
//! consumers starts from: fields of leads, events, suppression lists, hashes.
//!
//! Phone numbers are valid ones by the numbering plans of libphonenumber, kept as E.164. E-mail
//! addresses are the forms that real mail systems take, not all that RFC 5322 allows (no quotes, no
//! comments, no address literals), trimmed and in lower case.

use std::borrow::Cow;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};

/// The country of phone numbers that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

impl Country {
    /// By its two-letter code.
    pub fn new(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }
}

/// A phone number in E.164: `+15125550199`.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

/// The longest text that is looked at: the longest number has 15 digits, the rest is punctuation.
const PHONE_TEXT: usize = 40;

impl Phone {
    /// Reads a number; one without a country code is of `country`. None if there is no such number.
    pub fn parse(text: &str, country: Country) -> Option<Self> {
        let text = text.trim();
        if text.len() > PHONE_TEXT {
            return None;
        }
        let number = PHONE_NUMBER_UTIL.parse(text, Some(country.0)).ok()?;
        PHONE_NUMBER_UTIL.is_valid_number(&number).then(|| {
            let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
            Self(e164.into_owned())
        })
    }

    /// A number that is in E.164 already.
    pub fn from_e164(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let plain = (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| Self(text.to_owned()))
    }

    /// `+15125550199`.
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// `15125550199`.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }

    /// The number without its country code: ten digits in North America.
    pub fn national(&self) -> Cow<'_, str> {
        if let Some(ten) = self.0.strip_prefix("+1").filter(|rest| rest.len() == 10) {
            return Cow::Borrowed(ten);
        }
        match PHONE_NUMBER_UTIL.parse(&self.0, None) {
            Ok(number) => Cow::Owned(number.get_national_significant_number()),
            Err(_) => Cow::Borrowed(self.digits()),
        }
    }

    /// The area code, of a North American number.
    pub fn npa(&self) -> Option<&str> {
        let ten = self.0.strip_prefix("+1").filter(|rest| rest.len() == 10)?;
        ten.get(..3)
    }

    /// The last four digits.
    pub fn last4(&self) -> Option<&str> {
        self.0.get(self.0.len().checked_sub(4)?..)
    }
}

impl std::fmt::Debug for Phone {
    /// Without its digits, which are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone(..)")
    }
}

/// Loads the numbering plans, which takes a while, so that no lead waits for them.
pub(crate) fn warm_up() {
    std::sync::LazyLock::force(&PHONE_NUMBER_UTIL);
}

/// An e-mail address, trimmed and in lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads an address; none if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let address = text.trim().to_lowercase();
        let (local, domain) = address.rsplit_once('@')?;
        (is_local(local) && is_domain(domain) && address.len() <= 254).then_some(Self(address))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl std::fmt::Debug for Email {
    /// Without the address, which is personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(..)")
    }
}

fn is_local(local: &str) -> bool {
    let allowed = |c: char| {
        c.is_alphanumeric() || (c.is_ascii_punctuation() && !"\"(),:;<>@[\\]".contains(c))
    };
    (1..=64).contains(&local.len())
        && local.chars().all(allowed)
        && local.split('.').all(|part| !part.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.') && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_spelling_and_its_parts() {
        let us = Country::new("US").unwrap();
        for text in ["(512) 555-0199", "+1 512-555-0199", "1-512-555-0199"] {
            let phone = Phone::parse(text, us).unwrap();
            assert_eq!(phone.e164(), "+15125550199");
            assert_eq!(phone.digits(), "15125550199");
            assert_eq!(phone.national(), "5125550199");
            assert_eq!(phone.npa(), Some("512"));
            assert_eq!(phone.last4(), Some("0199"));
            assert_eq!(Phone::from_e164(phone.e164()), Some(phone.clone()));
            assert_eq!(format!("{phone:?}"), "Phone(..)");
        }
        let uk = Phone::parse("+44 20 7946 0958", us).unwrap();
        assert_eq!((uk.national().as_ref(), uk.npa()), ("2079460958", None));
        assert_eq!(Phone::parse("911", us), None);
        assert_eq!(Phone::from_e164("15125550199"), None);
    }

    #[test]
    fn one_address_has_one_spelling() {
        let email = Email::parse(" Ann@Mail.Example.COM ").unwrap();
        assert_eq!(email.as_str(), "ann@mail.example.com");
        assert_eq!(email.domain(), "mail.example.com");
        assert_eq!(Email::parse("ann@example"), None);
    }
}
