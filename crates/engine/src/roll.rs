//! The users as they stand now: a users file is read again when it changes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::exception::{Code, Exception};
use crate::users::{Known, Users, UsersError};

/// Where users are listed.
#[derive(Debug, Clone)]
pub enum Source {
    /// Nowhere: user `default` without a password, on loopback.
    Open,
    File(PathBuf),
}

#[derive(Debug, Error)]
pub enum RollError {
    #[error("users file {}: {error}", file.display())]
    Read {
        file: PathBuf,
        error: std::io::Error,
    },
    #[error("users file {}: {error}", file.display())]
    Text { file: PathBuf, error: UsersError },
    #[error("users file {}: a user without a password is for loopback only", file.display())]
    Reachable { file: PathBuf },
}

/// A file's state as far as it tells a change.
type Stamp = Option<(SystemTime, u64)>;

pub(crate) struct Roll {
    source: Source,
    users: ArcSwap<Users>,
    seen: Mutex<Stamp>,
    /// Others than this machine's processes can ask.
    reachable: bool,
    /// How many queries each user has running, of those who are limited.
    running: Mutex<HashMap<String, usize>>,
}

impl Roll {
    pub(crate) fn open(source: Source, reachable: bool) -> Result<Self, RollError> {
        let seen = stamp(&source);
        let users = read(&source, reachable)?;
        Ok(Self {
            source,
            users: ArcSwap::from_pointee(users),
            seen: Mutex::new(seen),
            reachable,
            running: Mutex::default(),
        })
    }

    pub(crate) fn users(&self) -> Arc<Users> {
        self.users.load_full()
    }

    /// Reads the file again if it has changed. What is wrong with it leaves the users as they were.
    pub(crate) fn refresh(&self) {
        let now = stamp(&self.source);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match read(&self.source, self.reachable) {
            Ok(users) => {
                self.users.store(Arc::new(users));
                tracing::info!("the users file has changed and is in force");
            }
            Err(error) => tracing::warn!(%error, "the users stay as they were"),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more query of a user.
    pub(crate) fn enter(self: &Arc<Self>, user: &Known) -> Result<Option<Turn>, Exception> {
        let Some(most) = user.most_queries else {
            return Ok(None);
        };
        let mut running = self.running();
        let current = running.get(&user.name).copied().unwrap_or_default();
        if current >= most {
            let text = format!(
                "Too many simultaneous queries for user {}. Current: {current}, maximum: {most}",
                user.name
            );
            return Err(Exception::new(Code::TooManySimultaneousQueries, text));
        }
        running.insert(user.name.clone(), current + 1);
        Ok(Some(Turn {
            roll: Arc::clone(self),
            user: user.name.clone(),
        }))
    }
}

/// Held while a query of a limited user runs.
pub(crate) struct Turn {
    roll: Arc<Roll>,
    user: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.roll.running();
        match running.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                running.remove(&self.user);
            }
        }
    }
}

fn stamp(source: &Source) -> Stamp {
    let Source::File(file) = source else {
        return None;
    };
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(source: &Source, reachable: bool) -> Result<Users, RollError> {
    let Source::File(file) = source else {
        return Ok(Users::Open);
    };
    let text = std::fs::read_to_string(file).map_err(|error| RollError::Read {
        file: file.clone(),
        error,
    })?;
    let users = Users::parse(&text).map_err(|error| RollError::Text {
        file: file.clone(),
        error,
    })?;
    if reachable && users.lets_strangers_in() {
        return Err(RollError::Reachable { file: file.clone() });
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Credentials;

    #[test]
    fn a_turn_is_given_back_and_is_no_other_users() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("users");
        let line = |name: &str, most: u32| {
            format!("{name} none writer max_concurrent_queries_for_user={most}\n")
        };
        std::fs::write(&file, [line("two", 2), line("one", 1)].concat()).unwrap();
        let roll = Arc::new(Roll::open(Source::File(file), false).unwrap());
        let enter = |name: &str| {
            let credentials = Credentials {
                user: name.to_owned(),
                password: String::new(),
            };
            let known = roll.users().check(Some(&credentials)).unwrap();
            roll.enter(&known).map_err(|error| error.code())
        };
        let both = [enter("two"), enter("two")];
        assert_eq!(enter("two").err(), Some(202));
        let other = enter("one");
        assert!(other.is_ok());
        for _ in 0..3 {
            assert_eq!(enter("one").err(), Some(202));
        }
        drop(other);
        assert!(enter("one").is_ok());
        let [first, second] = both;
        drop(first);
        let third = enter("two");
        assert!(third.is_ok());
        assert_eq!(enter("two").err(), Some(202));
        drop((second, third));
        assert!(roll.running().is_empty());
    }
}
