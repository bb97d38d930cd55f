//! Keeps e-mail addresses and phone numbers out of what is recorded, wherever a partner put them.
//!
//! Sub ids and order ids are meant for opaque values, but links in the field carry `s3=jane@x.com`.
//! Such a value is replaced by a keyed hash: equal values stay equal, and nobody reads them.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use store::Sealer;

/// Longest sub id that is recorded; longer ones are cut.
pub(crate) const SUB_BYTES: usize = 256;
/// Longest ad click id and utm value that is recorded.
pub(crate) const TEXT_BYTES: usize = 512;
/// Longest URL that is recorded.
const URL_BYTES: usize = 512;

/// The value, cut to `most` bytes, or the hash of one that looks personal.
pub(crate) fn scrub<'a>(value: &'a str, most: usize, sealer: &Sealer) -> Cow<'a, str> {
    if looks_personal(value) {
        let hash = sealer.hash("scrub", value.trim().to_ascii_lowercase().as_bytes());
        return Cow::Owned(format!("h_{}", HEXLOWER.encode(&hash)));
    }
    Cow::Borrowed(cut(value, most))
}

/// The longest prefix of at most `most` bytes.
pub(crate) fn cut(value: &str, most: usize) -> &str {
    value
        .get(..value.floor_char_boundary(most))
        .unwrap_or(value)
}

/// A URL without scheme, user, query and fragment; path segments that look personal hashed.
pub(crate) fn host_and_path(url: &str, sealer: &Sealer) -> String {
    let mut colons = url.match_indices(':');
    let rest = colons.find_map(|(at, _)| url.get(at..)?.strip_prefix("://"));
    let rest = rest.unwrap_or(url);
    let end = rest.bytes().position(|sign| matches!(sign, b'?' | b'#'));
    let rest = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let mut out = String::with_capacity(rest.len());
    out.push_str(cut(host, URL_BYTES));
    out.make_ascii_lowercase();
    for segment in path.split('/').filter(|_| !path.is_empty()) {
        out.push('/');
        out.push_str(&scrub(segment, URL_BYTES, sealer));
    }
    out.truncate(out.floor_char_boundary(URL_BYTES));
    out
}

fn looks_personal(value: &str) -> bool {
    // Most values hold none of the signs that either needs.
    let signs = value.bytes().any(|b| matches!(b, b'@' | b'%'));
    (signs && looks_like_email(value)) || looks_like_phone(value)
}

/// Something, an at sign (maybe still escaped), something with a dot.
fn looks_like_email(value: &str) -> bool {
    let at = |sign: &str| {
        value.split_once(sign).is_some_and(|(local, host)| {
            !local.is_empty() && host.contains('.') && !host.starts_with('.')
        })
    };
    at("@") || at("%40")
}

/// A number of 10 to 15 digits that is written as phones are: with a plus, or grouped by spaces,
/// dots, dashes and parentheses. Bare digits are ids more often than phones and stay.
fn looks_like_phone(value: &str) -> bool {
    let value = value.trim();
    let written = value
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b' ' | b'.' | b'-' | b'(' | b')'));
    let digits = || value.bytes().filter(u8::is_ascii_digit).count();
    if !written || !(10..=15).contains(&digits()) {
        return false;
    }
    let plus = value.starts_with('+');
    // 3-3-4, as North American numbers are grouped; ids with dashes (dates, UUID parts) are not.
    let groups: Vec<usize> = value
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .filter(|&len| len > 0)
        .collect();
    let grouped = matches!(groups.as_slice(), [3, 3, 4] | [1, 3, 3, 4] | [3, 7]);
    plus || grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_personal_is_hashed_and_the_rest_stays() {
        let sealer = Sealer::new([1; 32], [2; 32]);
        for value in [
            "jane@example.com",
            "Jane%40example.com",
            "x jane@example.com y",
            "+15125550199",
            "+1 (512) 555-0199",
            "512-555-0199",
            "(512) 555 0199",
            "1.512.555.0199",
        ] {
            let scrubbed = scrub(value, 100, &sealer);
            assert!(
                scrubbed.starts_with("h_") && scrubbed.len() == 34,
                "{value}: {scrubbed}"
            );
        }
        for value in [
            "",
            "fb",
            "adset-9",
            "23851234567890123",
            "5125550199",
            "2026-11-22-10",
            "1763786413",
            "@handle",
            "a@b",
            "018bcfe5-687b-7fff-bfff-ffffffffffff",
            "12.50",
        ] {
            assert_eq!(scrub(value, 100, &sealer), value);
        }
        let [a, b] = [" Jane@Example.com", "jane@example.com"].map(|v| scrub(v, 100, &sealer));
        assert_eq!(a, b);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let sealer = Sealer::new([1; 32], [2; 32]);
        assert_eq!(scrub("abcé", 4, &sealer), "abc");
    }

    #[test]
    fn of_a_url_host_and_path_are_kept() {
        let sealer = Sealer::new([1; 32], [2; 32]);
        for (url, kept) in [
            (
                "https://Search.Example/Results?q=1#x",
                "search.example/Results",
            ),
            ("https://jane:pw@a.example", "a.example"),
            ("a.example:8080/x/#y?z", "a.example:8080/x/"),
            ("android-app://com.example/", "com.example"),
            ("mailto:a://b/c", "b/c"),
            ("://", ""),
            ("", ""),
        ] {
            assert_eq!(host_and_path(url, &sealer), kept, "{url}");
        }
    }
}
