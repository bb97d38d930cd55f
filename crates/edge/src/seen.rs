//! What a browser's request says of a touch, without anything personal.

use std::borrow::Cow;

use catalog::Link;
use http::header::{REFERER, USER_AGENT};
use http::{HeaderName, Method};
use httpd::Request;
use proto::TouchRecord;
use store::Sealer;

use crate::address;
use crate::agent::Agent;
use crate::params::{Params, ad_id, sub_id};
use crate::scrub::{SUB_BYTES, TEXT_BYTES, host_and_path, scrub};

/// Browsers that fetch ahead say so in one of these.
const PURPOSES: [HeaderName; 3] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
];

/// Flags of a request: at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    flags: [&'static str; 3],
    count: usize,
}

impl Flags {
    pub(crate) const NONE: Self = Self {
        flags: [""; 3],
        count: 0,
    };

    /// Why this is no touch, as far as the browser's name tells.
    pub(crate) fn of_agent(agent: Agent) -> Self {
        match agent.is_robot() {
            true => Self {
                flags: ["bot", "", ""],
                count: 1,
            },
            false => Self::NONE,
        }
    }

    /// Why this is no touch: nobody may have seen the page.
    pub(crate) fn of(request: &Request, agent: Agent) -> Self {
        let prefetch = PURPOSES.iter().any(|name| {
            let purpose = request.header(name);
            purpose.is_some_and(|value| value.starts_with("prefetch"))
        });
        let mut flags = Self::NONE;
        for (holds, flag) in [
            (request.method() == Method::HEAD, "head"),
            (prefetch, "prefetch"),
            (agent.is_robot(), "bot"),
        ] {
            if holds && let Some(place) = flags.flags.get_mut(flags.count) {
                *place = flag;
                flags.count += 1;
            }
        }
        flags
    }

    /// Their names.
    pub(crate) fn names(&self) -> &[&'static str] {
        self.flags.get(..self.count).unwrap_or_default()
    }

    /// The same, as records have them.
    pub(crate) fn owned(self) -> Vec<String> {
        self.names().iter().map(|name| (*name).to_owned()).collect()
    }
}

/// What is recorded of a request that came by a link.
pub(crate) struct Seen<'r> {
    pub(crate) agent: Agent,
    pub(crate) ip_hash: [u8; 16],
    flags: Flags,
    ip_prefix: String,
    referrer: String,
    sub: Vec<(&'static str, Cow<'r, str>)>,
    ad_ids: Vec<(&'static str, Cow<'r, str>)>,
}

impl<'r> Seen<'r> {
    /// Reads it.
    pub(crate) fn of(request: &Request, params: &'r Params<'_>, sealer: &Sealer) -> Self {
        let agent = Agent::of(request.header(USER_AGENT).unwrap_or_default());
        let ip = request.client_ip();
        let referrer = request.header(REFERER);
        let sub = params.among(sub_id).map(|(name, value)| {
            let value = scrub(value, SUB_BYTES, sealer);
            (name, value)
        });
        let ad_ids = params.among(ad_id).map(|(name, value)| {
            let value = scrub(value, TEXT_BYTES, sealer);
            (name, value)
        });
        Self {
            agent,
            ip_hash: address::hash(ip, sealer),
            flags: Flags::of(request, agent),
            ip_prefix: address::prefix(ip),
            referrer: referrer
                .map(|url| host_and_path(url, sealer))
                .unwrap_or_default(),
            sub: sub.collect(),
            ad_ids: ad_ids.collect(),
        }
    }

    /// Whether it counts as no touch.
    pub(crate) fn is_flagged(&self) -> bool {
        !self.flags.names().is_empty()
    }

    /// What it says of a touch of this link; whose it is and when is the caller's to add.
    pub(crate) fn touch<'a>(&'a self, link: &'a Link) -> TouchRecord<'a> {
        TouchRecord {
            link: link.name.as_str(),
            publisher: link.publisher.as_str(),
            offer: link.offer.as_str(),
            campaign: link.campaign.as_str(),
            sub: &self.sub,
            ad_ids: &self.ad_ids,
            referrer: &self.referrer,
            ip_prefix: &self.ip_prefix,
            ip_hash: &self.ip_hash,
            device: self.agent.device,
            os: self.agent.os,
            flags: self.flags.names(),
            ..TouchRecord::default()
        }
    }
}
