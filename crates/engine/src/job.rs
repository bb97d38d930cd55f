//! One query on a thread that may block: connect, set the connection up, read the statement, run it, hand the
//! result over.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use crate::exception::{Code, Exception};
use crate::ffi::{Connection, QueryClass, Stats};
use crate::guard;
use crate::handler::{Room, Shared};
use crate::host::Ticket;
use crate::input::{Input, Piece};
use crate::lease::{self, Lease};
use crate::native::Native;
use crate::output::Output;
use crate::request::{Access, Query};
use crate::running::Stopper;
use crate::statement::{Insert, has_words, is_select, output_format, starts_with};
use crate::text::{self, Text};
use crate::users::Known;
use crate::{describe, external, pipe};

/// The format of a result when nobody names one.
const FORMAT: &str = "TabSeparated";

pub(crate) struct Job {
    pub(crate) query: Query,
    pub(crate) user: Known,
    pub(crate) body: Receiver<Piece>,
    pub(crate) output: Output,
    pub(crate) room: Room,
}

/// Why a job ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(Exception),
    /// The client is gone, and nobody takes the result.
    Unheard,
}

impl<E: Into<Exception>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the job to its end. Blocks.
pub(crate) fn run(shared: &Shared, ticket: &Arc<Ticket>, job: Job) {
    let Job {
        query,
        user,
        body,
        mut output,
        room,
    } = job;
    let host = &shared.host;
    let stop = |ticket: &Arc<Ticket>| host.stop(ticket);
    let outcome = (|| {
        let stop: Option<Stopper<'_>> = query.replaces.then_some(&stop);
        let named = query.query_id.as_deref();
        let entered = named.map(|id| host.running.enter(id, &user.name, ticket, stop));
        let _entered = entered.transpose()?;
        let mut lease = Lease::open(host, ticket, &query, &user)?;
        let outcome = execute(shared, ticket, query, body, &mut lease, &mut output);
        lease.close();
        outcome
    })();
    // Before the last word: whoever hears it has nothing left to stop, and room for the next query.
    ticket.set_done();
    drop(room);
    if output.end(outcome).is_err() {
        tracing::debug!(
            mark = ticket.mark,
            "the client left before the end of its answer"
        );
    }
}

fn execute(
    shared: &Shared,
    ticket: &Arc<Ticket>,
    mut query: Query,
    body: Receiver<Piece>,
    lease: &mut Lease<'_>,
    output: &mut Output,
) -> Result<Stats, Stop> {
    let limits = &shared.limits;
    lease.prepare(&query)?;
    let mut input = Input::open(body, &query, limits.body_bytes)?;
    let most = limits.query_bytes;
    let text = match query.form.take() {
        None => text::read(&mut input, std::mem::take(&mut query.text), most)?,
        Some(boundary) => {
            let connection = &mut lease.connection;
            let tables = external::read(&mut input, &boundary, &mut query, connection, most)?;
            lease.undo(tables.iter().map(|table| external::drop_table(table)));
            text::whole(std::mem::take(&mut query.text))?
        }
    };
    // Last, for it cannot be undone.
    if query.access == Access::ReadOnly && !lease.is_kept() {
        lease::run(&mut lease.connection, "SET readonly = 1")?;
    }
    if ticket.is_gone() {
        return Err(Stop::Unheard);
    }
    let connection = &mut lease.connection;
    match text {
        Text::Insert { insert, first } => {
            output.set_format(query.default_format.as_deref().unwrap_or(FORMAT));
            if query.access != Access::ReadWrite {
                return Err(guard::refused("Cannot execute query in readonly mode").into());
            }
            run_insert(connection, &query, &insert, &first, &mut input)
        }
        Text::Statement(text) => run_statement(shared, ticket, connection, &query, &text, output),
    }
}

fn run_insert(
    connection: &mut Connection,
    query: &Query,
    insert: &Insert,
    first: &[u8],
    input: &mut Input,
) -> Result<Stats, Stop> {
    // Dropped before its end, the stream is cancelled: half a body is not committed.
    let mut stream = connection.insert(&insert.statement, &insert.format, &query.params)?;
    let mut takes = first.is_empty() || stream.append(first);
    while takes && let Some(rows) = input.next()? {
        takes = stream.append(rows);
    }
    Ok(stream.finish()?)
}

fn run_statement(
    shared: &Shared,
    ticket: &Arc<Ticket>,
    connection: &mut Connection,
    query: &Query,
    text: &[u8],
    output: &mut Output,
) -> Result<Stats, Stop> {
    let default_format = query.default_format.as_deref().unwrap_or(FORMAT);
    let format = output_format(text).unwrap_or(default_format);
    output.set_format(format);
    let analysis = connection.analyse(text);
    if analysis.statements != 1 {
        return Err(Stop::Failed(not_one_statement(connection, text)));
    }
    match query.access {
        Access::ReadWrite => {}
        // They change the session and nothing else; of settings the engine itself refuses what is locked.
        _ if starts_with(text, "USE") => {}
        Access::Reads if starts_with(text, "SET") => {}
        Access::Reads => guard::reads(analysis)?,
        Access::ReadOnly => guard::check(text, analysis)?,
    }
    match analysis.class {
        QueryClass::Control => refuse_control(text)?,
        QueryClass::ReadOnly => ticket.set_killable(),
        QueryClass::Mutating | QueryClass::Unknown => {}
    }
    let selects = analysis.class == QueryClass::ReadOnly && is_select(text);
    if query.revision > 0 && format.eq_ignore_ascii_case("Native") {
        let described = selects.then(|| describe::columns(connection, text, &query.params));
        output.reframe(Native::new(query.revision, described.unwrap_or_default())?);
    }
    if selects {
        let watch = pipe::Watch {
            stop: &|| shared.host.stop(ticket),
            ended: &|stats| ticket.set_stats(stats),
        };
        return pipe::select(
            connection,
            text,
            default_format,
            &query.params,
            output,
            watch,
        );
    }
    let result = connection.query(text, default_format, &query.params)?;
    ticket.set_stats(result.stats());
    output.write(result.bytes())?;
    Ok(result.stats())
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
    for command in ["BACKUP", "RESTORE"] {
        if starts_with(text, command) {
            return Err(Exception::new(
                Code::SupportIsDisabled,
                format!(
                    "{command} is not allowed: `gavel engine {}` does it, for who owns the files",
                    command.to_ascii_lowercase()
                ),
            ));
        }
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
