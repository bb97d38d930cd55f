//! Sealing of personal data: one random key per lead, wrapped with a master key.
//!
//! ChaCha20-Poly1305 (RFC 8439); the nonce is random and stands in front of the ciphertext, the
//! lead's id is associated data, so a blob cannot be moved to another lead.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use domain::{Entropy, LeadId};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A blob or a key does not open: damaged, of another lead, or under another master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed data does not open")]
pub struct SealError;

/// Length of the nonce in front of each ciphertext.
const NONCE: usize = 12;

/// A lead's key in clear, for as long as it is worked on.
pub struct LeadKey(Zeroizing<[u8; 32]>);

/// A lead's key under the master key: nonce, 32 bytes of ciphertext, tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey(pub [u8; Self::LEN]);

impl WrappedKey {
    /// Its length in bytes.
    pub const LEN: usize = NONCE + 32 + 16;
}

/// The master key of sealing, and the key of hashes over personal data.
pub struct Sealer {
    master: ChaCha20Poly1305,
    /// With the part of the work done that all hashes share.
    hashing: Hmac<Sha256>,
}

fn seal(
    cipher: &ChaCha20Poly1305,
    entropy: &dyn Entropy,
    aad: &[u8],
    clear: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE];
    entropy.fill(&mut nonce);
    let mut out = nonce.to_vec();
    let body = cipher
        .encrypt(&Nonce::from(nonce), Payload { msg: clear, aad })
        .map_err(|_| SealError)?;
    out.extend_from_slice(&body);
    Ok(out)
}

fn open(cipher: &ChaCha20Poly1305, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(SealError)?;
    cipher
        .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad })
        .map_err(|_| SealError)
}

fn keyed(key: [u8; 32]) -> Hmac<Sha256> {
    // A key that is shorter than a block is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(&key);
    <Hmac<Sha256> as hmac::KeyInit>::new((&*block).into())
}

impl Sealer {
    /// From two independent secrets of 32 bytes.
    pub fn new(master: [u8; 32], hashing: [u8; 32]) -> Self {
        Self {
            master: ChaCha20Poly1305::new(&master.into()),
            hashing: keyed(hashing),
        }
    }

    /// A fresh key for a lead, and its wrapped form for the vault.
    pub fn fresh(
        &self,
        lead: LeadId,
        entropy: &dyn Entropy,
    ) -> Result<(LeadKey, WrappedKey), SealError> {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(key.as_mut_slice());
        let wrapped = seal(&self.master, entropy, lead.as_bytes(), key.as_slice())?;
        let wrapped = wrapped.try_into().map_err(|_| SealError)?;
        Ok((LeadKey(key), WrappedKey(wrapped)))
    }

    /// Opens a wrapped key.
    pub fn unwrap(&self, lead: LeadId, wrapped: &WrappedKey) -> Result<LeadKey, SealError> {
        let clear = Zeroizing::new(open(&self.master, lead.as_bytes(), &wrapped.0)?);
        let key: [u8; 32] = clear.as_slice().try_into().map_err(|_| SealError)?;
        Ok(LeadKey(Zeroizing::new(key)))
    }

    /// The keyed hash by which a consumer is known: of `value` in the spelling or hash form that
    /// `form` names. `phone` is E.164 and `email` an address in lower case (see `intake::contact`);
    /// hashes that others made are hashed again, apart by their form, as `phone/md5/national10`.
    pub fn consumer(&self, form: &str, value: &str) -> [u8; 16] {
        self.hash(&format!("consumer/{form}"), value.as_bytes())
    }

    /// A keyed hash (HMAC-SHA-256 cut to 128 bits) of something personal, apart by `domain`.
    pub fn hash(&self, domain: &str, clear: &[u8]) -> [u8; 16] {
        let mut out = [0; 16];
        let mut mac = self.hashing.clone();
        mac.update(domain.as_bytes());
        mac.update(&[0]);
        mac.update(clear);
        out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        out
    }
}

impl LeadKey {
    /// Seals data of this lead.
    pub fn seal(
        &self,
        lead: LeadId,
        entropy: &dyn Entropy,
        clear: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let cipher = ChaCha20Poly1305::new(self.0.as_slice().try_into().map_err(|_| SealError)?);
        seal(&cipher, entropy, lead.as_bytes(), clear)
    }

    /// Opens sealed data of this lead.
    pub fn open(&self, lead: LeadId, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let cipher = ChaCha20Poly1305::new(self.0.as_slice().try_into().map_err(|_| SealError)?);
        open(&cipher, lead.as_bytes(), sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            for (index, byte) in out.iter_mut().enumerate() {
                *byte = u8::try_from(index % 251).unwrap_or(0);
            }
        }
    }

    #[test]
    fn a_sealed_blob_opens_only_for_its_lead_and_key() {
        let sealer = Sealer::new([1; 32], [2; 32]);
        let (lead, other) = (LeadId::from_bytes([3; 16]), LeadId::from_bytes([4; 16]));
        let (key, wrapped) = sealer.fresh(lead, &Fixed).unwrap();
        let blob = key.seal(lead, &Fixed, b"+15125550199").unwrap();
        assert!(!blob.windows(4).any(|w| w == b"5125"));
        let again = sealer.unwrap(lead, &wrapped).unwrap();
        assert_eq!(again.open(lead, &blob).unwrap(), b"+15125550199");
        assert_eq!(again.open(other, &blob), Err(SealError));
        assert!(sealer.unwrap(other, &wrapped).is_err());
        assert!(
            Sealer::new([9; 32], [2; 32])
                .unwrap(lead, &wrapped)
                .is_err()
        );
    }
}
