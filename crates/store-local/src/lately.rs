//! What routers learnt lately, on one machine: a board that all in the process read, kept in a file, so that
//! a process that starts again knows who was failing. A kill loses the last seconds of it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use parking_lot::Mutex;
use proto::{DoorNews, LatelyNews, PostsNews};
use store::{Heard, LEASE, Lately, Member, StoreError, Told};

use crate::clock::StoreClock;
use crate::framed::{self, Found, Survives};

/// News that are kept for who has not heard them.
const KEPT: usize = 1000;
/// Hours of posts that are kept.
const HOURS: i64 = 24;
const HOUR_US: i64 = 3_600_000_000;
/// How far apart the file is written.
const BETWEEN: Duration = Duration::from_secs(10);

/// What routers learnt lately.
#[derive(Clone)]
pub struct LocalLately(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    file: Option<PathBuf>,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    members: u64,
    /// The number of the next news.
    next: u64,
    news: VecDeque<(u64, u64, Arc<LatelyNews>)>,
    /// Doors that are open.
    open: BTreeMap<String, DoorNews>,
    /// By hour and contract: posts that were answered, and with a reject.
    posts: BTreeMap<(i64, String), (u32, u32)>,
    /// Who may probe a door, until when.
    leave: BTreeMap<String, (u64, Timestamp)>,
    is_new: bool,
    saved: Timestamp,
}

/// A router of this process.
pub struct LocalMember {
    lately: LocalLately,
    number: u64,
    /// The next news it has not heard; none before the first time.
    next: Option<u64>,
}

impl LocalLately {
    pub(crate) fn open(clock: StoreClock, file: Option<PathBuf>) -> Self {
        let mut board = Board::default();
        if let Some(file) = &file {
            match framed::read(file) {
                Found::Nothing => {}
                Found::Whole(known) => board.learn(&known),
                Found::Damaged => {
                    tracing::warn!(file = %file.display(), "what was learnt lately cannot be read: begun anew");
                }
            }
            board.is_new = false;
        }
        let board = Mutex::new(board);
        Self(Arc::new(Inner { clock, file, board }))
    }

    /// Writes the file.
    pub(crate) fn save(&self) {
        let Some(file) = &self.0.file else { return };
        let known = {
            let mut board = self.0.board.lock();
            board.is_new = false;
            board.known()
        };
        if let Err(error) = framed::write(file, &known, Survives::Kill) {
            tracing::warn!(file = %file.display(), %error, "what was learnt lately is not kept");
        }
    }

    /// Whether it is time to write the file.
    fn is_due(&self, now: Timestamp) -> bool {
        let mut board = self.0.board.lock();
        let due = self.0.file.is_some() && board.is_new && now.since(board.saved) >= BETWEEN;
        if due {
            board.saved = now;
        }
        due
    }
}

impl Lately for LocalLately {
    type Member = LocalMember;

    fn join(&self) -> LocalMember {
        let mut board = self.0.board.lock();
        board.members += 1;
        LocalMember {
            lately: self.clone(),
            number: board.members,
            next: None,
        }
    }
}

impl Member for LocalMember {
    async fn exchange(&mut self, told: Told) -> Result<Heard, StoreError> {
        let now = self.lately.0.clock.now();
        let heard = {
            let mut board = self.lately.0.board.lock();
            let heard = board.heard(self.number, self.next, &told, now);
            board.tell(self.number, told.news, now);
            self.next = Some(board.next);
            heard
        };
        if self.lately.is_due(now) {
            let lately = self.lately.clone();
            // A failure is told, and the next write is as good.
            let _ = tokio::task::spawn_blocking(move || lately.save()).await;
        }
        Ok(heard)
    }
}

impl Board {
    fn heard(&mut self, who: u64, from: Option<u64>, told: &Told, now: Timestamp) -> Heard {
        let news = match from {
            None => vec![self.known()],
            Some(from) => {
                let unheard = self.news.iter();
                let unheard = unheard.filter(|(number, of, _)| *number >= from && *of != who);
                unheard.map(|(_, _, news)| (**news).clone()).collect()
            }
        };
        self.leave.retain(|_, (_, till)| *till > now);
        let mut leave = Vec::new();
        for door in told.wants.iter().chain(&told.probes) {
            let (of, till) = self.leave.entry(door.clone()).or_insert((who, now));
            if *of == who {
                *till = now.plus(LEASE);
                leave.push(door.clone());
            }
        }
        leave.truncate(told.wants.len());
        leave.retain(|door| told.wants.contains(door));
        Heard { news, leave }
    }

    fn tell(&mut self, who: u64, news: LatelyNews, now: Timestamp) {
        if news == LatelyNews::default() {
            return;
        }
        self.learn(&news);
        let oldest = now.as_micros().div_euclid(HOUR_US) - HOURS;
        self.posts.retain(|(hour, _), _| *hour > oldest);
        for door in news.doors.iter().filter(|door| door.opened_us > 0) {
            self.leave.remove(&door.door);
        }
        self.news.push_back((self.next, who, Arc::new(news)));
        self.next += 1;
        if self.news.len() > KEPT {
            self.news.pop_front();
        }
    }

    fn learn(&mut self, news: &LatelyNews) {
        self.is_new = true;
        for door in news.doors.iter().filter(|door| door.opened_us > 0) {
            let known = self.open.get(&door.door).map_or(0, |known| known.opened_us);
            if door.opened_us < known {
                continue;
            }
            if door.until_us == 0 {
                self.open.remove(&door.door);
            } else {
                let open = DoorNews {
                    answered: 0,
                    failed: 0,
                    ..door.clone()
                };
                self.open.insert(door.door.clone(), open);
            }
        }
        for posts in &news.posts {
            let key = (posts.hour, posts.contract.clone());
            let (answered, rejected) = self.posts.entry(key).or_default();
            *answered = answered.saturating_add(posts.answered);
            *rejected = rejected.saturating_add(posts.rejected);
        }
    }

    fn known(&self) -> LatelyNews {
        let posts = self.posts.iter();
        let posts = posts.map(|((hour, contract), (answered, rejected))| PostsNews {
            contract: contract.clone(),
            hour: *hour,
            answered: *answered,
            rejected: *rejected,
        });
        LatelyNews {
            doors: self.open.values().cloned().collect(),
            posts: posts.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use testkit::FakeClock;

    use super::*;

    #[tokio::test]
    async fn what_was_learnt_is_there_after_a_restart_and_a_damaged_file_is_no_reason_to_fail() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lately");
        let clock = FakeClock::default();
        let open = || LocalLately::open(StoreClock::new(clock.port()), Some(file.clone()));
        let told = Told {
            news: LatelyNews {
                doors: vec![DoorNews {
                    door: "post/acme".to_owned(),
                    opened_us: 1,
                    until_us: 2,
                    times: 1,
                    ..DoorNews::default()
                }],
                posts: Vec::new(),
            },
            ..Told::default()
        };
        let news = told.news.clone();
        let lately = open();
        lately.join().exchange(told).await.unwrap();
        lately.save();
        let heard = open().join().exchange(Told::default()).await.unwrap();
        assert_eq!(heard.news, [news]);
        fs::write(&file, b"nothing of ours").unwrap();
        let heard = open().join().exchange(Told::default()).await.unwrap();
        assert_eq!(heard.news, [LatelyNews::default()]);
    }
}
