//! The hash forms in which the field passes consumers around before a post: MD5, SHA-1 or SHA-256,
//! as hex in lower case, of an e-mail address in lower case or of one of three spellings of a phone
//! number. They hide little (there are few phone numbers), so they are personal data like the value.

use data_encoding::HEXLOWER;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::contact::{Email, Phone};

/// The hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlg {
    /// 32 hex digits.
    Md5,
    /// 40 hex digits.
    Sha1,
    /// 64 hex digits.
    Sha256,
}

impl HashAlg {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha1, Self::Sha256];

    /// Its word in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// How many hex digits it has.
    pub const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }

    /// Hex in lower case.
    pub fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => HEXLOWER.encode(&Md5::digest(text)),
            Self::Sha1 => HEXLOWER.encode(&Sha1::digest(text)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(text)),
        }
    }

    /// A hash as somebody wrote it, in lower case; none if it is not one of this function.
    pub fn read(self, text: &str) -> Option<String> {
        let text = text.trim();
        let hex = text.len() == self.digits() && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| text.to_ascii_lowercase())
    }
}

/// The spelling of a phone number that is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneSpelling {
    /// `5125550199`.
    National10,
    /// `+15125550199`.
    E164,
    /// `15125550199`.
    E164Digits,
}

impl PhoneSpelling {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::National10, Self::E164, Self::E164Digits];

    /// Its word in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::National10 => "national10",
            Self::E164 => "e164",
            Self::E164Digits => "e164_digits",
        }
    }
}

/// Whose hash it is, and how it was made: two hashes can be compared only if their forms are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashForm {
    /// Of a phone number.
    Phone(HashAlg, PhoneSpelling),
    /// Of an e-mail address.
    Email(HashAlg),
}

impl HashForm {
    /// The hash function.
    pub const fn alg(self) -> HashAlg {
        match self {
            Self::Phone(alg, _) | Self::Email(alg) => alg,
        }
    }

    /// The hash of a phone number, if this is a form of phone numbers.
    pub fn of_phone(self, phone: &Phone) -> Option<String> {
        match self {
            Self::Phone(alg, PhoneSpelling::National10) => Some(alg.hex(&phone.national())),
            Self::Phone(alg, PhoneSpelling::E164) => Some(alg.hex(phone.e164())),
            Self::Phone(alg, PhoneSpelling::E164Digits) => Some(alg.hex(phone.digits())),
            Self::Email(_) => None,
        }
    }

    /// The hash of an e-mail address, if this is a form of addresses.
    pub fn of_email(self, email: &Email) -> Option<String> {
        match self {
            Self::Email(alg) => Some(alg.hex(email.as_str())),
            Self::Phone(..) => None,
        }
    }
}

impl std::fmt::Display for HashForm {
    /// `phone/md5/national10`, `email/sha256`: what sets keyed hashes of different forms apart.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phone(alg, of) => write!(f, "phone/{}/{}", alg.as_str(), of.as_str()),
            Self::Email(alg) => write!(f, "email/{}", alg.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Country;

    #[test]
    fn forms_are_those_of_the_field() {
        let phone = Phone::parse("+1 512-555-0199", Country::new("US").unwrap()).unwrap();
        let of = |alg, spelling| HashForm::Phone(alg, spelling).of_phone(&phone).unwrap();
        // `printf %s 5125550199 | md5sum` and the like.
        assert_eq!(
            of(HashAlg::Md5, PhoneSpelling::National10),
            HashAlg::Md5.hex("5125550199")
        );
        assert_eq!(
            of(HashAlg::Sha1, PhoneSpelling::E164),
            HashAlg::Sha1.hex("+15125550199")
        );
        assert_eq!(
            of(HashAlg::Sha256, PhoneSpelling::E164Digits),
            HashAlg::Sha256.hex("15125550199")
        );
        assert_eq!(HashAlg::Md5.hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
        for alg in HashAlg::ALL {
            let hex = alg.hex("abc");
            assert_eq!(alg.read(&hex.to_uppercase()), Some(hex.clone()));
            assert_eq!(alg.read(&hex[1..]), None);
        }
        assert_eq!(HashForm::Email(HashAlg::Md5).of_phone(&phone), None);
    }
}
