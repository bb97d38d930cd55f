//! What this router learnt of contracts it tells the others, and hears what they did: of breakers, and of how
//! posts were answered.
//!
//! No auction waits for it: calls go by this router's own copy, which is brought up to date every
//! [`EVERY`]. So what one learnt the others heed within that and the time of a call, a second at most. Where
//! the others cannot be reached, the copy goes on alone.

use std::time::Duration;

use auction::{News, Turn};
use domain::{ContractName, Mono, Timestamp};
use proto::{DoorNews, LatelyNews, PostsNews};
use store::{Backend, Heard, Lately, Member, Told};

use crate::Router;
use crate::gate::{CALLS, Fuse};
use crate::market::Market;

/// Between two exchanges.
const EVERY: Duration = Duration::from_millis(500);
const HOUR_US: i64 = 3_600_000_000;

/// A router that takes part.
pub type LatelyMember<B> = <<B as Backend>::Lately as Lately>::Member;

impl<B: Backend> Router<B> {
    /// Tells and hears until the router has ended.
    pub async fn share(&self) {
        let mut member = self.backend.lately().join();
        let mut heard = true;
        while self
            .stopped
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            let hears = self.exchange(&mut member).await;
            match (heard, hears) {
                (true, false) => tracing::warn!(
                    "other routers are not heard: breakers go by what this one learns"
                ),
                (false, true) => tracing::info!("other routers are heard again"),
                _ => {}
            }
            heard = hears;
        }
        // The last that it learnt.
        self.exchange(&mut member).await;
    }

    /// Tells and hears once, and says whether that was possible.
    pub async fn exchange(&self, member: &mut LatelyMember<B>) -> bool {
        let told = self.market.load().tell();
        let exchanged = member.exchange(told).await;
        let (wall, now) = (self.clock.wall(), self.clock.mono());
        let market = self.market.load();
        match exchanged {
            Ok(heard) => {
                market.hear(&heard, wall, now);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "nothing told and nothing heard");
                market.fuses().for_each(|(_, fuse)| fuse.lock().go_alone());
                false
            }
        }
    }
}

fn name(contract: &ContractName, call: &str) -> String {
    format!("{call}/{contract}")
}

impl Market {
    fn tell(&self) -> Told {
        let mut told = Told::default();
        for ((contract, call), fuse) in self.fuses() {
            let news = fuse.lock().tell();
            if news.is_none() {
                continue;
            }
            let door = name(contract, call);
            if news.wants {
                told.wants.push(door.clone());
            }
            if news.probes {
                told.probes.push(door.clone());
            }
            told.news.doors.extend(written(door, &news));
        }
        for (contract, hour, answered, rejected) in self.histories().flat_map(|it| it.tell()) {
            told.news.posts.push(PostsNews {
                contract: contract.to_string(),
                hour: hour.as_micros().div_euclid(HOUR_US),
                answered,
                rejected,
            });
        }
        told
    }

    fn hear(&self, heard: &Heard, wall: Timestamp, now: Mono) {
        let zero = wall.minus(now.since(Mono::default()));
        self.fuses().for_each(|(_, fuse)| fuse.lock().agree(zero));
        for LatelyNews { doors, posts } in &heard.news {
            for door in doors {
                if let Some((contract, fuse)) = self.fuse(&door.door) {
                    fuse.hear(&contract, now, &read(door));
                }
            }
            for told in posts {
                let Ok(contract) = told.contract.parse::<ContractName>() else {
                    continue;
                };
                let at = Timestamp::from_micros(told.hour.saturating_mul(HOUR_US));
                for histories in self.histories() {
                    histories.hear(&contract, at, told.answered, told.rejected);
                }
            }
        }
        for door in &heard.leave {
            if let Some((_, fuse)) = self.fuse(door) {
                fuse.lock().leave(now);
            }
        }
    }

    /// The breaker of a door; none if this generation has no such contract.
    fn fuse(&self, door: &str) -> Option<(ContractName, &Fuse)> {
        let (call, contract) = door.split_once('/')?;
        let call = CALLS.into_iter().find(|known| *known == call)?;
        let key = (contract.parse().ok()?, call);
        let fuse = self.breaker(&key)?;
        Some((key.0, fuse))
    }
}

/// As it is told; nothing if only leave is asked for.
fn written(door: String, news: &News) -> Option<DoorNews> {
    let (opened, until, times) = match news.turn {
        None if news.answered == 0 && news.failed == 0 => return None,
        None => (0, 0, 0),
        Some(Turn::Open {
            since,
            until,
            times,
        }) => (since.as_micros(), until.as_micros(), times),
        Some(Turn::Closed { since }) => (since.as_micros(), 0, 0),
    };
    Some(DoorNews {
        door,
        answered: news.answered,
        failed: news.failed,
        opened_us: opened,
        until_us: until,
        times,
    })
}

fn read(door: &DoorNews) -> News {
    let since = Timestamp::from_micros(door.opened_us);
    let turn = match (door.opened_us, door.until_us) {
        (0, _) => None,
        (_, 0) => Some(Turn::Closed { since }),
        (_, until) => Some(Turn::Open {
            since,
            until: Timestamp::from_micros(until),
            times: door.times,
        }),
    };
    News {
        answered: door.answered,
        failed: door.failed,
        turn,
        ..News::default()
    }
}
