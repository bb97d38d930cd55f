//! `GET /t.js`: the tag that a page of an advertiser loads.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use httpd::{Reply, Request};
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("../tag.js");

/// The script's hash: it names the version.
static VERSION: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = Sha256::digest(SCRIPT.as_bytes());
    let text = format!("\"{}\"", HEXLOWER.encode(hash.get(..8).unwrap_or_default()));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
});

/// Answers with the script, or that the browser has it.
pub(super) fn call(request: &Request) -> Reply {
    let has = request.headers().get(IF_NONE_MATCH) == Some(&*VERSION);
    let reply = if has {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let script = Bytes::from_static(SCRIPT.as_bytes());
        Reply::bytes(StatusCode::OK, "text/javascript; charset=utf-8", script)
    };
    reply.header(ETAG, VERSION.clone()).header(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    )
}
