//! Sealed quotes: what the publisher carries from its ping to its post, so that an unposted ping
//! leaves no state behind and any node can take the post.
//!
//! `pq_` and base64url of: version, key id, nonce, ChaCha20-Poly1305 of the quote. Publisher and
//! campaign are associated data. At most 1,800 characters: the ladder is cut to fit.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::BASE64URL_NOPAD;
use domain::{CampaignName, Entropy, PublisherName};
use proto::{Message, Quote};

/// The longest `ping_id`, in characters.
const LONGEST: usize = 1_800;
const VERSION: u8 = 1;
const PREFIX: &str = "pq_";
const HEAD: usize = 5;
const NONCE: usize = 12;

/// A `ping_id` is none of ours, was made for somebody else, or under a key we no longer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ping_id of this publisher and campaign")]
pub(crate) struct QuoteError;

/// The key that quotes are sealed with.
pub struct QuoteKey {
    cipher: ChaCha20Poly1305,
    id: u32,
}

fn associated(publisher: &PublisherName, campaign: &CampaignName, head: &[u8]) -> Vec<u8> {
    [
        head,
        publisher.as_str().as_bytes(),
        b"/",
        campaign.as_str().as_bytes(),
    ]
    .concat()
}

impl QuoteKey {
    /// From 32 secret bytes and the number under which this key is known.
    pub fn new(key: [u8; 32], id: u32) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(&key.into()),
            id,
        }
    }

    fn head(&self) -> [u8; HEAD] {
        let [a, b, c, d] = self.id.to_be_bytes();
        [VERSION, a, b, c, d]
    }

    /// Seals a quote, leaving out the lowest rungs of a ladder that would not fit.
    pub(crate) fn seal(
        &self,
        mut quote: Quote,
        publisher: &PublisherName,
        campaign: &CampaignName,
        entropy: &dyn Entropy,
    ) -> Result<String, QuoteError> {
        let overhead = HEAD + NONCE + 16;
        while PREFIX.len() + (overhead + quote.encoded_len()).div_ceil(3) * 4 > LONGEST {
            quote.rungs.pop().ok_or(QuoteError)?;
        }
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let head = self.head();
        let aad = associated(publisher, campaign, &head);
        let body = self
            .cipher
            .encrypt(
                &Nonce::from(nonce),
                Payload {
                    msg: &quote.encode_to_vec(),
                    aad: &aad,
                },
            )
            .map_err(|_| QuoteError)?;
        let sealed = [head.as_slice(), &nonce, &body].concat();
        Ok(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&sealed)))
    }

    /// Opens a `ping_id`. Its expiry is for the caller to check.
    pub(crate) fn open(
        &self,
        text: &str,
        publisher: &PublisherName,
        campaign: &CampaignName,
    ) -> Result<Quote, QuoteError> {
        let text = text
            .strip_prefix(PREFIX)
            .filter(|text| text.len() <= LONGEST)
            .ok_or(QuoteError)?;
        let sealed = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| QuoteError)?;
        let (head, rest) = sealed.split_first_chunk::<HEAD>().ok_or(QuoteError)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(QuoteError)?;
        if *head != self.head() {
            return Err(QuoteError);
        }
        let aad = associated(publisher, campaign, head);
        let clear = self
            .cipher
            .decrypt(
                &Nonce::from(*nonce),
                Payload {
                    msg: body,
                    aad: &aad,
                },
            )
            .map_err(|_| QuoteError)?;
        Quote::decode(clear.as_slice()).map_err(|_| QuoteError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::QuoteRung;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    #[test]
    fn a_quote_opens_for_its_publisher_only_and_fits() {
        let (key, publisher, campaign) = (
            QuoteKey::new([1; 32], 1),
            "acme".parse().unwrap(),
            "auto-us".parse().unwrap(),
        );
        let rung = QuoteRung {
            contract: "c".repeat(60),
            price_micros: 1,
            bid_id: "b".repeat(40),
            ..QuoteRung::default()
        };
        let quote = Quote {
            rungs: vec![rung; 40],
            payout_micros: 9,
            ..Quote::default()
        };
        let text = key.seal(quote, &publisher, &campaign, &Zeros).unwrap();
        assert!(text.len() <= LONGEST, "{}", text.len());
        let opened = key.open(&text, &publisher, &campaign).unwrap();
        assert_eq!(opened.payout_micros, 9);
        assert!(
            (10..40).contains(&opened.rungs.len()),
            "{}",
            opened.rungs.len()
        );
        assert!(
            key.open(&text, &"other".parse().unwrap(), &campaign)
                .is_err()
        );
        assert!(
            key.open(&text, &publisher, &"home-us".parse().unwrap())
                .is_err()
        );
        assert!(
            QuoteKey::new([2; 32], 1)
                .open(&text, &publisher, &campaign)
                .is_err()
        );
        let mut bent = text.clone().into_bytes();
        bent[40] ^= 1;
        assert!(
            key.open(&String::from_utf8(bent).unwrap(), &publisher, &campaign)
                .is_err()
        );
        assert!(key.open("pq_", &publisher, &campaign).is_err());
    }
}
