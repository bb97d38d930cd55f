//! One JSON event, read once: its members as names and texts, with a nested one's name behind its
//! object's (`utm/source`), and everything that is not text as an issue.

use std::borrow::Cow;
use std::fmt;

use httpd::{Code, Issue, Problem};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// More members than any event has.
const MEMBERS: usize = 64;

/// An event that is no JSON object, or names a member twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The members of an event.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    pub(crate) pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) issues: Vec<Issue>,
    /// All names, also of what is no text.
    seen: Vec<Cow<'a, str>>,
}

impl<'a> Members<'a> {
    /// Those of this event instead: what they took in memory serves again.
    pub(crate) fn read(&mut self, event: &'a [u8]) -> Result<(), Malformed> {
        self.pairs.clear();
        self.issues.clear();
        self.seen.clear();
        let mut reader = serde_json::Deserializer::from_slice(event);
        let outer = Object {
            members: self,
            prefix: "",
        };
        serde::Deserializer::deserialize_map(&mut reader, outer).map_err(|_| Malformed)?;
        reader.end().map_err(|_| Malformed)
    }

    /// Notes every member that is none of these.
    pub(crate) fn only(&mut self, known: impl Fn(&str) -> bool) {
        let unknown = self.seen.iter().filter(|name| !known(name));
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
            let seen = &mut self.members.seen;
            if seen.len() >= MEMBERS || seen.contains(&path) {
                return Err(A::Error::custom("a member twice, or too many"));
            }
            seen.push(path.clone());
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
        self.members.seen.retain(|name| *name != self.path);
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

/// The events of a JSON array, each still as it was sent.
pub(crate) fn array(body: &[u8], most: usize) -> Result<Vec<&[u8]>, BadBatch> {
    struct Events<'c> {
        most: usize,
        too_many: &'c mut bool,
    }
    impl<'a> Visitor<'a> for Events<'_> {
        type Value = Vec<&'a [u8]>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut events = Vec::new();
            while let Some(event) = list.next_element::<&'a RawValue>()? {
                if events.len() >= self.most {
                    *self.too_many = true;
                    return Err(A::Error::custom("too many"));
                }
                events.push(event.get().as_bytes());
            }
            Ok(events)
        }
    }
    let mut too_many = false;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let visitor = Events {
        most,
        too_many: &mut too_many,
    };
    let read = serde::Deserializer::deserialize_seq(&mut reader, visitor)
        .and_then(|events| reader.end().map(|()| events));
    read.map_err(|_| {
        if too_many {
            BadBatch::TooMany(most)
        } else {
            BadBatch::Malformed
        }
    })
}

/// The events of a body with one JSON object a line.
pub(crate) fn lines(body: &[u8], most: usize) -> Result<Vec<&[u8]>, BadBatch> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut events = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if events.len() >= most {
            return Err(BadBatch::TooMany(most));
        }
        events.push(line);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and texts, and where the issues are.
    type Read = (Vec<(String, String)>, Vec<String>);

    fn read(text: &str) -> Result<Read, Malformed> {
        let mut members = Members::default();
        members.read(br#"{"type":"another","x":1}"#)?;
        members.read(text.as_bytes())?;
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
        assert_eq!(
            array(b"[ {\"a\": 1} , 2, \"x\" ]", 3),
            Ok(vec![&b"{\"a\": 1}"[..], b"2", b"\"x\""])
        );
        assert_eq!(array(b"[1,2,3,4]", 3), Err(BadBatch::TooMany(3)));
        for bad in [&b""[..], b"{}", b"[1", b"[1] x", b"[\xff]"] {
            assert_eq!(array(bad, 3), Err(BadBatch::Malformed));
        }
        assert_eq!(lines(b"1\n\n {}\r\nx", 3), Ok(vec![&b"1"[..], b"{}", b"x"]));
        assert_eq!(lines(b"1\n2\n3\n4", 3), Err(BadBatch::TooMany(3)));
    }
}
