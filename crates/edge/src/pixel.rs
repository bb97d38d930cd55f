//! The picture that nobody sees.

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use httpd::Reply;

/// 43 bytes: a transparent GIF of one by one.
const GIF: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\
    \0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// The answer to whatever was asked of a pixel: a page shows it in any case.
pub(crate) fn reply() -> Reply {
    Reply::bytes(StatusCode::OK, "image/gif", Bytes::from_static(GIF))
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
