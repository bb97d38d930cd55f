//! How late an erasure is seen by another node: by who asks, not at all; on its disk, as soon as it has
//! read of it.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use domain::{Clock as _, LeadId};
use store::{Vault as _, WrappedKey};
use testkit::{FakeClock, SeededEntropy};

use crate::broker;

const SOON: Duration = Duration::from_secs(30);

/// Whether the key's bytes are in a file of this directory.
fn on_disk(dir: &Path, key: &WrappedKey) -> bool {
    let mut files = std::fs::read_dir(dir).unwrap();
    files.any(|file| {
        match std::fs::read(file.unwrap().path()) {
            Ok(bytes) => bytes.windows(WrappedKey::LEN).any(|it| it == key.0),
            // The note of how far the files are has its name from one moment to the next.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                false
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_erased_no_node_gives_away() {
    let Some(options) = broker::topics() else {
        return;
    };
    let entropy = SeededEntropy::new(1);
    let now = FakeClock::default().wall();
    let log = broker::open(&options).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = broker::vault(&log, &dirs[0]).await;
    let other = broker::vault(&log, &dirs[1]).await;
    for round in 1..=20 {
        let (lead, key) = (
            LeadId::mint(now, &entropy),
            WrappedKey([round; WrappedKey::LEN]),
        );
        one.put(lead, key.clone()).await.unwrap();
        assert_eq!(other.get(lead).await.unwrap(), Some(key.clone()), "{round}");
        assert!(on_disk(&dirs[1].path().join("vault"), &key));
        // With the acknowledgement, whoever asks next.
        one.erase(lead).await.unwrap();
        assert_eq!(other.get(lead).await.unwrap(), None, "{round}");
        assert!(!on_disk(&dirs[1].path().join("vault"), &key));
    }
    // A node that was not there reads what is left, and the one that comes back what it missed.
    let (kept, gone) = (LeadId::mint(now, &entropy), LeadId::mint(now, &entropy));
    let key = WrappedKey([99; WrappedKey::LEN]);
    one.put(kept, key.clone()).await.unwrap();
    one.put(gone, WrappedKey([98; WrappedKey::LEN]))
        .await
        .unwrap();
    assert!(other.get(gone).await.unwrap().is_some());
    other.close();
    one.erase(gone).await.unwrap();
    let again = broker::vault(&log, &dirs[1]).await;
    assert_eq!(again.get(gone).await.unwrap(), None);
    assert_eq!(again.get(kept).await.unwrap(), Some(key.clone()));
    let fresh = tempfile::tempdir().unwrap();
    let third = broker::vault(&log, &fresh).await;
    assert_eq!(third.get(kept).await.unwrap(), Some(key));
    for vault in [one, again, third] {
        tokio::time::timeout(SOON, tokio::task::spawn_blocking(move || vault.close()))
            .await
            .unwrap()
            .unwrap();
    }
}
