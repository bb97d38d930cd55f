//! Where a click goes that has no destination: the link's fallback, its campaign's, the service's,
//! else a page. A person who clicked never sees JSON.

use catalog::{Link, Snapshot};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use httpd::{Reply, page};
use telemetry::Metrics;
use url::Url;

/// Why a click has no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no such link.
    Unknown,
    /// The link is paused.
    Paused,
    /// The destination does not fit into a header.
    Unsendable,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Paused => "paused",
            Self::Unsendable => "unsendable",
        }
    }
}

/// The answer to a click without a destination, counted by reason and target.
pub(crate) fn reply(
    reason: Reason,
    link: Option<&Link>,
    snapshot: &Snapshot,
    service: Option<&Url>,
    metrics: &Metrics,
) -> Reply {
    let campaign = || {
        snapshot
            .campaigns
            .get(&link?.campaign)?
            .fallback_url
            .as_ref()
    };
    let of_link = link.and_then(|link| link.fallback_url.as_ref());
    let found = of_link
        .map(|url| ("link", url))
        .or_else(|| Some(("campaign", campaign()?)))
        .or_else(|| Some(("service", service?)))
        .and_then(|(target, url)| Some((target, HeaderValue::from_str(url.as_str()).ok()?)));
    let (target, reply) = match found {
        Some((target, location)) => (target, Reply::redirect(location)),
        None => ("page", Reply::html(StatusCode::NOT_FOUND, gone())),
    };
    metrics.count(telemetry::EDGE_FALLBACKS, [reason.as_str(), target]);
    reply.header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

fn gone() -> String {
    page(
        "This offer is not available",
        "The link you followed leads nowhere any more. You can close this page.",
    )
}
