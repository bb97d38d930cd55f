//! The suite of all backends, on a real server: one for all cases, each with keys of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cluster;

use cluster::Cluster;

/// A case's harness, or the end of the case where there is no Redis.
macro_rules! fresh {
    () => {
        match Cluster::fresh().await {
            Some(cluster) => cluster,
            None => return,
        }
    };
}

testkit::conformance!(claims: fresh!());
testkit::conformance!(pings: fresh!());
testkit::conformance!(consumers: fresh!());
testkit::conformance!(caps: fresh!());
testkit::conformance!(journeys: fresh!());
testkit::conformance!(lately: fresh!());
