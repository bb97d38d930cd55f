//! A store elsewhere takes its time. While it answers one partition, others are worked on.

use std::sync::Arc;
use std::time::Duration;

use store::{Anew, Applied, Backend, JourneyUpdate, Journeys, Place, StoreError};
use store_local::{
    Local, LocalCaps, LocalClaims, LocalJourneys, LocalLately, LocalLog, LocalVault,
};
use tokio::sync::Barrier;
use tokio::time::timeout;
use worker::Progress;

use crate::click;
use crate::world::{World, runtime, start};

const PATIENCE: Duration = Duration::from_secs(60);

/// Stores whose journeys answer nobody until two have asked.
#[derive(Clone)]
struct Slow {
    local: Local,
    journeys: Arc<Together>,
}

struct Together {
    local: Local,
    two: Barrier,
}

impl Together {
    fn inner(&self) -> &LocalJourneys {
        self.local.journeys()
    }
}

impl Journeys for Together {
    async fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
        rules: u32,
    ) -> Result<Applied, StoreError> {
        self.two.wait().await;
        self.inner().apply(updates, through, rules).await
    }

    async fn anew(
        &self,
        partition: u16,
        rules: u32,
        most: usize,
    ) -> Result<Option<Anew>, StoreError> {
        self.inner().anew(partition, rules, most).await
    }

    async fn walked(&self, partition: u16, rules: u32, next: Place) -> Result<(), StoreError> {
        self.inner().walked(partition, rules, next).await
    }
}

impl Backend for Slow {
    type Log = LocalLog;
    type Claims = LocalClaims;
    type Caps = LocalCaps;
    type Journeys = Together;
    type Lately = LocalLately;
    type Vault = LocalVault;

    fn log(&self) -> &LocalLog {
        self.local.log()
    }

    fn claims(&self) -> &LocalClaims {
        self.local.claims()
    }

    fn caps(&self) -> &LocalCaps {
        self.local.caps()
    }

    fn journeys(&self) -> &Together {
        &self.journeys
    }

    fn lately(&self) -> &LocalLately {
        self.local.lately()
    }

    fn vault(&self) -> &LocalVault {
        self.local.vault()
    }
}

#[test]
fn partitions_are_worked_on_beside_each_other() {
    runtime().block_on(async {
        let world = World::new(start(), 100);
        // Of two visitors, on two partitions.
        for number in 0..2 {
            world.event(&click(number)).await;
        }
        let slow = Slow {
            local: world.local.clone(),
            journeys: Arc::new(Together {
                local: world.local.clone(),
                two: Barrier::new(2),
            }),
        };
        let all_read = async |progress: &Progress| progress.lag(world.local.log()) == Some(0);
        let caught_up = timeout(PATIENCE, world.run_on(slow, all_read)).await;
        assert!(caught_up.is_ok(), "one waits for the other");
    });
}
