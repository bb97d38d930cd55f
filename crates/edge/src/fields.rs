//! What a sender said, as names and texts, and what was found wrong with it so far.
//!
//! Parameters of a postback and members of a JSON event are read by the same rules through this.

use std::borrow::Cow;

use domain::Timestamp;
use httpd::Issue;

/// Names and values in order, decoded.
pub(crate) type Pairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// What names have in common with others, a bit each: two without the same one differ, so that most need not be
/// compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u64);

impl Marks {
    fn of(name: &str) -> u64 {
        let sign = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
        let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
        1 << ((name.len() + 5 * sign(first) + 11 * sign(last)) % 64)
    }

    /// Adds a name's.
    pub(crate) fn add(&mut self, name: &str) {
        self.0 |= Self::of(name);
    }

    /// Whether the name may be among those that were added; surely not if not.
    pub(crate) fn may_have(self, name: &str) -> bool {
        self.0 & Self::of(name) != 0
    }
}

/// The pairs, and the issues found so far.
pub(crate) struct Fields<'a> {
    pairs: &'a Pairs<'a>,
    marks: Marks,
    unexpanded: bool,
    issues: Vec<Issue>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(pairs: &'a Pairs<'a>) -> Self {
        let mut marks = Marks::default();
        for (name, _) in pairs {
            marks.add(name);
        }
        Self::after(pairs, marks, Vec::new())
    }

    /// As [`Self::of`], where something has been found already.
    pub(crate) fn after(pairs: &'a Pairs<'a>, marks: Marks, issues: Vec<Issue>) -> Self {
        Self {
            pairs,
            marks,
            unexpanded: false,
            issues,
        }
    }

    pub(crate) fn issue(
        &mut self,
        name: &str,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.issues.push(Issue {
            pointer: format!("/{name}").into(),
            code: code.into(),
            message: message.into(),
        });
    }

    /// Notes that something is missing.
    pub(crate) fn required(&mut self, name: &str) {
        self.issue(name, "required", "is missing");
    }

    /// Whether a macro was seen that the sender's system should have replaced.
    pub(crate) fn unexpanded(&self) -> bool {
        self.unexpanded
    }

    /// All that was found, if anything was.
    pub(crate) fn finish(self) -> Result<(), Vec<Issue>> {
        if self.issues.is_empty() {
            Ok(())
        } else {
            Err(self.issues)
        }
    }

    /// A parameter's one value, trimmed. An empty one is none.
    pub(crate) fn raw(&mut self, name: &str) -> Option<&'a str> {
        if !self.marks.may_have(name) {
            return None;
        }
        let pairs = self.pairs;
        let mut values = pairs
            .iter()
            .filter(|(own, _)| is_same(own, name))
            .map(|(_, value)| value.trim());
        let value = values.next()?;
        if values.any(|other| other != value) {
            self.issue(
                name,
                "repeated",
                "is there more than once, with different values",
            );
        }
        if value.contains('\u{fffd}') {
            self.issue(name, "not_utf8", "is not UTF-8");
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// As [`Self::raw`]; a macro that nobody expanded is noted.
    pub(crate) fn value(&mut self, name: &str) -> Option<&'a str> {
        let value = self.raw(name)?;
        self.unexpanded |= is_macro(value);
        Some(value)
    }

    /// As [`Self::value`], but none for a macro: it is no value to be read.
    pub(crate) fn readable(&mut self, name: &str) -> Option<&'a str> {
        self.value(name).filter(|value| !is_macro(value))
    }

    /// As [`Self::value`], of so many bytes at most.
    pub(crate) fn text(&mut self, name: &str, most: usize) -> Option<&'a str> {
        let value = self.value(name)?;
        if value.len() > most {
            self.issue(name, "too_long", format!("is longer than {most} bytes"));
        }
        Some(value)
    }

    /// A time: RFC 3339, or seconds or milliseconds since 1970 as the macros of the field give them.
    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.readable(name)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let at = match (digits, text.len()) {
            (true, 10) => text.parse().ok().map(|s: i64| s.saturating_mul(1_000_000)),
            (true, 13) => text.parse().ok().map(|ms: i64| ms.saturating_mul(1_000)),
            (true, _) => None,
            (false, _) => Timestamp::parse(text).ok().map(Timestamp::as_micros),
        };
        if at.is_none() {
            self.issue(
                name,
                "not_a_time",
                "is no time: RFC 3339, or seconds or milliseconds since 1970",
            );
        }
        at.map(Timestamp::from_micros)
    }
}

/// Whether names are the same: most that are as long begin with something else.
fn is_same(name: &str, other: &str) -> bool {
    let (name, other) = (name.as_bytes(), other.as_bytes());
    name.len() == other.len() && name.first() == other.first() && name == other
}

/// `{clickid}`, also escaped once more.
fn is_macro(value: &str) -> bool {
    // Most values hold none of the signs that a macro needs.
    if !value.bytes().any(|sign| matches!(sign, b'{' | b'}' | b'%')) {
        return false;
    }
    let escaped = |at: usize| {
        let end = value.get(at..at.saturating_add(3));
        end.is_some_and(|text| text.eq_ignore_ascii_case("%7b") || text.eq_ignore_ascii_case("%7d"))
    };
    value.contains(['{', '}']) || value.match_indices('%').any(|(at, _)| escaped(at))
}
