//! The JSON events of a batch, read once: of each its members as names and texts, with a nested one's name
//! behind its object's (`utm/source`), and everything that is not text as an issue.

use std::borrow::Cow;
use std::fmt;

use httpd::{Code, Issue, Problem};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::fields::Marks;

/// More members than any event has.
const MEMBERS: usize = 64;
/// As many as most have.
const USUAL: usize = 16;

/// An event that is no JSON object, or names a member twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The members of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Members<'a> {
    pub(crate) pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) issues: Vec<Issue>,
    /// Names of what is no text.
    others: Vec<Cow<'a, str>>,
    /// The marks of all names.
    pub(crate) marks: Marks,
}

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Self {
            pairs: Vec::with_capacity(USUAL),
            issues: Vec::new(),
            others: Vec::new(),
            marks: Marks::default(),
        };
        deserializer.deserialize_map(Object {
            members: &mut members,
            prefix: "",
        })?;
        Ok(members)
    }
}

impl<'a> Members<'a> {
    /// Those of this event.
    pub(crate) fn of(event: &'a str) -> Result<Self, Malformed> {
        serde_json::from_str(event).map_err(|_| Malformed)
    }

    fn names(&self) -> impl Iterator<Item = &Cow<'a, str>> {
        self.pairs.iter().map(|(name, _)| name).chain(&self.others)
    }

    /// Whether a name has not come before, and one more may come.
    fn is_new(&mut self, name: &str) -> bool {
        let before = self.marks.may_have(name) && self.names().any(|own| own == name);
        self.marks.add(name);
        !before && self.pairs.len() + self.others.len() < MEMBERS
    }

    /// Notes every member that is none of these.
    pub(crate) fn only(&mut self, known: impl Fn(&str) -> bool) {
        let unknown = self.names().filter(|name| !known(name)).cloned();
        let mut unknown: Vec<_> = unknown.collect();
        unknown.sort();
        for name in unknown {
            self.issues.push(Issue {
                pointer: format!("/{name}").into(),
                code: "unknown_member".into(),
                message: "is no member of such an event".into(),
            });
        }
    }
}

/// An object whose members are read into `members`.
struct Object<'m, 'a> {
    members: &'m mut Members<'a>,
    prefix: &'m str,
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let path = match self.prefix {
                "" => name,
                prefix => format!("{prefix}/{name}").into(),
            };
            if !self.members.is_new(&path) {
                return Err(A::Error::custom("a member twice, or too many"));
            }
            let nested = !self.prefix.is_empty();
            map.next_value_seed(Member {
                members: self.members,
                path,
                nested,
            })?;
        }
        Ok(())
    }
}

/// A member's name, borrowed where it is written plainly.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(name.into())
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'a, str>, E> {
        Ok(name.to_owned().into())
    }
}

/// The value of a member.
struct Member<'m, 'a> {
    members: &'m mut Members<'a>,
    path: Cow<'a, str>,
    nested: bool,
}

impl Member<'_, '_> {
    fn wrong(self) {
        self.members.issues.push(Issue {
            pointer: format!("/{}", self.path).into(),
            code: "wrong_type".into(),
            message: "expected text".into(),
        });
        self.members.others.push(self.path);
    }
}

impl<'a> DeserializeSeed<'a> for Member<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Member<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.members.pairs.push((self.path, text.into()));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let text = text.to_owned();
        self.members.pairs.push((self.path, text.into()));
        Ok(())
    }

    /// As if it were not there.
    fn visit_unit<E>(self) -> Result<(), E> {
        self.members.others.push(self.path);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.wrong();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.wrong();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.wrong();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.wrong();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.wrong();
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        if self.nested {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.wrong();
            return Ok(());
        }
        // What it holds says whether it may be there.
        Object {
            members: self.members,
            prefix: &self.path,
        }
        .visit_map(map)
    }
}

/// Why a batch cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBatch {
    /// It is no JSON array.
    Malformed,
    /// It holds more events than this.
    TooMany(usize),
}

impl From<BadBatch> for Problem {
    fn from(bad: BadBatch) -> Self {
        match bad {
            BadBatch::Malformed => Self::new(Code::Malformed, "expected a JSON array of events"),
            BadBatch::TooMany(most) => {
                Self::new(Code::BodyTooLarge, format!("more than {most} events"))
            }
        }
    }
}

/// The events of a batch, or that one cannot be read.
pub(crate) type Events<'a> = Vec<Result<Members<'a>, Malformed>>;

/// The events of a JSON array. Most arrays are as they should be, and one pass is enough. Where anything is not,
/// the array is taken apart before its events are read: one that cannot be keeps no other from the log.
pub(crate) fn array(body: &[u8], most: usize) -> Result<Events<'_>, BadBatch> {
    let text = std::str::from_utf8(body).map_err(|_| BadBatch::Malformed)?;
    sequence(text, most, Ok)
        .or_else(|_| sequence(text, most, |event: &RawValue| Members::of(event.get())))
}

fn sequence<'a, T: Deserialize<'a>>(
    text: &'a str,
    most: usize,
    read: fn(T) -> Result<Members<'a>, Malformed>,
) -> Result<Events<'a>, BadBatch> {
    let mut too_many = false;
    let mut reader = serde_json::Deserializer::from_str(text);
    let list = List {
        most,
        read,
        too_many: &mut too_many,
    };
    let events = reader.deserialize_seq(list);
    events
        .and_then(|events| reader.end().map(|()| events))
        .map_err(|_| match too_many {
            true => BadBatch::TooMany(most),
            false => BadBatch::Malformed,
        })
}

/// A list of at most so many `T`, each to be read as an event.
struct List<'a, 'c, T> {
    most: usize,
    read: fn(T) -> Result<Members<'a>, Malformed>,
    too_many: &'c mut bool,
}

impl<'a, T: Deserialize<'a>> Visitor<'a> for List<'a, '_, T> {
    type Value = Events<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element()? {
            if events.len() >= self.most {
                *self.too_many = true;
                return Err(A::Error::custom("too many"));
            }
            events.push((self.read)(event));
        }
        Ok(events)
    }
}

/// The events of a body with one JSON object a line.
pub(crate) fn lines(body: &[u8], most: usize) -> Result<Events<'_>, BadBatch> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut events = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if events.len() >= most {
            return Err(BadBatch::TooMany(most));
        }
        let line = std::str::from_utf8(line).map_err(|_| Malformed);
        events.push(line.and_then(Members::of));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and texts, and where the issues are.
    type Read = (Vec<(String, String)>, Vec<String>);

    fn read(text: &str) -> Result<Read, Malformed> {
        let members = Members::of(text)?;
        let pairs = members.pairs.into_iter();
        let issues = members.issues.iter().map(|issue| issue.pointer.to_string());
        Ok((
            pairs
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            issues.collect(),
        ))
    }

    #[test]
    fn an_event_comes_apart() {
        let pairs = |pairs: &[(&str, &str)]| {
            let own = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            own.collect::<Vec<_>>()
        };
        let issues = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            read(
                r#"{"type":"visit","utm":{"source":"a\nb","n":1,"o":{}},"x":null,"y":[1],"z":1.5}"#
            ),
            Ok((
                pairs(&[("type", "visit"), ("utm/source", "a\nb")]),
                issues(&["/utm/n", "/utm/o", "/y", "/z"])
            ))
        );
        assert_eq!(read("{}"), Ok((vec![], vec![])));
        for bad in [
            "",
            "[]",
            "1",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1",
            "{} {}",
            "{\"u\":{\"a\":1,\"a\":1}}",
        ] {
            assert_eq!(read(bad), Err(Malformed), "{bad}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(read(&deep), Ok((vec![], issues(&["/a"]))));
        let many: Vec<_> = (0..65).map(|n| format!("\"m{n}\":1")).collect();
        assert_eq!(read(&format!("{{{}}}", many.join(","))), Err(Malformed));
    }

    #[test]
    fn a_batch_comes_apart() {
        let one = || Members::of(r#"{"a":"1"}"#);
        assert_eq!(
            array(br#"[ {"a": "1"} , {"a":"1"} ]"#, 2),
            Ok(vec![one(), one()])
        );
        assert_eq!(array(b"[]", 3), Ok(vec![]));
        assert_eq!(array(b"[1,2,3,4]", 3), Err(BadBatch::TooMany(3)));
        for bad in [
            &b""[..],
            b"{}",
            b"[1",
            b"[1] x",
            b"[\xff]",
            b"[{\"a\":\"\xff\"}]",
        ] {
            assert_eq!(array(bad, 3), Err(BadBatch::Malformed));
        }
        assert_eq!(
            lines(b"{\"a\":\"1\"}\n\n {}\r\nx\n\xff", 4),
            Ok(vec![
                one(),
                Members::of("{}"),
                Err(Malformed),
                Err(Malformed)
            ])
        );
        assert_eq!(lines(b"1\n2\n3\n4", 3), Err(BadBatch::TooMany(3)));
    }

    /// What is wrong with an event, and leaves its array one, is the event's own affair.
    #[test]
    fn an_event_that_cannot_be_read_keeps_no_other_from_being_read() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let many: Vec<_> = (0..65).map(|n| format!("\"m{n}\":\"\"")).collect();
        let many = format!("{{{}}}", many.join(","));
        for bad in [
            "1",
            "\"x\"",
            "[]",
            "null",
            r#"{"a":"1","a":"1"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1e999}"#,
            &deep,
            &many,
        ] {
            let body = format!(r#"[{{"a":"1"}},{bad},{{"a":"1"}}]"#);
            let one = || Members::of(r#"{"a":"1"}"#);
            let expected = vec![one(), Err(Malformed), one()];
            assert_eq!(array(body.as_bytes(), 3), Ok(expected), "{bad:.40}");
        }
    }
}
