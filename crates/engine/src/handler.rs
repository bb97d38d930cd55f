//! One HTTP request: the paths, the checks before a query, and the answer around its result.

use std::collections::VecDeque;
use std::sync::Arc;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{Answer, ExceptionFrame, State, Stream, encoder, joined};
use crate::body::Body;
use crate::exception::{Code, Exception};
use crate::ffi::Stats;
use crate::format::describe;
use crate::host::{Host, Interest, MARK};
use crate::job::{self, Job, Replies, Reply, Session, Work};
use crate::request::{Access, Query};
use crate::server::Limits;
use crate::statement::output_format;
use crate::text::{Text, feed, read_text};
use crate::users::Users;

/// Pieces of a body or of a result under way between a request and its job. Full: the giver waits.
const QUEUE: usize = 4;
const TEXT: &str = "text/plain; charset=UTF-8";
const EXCEPTION_CODE: HeaderName = HeaderName::from_static("x-clickhouse-exception-code");

const UNKNOWN_PATH: &str = "There is no such handle\n\nUse / or /ping for health checks.\n\n\
    Send queries with the POST method or GET /?query=...\n";

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) users: Users,
    pub(crate) limits: Limits,
    /// One permit a running query.
    pub(crate) queries: Arc<Semaphore>,
}

/// Answers a request; never fails.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Answer> {
    let path = request.uri().path();
    let probe = matches!(path, "/ping" | "/replicas_status")
        || (path == "/" && request.method() != Method::POST && request.uri().query().is_none());
    if probe && matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::OK, "Ok.\n");
    }
    if path != "/" {
        return plain(StatusCode::NOT_FOUND, UNKNOWN_PATH);
    }
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST\n");
    }
    match query(&shared, request).await {
        Ok(response) => response,
        Err(exception) => refusal(&shared, &exception),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}

fn refusal(shared: &Shared, exception: &Exception) -> Response<Answer> {
    let mut response = Response::new(Answer::full(exception.text(&shared.host.identity.version)));
    *response.status_mut() = exception.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(EXCEPTION_CODE, HeaderValue::from(exception.code()));
    response
}

async fn query(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Exception> {
    let (parts, incoming) = request.into_parts();
    let limits = &shared.limits;
    let mut body = Body::new(incoming, limits.body_bytes, limits.patience);
    let outcome = async {
        let (query, permit) = admit(shared, &parts)?;
        if query.gzip_body {
            body.unzip();
        }
        run(shared, query, permit, &mut body).await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        // So that the client reads the answer instead of a reset connection.
        body.drain(limits.drain_bytes).await;
    }
    outcome
}

/// The checks that need no body: what is asked for, by whom, and whether there is room.
fn admit(shared: &Shared, parts: &Parts) -> Result<(Query, OwnedSemaphorePermit), Exception> {
    let headers = &parts.headers;
    let mut query = Query::parse(&parts.method, parts.uri.query(), headers)?;
    if shared.users.check(query.credentials.as_ref())? == Access::ReadOnly {
        query.access = Access::ReadOnly;
    }
    let sized = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if parts.method == Method::POST && !sized {
        return Err(Exception::new(
            Code::HttpLengthRequired,
            "The Transfer-Encoding is not chunked and there is no Content-Length header for POST \
             request",
        ));
    }
    let permit = Arc::clone(&shared.queries)
        .try_acquire_owned()
        .map_err(|_| {
            let most = shared.limits.queries;
            let text = format!("Too many simultaneous queries. Maximum: {most}");
            Exception::new(Code::TooManySimultaneousQueries, text)
        })?;
    Ok((query, permit))
}

async fn run(
    shared: &Arc<Shared>,
    mut query: Query,
    permit: OwnedSemaphorePermit,
    body: &mut Body,
) -> Result<Response<Answer>, Exception> {
    let limits = &shared.limits;
    let text = read_text(body, &mut query, limits.query_bytes).await?;
    let (ticket, interest) = shared.host.admit();
    let query_id = query
        .query_id
        .unwrap_or_else(|| shared.host.query_id(&ticket));
    let default_format = query
        .default_format
        .unwrap_or_else(|| "TabSeparated".to_owned());
    let session = Session {
        database: query.database,
        settings: engine_settings(query.settings),
        params: query.params,
        access: query.access,
        default_format: default_format.clone(),
    };
    let (work, rows, format) = match text {
        Text::Statement(text) => {
            let format = output_format(&text).unwrap_or(&default_format).to_owned();
            (
                Work::Statement {
                    text,
                    format: format.clone(),
                },
                None,
                format,
            )
        }
        Text::Insert { insert, first } => {
            let (sender, rows) = channel(QUEUE);
            (
                Work::Insert { insert, rows },
                Some((sender, first)),
                default_format,
            )
        }
    };
    let (sender, replies) = channel(QUEUE);
    let sender = Replies {
        sender,
        runtime: Handle::current(),
        patience: limits.patience,
    };
    let job = Job {
        session,
        work,
        replies: sender,
    };
    let host = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        job::run(&host.host, &ticket, job);
        drop(permit);
    });
    if let Some((sender, first)) = rows {
        feed(body, sender, first, limits.drain_bytes).await?;
    }
    let shape = Shape {
        gzip: query.gzip_answer,
        wait_end: query.wait_end,
        query_id,
    };
    respond(shared, shape, &format, replies, interest).await
}

/// How the client wants its answer.
struct Shape {
    gzip: bool,
    wait_end: bool,
    query_id: String,
}

/// Settings for the engine: without the mark's, and without one that would acknowledge an INSERT
/// before it is written.
fn engine_settings(mut settings: Vec<(String, String)>) -> Vec<(String, String)> {
    settings.retain(|(name, value)| {
        name != MARK
            && !(name == "wait_for_async_insert" && matches!(value.as_str(), "0" | "false"))
    });
    settings
}

/// Holds the beginning of the result back, as the server does, so that an early error still gets
/// its own status.
async fn respond(
    shared: &Shared,
    shape: Shape,
    format: &str,
    mut replies: Receiver<Reply>,
    interest: Interest,
) -> Result<Response<Answer>, Exception> {
    let limits = &shared.limits;
    let most = if shape.wait_end {
        limits.wait_end_bytes
    } else {
        limits.hold_bytes
    };
    let mut first = VecDeque::new();
    let mut held = 0;
    let stats = loop {
        match replies.recv().await {
            Some(Reply::Chunk(chunk)) => {
                held += chunk.len();
                first.push_back(chunk);
                if held <= most {
                    continue;
                }
                if shape.wait_end {
                    return Err(Exception::new(
                        Code::TooManyRowsOrBytes,
                        format!(
                            "Limit for result exceeded: with wait_end_of_query=1 a result has at most {most} bytes here"
                        ),
                    ));
                }
                break None;
            }
            Some(Reply::End(stats)) => break Some(stats),
            Some(Reply::Failed(exception)) => return Err(exception),
            None => {
                return Err(Exception::new(
                    Code::UnknownException,
                    "The query ended without a result",
                ));
            }
        }
    };
    let identity = &shared.host.identity;
    let mut response = Response::new(match stats {
        Some(_) => Answer::full(joined(first, shape.gzip)),
        None => Answer::Stream(Box::new(Stream {
            first,
            replies,
            encoder: shape.gzip.then(encoder),
            frame: ExceptionFrame {
                tag: identity.exception_tag.clone(),
                version: identity.version.clone(),
            },
            state: State::Running,
            _interest: interest,
        })),
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(describe(format).1));
    if shape.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let told = [
        ("x-clickhouse-server-display-name", "gavel"),
        ("x-clickhouse-query-id", &shape.query_id),
        ("x-clickhouse-format", format),
        ("x-clickhouse-timezone", &identity.timezone),
        ("x-clickhouse-exception-tag", &identity.exception_tag),
        (
            "x-clickhouse-summary",
            &stats.map(summary).unwrap_or_default(),
        ),
    ];
    for (name, value) in told {
        // A query id or a format may hold what no header can: then it is not repeated.
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

fn summary(stats: Stats) -> String {
    let Stats {
        read_rows,
        read_bytes,
        written_rows,
        written_bytes,
    } = stats;
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}","total_rows_to_read":"0","result_rows":"0","result_bytes":"0"}}"#
    )
}
