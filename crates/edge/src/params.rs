//! The parameters of a link, decoded once.

use std::borrow::Cow;

use httpd::Request;

/// More parameters than any link has; what comes after is not looked at.
const MOST: usize = 64;

/// Ad click ids that are recorded.
const AD_IDS: [&str; 8] = [
    "gclid", "gbraid", "wbraid", "fbclid", "fbc", "fbp", "ttclid", "msclkid",
];

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

/// The ad click id of this name.
pub(crate) fn ad_id(name: &str) -> Option<&'static str> {
    AD_IDS.into_iter().find(|known| *known == name)
}

/// The sub id of this name.
pub(crate) fn sub_id(name: &str) -> Option<&'static str> {
    let known = || SUB_IDS.into_iter().find(|known| *known == name);
    name.starts_with('s').then(known).flatten()
}
