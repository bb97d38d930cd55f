//! The floor of a click: hyper on one thread, answering every request with the same 302.

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use loadtest::floor;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(floor::serve(|_| async { redirect() }))
}

fn redirect() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(
        header::LOCATION,
        HeaderValue::from_static("https://quotes.example/load?cid=ck_0&pub=north"),
    );
    response
}
