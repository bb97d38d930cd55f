//! A path taken apart at its slashes, for a `match` to route on.

use std::ops::Deref;

/// More than any route has.
const MOST: usize = 10;

/// The segments of a path. Derefs to a slice: `match &*segments { ["c", link] => .. }`.
///
/// Nothing is decoded: names in our paths need no escapes, so an escaped one is an unknown one. A
/// path with more segments than any route has keeps its rest in the last one.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    parts: [&'a str; MOST],
    len: usize,
}

impl<'a> Segments<'a> {
    /// Of an absolute path.
    pub fn of(path: &'a str) -> Self {
        let (mut parts, mut len) = ([""; MOST], 0);
        let path = path.strip_prefix('/').unwrap_or(path);
        for (to, part) in parts.iter_mut().zip(path.splitn(MOST, '/')) {
            *to = part;
            len += 1;
        }
        Self { parts, len }
    }
}

impl<'a> Deref for Segments<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        self.parts.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart() {
        for (path, parts) in [
            ("/", &[""][..]),
            ("/c/ln-1", &["c", "ln-1"]),
            ("/c/", &["c", ""]),
            ("//c", &["", "c"]),
            ("*", &["*"]),
            (
                "/1/2/3/4/5/6/7/8/9/10/11",
                &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10/11"],
            ),
        ] {
            assert_eq!(&*Segments::of(path), parts, "{path}");
        }
    }
}
