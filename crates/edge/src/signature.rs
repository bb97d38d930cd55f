//! Signed postbacks: `sig` is the last parameter, 64 hex digits of HMAC-SHA-256 under the campaign's
//! secret over everything before it, byte for byte as sent.
//!
//! In a GET that is the query up to `&sig=`. In a POST with a form body the signature is the last
//! parameter of the body, and what is signed is the query, a line feed, and the body up to `&sig=`.
//! Nothing is decoded or sorted first, so there is one way to compute it.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether a request is signed with this secret. Takes the same time for every wrong signature.
pub(crate) fn is_valid(secret: &str, query: &str, form: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    let sent = if form.is_empty() {
        split(query.as_bytes()).map(|(signed, sig)| {
            mac.update(signed);
            sig
        })
    } else {
        split(form).map(|(signed, sig)| {
            mac.update(query.as_bytes());
            mac.update(b"\n");
            mac.update(signed);
            sig
        })
    };
    let sent = sent.and_then(|sig| HEXLOWER_PERMISSIVE.decode(sig).ok());
    sent.is_some_and(|sent| mac.verify_slice(&sent).is_ok())
}

/// What is signed, and the signature: the last parameter.
fn split(parameters: &[u8]) -> Option<(&[u8], &[u8])> {
    const SIG: &[u8] = b"sig=";
    let last = parameters.iter().rposition(|byte| *byte == b'&')?;
    let (signed, rest) = parameters.split_at_checked(last)?;
    Some((signed, rest.get(1..)?.strip_prefix(SIG)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    #[test]
    fn only_what_was_signed_is_valid() {
        let secret = "a-secret-of-the-campaign";
        let query = "campaign=c&goal=g&txid=o%201";
        let sig = sign(secret, query);
        // RFC 4231's function, so that another implementation can be checked against this one.
        assert_eq!(
            sign("key", "The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        for (query, form, valid) in [
            (format!("{query}&sig={sig}"), String::new(), true),
            (
                format!("{query}&sig={}", sig.to_uppercase()),
                String::new(),
                true,
            ),
            (format!("{query}&x=1&sig={sig}"), String::new(), false),
            (format!("{query}&sig={sig}&x=1"), String::new(), false),
            (format!("sig={sig}&{query}"), String::new(), false),
            (format!("{query}&sig={}", &sig[..62]), String::new(), false),
            (format!("{query}&sig="), String::new(), false),
            (format!("{query}&sig=zz"), String::new(), false),
            (format!("sig={sig}"), String::new(), false),
            (String::new(), String::new(), false),
            (
                "campaign=c".to_owned(),
                format!("goal=g&sig={}", sign(secret, "campaign=c\ngoal=g")),
                true,
            ),
            (
                "campaign=d".to_owned(),
                format!("goal=g&sig={}", sign(secret, "campaign=c\ngoal=g")),
                false,
            ),
            (format!("{query}&sig={sig}"), "goal=other".to_owned(), false),
        ] {
            assert_eq!(
                is_valid(secret, &query, form.as_bytes()),
                valid,
                "{query} {form}"
            );
        }
        assert!(!is_valid(
            "another-secret-of-it",
            &format!("{query}&sig={sig}"),
            b""
        ));
    }
}
