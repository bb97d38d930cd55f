//! The scripts, one file each in `script/`, called by their hash alone.
//!
//! A server that does not know a hash has forgotten it, and may have forgotten more: whoever calls never
//! answers that by loading the script again.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

use crate::names::Space;

/// A script, and the keys it works on.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) space: Space,
    pub(crate) source: &'static str,
    /// SHA-1 of the source, as the server names it.
    pub(crate) hash: String,
}

impl Script {
    fn new(space: Space, source: &'static str) -> Self {
        let hash = HEXLOWER.encode(&Sha1::digest(source));
        Self {
            space,
            source,
            hash,
        }
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $space:ident, $($file:literal)*;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(Space::$space, concat!($(include_str!(concat!("script/", $file)),)*))
            });
        )*

        /// All of them.
        pub(crate) fn all() -> impl Iterator<Item = &'static Script> {
            [$(&$name),*].into_iter().map(|script| &**script)
        }
    };
}

scripts! {
    HOLD = Caps, "begin.lua" "caps/counters.lua" "caps/hold.lua";
    PIN = Caps, "begin.lua" "caps/counters.lua" "caps/pin.lua";
    RELEASE = Caps, "begin.lua" "caps/counters.lua" "caps/release.lua";
    SETTLE = Caps, "begin.lua" "caps/counters.lua" "caps/settle.lua";
    USED = Caps, "begin.lua" "caps/counters.lua" "caps/used.lua";
    PINS = Caps, "begin.lua" "caps/counters.lua" "caps/pins.lua";
    LOOKUP = Claims, "begin.lua" "claims/leads.lua" "claims/lookup.lua";
    LOOK = Claims, "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/look.lua";
    ADMIT = Claims, "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/admit.lua";
    CLAIM = Claims, "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/claim.lua";
    QUOTED = Claims, "begin.lua" "claims/quoted.lua";
    FIND = Claims, "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/find.lua";
    FOLDING = Claims, "begin.lua" "claims/folding.lua";
    FOLDED = Claims, "begin.lua" "claims/leads.lua" "claims/consumers.lua" "claims/folded.lua";
    REACHED = Claims, "begin.lua" "claims/leads.lua" "claims/reached.lua";
    LAPSE = Claims, "begin.lua" "claims/lapse.lua";
    OPEN = Claims, "begin.lua" "claims/open.lua";
}
