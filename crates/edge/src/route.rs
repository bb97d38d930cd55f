//! The edge's paths.
//!
//! How to add one: a file under `route/` with a function from a request to a reply, a line in the
//! list here, an arm in [`call`], and a table of cases in `tests/`.

mod beacon;
mod click;
mod events;
mod impression;
mod pixel;
mod postback;
mod tag;

use httpd::{Endpoint, Problem, Reply, Request};
use store::Backend;

use crate::Edge;

httpd::routes! {
    /// All that the edge answers.
    pub(crate) enum Route {
        Click "GET, HEAD" "/c/{link}";
        Impression "GET, HEAD" "/i/{link}";
        Pixel "GET, HEAD" "/p.gif";
        Postback "GET, POST" "/postback";
        Events "POST" "/v1/events";
        Beacon "POST, OPTIONS" "/v1/beacon";
        Tag "GET, HEAD" "/t.js";
    }
}

/// All that the edge answers.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    Route::ALL.iter().map(|route| route.endpoint())
}

/// Answers a request.
pub(crate) async fn call<B: Backend>(edge: &Edge<B>, request: Request) -> Reply {
    let Some((route, _)) = Route::find(request.path()) else {
        return Problem::not_found().into();
    };
    let endpoint = route.endpoint();
    if !endpoint.takes(request.method()) {
        return Problem::method_not_allowed(endpoint.methods).into();
    }
    match route {
        Route::Click => click::call(edge, &request).await,
        // A future is as large as the largest call in it: clicks carry no others.
        Route::Impression => Box::pin(impression::call(edge, &request)).await,
        Route::Pixel => Box::pin(pixel::call(edge, &request)).await,
        Route::Postback => Box::pin(postback::call(edge, request)).await,
        Route::Events => Box::pin(events::call(edge, request)).await,
        Route::Beacon => Box::pin(beacon::call(edge, request)).await,
        Route::Tag => tag::call(&request),
    }
}
