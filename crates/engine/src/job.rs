//! One query on a thread that may block: connect, set the session up, run, hand the result over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::exception::{Code, Exception};
use crate::ffi::{Connection, QueryClass, Stats};
use crate::format::{Framing, Joiner, framing};
use crate::guard;
use crate::host::{Host, Ticket};
use crate::request::Access;
use crate::statement::{Insert, has_words, is_select};

/// A result that cannot be streamed is held whole: up to so many bytes of the engine's own form.
const MOST_HELD_RESULT: u64 = 256 << 20;
/// A held result is handed over in pieces of this size.
const PIECE: usize = 256 << 10;

pub(crate) struct Job {
    pub(crate) session: Session,
    pub(crate) work: Work,
    pub(crate) replies: Replies,
}

/// What of the request shapes the session.
pub(crate) struct Session {
    pub(crate) database: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) access: Access,
    pub(crate) default_format: String,
}

pub(crate) enum Work {
    Statement {
        text: Vec<u8>,
        /// The format the statement names, or the default.
        format: String,
    },
    Insert {
        insert: Insert,
        rows: Receiver<Rows>,
    },
}

/// The rows of an INSERT as they arrive. A channel that closes before `End` is a client that left.
pub(crate) enum Rows {
    Data(Bytes),
    End,
}

/// What a job says; the last one is `End` or `Failed`.
#[derive(Debug)]
pub(crate) enum Reply {
    Chunk(Bytes),
    End(Stats),
    Failed(Exception),
}

/// The way back to whoever waits, who may be slow or gone.
pub(crate) struct Replies {
    pub(crate) sender: Sender<Reply>,
    pub(crate) runtime: Handle,
    /// How long a client may read nothing.
    pub(crate) patience: Duration,
}

/// Nobody takes the result.
struct Unheard;

impl Replies {
    fn send(&self, reply: Reply) -> Result<(), Unheard> {
        let sending = self.sender.send(reply);
        match self
            .runtime
            .block_on(async { tokio::time::timeout(self.patience, sending).await })
        {
            Ok(Ok(())) => Ok(()),
            _ => Err(Unheard),
        }
    }

    fn send_all(&self, bytes: &[u8]) -> Result<(), Unheard> {
        bytes
            .chunks(PIECE)
            .try_for_each(|piece| self.send(Reply::Chunk(Bytes::copy_from_slice(piece))))
    }
}

enum Stop {
    Failed(Exception),
    Unheard,
}

impl From<Unheard> for Stop {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl<E: Into<Exception>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the job to its end. Blocks.
pub(crate) fn run(host: &Host, ticket: &Arc<Ticket>, job: Job) {
    let Job {
        session,
        work,
        replies,
    } = job;
    let outcome = execute(host, ticket, &session, work, &replies);
    // Before the last word: whoever hears it has nothing left to stop.
    ticket.set_done();
    let last = match outcome {
        Ok(stats) => Reply::End(stats),
        Err(Stop::Failed(exception)) => Reply::Failed(exception),
        Err(Stop::Unheard) => return,
    };
    if replies.send(last).is_err() {
        tracing::debug!(
            mark = ticket.mark,
            "the client left before the end of its answer"
        );
    }
}

fn execute(
    host: &Host,
    ticket: &Ticket,
    session: &Session,
    work: Work,
    replies: &Replies,
) -> Result<Stats, Stop> {
    let mut connection = host.connect(ticket)?;
    let framing = match &work {
        Work::Insert { .. } => Framing::Plain,
        Work::Statement { text, format } => framing(
            format,
            text,
            session.settings.iter().map(|(name, _)| name.as_str()),
        ),
    };
    prepare(&mut connection, session, framing)?;
    if ticket.is_gone() {
        return Err(Stop::Unheard);
    }
    match work {
        Work::Insert { insert, rows } => run_insert(&mut connection, session, &insert, rows),
        Work::Statement { text, .. } => {
            run_statement(&mut connection, ticket, session, &text, framing, replies)
        }
    }
}

/// Settings first, then the database, and read-only last: it cannot be undone.
fn prepare(
    connection: &mut Connection,
    session: &Session,
    framing: Framing,
) -> Result<(), Exception> {
    let mut settings: Vec<String> = session
        .settings
        .iter()
        .map(|(name, value)| format!("{name} = {}", quoted(value)))
        .collect();
    if framing == Framing::Whole
        && !session
            .settings
            .iter()
            .any(|(name, _)| name == "max_result_bytes")
    {
        settings.push(format!("max_result_bytes = {MOST_HELD_RESULT}"));
    }
    let mut run = |sql: String| connection.query(sql.as_bytes(), "Null", &[]).map(drop);
    if !settings.is_empty() {
        run(format!("SET {}", settings.join(", ")))?;
    }
    if let Some(database) = &session.database {
        let database = database.replace('\\', "\\\\").replace('`', "\\`");
        run(format!("USE `{database}`"))?;
    }
    if session.access == Access::ReadOnly {
        run("SET readonly = 1".to_owned())?;
    }
    Ok(())
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn run_insert(
    connection: &mut Connection,
    session: &Session,
    insert: &Insert,
    mut rows: Receiver<Rows>,
) -> Result<Stats, Stop> {
    let mut stream = connection.insert(&insert.statement, &insert.format, &session.params)?;
    loop {
        match rows.blocking_recv() {
            Some(Rows::Data(data)) => {
                if !stream.append(&data) {
                    break;
                }
            }
            Some(Rows::End) => break,
            // Dropping the stream cancels it: half a body is not committed.
            None => return Err(Stop::Unheard),
        }
    }
    Ok(stream.finish()?)
}

fn run_statement(
    connection: &mut Connection,
    ticket: &Ticket,
    session: &Session,
    text: &[u8],
    framing: Framing,
    replies: &Replies,
) -> Result<Stats, Stop> {
    let format = session.default_format.as_str();
    let analysis = connection.analyse(text);
    if analysis.statements != 1 {
        return Err(Stop::Failed(not_one_statement(connection, text)));
    }
    if session.access == Access::ReadOnly {
        guard::check(text, analysis)?;
    }
    match analysis.class {
        QueryClass::Control => refuse_control(text)?,
        QueryClass::ReadOnly => ticket.set_killable(),
        QueryClass::Mutating | QueryClass::Unknown => {}
    }
    let streams = analysis.class == QueryClass::ReadOnly && is_select(text);
    if !streams || framing == Framing::Whole {
        let result = connection.query(text, format, &session.params)?;
        replies.send_all(result.bytes())?;
        return Ok(result.stats());
    }
    let mut joiner = Joiner::new(match framing {
        Framing::Headed(header) => Some(header),
        Framing::Plain | Framing::Whole => None,
    });
    let mut stats = Stats::default();
    let mut stream = connection.stream(text, format, &session.params)?;
    while let Some(chunk) = stream.fetch()? {
        let part = chunk.stats();
        stats.read_rows += part.read_rows;
        stats.read_bytes += part.read_bytes;
        replies.send_all(joiner.cut(chunk.bytes()))?;
    }
    Ok(stats)
}

/// The server's error for a text that does not parse, is empty, or holds several statements. The
/// streaming call gives it: unlike the other one it takes exactly one statement. Words like `exit`
/// mean something to the client half of the engine, which then gives no error of the server's.
fn not_one_statement(connection: &mut Connection, text: &[u8]) -> Exception {
    let error = match connection.stream(text, "Null", &[]) {
        Err(error) => Some(error),
        Ok(mut stream) => stream.fetch().err(),
    };
    error
        .map(Exception::from)
        .filter(|exception| !exception.is(Code::UnknownException))
        .unwrap_or_else(|| Exception::new(Code::SyntaxError, "Syntax error: not one statement"))
}

/// What an engine inside another process must not do for an HTTP client.
fn refuse_control(text: &[u8]) -> Result<(), Exception> {
    if has_words(text, &["INTO", "OUTFILE"]) {
        return Err(Exception::new(
            Code::IntoOutfileNotAllowed,
            "INTO OUTFILE is not allowed",
        ));
    }
    for stop in ["SHUTDOWN", "KILL"] {
        if has_words(text, &["SYSTEM", stop]) {
            return Err(Exception::new(
                Code::SupportIsDisabled,
                format!("SYSTEM {stop} is not allowed: the engine ends with its process"),
            ));
        }
    }
    Ok(())
}
