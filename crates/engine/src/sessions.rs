//! What lives on between the requests of a `session_id`: the engine's connection, with its temporary tables,
//! settings and database.
//!
//! A read-only client's connection is locked for good, and so is made anew for each request; all that such a
//! client can leave behind is its database. Time comes in ticks of a second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::exception::{Code, Exception};
use crate::ffi::Connection;

/// Sessions at once.
const MOST: usize = 1000;

/// Whose session, and its name.
pub(crate) type Key = (String, String);

/// What a session keeps.
pub(crate) enum Kept {
    Connection(Connection),
    Database(String),
}

enum Slot {
    /// A request has it.
    Taken,
    Waiting {
        kept: Kept,
        left: u32,
    },
}

#[derive(Default)]
pub(crate) struct Sessions {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Sessions {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // Every change is one insert or one removal, so what a panic leaves is whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session, or makes one; with `check` only one that is there already.
    pub(crate) fn take(&self, key: Key, check: bool) -> Result<Taken<'_>, Exception> {
        let mut slots = self.slots();
        let kept = match slots.remove(&key) {
            Some(Slot::Waiting { kept, .. }) => Some(kept),
            Some(Slot::Taken) => {
                let text = format!("Session {} is locked by a concurrent client", key.1);
                slots.insert(key, Slot::Taken);
                return Err(Exception::new(Code::SessionIsLocked, text));
            }
            None if check => {
                let text = format!("Session {} not found", key.1);
                return Err(Exception::new(Code::SessionNotFound, text));
            }
            None if slots.len() >= MOST => {
                let text = format!("Too many sessions: at most {MOST} here");
                return Err(Exception::new(Code::TooManySimultaneousQueries, text));
            }
            None => None,
        };
        slots.insert(key.clone(), Slot::Taken);
        drop(slots);
        Ok(Taken {
            sessions: self,
            key,
            kept,
        })
    }

    /// A second has passed: gives what nobody wants any more, to be dropped where one may block.
    pub(crate) fn tick(&self) -> Vec<Kept> {
        let over = |slot: &mut Slot| match slot {
            Slot::Taken => false,
            Slot::Waiting { left, .. } => {
                *left = left.saturating_sub(1);
                *left == 0
            }
        };
        self.slots()
            .extract_if(|_, slot| over(slot))
            .filter_map(|(_, slot)| match slot {
                Slot::Taken => None,
                Slot::Waiting { kept, .. } => Some(kept),
            })
            .collect()
    }
}

/// A session that one request has. Dropped, it is over.
pub(crate) struct Taken<'s> {
    sessions: &'s Sessions,
    key: Key,
    kept: Option<Kept>,
}

impl Taken<'_> {
    pub(crate) fn kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// Keeps it for the next request that comes within so many seconds.
    pub(crate) fn leave(self, kept: Kept, seconds: u32) {
        // The tick that is under way does not count.
        let left = seconds.saturating_add(1);
        let slot = Slot::Waiting { kept, left };
        self.sessions.slots().insert(self.key.clone(), slot);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut slots = self.sessions.slots();
        if matches!(slots.get(&self.key), Some(Slot::Taken)) {
            slots.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("default".to_owned(), name.to_owned())
    }

    fn database(sessions: &Sessions, name: &str) -> Option<String> {
        match sessions.take(key(name), true).ok()?.kept()? {
            Kept::Database(database) => Some(database),
            Kept::Connection(_) => None,
        }
    }

    #[test]
    fn a_session_is_one_requests_at_a_time_and_ends_when_nobody_comes() {
        let sessions = Sessions::default();
        assert_eq!(
            sessions.take(key("a"), true).err().map(|e| e.code()),
            Some(372)
        );
        let taken = sessions.take(key("a"), false).ok().unwrap();
        assert_eq!(
            sessions.take(key("a"), false).err().map(|e| e.code()),
            Some(373)
        );
        let other = ("other".to_owned(), "a".to_owned());
        assert!(sessions.take(other, false).is_ok(), "another user's");
        taken.leave(Kept::Database("d".to_owned()), 2);
        assert!(sessions.tick().is_empty());
        assert_eq!(database(&sessions, "a").as_deref(), Some("d"));
        // It was dropped there.
        assert_eq!(database(&sessions, "a"), None);
        let taken = sessions.take(key("a"), false).ok().unwrap();
        taken.leave(Kept::Database("d".to_owned()), 2);
        let ended = (0..3).map(|_| sessions.tick().len()).collect::<Vec<_>>();
        assert_eq!(ended, [0, 0, 1]);
    }
}
