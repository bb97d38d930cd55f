//! The suite of all backends, on files and in memory.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use domain::{Clock, Timestamp};
use store_local::{Local, LocalOptions, OnFailure};
use tempfile::TempDir;
use testkit::conformance::Harness;
use testkit::{FakeClock, SeededEntropy};

struct Embedded {
    store: Option<Local>,
    dir: Option<TempDir>,
    clock: FakeClock,
    entropy: SeededEntropy,
}

impl Embedded {
    fn new(dir: Option<TempDir>) -> Self {
        let mut harness = Self {
            store: None,
            dir,
            clock: FakeClock::default(),
            entropy: SeededEntropy::new(1),
        };
        harness.open();
        harness
    }

    fn open(&mut self) {
        let options = LocalOptions {
            dir: self.dir.as_ref().map(|dir| dir.path().to_owned()),
            on_failure: OnFailure::Stop,
            leads_hot: Duration::ZERO,
            ..LocalOptions::default()
        };
        self.store = Some(Local::open(options, self.clock.port()).unwrap());
    }
}

impl Harness for Embedded {
    type Backend = Local;

    fn store(&self) -> &Local {
        self.store.as_ref().unwrap()
    }

    async fn reopen(&mut self) -> bool {
        if self.dir.is_none() {
            return false;
        }
        self.store = None;
        self.open();
        true
    }

    fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }
}

mod files {
    use super::*;
    testkit::conformance!(Embedded::new(Some(tempfile::tempdir().unwrap())));
}

mod memory {
    use super::*;
    testkit::conformance!(Embedded::new(None));
}
