//! What routers learnt lately, in Redis: a stream of the last minute that all read, and beside it, for who
//! comes later, which doors are open and how posts of the last hours ended. One call tells and hears.
//!
//! Nothing of it is made again: after a loss it begins anew.

use std::time::Duration;

use proto::{DoorNews, LatelyNews, Message as _, PostsNews};
use store::{Heard, LEASE, Lately, Member, StoreError, Told};

use crate::link::{Call as _, Link};
use crate::names::Space;
use crate::script;

/// How far back news are kept: a router that has not heard for longer begins anew.
const KEPT: Duration = Duration::from_secs(60);
/// Hours of posts that somebody who comes hears of.
const HOURS: u32 = 24;

/// What the routers of a cluster learnt lately.
#[derive(Debug, Clone)]
pub struct RedisLately {
    link: Link,
}

/// A router of a cluster.
#[derive(Debug)]
pub struct RedisMember {
    link: Link,
    name: String,
    /// The last news that it heard; empty before the first time.
    last: String,
}

impl RedisLately {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }
}

impl Lately for RedisLately {
    type Member = RedisMember;

    fn join(&self) -> RedisMember {
        RedisMember {
            name: self.link.member(),
            link: self.link.clone(),
            last: String::new(),
        }
    }
}

/// What the script says: the last news there is; news; doors with leave; doors that are open; and hours, each with
/// its contracts' counts.
type Said = (
    String,
    Vec<Vec<u8>>,
    Vec<String>,
    Vec<Vec<u8>>,
    Vec<(i64, Vec<(String, u32)>)>,
);

impl Member for RedisMember {
    async fn exchange(&mut self, told: Told) -> Result<Heard, StoreError> {
        let joins = self.last.is_empty();
        let news = match &told.news {
            none if *none == LatelyNews::default() => Vec::new(),
            news => news.encode_to_vec(),
        };
        let turned = told.news.doors.iter().filter(|door| door.opened_us > 0);
        let turned: Vec<_> = turned
            .map(|door| {
                let open = DoorNews {
                    answered: 0,
                    failed: 0,
                    ..door.clone()
                };
                let open = (door.until_us > 0).then(|| open.encode_to_vec());
                (door.door.clone(), open.unwrap_or_default())
            })
            .collect();
        let asked = self.link.call(Space::Lately, &script::LATELY, |command| {
            command.arg(&self.name).arg(&self.last).arg(&news);
            command.arg(millis(KEPT)).arg(millis(LEASE)).arg(HOURS);
            command.arg(told.wants.len()).arg(&told.wants);
            command.arg(told.probes.len()).arg(&told.probes);
            command.arg(turned.len());
            for (door, open) in &turned {
                command.arg(door).arg(open.as_slice());
            }
            command.arg(told.news.posts.len());
            for posts in &told.news.posts {
                command.arg(&posts.contract).arg(posts.hour);
                command.arg(posts.answered).arg(posts.rejected);
            }
        });
        let (last, news, leave, open, hours): Said = asked.await?;
        self.last = last;
        let read = |bytes: &[u8]| LatelyNews::decode(bytes).map_err(proto::RecordError::from);
        let mut heard = Heard {
            news: Vec::with_capacity(news.len() + 1),
            leave,
        };
        heard.news.push(known(&open, hours)?);
        for bytes in news {
            let mut news = read(&bytes)?;
            if joins {
                // Counted with their hours.
                news.posts.clear();
            }
            heard.news.push(news);
        }
        Ok(heard)
    }
}

fn known(
    open: &[Vec<u8>],
    hours: Vec<(i64, Vec<(String, u32)>)>,
) -> Result<LatelyNews, StoreError> {
    let mut known = LatelyNews::default();
    for bytes in open {
        let door = DoorNews::decode(bytes.as_slice()).map_err(proto::RecordError::from)?;
        known.doors.push(door);
    }
    for (hour, counts) in hours {
        for (name, count) in counts {
            let Some((kind, contract)) = name.split_once('/') else {
                continue;
            };
            let (answered, rejected) = match kind {
                "a" => (count, 0),
                _ => (0, count),
            };
            known.posts.push(PostsNews {
                contract: contract.to_owned(),
                hour,
                answered,
                rejected,
            });
        }
    }
    Ok(known)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
