//! The connection to Redis, and whether what is behind it can be trusted.
//!
//! A task of its own keeps it: it connects, looks at the server, and says how it stands; who calls a
//! script takes the connection from there. A server is trusted as long as it is the process for which the
//! epoch was begun: the epoch names it (`run_id`), so a server that was started again, or another one
//! after a failover, is found out before the first call. A call that fails makes the task look again.

mod look;
mod session;

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, TlsCertificates};
use store::StoreError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::names::Space;
use crate::open::OpenError;
use crate::options::RedisOptions;
use crate::script::Script;
use look::Found;
pub(crate) use look::{Refused, Server, load, run_id};
pub(crate) use session::{Blame, Call, Session};

/// The first pause before another try to connect; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest, and how often somebody looks whether what was lost was made again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often the server is asked whether it is still there.
const BEAT: Duration = Duration::from_secs(1);
/// How often a call is sent: the server that it went to may have been exchanged for another, twice.
const TRIES: u8 = 3;

/// How the store stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nobody knows yet: the server is being looked at.
    Looking,
    /// It can be trusted.
    Up,
    /// It cannot be reached, or must not be used.
    Away(String),
    /// It may have forgotten something, and has to be made again from the log.
    Lost,
}

/// The same, with what is needed to use it.
#[derive(Clone)]
enum Status {
    Looking,
    Up(Arc<Session>),
    Away(String),
    Lost,
}

/// Shared by all that call scripts.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    options: RedisOptions,
    server: Arc<Server>,
    said: Arc<Said>,
    /// Routers that joined so far.
    members: AtomicU64,
    /// Ends with the link.
    _keeper: JoinSet<()>,
}

/// What the keeper says, and hears.
struct Said {
    status: watch::Sender<Status>,
    doubt: Notify,
    /// The nodes for which whoever makes the state again waits.
    waits: Mutex<Option<String>>,
    /// Since when journeys lack what is older than the log, in microseconds; 0 if they do not.
    short: AtomicI64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.health()).finish()
    }
}

impl Link {
    /// Begins to connect.
    ///
    /// # Errors
    /// The URL is none, or the file with the authorities.
    pub(crate) fn new(options: RedisOptions) -> Result<Self, OpenError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_within))
            .set_response_timeout(Some(options.answer_within))
            .set_pipeline_buffer_size(options.calls)
            .set_concurrency_limit(options.calls);
        let server = Arc::new(Server {
            client: client(&options)?,
            config,
            prefix: options.prefix.clone(),
            clock: options.clock.clone(),
        });
        let said = Arc::new(Said {
            status: watch::Sender::new(Status::Looking),
            doubt: Notify::new(),
            waits: Mutex::new(None),
            short: AtomicI64::new(0),
        });
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(Arc::clone(&server), Arc::clone(&said)));
        Ok(Self(Arc::new(Inner {
            options,
            server,
            said,
            members: AtomicU64::new(0),
            _keeper: keeper,
        })))
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.0.options
    }

    pub(crate) fn server(&self) -> &Server {
        &self.0.server
    }

    /// Nodes are waited for, or not.
    pub(crate) fn waits(&self, nodes: Option<String>) {
        *self
            .0
            .said
            .waits
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = nodes;
    }

    /// The nodes that are waited for.
    pub(crate) fn waits_for(&self) -> Option<String> {
        let waits = self.0.said.waits.lock();
        waits.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when journeys are short, if they are.
    pub(crate) fn journeys_short(&self, since: Option<i64>) {
        let since = since.unwrap_or(0);
        self.0.said.short.store(since, Ordering::Relaxed);
    }

    /// What was noted of that.
    pub(crate) fn short_since(&self) -> Option<i64> {
        let since = self.0.said.short.load(Ordering::Relaxed);
        (since != 0).then_some(since)
    }

    /// A name that no other router has.
    pub(crate) fn member(&self) -> String {
        let member = self.0.members.fetch_add(1, Ordering::Relaxed);
        format!("{}/{member}", self.0.options.instance)
    }

    /// How it stands now.
    pub(crate) fn health(&self) -> Health {
        match &*self.0.said.status.borrow() {
            Status::Looking => Health::Looking,
            Status::Up(_) => Health::Up,
            Status::Away(why) => Health::Away(why.clone()),
            Status::Lost => Health::Lost,
        }
    }

    /// How it stands once that is known.
    pub(crate) async fn known(&self) -> Health {
        let mut status = self.0.said.status.subscribe();
        // It ends with the link alone.
        let _ = status.wait_for(|it| !matches!(it, Status::Looking)).await;
        self.health()
    }

    /// Waits until it stands so.
    pub(crate) async fn until(&self, stands: impl Fn(&Health) -> bool) {
        let mut status = self.0.said.status.subscribe();
        while !stands(&self.health()) && status.changed().await.is_ok() {}
    }

    /// Has the server looked at again; whoever calls next waits for it.
    pub(crate) fn look_again(&self) {
        self.0.said.doubt(|_| true);
    }

    async fn call_again<T: FromRedisValue>(
        &self,
        space: Space,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let mut tries = TRIES;
        loop {
            let session = self.session().await?;
            let error = match session.try_call(space, script, &arguments).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let blame = Blame::of(&error);
            if matches!(space, Space::Journeys(_)) && error.code() == Some("EPOCH") {
                // Leads may be as they were: journeys are made again apart from them.
                return Err(StoreError::Lost);
            }
            if blame == Blame::Server {
                self.0
                    .said
                    .doubt(|it| matches!(it, Status::Up(now) if Arc::ptr_eq(now, &session)));
            }
            tries -= 1;
            if blame != Blame::Server || error.is_timeout() || tries == 0 {
                return Err(blame.of_a_call(&error));
            }
        }
    }

    /// The epoch in which the server is trusted.
    pub(crate) async fn epoch(&self) -> Result<String, StoreError> {
        Ok(self.session().await?.epoch().to_owned())
    }

    /// The connection, if the server can be trusted. While somebody looks, that is waited for.
    async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut status = self.0.said.status.subscribe();
        let status = status.wait_for(|it| !matches!(it, Status::Looking)).await;
        match status.as_deref() {
            Ok(Status::Up(session)) => Ok(Arc::clone(session)),
            Ok(Status::Away(why)) => Err(StoreError::Unavailable(why.clone())),
            Ok(Status::Lost) => Err(StoreError::Lost),
            Ok(Status::Looking) | Err(_) => Err(StoreError::Unavailable("closed".to_owned())),
        }
    }
}

impl Call for Link {
    /// Again where the connection broke meanwhile: every script may be called twice.
    async fn call<T: FromRedisValue>(
        &self,
        space: Space,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let within = self.0.options.answer_within;
        match timeout(within, self.call_again(space, script, arguments)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.look_again();
                Err(late(within))
            }
        }
    }
}

impl Said {
    /// Has the server looked at again, if it stands so.
    fn doubt(&self, stands: impl FnOnce(&Status) -> bool) {
        let doubted = self.status.send_if_modified(|status| {
            let doubted = stands(status);
            if doubted {
                *status = Status::Looking;
            }
            doubted
        });
        if doubted {
            self.doubt.notify_one();
        }
    }
}

/// Keeps the connection, for as long as the link is there.
async fn keep(server: Arc<Server>, said: Arc<Said>) {
    let mut pause = FIRST_PAUSE;
    let mut joins = true;
    loop {
        let (status, rest) = match server.look(joins).await {
            Ok(Found::Trusted(session)) => {
                joins = false;
                pause = FIRST_PAUSE;
                let session = Arc::new(session);
                said.status.send_replace(Status::Up(Arc::clone(&session)));
                // Where nobody calls nobody would notice.
                while timeout(BEAT, said.doubt.notified()).await.is_err() {
                    if !session.is_as_it_was().await {
                        said.status.send_replace(Status::Looking);
                        break;
                    }
                }
                continue;
            }
            Ok(Found::Lost) => (Status::Lost, LONGEST_PAUSE),
            Err(why) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                (Status::Away(why.to_string()), pause)
            }
        };
        said.status.send_replace(status);
        // Whoever makes it anew says so.
        let _ = timeout(rest, said.doubt.notified()).await;
    }
}

/// Who makes connections, encrypted ones if the address says so.
fn client(options: &RedisOptions) -> Result<Client, OpenError> {
    let url = options.url.as_str();
    // An error says that the process has chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(file) = &options.authorities else {
        return Ok(Client::open(url)?);
    };
    let authorities = std::fs::read(file).map_err(|source| OpenError::Authorities {
        file: file.clone(),
        source,
    })?;
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    };
    Ok(Client::build_with_tls(url, certificates)?)
}

fn late(within: Duration) -> StoreError {
    StoreError::Unavailable(format!("no answer within {} ms", within.as_millis()))
}
