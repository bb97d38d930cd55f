//! The booted engine of this process: how a request gets a connection, and how one is stopped.
//!
//! Each request has a connection of its own, as it has a session of its own on the server, unless it names
//! one: `SET` and `USE` end with it, and requests run in parallel. The engine makes its own query ids, so each
//! connection carries a number of ours in a setting that means nothing inside the engine; by it a
//! running query is found in `system.processes` and killed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use crate::exception::{Code, Exception};
use crate::ffi::{Connection, EngineError, Library, LoadError, Stats};
use crate::running::Running;
use crate::sessions::Sessions;

/// Used by the server's HTTP handler alone, as it is here, so that inside of the engine it is free to carry a
/// connection's number.
pub(crate) const MARK: &str = "http_headers_progress_interval_ms";
/// Far from any value somebody would write in a query.
const FIRST_MARK: u64 = 1_000_000_000_000;
/// How often a kill is repeated until its query has ended: it may not have started yet.
const KILL_EVERY: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(3600);

/// Why the engine did not start.
#[derive(Debug, Error)]
pub enum BootError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the engine does not answer: {0}")]
    Query(#[from] EngineError),
    #[error("the engine answered with {0:?} when asked for its version")]
    Answer(String),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What every answer tells about the engine.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) version: String,
    pub(crate) timezone: String,
    /// Sixteen letters made at boot: they frame an error in the middle of a result.
    pub(crate) exception_tag: String,
    /// A UUID made at boot; query ids are it with their own last part.
    boot_id: String,
}

pub(crate) struct Host {
    library: Library,
    arguments: Vec<String>,
    next_mark: AtomicU64,
    pub(crate) identity: Identity,
    kills: SyncSender<Arc<Ticket>>,
    pub(crate) running: Running,
    pub(crate) sessions: Sessions,
}

/// Where one request's query stands, shared by its job, its answer and the killer.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) mark: u64,
    gone: AtomicBool,
    killable: AtomicBool,
    done: AtomicBool,
    /// How the query ended in the engine; its result may still be on its way.
    stats: OnceLock<Stats>,
}

impl Ticket {
    fn new(mark: u64) -> Self {
        Self {
            mark,
            gone: AtomicBool::new(false),
            killable: AtomicBool::new(false),
            done: AtomicBool::new(false),
            stats: OnceLock::new(),
        }
    }

    /// The client is gone: what has not started need not.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The query only reads, so that ending it loses nothing.
    pub(crate) fn set_killable(&self) {
        self.killable.store(true, Ordering::Release);
    }

    pub(crate) fn set_stats(&self, stats: Stats) {
        // A query ends once.
        let _ = self.stats.set(stats);
    }

    pub(crate) fn stats(&self) -> Option<Stats> {
        self.stats.get().copied()
    }

    pub(crate) fn set_done(&self) {
        self.done.store(true, Ordering::Release);
    }
}

/// Held by whoever waits for a query: dropped before its end, the query is stopped.
pub(crate) struct Interest {
    ticket: Arc<Ticket>,
    kills: SyncSender<Arc<Ticket>>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        if self.ticket.done.load(Ordering::Acquire) {
            return;
        }
        stop(&self.ticket, &self.kills);
    }
}

#[cfg(test)]
impl Interest {
    /// In a query that has ended.
    pub(crate) fn over() -> Self {
        let ticket = Arc::new(Ticket::new(FIRST_MARK));
        ticket.set_done();
        let (kills, _) = sync_channel(1);
        Self { ticket, kills }
    }
}

fn stop(ticket: &Arc<Ticket>, kills: &SyncSender<Arc<Ticket>>) {
    ticket.gone.store(true, Ordering::Release);
    // Full: more queries than may run have been left; the job still sees `gone`.
    if kills.try_send(Arc::clone(ticket)).is_err() {
        tracing::warn!(mark = ticket.mark, "no room to ask for a kill");
    }
}

impl Host {
    /// Loads the library and opens `data`. The thread ends, and with it the engine's last
    /// connection, when the host and every `Interest` are gone.
    pub(crate) fn boot(
        library: &Path,
        data: &Path,
        most_queries: usize,
    ) -> Result<(Self, JoinHandle<()>), BootError> {
        let (library, arguments, mut keeper) = boot(library, data)?;
        let identity = identify(&mut keeper)?;
        let (kills, queue) = sync_channel(most_queries.max(1));
        let thread = std::thread::Builder::new()
            .name("engine-kill".to_owned())
            .spawn(move || kill_left_queries(keeper, &queue))?;
        let next_mark = AtomicU64::new(FIRST_MARK);
        Ok((
            Self {
                library,
                arguments,
                next_mark,
                identity,
                kills,
                running: Running::default(),
                sessions: Sessions::default(),
            },
            thread,
        ))
    }

    /// A ticket for a new query.
    pub(crate) fn admit(&self) -> (Arc<Ticket>, Interest) {
        let mark = self.next_mark.fetch_add(1, Ordering::Relaxed);
        let ticket = Arc::new(Ticket::new(mark));
        (
            Arc::clone(&ticket),
            Interest {
                ticket,
                kills: self.kills.clone(),
            },
        )
    }

    /// Ends a running query, now or as soon as it has begun.
    pub(crate) fn stop(&self, ticket: &Arc<Ticket>) {
        stop(ticket, &self.kills);
    }

    /// An id for a query whose client gave none.
    pub(crate) fn query_id(&self, ticket: &Ticket) -> String {
        let prefix = self.identity.boot_id.get(..24).unwrap_or_default();
        format!("{prefix}{:012x}", ticket.mark)
    }

    pub(crate) fn connect(&self, ticket: &Ticket) -> Result<Connection, Exception> {
        let mut arguments = self.arguments.clone();
        arguments.push(format!("--{MARK}={}", ticket.mark));
        self.connect_with(&arguments)
    }

    /// A connection that is no request's.
    pub(crate) fn connect_aside(&self) -> Result<Connection, Exception> {
        self.connect_with(&self.arguments)
    }

    fn connect_with(&self, arguments: &[String]) -> Result<Connection, Exception> {
        self.library
            .connect(arguments)
            .map_err(|error| Exception::new(Code::UnknownException, error.to_string()))
    }
}

/// Loads the library and opens `data`: with what arguments, and the first connection.
pub(crate) fn boot(
    library: &Path,
    data: &Path,
) -> Result<(Library, Vec<String>, Connection), BootError> {
    let library = Library::open(library)?;
    // The engine takes a relative path apart and puts parts of it together twice.
    let data = std::path::absolute(data)?;
    let arguments = vec![
        format!("--path={}", data.display()),
        // An acknowledged INSERT is a written one, unless the client asks for less work.
        "--async_insert=0".to_owned(),
        // As on the server: these differ in the embedded build.
        "--implicit_select=0".to_owned(),
        "--allow_introspection_functions=0".to_owned(),
        // The engine shares its machine with the service it belongs to.
        "--max_server_memory_usage_to_ram_ratio=0.5".to_owned(),
        // Who may ask for a backup may say where; clients may not ask (`job`).
        "--backups.allowed_path=/".to_owned(),
    ];
    let first = library.connect(&arguments)?;
    Ok((library, arguments, first))
}

fn identify(connection: &mut Connection) -> Result<Identity, BootError> {
    let asked = b"SELECT version(), timezone(), toString(generateUUIDv4()), \
        arrayStringConcat(arrayMap(n -> char(97 + rand(n) % 26), range(16)))";
    let answer = connection.query(asked, "TabSeparated", &[])?;
    let answer = String::from_utf8_lossy(answer.bytes()).into_owned();
    let fields: Vec<&str> = answer.trim_end().split('\t').collect();
    match fields.as_slice() {
        [version, timezone, boot_id, tag] => Ok(Identity {
            version: (*version).to_owned(),
            timezone: (*timezone).to_owned(),
            exception_tag: (*tag).to_owned(),
            boot_id: (*boot_id).to_owned(),
        }),
        _ => Err(BootError::Answer(answer)),
    }
}

/// Ends queries that nobody waits for. Always by the ASYNC form: the SYNC one hangs.
fn kill_left_queries(mut connection: Connection, queue: &Receiver<Arc<Ticket>>) {
    let mut left: Vec<Arc<Ticket>> = Vec::new();
    loop {
        let wait = if left.is_empty() { IDLE } else { KILL_EVERY };
        match queue.recv_timeout(wait) {
            Ok(ticket) => left.push(ticket),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        left.retain(|ticket| !ticket.done.load(Ordering::Acquire));
        let marks: Vec<String> = left
            .iter()
            .filter(|ticket| ticket.killable.load(Ordering::Acquire))
            .map(|ticket| format!("'{}'", ticket.mark))
            .collect();
        if !marks.is_empty() {
            let kill = format!(
                "KILL QUERY WHERE Settings['{MARK}'] IN ({}) ASYNC",
                marks.join(", ")
            );
            if let Err(error) = connection.query(kill.as_bytes(), "Null", &[]) {
                tracing::warn!(%error, "a query that nobody waits for could not be killed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_ended_when_nobody_waits_for_it_any_more_unless_it_has_ended() {
        let (kills, queue) = sync_channel(4);
        let asked_for = |mark: u64| {
            let ticket = Arc::new(Ticket::new(mark));
            let interest = Interest {
                ticket: Arc::clone(&ticket),
                kills: kills.clone(),
            };
            (ticket, interest)
        };
        let (ended, interest) = asked_for(1);
        ended.set_done();
        drop(interest);
        let (left, interest) = asked_for(2);
        assert!(!left.is_gone());
        drop(interest);
        assert!(left.is_gone() && !ended.is_gone());
        let killed: Vec<u64> = queue.try_iter().map(|ticket| ticket.mark).collect();
        assert_eq!(killed, [2]);
    }
}
