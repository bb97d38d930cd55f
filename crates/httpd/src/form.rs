//! `application/x-www-form-urlencoded`, which is also what a query string is.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The pairs of a form or query, decoded, in order; bytes that are not UTF-8 become U+FFFD.
pub fn pairs(form: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form.split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = match equals.and_then(|at| pair.split_at_checked(at)) {
                Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
                None => (pair, &[][..]),
            };
            (decode(name), decode(value))
        })
}

fn decode(text: &[u8]) -> Cow<'_, str> {
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect();
        return Cow::Owned(percent_decode(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_apart() {
        for (form, expected) in [
            ("", &[][..]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("&&a=&=b&c", &[("a", ""), ("", "b"), ("c", "")]),
            ("a=1%2B1+x&a=%7Bid%7D", &[("a", "1+1 x"), ("a", "{id}")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a=%ff%zz%", &[("a", "\u{fffd}%zz%")]),
        ] {
            let pairs: Vec<_> = pairs(form.as_bytes()).collect();
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!(pairs, expected, "{form}");
        }
    }
}
