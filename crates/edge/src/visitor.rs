//! The first-party cookie that knows a browser again.

use domain::{Clock, Entropy, TrackKey, VisitorId};
use http::HeaderValue;
use httpd::{Request, Scheme};

/// Its name.
const COOKIE: &str = "gvid";
/// 400 days, the longest a browser keeps one; each click starts it anew.
const ATTRIBUTES: &str = "; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax";
const SECURE: &str = "; Secure";

/// The visitor the request's cookie names, if we signed it.
pub(crate) fn known(request: &Request, key: &TrackKey) -> Option<VisitorId> {
    let mut values = request.cookies(COOKIE);
    values.find_map(|value| VisitorId::parse(value, key).ok())
}

/// The visitor the request's cookie names, if we signed it, else a new one.
pub(crate) fn of(
    request: &Request,
    key: &TrackKey,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> VisitorId {
    known(request, key).unwrap_or_else(|| VisitorId::mint(clock.wall(), entropy, key))
}

/// The cookie that names a visitor.
pub(crate) fn cookie(visitor: &VisitorId, scheme: Scheme) -> Option<HeaderValue> {
    let secure = match scheme {
        Scheme::Http => "",
        Scheme::Https => SECURE,
    };
    let cookie = [COOKIE, "=", &visitor.text(), ATTRIBUTES, secure].concat();
    HeaderValue::try_from(cookie).ok()
}
