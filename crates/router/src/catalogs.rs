//! Where generations of the catalog are put into force and kept: what the router needs of it for operators,
//! and nothing of how nodes agree.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use catalog::{Problem, Snapshot};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderValue, StatusCode};
use httpd::{Reply, Request};
use serde::Serialize;

use crate::refusal::Refused;

/// What comes of a call.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What became of a catalog that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// This node obeys it; the others do as soon as they read it.
    Applied(String),
    /// It was in force before.
    Unchanged(String),
    /// It is in the log, and this node has not come so far.
    Waiting(String),
}

/// Why a catalog is not in force.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// All that is wrong with it.
    #[error("the catalog has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
    /// Another generation is in force than the one it was to follow: this one.
    #[error("generation {0} is in force")]
    Overtaken(String),
    /// The log did not take it.
    #[error("{0}")]
    Unavailable(String),
}

/// Generations of the catalog.
pub trait Catalogs: Send + Sync + 'static {
    /// The generation that a text is; nothing is changed.
    fn check(&self, text: String) -> Pending<'_, Result<String, PutError>>;

    /// Puts a text into force on all nodes, on top of a generation or of whatever is there.
    fn put(&self, text: String, after: Option<String>) -> Pending<'_, Result<Put, PutError>>;

    /// A generation that was in force at some time; none if there was none of this id. An error is for
    /// the operator.
    fn held<'a>(
        &'a self,
        generation: &'a str,
    ) -> Pending<'a, Result<Option<Arc<Snapshot>>, String>>;
}

/// The answer to a catalog that was sent.
#[derive(Serialize)]
struct Answer<'a> {
    status: &'static str,
    generation: &'a str,
    request_id: String,
}

impl From<PutError> for Refused {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Problems(problems) => Self::InvalidCatalog(problems),
            PutError::Overtaken(in_force) => Self::CatalogChanged(in_force),
            PutError::Unavailable(why) => {
                tracing::warn!(why, "a catalog was not put into force");
                Self::Unavailable("the log did not take the catalog")
            }
        }
    }
}

/// The catalog as it is in force here, in one spelling, with its generation as its tag.
pub(crate) fn shown(snapshot: &Snapshot) -> Reply {
    let canonical = Bytes::copy_from_slice(&snapshot.canonical);
    let reply = Reply::bytes(StatusCode::OK, "application/json", canonical);
    tagged(reply, &snapshot.generation)
}

/// Says what a text is.
pub(crate) async fn check(catalogs: &dyn Catalogs, mut request: Request) -> Result<Reply, Refused> {
    let text = text(&mut request).await?;
    let generation = catalogs.check(text).await?;
    Ok(answer(StatusCode::OK, "valid", &generation, &request))
}

/// Puts a text into force.
pub(crate) async fn put(catalogs: &dyn Catalogs, mut request: Request) -> Result<Reply, Refused> {
    let after = after(&request)?;
    let text = text(&mut request).await?;
    Ok(match catalogs.put(text, after).await? {
        Put::Applied(generation) => answer(StatusCode::OK, "applied", &generation, &request),
        Put::Unchanged(generation) => answer(StatusCode::OK, "unchanged", &generation, &request),
        Put::Waiting(generation) => answer(StatusCode::ACCEPTED, "waiting", &generation, &request),
    })
}

fn answer(status: StatusCode, word: &'static str, generation: &str, request: &Request) -> Reply {
    let answer = Answer {
        status: word,
        generation,
        request_id: request.id().to_string(),
    };
    tagged(Reply::json(status, &answer), generation)
}

fn tagged(reply: Reply, generation: &str) -> Reply {
    match HeaderValue::from_str(&format!("\"{generation}\"")) {
        Ok(tag) => reply.header(ETAG, tag),
        Err(_) => reply,
    }
}

async fn text(request: &mut Request) -> Result<String, Refused> {
    let read = request.media_type().is_none_or(|media| {
        let taken = ["application/toml", "application/json", "text/plain"];
        taken.iter().any(|one| media.eq_ignore_ascii_case(one))
    });
    if !read {
        return Err(Refused::MediaType("application/toml or application/json"));
    }
    let bytes = request.body().await?;
    String::from_utf8(bytes.into())
        .map_err(|_| Refused::Malformed("a catalog is UTF-8 text".to_owned()))
}

/// The generation that the header `If-Match` names.
fn after(request: &Request) -> Result<Option<String>, Refused> {
    let Some(value) = request.headers().get(IF_MATCH) else {
        return Ok(None);
    };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    let named = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let named = named.filter(|named| !named.is_empty() && !named.contains('"'));
    let why = "`If-Match` names one generation, in quotation marks, as `ETag` does";
    named
        .map(|named| Some(named.to_owned()))
        .ok_or_else(|| Refused::Malformed(why.to_owned()))
}
