//! The key a request came with.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::form;

/// A key in clear, from `Authorization: Bearer`, `X-Api-Key`, or the query parameter `key`, looked
/// for in this order. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential<'a>(Cow<'a, str>);

impl<'a> Credential<'a> {
    /// What a request came with. Where the body is a form, its `key` is for the route to look at.
    pub(crate) fn of(headers: &'a HeaderMap, query: &'a str) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(AUTHORIZATION.as_str())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| Cow::Borrowed(key.trim()));
        let header = || text("x-api-key").map(|key| Cow::Borrowed(key.trim()));
        let parameter = || {
            form::pairs(query.as_bytes())
                .find(|(name, _)| name == "key")
                .map(|(_, key)| key)
        };
        bearer
            .or_else(header)
            .or_else(parameter)
            .filter(|key| !key.is_empty())
            .map(Self)
    }

    /// The key, for a comparison by digest.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_three_places() {
        for (headers, query, key) in [
            (
                &[("authorization", "Bearer k1"), ("x-api-key", "k2")][..],
                "key=k3",
                Some("k1"),
            ),
            (&[("authorization", "bearer  k1 ")], "", Some("k1")),
            (
                &[("authorization", "Basic k1"), ("x-api-key", "k2")],
                "",
                Some("k2"),
            ),
            (&[], "a=b&key=k%203", Some("k 3")),
            (&[], "key=", None),
            (&[("authorization", "Bearer")], "", None),
        ] {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            let found = Credential::of(&headers, query);
            assert_eq!(found.as_ref().map(Credential::expose), key);
            assert!(!format!("{found:?}").contains('k'), "{found:?}");
        }
    }
}
