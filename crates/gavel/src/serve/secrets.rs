//! Master keys: from the configuration, or made once in the data directory, readable by the owner only.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use catalog::{Secret, Secrets};
use data_encoding::HEXLOWER;
use domain::Entropy;
use serde::{Deserialize, Serialize};

use super::whole;

const FILE: &str = "secrets.json";

/// The file as it is written: keys in hex.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key_id: u32,
    sealing: String,
    hashing: String,
    quotes: String,
    tracking: String,
}

/// The configured keys, or those of the data directory, which are made on the first start.
pub(super) fn load(
    configured: Option<Secrets>,
    data: &Path,
    entropy: &dyn Entropy,
) -> anyhow::Result<Secrets> {
    if let Some(secrets) = configured {
        return Ok(secrets);
    }
    let path = data.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => read(&path, &bytes).with_context(|| format!("secrets in {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(&path, entropy).with_context(|| format!("cannot make {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn read(path: &Path, bytes: &[u8]) -> anyhow::Result<Secrets> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o077;
    if mode != 0 {
        bail!("others may read it: its mode must be 0600");
    }
    // The error of a parser may quote what it read.
    let Ok(stored) = serde_json::from_slice::<Stored>(bytes) else {
        bail!("not readable as secrets")
    };
    let key = |hex: &str| -> anyhow::Result<Secret<[u8; 32]>> {
        let bytes = HEXLOWER
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        Ok(Secret(bytes.context("a key is 64 hex digits")?))
    };
    Ok(Secrets {
        key_id: stored.key_id,
        sealing: key(&stored.sealing)?,
        hashing: key(&stored.hashing)?,
        quotes: key(&stored.quotes)?,
        tracking: key(&stored.tracking)?,
    })
}

fn make(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<Secrets> {
    let key = || {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Secret(key)
    };
    let secrets = Secrets {
        key_id: 1,
        sealing: key(),
        hashing: key(),
        quotes: key(),
        tracking: key(),
    };
    let hex = |key: &Secret<[u8; 32]>| HEXLOWER.encode(&key.0);
    let stored = Stored {
        key_id: secrets.key_id,
        sealing: hex(&secrets.sealing),
        hashing: hex(&secrets.hashing),
        quotes: hex(&secrets.quotes),
        tracking: hex(&secrets.tracking),
    };
    whole::write(path, &serde_json::to_vec_pretty(&stored)?)?;
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(std::sync::atomic::AtomicU8);
    impl Entropy for Count {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let data = tempfile::tempdir().unwrap();
        let entropy = Count(1.into());
        let first = load(None, data.path(), &entropy).unwrap();
        let again = load(None, data.path(), &entropy).unwrap();
        assert_eq!(first.sealing, again.sealing);
        assert_ne!(first.sealing, first.hashing);
        let path = data.path().join(FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(None, data.path(), &entropy).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(load(None, data.path(), &entropy).is_err());
    }
}
