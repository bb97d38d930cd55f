//! The floor of a ping that nobody takes: hyper on one thread, serde_json into structs that borrow, and a
//! short answer.

use std::borrow::Cow;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use loadtest::floor;
use serde::Deserialize;

/// A ping of the load.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ping<'a> {
    tmax_ms: u32,
    #[serde(borrow)]
    sub: Sub<'a>,
    #[serde(borrow)]
    publisher_lead_id: Cow<'a, str>,
    #[serde(borrow)]
    lead: Lead<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sub<'a> {
    #[serde(borrow)]
    s1: Cow<'a, str>,
    #[serde(borrow)]
    s2: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lead<'a> {
    #[serde(borrow)]
    zip: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    age: i64,
    home_owner: bool,
    currently_insured: bool,
    #[serde(borrow)]
    coverage_type: Cow<'a, str>,
    vehicle_year: i64,
    #[serde(borrow)]
    vehicle_make: Cow<'a, str>,
    #[serde(borrow)]
    vehicle_model: Cow<'a, str>,
    #[serde(borrow)]
    credit_rating: Cow<'a, str>,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(floor::serve(answer))
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, said) = match read(request).await {
        Ok(said) => (StatusCode::OK, said),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(said)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn read(request: Request<Incoming>) -> Result<String> {
    let body = request.into_body().collect().await?.to_bytes();
    let ping: Ping<'_> = serde_json::from_slice(&body)?;
    // All that was read is looked at, so that none of the reading can be left out.
    let Ping { sub, lead, .. } = &ping;
    let texts = [
        &sub.s1,
        &sub.s2,
        &ping.publisher_lead_id,
        &lead.zip,
        &lead.state,
        &lead.coverage_type,
        &lead.vehicle_make,
        &lead.vehicle_model,
        &lead.credit_rating,
    ];
    let letters: usize = texts.iter().map(|text| text.len()).sum();
    let flags = [lead.home_owner, lead.currently_insured];
    let flags = flags.iter().filter(|flag| **flag).count();
    let numbers = lead.age + lead.vehicle_year + i64::from(ping.tmax_ms);
    Ok(format!(
        r#"{{"status":"no_bid","letters":{letters},"flags":{flags},"numbers":{numbers}}}"#
    ))
}
