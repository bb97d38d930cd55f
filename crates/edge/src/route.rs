//! The edge's paths.
//!
//! How to add one: a file under `route/` with a function from a request to a reply, a variant here,
//! its path in [`of`], its methods in [`call`], and a table of cases in `tests/`.

mod click;
mod impression;
mod pixel;
mod postback;

use http::Method;
use httpd::{Problem, Reply, Request, Segments};
use store::Backend;

use crate::Edge;

/// A path of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/c/{link}`
    Click,
    /// `/i/{link}`
    Impression,
    /// `/p.gif`
    Pixel,
    /// `/postback`
    Postback,
}

/// Which route a path is.
pub(crate) fn of(path: &str) -> Option<Route> {
    match &*Segments::of(path) {
        ["c", _] => Some(Route::Click),
        ["i", _] => Some(Route::Impression),
        ["p.gif"] => Some(Route::Pixel),
        ["postback"] => Some(Route::Postback),
        _ => None,
    }
}

/// Answers a request.
pub(crate) async fn call<B: Backend>(edge: &Edge<B>, request: Request) -> Reply {
    match (of(request.path()), request.method()) {
        (Some(Route::Click), &Method::GET | &Method::HEAD) => click::call(edge, &request).await,
        (Some(Route::Impression), &Method::GET | &Method::HEAD) => {
            impression::call(edge, &request).await
        }
        (Some(Route::Pixel), &Method::GET | &Method::HEAD) => pixel::call(edge, &request).await,
        (Some(Route::Click | Route::Impression | Route::Pixel), _) => {
            Problem::method_not_allowed("GET, HEAD").into()
        }
        (Some(Route::Postback), &Method::GET | &Method::POST) => {
            postback::call(edge, request).await
        }
        (Some(Route::Postback), _) => Problem::method_not_allowed("GET, POST").into(),
        (None, _) => Problem::not_found().into(),
    }
}
