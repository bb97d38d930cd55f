//! A request's bytes as a tree that borrows from them, and its canonical form.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::Refusal;

/// What a body may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Objects and arrays inside one another.
    pub depth: usize,
    /// Values in the whole document.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 10,
            depth: 8,
            values: 1_000,
        }
    }
}

/// Members by name, in the order of their names.
pub(crate) type Object<'a> = BTreeMap<Cow<'a, str>, Json<'a>>;

/// A JSON value.
#[derive(PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A number beyond `i64` or with a fraction: no member takes one.
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// A JSON object, read once.
pub struct Body<'a>(Object<'a>);

impl fmt::Debug for Body<'_> {
    /// Without its content, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

impl<'a> Body<'a> {
    /// Reads a body. Refuses what is not UTF-8, not JSON, not an object, too big or too deep, and
    /// objects that name a member twice.
    pub fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        let malformed = |why: String| Refusal::Malformed(why);
        if bytes.len() > limits.bytes {
            return Err(malformed(format!("more than {} bytes", limits.bytes)));
        }
        let seed = Seed {
            values: &Cell::new(limits.values),
            depth: limits.depth,
        };
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let document = seed
            .deserialize(&mut reader)
            .map_err(|error| malformed(error.to_string()))?;
        reader.end().map_err(|error| malformed(error.to_string()))?;
        match document {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(malformed("expected a JSON object".to_owned())),
        }
    }

    /// A text member of the top level, if there is one and it is text: `request_id`, `ping_id`.
    pub fn text(&self, member: &str) -> Option<&str> {
        match self.0.get(member) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a member of the top level is `true`: `test`.
    pub fn flag(&self, member: &str) -> bool {
        matches!(self.0.get(member), Some(Json::Bool(true)))
    }

    /// Whether the top level has this member, and not null.
    pub(crate) fn has(&self, member: &str) -> bool {
        self.0.get(member).is_some_and(|json| *json != Json::Null)
    }

    /// The same bytes for the same document, whatever the order of members, white space and
    /// escapes: what an idempotency digest is taken over.
    pub fn canonical(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and the tree has text keys only.
        serde_json::to_vec(&Canonical(&self.0)).unwrap_or_default()
    }

    pub(crate) const fn members(&self) -> &Object<'a> {
        &self.0
    }
}

/// Reads one value, within what is left of the limits.
#[derive(Clone, Copy)]
struct Seed<'c> {
    values: &'c Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        depth
            .map(|depth| Self { depth, ..self })
            .ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json<'de>, D::Error> {
        let left = self.values.get().checked_sub(1);
        self.values
            .set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut object = Object::new();
        while let Some(Name(name)) = members.next_key_seed(NameSeed)? {
            match object.entry(name) {
                Entry::Vacant(place) => place.insert(members.next_value_seed(inner)?),
                Entry::Occupied(_) => return Err(A::Error::custom("a member is named twice")),
            };
        }
        Ok(Json::Object(object))
    }
}

struct NameSeed;

struct Name<'de>(Cow<'de, str>);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Name<'de>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

/// An object in canonical form: members by name.
struct Canonical<'b, 'a>(&'b Object<'a>);

impl Serialize for Canonical<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Int(value) => to.serialize_i64(*value),
            Self::Float(value) => to.serialize_f64(*value),
            Self::Text(value) => to.serialize_str(value),
            Self::List(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(members) => Canonical(members).serialize(to),
        }
    }
}
