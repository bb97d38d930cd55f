//! The parameters of a link, decoded once.

use std::borrow::Cow;

use httpd::Request;

/// More parameters than any link has; what comes after is not looked at.
const MOST: usize = 64;

/// Sub ids that are recorded.
pub(crate) const SUB_IDS: [&str; 10] =
    ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];

/// Decoded parameters in order.
pub(crate) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Of a request's query.
    pub(crate) fn of(request: &'a Request) -> Self {
        Self(request.query().take(MOST).collect())
    }

    /// The first value of a name; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found
            .map(|(_, value)| &**value)
            .filter(|value| !value.is_empty())
    }

    /// Those that `known` has a name for, in order.
    pub(crate) fn among(
        &self,
        known: impl Fn(&str) -> Option<&'static str>,
    ) -> impl Iterator<Item = (&'static str, &str)> {
        let all = self.0.iter().enumerate();
        all.filter_map(move |(at, (name, value))| {
            let known = known(name)?;
            let before = self.0.get(..at).unwrap_or_default();
            let first = before.iter().all(|(own, _)| own != name);
            (first && !value.is_empty()).then_some((known, &**value))
        })
    }
}

/// The ad click id of this name, if it is one that is recorded.
pub(crate) fn ad_id(name: &str) -> Option<&'static str> {
    Some(match name {
        "gclid" => "gclid",
        "gbraid" => "gbraid",
        "wbraid" => "wbraid",
        "fbclid" => "fbclid",
        "fbc" => "fbc",
        "fbp" => "fbp",
        "ttclid" => "ttclid",
        "msclkid" => "msclkid",
        _ => return None,
    })
}

/// The sub id of this name.
pub(crate) fn sub_id(name: &str) -> Option<&'static str> {
    let at = match name.as_bytes() {
        [b's', digit @ b'1'..=b'9'] => usize::from(digit - b'1'),
        b"s10" => 9,
        _ => return None,
    };
    SUB_IDS.get(at).copied()
}
