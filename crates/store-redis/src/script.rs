//! The scripts, one file each in `script/`, called by their hash alone.
//!
//! A server that does not know a hash has forgotten it, and may have forgotten more: whoever calls never
//! answers that by loading the script again.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

/// A script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) source: &'static str,
    /// SHA-1 of the source, as the server names it.
    pub(crate) hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = HEXLOWER.encode(&Sha1::digest(source));
        Self { source, hash }
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $($file:literal)*;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!($(include_str!(concat!("script/", $file)),)*))
            });
        )*

        /// All of them.
        pub(crate) fn all() -> impl Iterator<Item = &'static Script> {
            [$(&$name),*].into_iter().map(|script| &**script)
        }
    };
}

scripts! {
    HOLD = "begin.lua" "caps/counters.lua" "caps/hold.lua";
    PIN = "begin.lua" "caps/counters.lua" "caps/pin.lua";
    RELEASE = "begin.lua" "caps/counters.lua" "caps/released.lua" "caps/release.lua";
    ENDED = "begin.lua" "caps/counters.lua" "caps/released.lua" "caps/ended.lua";
    SETTLE = "begin.lua" "caps/counters.lua" "caps/settle.lua";
    USED = "begin.lua" "caps/counters.lua" "caps/used.lua";
    SHORT_JOURNEYS = "begin.lua" "journeys/short.lua";
    SHORT = "begin.lua" "caps/short.lua";
    PINS = "begin.lua" "caps/counters.lua" "caps/pins.lua";
    LOOKUP = "begin.lua" "claims/leads.lua" "claims/lookup.lua";
    LOOK = "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/look.lua";
    ADMIT = "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/admit.lua";
    CLAIM = "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/withdrawn.lua" "claims/claim.lua";
    UNRECORDED = "begin.lua" "claims/consumers.lua" "claims/withdrawn.lua" "claims/unrecorded.lua";
    TAKEN = "begin.lua" "claims/taken.lua";
    FORSAKEN = "begin.lua" "claims/consumers.lua" "claims/withdrawn.lua" "claims/forsaken.lua";
    QUOTED = "begin.lua" "claims/quoted.lua";
    FIND = "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/find.lua";
    FOLDING = "begin.lua" "claims/folding.lua";
    FOLDED = "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/folded.lua";
    REACHED = "begin.lua" "claims/leads.lua" "claims/reached.lua";
    LAPSE = "begin.lua" "claims/lapse.lua";
    READ = "begin.lua" "journeys/read.lua";
    WRITE = "begin.lua" "journeys/rules.lua" "journeys/write.lua";
    ANEW = "begin.lua" "journeys/rules.lua" "journeys/anew.lua";
    WALKED = "begin.lua" "journeys/rules.lua" "journeys/walked.lua";
    THROUGH = "begin.lua" "journeys/through.lua";
    OPEN = "begin.lua" "claims/open.lua";
    LATELY = "lately/exchange.lua";
}
