//! The header `Host`.

use http::HeaderValue;
use url::Url;

/// As a URL has it: a port only if it is not the usual one. None if the URL names no host.
pub fn host(url: &Url) -> Option<HeaderValue> {
    let host = match (url.host_str()?, url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    HeaderValue::from_str(&host).ok()
}
