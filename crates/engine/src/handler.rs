//! One HTTP request: the paths, the checks before a query, and the answer around its result.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{Answer, State, Stream};
use crate::backup;
use crate::body::Body;
use crate::door::{self, Door};
use crate::early::Ahead;
use crate::exception::{Code, Exception};
use crate::format::content_type;
use crate::host::{Host, Interest};
use crate::job::{self, Job};
use crate::output::{ExceptionFrame, Head, Output, Replies, Reply, Shape, Spool};
use crate::profile;
use crate::progress::{self, Telling};
use crate::request::Query;
use crate::roll::{Roll, Turn};
use crate::server::Limits;
use crate::target;
use crate::users::Known;

/// Pieces of a body or of a result under way between a request and its job. Full: the giver waits.
const QUEUE: usize = 4;
/// What the server says its name is.
const NAME: &str = "gavel";
/// Of a path.
const MOST_PATH: usize = 64 << 10;
const TEXT: &str = "text/plain; charset=UTF-8";
const EXCEPTION_CODE: HeaderName = HeaderName::from_static("x-clickhouse-exception-code");

const HANDLES: &str = "Use / or /ping for health checks.\n\
    Or /replicas_status for more sophisticated health checks.\n\n\
    Send queries from your program with POST method or GET /?query=...\n";

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) roll: Arc<Roll>,
    pub(crate) door: Door,
    pub(crate) limits: Limits,
    pub(crate) spool: Spool,
    /// One permit a running query.
    pub(crate) queries: Arc<Semaphore>,
}

/// Answers a request; never fails.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    ahead: &Ahead,
) -> Response<Answer> {
    let stays = stays(&request);
    // Half of the time that it has, so that nobody asks while it is being closed.
    let idle = shared.limits.patience.as_secs() / 2;
    let mut response = handled(shared, request, ahead).await;
    if stays {
        tell(&mut response, "keep-alive", &format!("timeout={idle}"));
    }
    response
}

/// Whether the client wants to ask more on its connection.
fn stays(request: &Request<Incoming>) -> bool {
    let connection = request.headers().get(CONNECTION);
    let says = |word: &str| {
        let words = connection.and_then(|words| words.to_str().ok());
        let mut words = words.unwrap_or_default().split(',');
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    match request.version() {
        Version::HTTP_11 => !says("close"),
        _ => says("keep-alive"),
    }
}

async fn handled(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    ahead: &Ahead,
) -> Response<Answer> {
    let path = request.uri().path();
    let probe = matches!(path, "/ping" | "/replicas_status")
        || (path == "/"
            && request.method() != Method::POST
            && target::query(request.uri(), request.extensions()).is_none());
    if probe && matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::OK, "Ok.\n");
    }
    let key = request.headers().get(door::KEY);
    if path == door::BACKUP && key.is_some_and(|key| shared.door.opens(key.as_bytes())) {
        return backup(shared, request.into_body()).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
        return plain(StatusCode::NOT_IMPLEMENTED, "Only GET, HEAD and POST\n");
    }
    if !matches!(path, "/" | "/query") {
        let text = format!("There is no handle {}\n\n{HANDLES}", request.uri());
        return plain(StatusCode::NOT_FOUND, text);
    }
    match query(&shared, request, ahead).await {
        Ok(response) => response,
        Err(exception) => refusal(&shared, &exception),
    }
}

/// Makes a backup for whoever has the key; who leaves ends it.
async fn backup(shared: Arc<Shared>, body: Incoming) -> Response<Answer> {
    let path = match Limited::new(body, MOST_PATH).collect().await {
        Ok(path) => PathBuf::from(OsString::from_vec(path.to_bytes().into())),
        Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    // Never closed, so there is always a permit to come.
    let room = Arc::clone(&shared.queries).acquire_owned().await.ok();
    let (ticket, _interest) = shared.host.admit();
    ticket.set_killable();
    let making = tokio::task::spawn_blocking(move || {
        let connected = shared.host.connect(&ticket);
        let made = match (connected, ticket.is_gone()) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), true) => Err("nobody waits for it".to_owned()),
            (Ok(mut connection), false) => backup::run(&path, |sql| {
                connection.query(sql.as_bytes(), "Null", &[]).map(drop)
            })
            .map_err(|error| error.to_string()),
        };
        ticket.set_done();
        drop(room);
        made
    });
    let made = making.await;
    match made.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => plain(StatusCode::OK, "Ok.\n"),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}

fn refusal(shared: &Shared, exception: &Exception) -> Response<Answer> {
    let text = exception.text(&shared.host.identity.version);
    refused(exception, text.into())
}

fn refused(exception: &Exception, text: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::full(text));
    *response.status_mut() = exception.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(EXCEPTION_CODE, HeaderValue::from(exception.code()));
    if exception.is(Code::RequiredPassword) {
        let realm = HeaderValue::from_static("Basic realm=\"ClickHouse server HTTP API\"");
        headers.insert(WWW_AUTHENTICATE, realm);
    }
    tell(&mut response, "x-clickhouse-server-display-name", NAME);
    response
}

async fn query(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    ahead: &Ahead,
) -> Result<Response<Answer>, Exception> {
    let (parts, incoming) = request.into_parts();
    let limits = &shared.limits;
    let mut body = Body::new(incoming, limits.patience);
    let admitted = match admit(shared, &parts) {
        Ok(admitted) => admitted,
        Err(exception) => {
            // So that the client reads the answer instead of a reset connection.
            body.drain(limits.drain_bytes).await;
            return Err(exception);
        }
    };
    let version = parts.version;
    let every = admitted.query.progress.every();
    let progress = every.map(|every| Telling {
        every,
        version,
        ahead,
    });
    run(shared, admitted, &mut body, progress, ahead).await
}

/// A query that may run.
struct Admitted {
    query: Query,
    user: Known,
    room: Room,
}

/// The room that a running query takes: among all, and among those of its user.
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
    _turn: Option<Turn>,
}

/// The checks that need no body: what is asked for, by whom, and whether there is room.
fn admit(shared: &Shared, parts: &Parts) -> Result<Admitted, Exception> {
    let headers = &parts.headers;
    let url = target::query(&parts.uri, &parts.extensions);
    let mut query = Query::parse(&parts.method, url, headers)?;
    let user = shared.roll.users().check(query.credentials.as_ref())?;
    query.access = query.access.max(user.access);
    let settings = engine_settings(std::mem::take(&mut query.settings));
    query.settings = profile::settings(&user, settings)?;
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
    let room = Room {
        _permit: permit,
        _turn: shared.roll.enter(&user)?,
    };
    Ok(Admitted { query, user, room })
}

async fn run(
    shared: &Arc<Shared>,
    admitted: Admitted,
    body: &mut Body,
    progress: Option<Telling<'_>>,
    ahead: &Ahead,
) -> Result<Response<Answer>, Exception> {
    let Admitted { query, user, room } = admitted;
    let limits = &shared.limits;
    let identity = &shared.host.identity;
    let (ticket, interest) = shared.host.admit();
    let query_id = match &query.query_id {
        Some(id) => id.clone(),
        None => shared.host.query_id(&ticket),
    };
    let (sender, mut replies) = channel(QUEUE);
    let replies_of_job = Replies {
        sender,
        runtime: Handle::current(),
        patience: limits.patience,
    };
    let shape = Shape {
        encoding: query.answer_encoding,
        level: query.level,
        in_blocks: query.answer_in_blocks,
        hold: query
            .buffer_size
            .clamp(limits.hold_bytes, limits.most_hold_bytes),
        wait_end: query.wait_end,
    };
    let frame = ExceptionFrame {
        tag: identity.exception_tag.clone(),
        version: identity.version.clone(),
    };
    let output = Output::new(replies_of_job, shape, frame, shared.spool.clone())?;
    let (pieces, received) = channel(QUEUE);
    let job = Job {
        query,
        user,
        body: received,
        output,
        room,
    };
    let (on_thread, of_job) = (Arc::clone(shared), Arc::clone(&ticket));
    tokio::task::spawn_blocking(move || job::run(&on_thread, &of_job, job));
    body.feed(pieces, limits.drain_bytes).await;
    let first = match progress {
        None => replies.recv().await,
        Some(telling) => telling.until_first(shared, &ticket, &mut replies).await,
    };
    let so_far = match &first {
        Some(Reply::Begun(Head { stats: None, .. })) => progress::so_far(shared, &ticket).await,
        _ => None,
    };
    let waiting = (replies, interest, ahead.clone());
    respond(shared, shape, &query_id, first, so_far, waiting)
}

/// Settings for the engine: without one that would acknowledge an INSERT before it is written.
fn engine_settings(mut settings: Vec<(String, String)>) -> Vec<(String, String)> {
    settings.retain(|(name, value)| {
        !(name == "wait_for_async_insert" && matches!(value.as_str(), "0" | "false"))
    });
    settings
}

fn respond(
    shared: &Shared,
    shape: Shape,
    query_id: &str,
    first: Option<Reply>,
    so_far: Option<String>,
    (replies, interest, way_out): (Receiver<Reply>, Interest, Ahead),
) -> Result<Response<Answer>, Exception> {
    let identity = &shared.host.identity;
    let (head, answer) = match first {
        Some(Reply::Whole(head, bytes)) => (head, Answer::full(bytes)),
        Some(Reply::Begun(head)) => {
            let stream = Stream {
                replies,
                state: State::Running,
                way_out,
                patience: shared.limits.patience,
                _interest: interest,
            };
            (head, Answer::Stream(stream))
        }
        Some(Reply::Failed(exception, text)) => {
            let mut response = refused(&exception, text);
            tell(&mut response, "x-clickhouse-query-id", query_id);
            tell(&mut response, "x-clickhouse-timezone", &identity.timezone);
            tell_encoding(&mut response, shape);
            return Ok(response);
        }
        Some(Reply::Chunk(_) | Reply::End | Reply::Cut) | None => {
            return Err(Exception::new(
                Code::UnknownException,
                "The query ended without a result",
            ));
        }
    };
    let summary = head.stats.map(progress::summary).or(so_far);
    let mut response = Response::new(answer);
    tell(&mut response, "content-type", content_type(&head.format));
    tell_encoding(&mut response, shape);
    for (name, value) in [
        ("x-clickhouse-server-display-name", NAME),
        ("x-clickhouse-query-id", query_id),
        ("x-clickhouse-format", &head.format),
        ("x-clickhouse-timezone", &identity.timezone),
        ("x-clickhouse-exception-tag", &identity.exception_tag),
        ("x-clickhouse-summary", &summary.unwrap_or_default()),
    ] {
        tell(&mut response, name, value);
    }
    Ok(response)
}

fn tell_encoding(response: &mut Response<Answer>, shape: Shape) {
    if let Some(encoding) = shape.encoding {
        tell(response, "content-encoding", encoding.name());
    }
}

/// A query id or a format may hold what no header can: then it is not repeated.
fn tell(response: &mut Response<Answer>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}
