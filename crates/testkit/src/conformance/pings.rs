//! Answers to pings with a key.

use std::sync::Arc;
use std::time::Duration;

use store::{Backend, ClaimKey, Claims, Digest, Lookup, PING_KEPT};

use super::Harness;

const DIGEST: Digest = [1; 32];
const OTHER: Digest = [2; 32];

fn name(text: &str) -> ClaimKey {
    ClaimKey(format!("pub/solar/ping/{text}"))
}

async fn lookup<H: Harness>(harness: &H, key: &str, digest: &Digest) -> Lookup {
    let claims = harness.store().claims();
    claims.lookup(&name(key), digest).await.unwrap()
}

/// A ping with a key gets the bytes of its first answer.
pub async fn a_ping_is_replayed_byte_for_byte<H: Harness>(harness: &mut H) {
    let claims = harness.store().claims();
    for answer in [b"first".as_slice(), b"second"] {
        let now = harness.now();
        claims
            .quoted(name("p"), DIGEST, answer.into(), now)
            .await
            .unwrap();
    }
    let found = lookup(harness, "p", &DIGEST).await;
    assert!(
        matches!(&found, Lookup::Quote(answer) if **answer == *b"first"),
        "{found:?}"
    );
    assert!(matches!(
        lookup(harness, "p", &OTHER).await,
        Lookup::Conflict
    ));
}

/// Its answer goes once its quote cannot be used any more: who asks then is asking anew, whatever the body.
pub async fn the_answer_to_a_ping_goes_after_its_quote<H: Harness>(harness: &mut H) {
    let claims = harness.store().claims();
    let now = harness.now();
    let minute = Duration::from_secs(60);
    let answer: Arc<[u8]> = b"a quote".as_slice().into();
    let over = now.minus(PING_KEPT + minute);
    for (key, at) in [("late", now.minus(PING_KEPT - minute)), ("over", over)] {
        claims
            .quoted(name(key), DIGEST, Arc::clone(&answer), at)
            .await
            .unwrap();
    }
    let late = lookup(harness, "late", &DIGEST).await;
    assert!(matches!(late, Lookup::Quote(_)), "{late:?}");
    for body in [DIGEST, OTHER] {
        let over = lookup(harness, "over", &body).await;
        assert!(matches!(over, Lookup::Free), "{over:?}");
    }
    claims
        .quoted(name("over"), OTHER, answer, now)
        .await
        .unwrap();
    let again = lookup(harness, "over", &OTHER).await;
    assert!(matches!(again, Lookup::Quote(_)), "{again:?}");
}
