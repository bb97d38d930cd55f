//! One node's way to the shared state.

use std::io;
use std::path::PathBuf;

use redis::RedisError;

use crate::link::{Health, Link};
use crate::{RedisCaps, RedisClaims, RedisJourneys, RedisLately, RedisOptions};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("the address of Redis cannot be read: {0}")]
    Address(#[from] RedisError),
    /// The file with the authorities to trust cannot be read.
    #[error("{}: {source}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Keys cannot begin so.
    #[error("the prefix of keys in Redis has to be of a-z, 0-9, -, _ and ., and is {0:?}")]
    Prefix(String),
    /// It cannot be reached, or must not be used as it is set up.
    #[error("{0}")]
    Away(String),
}

/// The state that nodes share. Cloning shares the connection: a role that must not wait behind another's
/// calls opens one of its own.
#[derive(Debug, Clone)]
pub struct Redis {
    link: Link,
    claims: RedisClaims,
    caps: RedisCaps,
    journeys: RedisJourneys,
    lately: RedisLately,
}

impl Redis {
    /// Connects, and looks at the server. One that is lost is no error: it waits to be made again.
    ///
    /// # Errors
    /// The address or the prefix is none, nobody answers there, or a server that must not be used.
    pub async fn open(options: RedisOptions) -> Result<Self, OpenError> {
        let redis = Self::begin(options)?;
        if let Health::Away(why) = redis.link.known().await {
            return Err(OpenError::Away(why));
        }
        Ok(redis)
    }

    /// Begins to connect, and waits for nothing: for a node that can do without. Within a runtime.
    ///
    /// # Errors
    /// The address or the prefix is none.
    pub fn begin(options: RedisOptions) -> Result<Self, OpenError> {
        if !options.has_prefix() {
            return Err(OpenError::Prefix(options.prefix));
        }
        let link = Link::new(options)?;
        Ok(Self {
            claims: RedisClaims::new(link.clone()),
            caps: RedisCaps::new(link.clone()),
            journeys: RedisJourneys::new(link.clone()),
            lately: RedisLately::new(link.clone()),
            link,
        })
    }

    /// How the store stands.
    pub fn health(&self) -> Health {
        self.link.health()
    }

    /// The nodes for which the store waits before it is made again, by their names; see [`Self::tell_of`].
    pub fn waits_for(&self) -> Option<String> {
        self.link.waits_for()
    }

    /// Waits until it stands so, and says how.
    pub async fn until(&self, stands: impl Fn(&Health) -> bool) -> Health {
        self.link.until(stands).await;
        self.health()
    }

    /// Claims and leads.
    pub fn claims(&self) -> &RedisClaims {
        &self.claims
    }

    /// Caps.
    pub fn caps(&self) -> &RedisCaps {
        &self.caps
    }

    /// Journeys.
    pub fn journeys(&self) -> &RedisJourneys {
        &self.journeys
    }

    /// What routers learnt lately.
    pub fn lately(&self) -> &RedisLately {
        &self.lately
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
}
