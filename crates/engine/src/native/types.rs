//! The names of types, as they stand before a column's values, read as far as the values' bytes need it.

use std::fmt;

/// How the values of a type lie in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// So many bytes a value. Tuples of such types are one too: their columns follow one another.
    Fixed(u64),
    Text,
    Nullable(Box<Self>),
    /// Lengths, then all elements. A map is a list of pairs.
    Array(Box<Self>),
    Tuple(Vec<Self>),
    LowCardinality(Box<Self>),
    Variant(Vec<Self>),
    /// Its types stand before its values.
    Dynamic,
    /// The types of the paths that are declared; the others stand before the values.
    Json(Vec<Self>),
}

/// A type whose values nobody but the engine can find the end of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Types in types.
const MOST_DEPTH: usize = 64;

impl Type {
    pub(crate) fn parse(name: &str) -> Result<Self, Unknown> {
        parse(name, MOST_DEPTH)
    }

    /// What JSON keeps of paths that have no column of their own: names and values.
    pub(crate) fn pairs_of_texts() -> Self {
        Self::Array(Box::new(Self::Tuple(vec![Self::Text, Self::Text])))
    }
}

fn parse(name: &str, depth: usize) -> Result<Type, Unknown> {
    let name = name.trim();
    let unknown = || Unknown(name.to_owned());
    let depth = depth.checked_sub(1).ok_or_else(unknown)?;
    let (word, arguments) = match name.split_once('(') {
        None => (name, Vec::new()),
        Some((word, rest)) => {
            let inside = rest.strip_suffix(')').ok_or_else(unknown)?;
            (word.trim(), arguments(inside).ok_or_else(unknown)?)
        }
    };
    let inner = |at: usize| parse(arguments.get(at).ok_or_else(unknown)?, depth);
    let number = |at: usize| -> Result<u64, Unknown> {
        let digits = arguments.get(at).ok_or_else(unknown)?.trim();
        digits.parse().map_err(|_| unknown())
    };
    let named = || -> Result<Vec<Type>, Unknown> {
        let types = arguments
            .iter()
            .map(|element| parse(after_name(element), depth));
        types.collect()
    };
    Ok(match word {
        // Nothing takes a byte all the same.
        "Int8" | "UInt8" | "Bool" | "Enum8" | "Nothing" => Type::Fixed(1),
        "Int16" | "UInt16" | "BFloat16" | "Date" | "Enum16" => Type::Fixed(2),
        "Int32" | "UInt32" | "Float32" | "Date32" | "DateTime" | "Time" | "IPv4" => Type::Fixed(4),
        "Int64" | "UInt64" | "Float64" | "DateTime64" | "Time64" => Type::Fixed(8),
        "Int128" | "UInt128" | "UUID" | "IPv6" => Type::Fixed(16),
        "Int256" | "UInt256" => Type::Fixed(32),
        _ if word.starts_with("Interval") => Type::Fixed(8),
        "Decimal" => Type::Fixed(match number(0)? {
            0 => return Err(unknown()),
            1..=9 => 4,
            10..=18 => 8,
            19..=38 => 16,
            39..=76 => 32,
            _ => return Err(unknown()),
        }),
        "FixedString" => Type::Fixed(number(0)?),
        "QBit" => {
            let bits = match *arguments.first().ok_or_else(unknown)? {
                "Int8" => 8,
                "BFloat16" => 16,
                "Float32" => 32,
                "Float64" => 64,
                _ => return Err(unknown()),
            };
            let dimensions = number(1)?;
            let stride = if arguments.len() > 2 {
                number(2)?
            } else {
                dimensions
            };
            // A column for each bit of each group of dimensions.
            let groups = dimensions.checked_div(stride).ok_or_else(unknown)?;
            let width = groups.checked_mul(stride.div_ceil(8) * bits);
            Type::Fixed(width.ok_or_else(unknown)?)
        }
        "String" | "SharedVariant" => Type::Text,
        "Nullable" => Type::Nullable(Box::new(inner(0)?)),
        "Array" => Type::Array(Box::new(inner(0)?)),
        "Map" => Type::Array(Box::new(tuple(vec![inner(0)?, inner(1)?]))),
        "Nested" => Type::Array(Box::new(tuple(named()?))),
        "Tuple" => tuple(named()?),
        "LowCardinality" => Type::LowCardinality(Box::new(inner(0)?)),
        "SimpleAggregateFunction" => inner(1)?,
        "Variant" => Type::Variant(named()?),
        "Dynamic" => Type::Dynamic,
        "JSON" => Type::Json(typed_paths(&arguments, depth)?),
        "Point" => Type::Fixed(16),
        "Ring" | "LineString" => list(Type::Fixed(16), 1),
        "Polygon" | "MultiLineString" => list(Type::Fixed(16), 2),
        "MultiPolygon" => list(Type::Fixed(16), 3),
        "Geometry" => {
            // In the order of their names: lines, several lines, several polygons, point, polygon, ring.
            let depths = [1, 2, 3, 0, 2, 1];
            let shapes = depths.map(|depth| list(Type::Fixed(16), depth));
            Type::Variant(shapes.to_vec())
        }
        _ => return Err(unknown()),
    })
}

fn list(of: Type, depth: usize) -> Type {
    (0..depth).fold(of, |of, _| Type::Array(Box::new(of)))
}

fn tuple(elements: Vec<Type>) -> Type {
    let sum = elements
        .iter()
        .try_fold(0_u64, |sum, element| match element {
            Type::Fixed(width) => sum.checked_add(*width),
            _ => None,
        });
    match sum {
        // One without elements takes a byte all the same.
        _ if elements.is_empty() => Type::Fixed(1),
        Some(sum) => Type::Fixed(sum),
        None => Type::Tuple(elements),
    }
}

/// The declared paths, which the engine names in the order of their columns.
fn typed_paths(arguments: &[&str], depth: usize) -> Result<Vec<Type>, Unknown> {
    let limit = |argument: &str| {
        let name = argument.split('=').next().unwrap_or_default().trim();
        matches!(name, "max_dynamic_paths" | "max_dynamic_types")
    };
    let paths = arguments
        .iter()
        .filter(|argument| !limit(argument) && !argument.starts_with("SKIP "));
    paths.map(|path| parse(after_name(path), depth)).collect()
}

/// What is between the commas that are in no parentheses and no quotes; `None` if some are left open.
fn arguments(inside: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let (mut depth, mut start, mut at) = (0_u32, 0, 0);
    let bytes = inside.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b'\'' | b'`' | b'"' => {
                at += quoted(bytes.get(at..)?, *byte)?;
                continue;
            }
            b',' if depth == 0 => {
                found.push(inside.get(start..at)?.trim());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = inside.get(start..)?.trim();
    if !(last.is_empty() && found.is_empty()) {
        found.push(last);
    }
    (depth == 0).then_some(found)
}

/// The length of a quoted piece: a backslash escapes, and so does the quote itself.
fn quoted(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'\\' => at += 2,
            byte if byte != quote => at += 1,
            _ if text.get(at + 1) == Some(&quote) => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// ``name Type`` and `` `a name` Type``: the type. An element without a name is one from its beginning.
fn after_name(element: &str) -> &str {
    if element.starts_with('`') {
        let end = quoted(element.as_bytes(), b'`');
        return end.and_then(|end| element.get(end..)).unwrap_or_default();
    }
    let plain = element.split('(').next().unwrap_or_default();
    plain
        .find(' ')
        .and_then(|at| element.get(at..))
        .unwrap_or(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_engine_writes_them() {
        let text = || Type::Text;
        let array = |of| Type::Array(Box::new(of));
        for (name, expected) in [
            ("UInt256", Type::Fixed(32)),
            ("Decimal(38, 4)", Type::Fixed(16)),
            ("DateTime64(3, 'Asia/Istanbul')", Type::Fixed(8)),
            ("Enum8('a\\')' = 1, 'b,(' = -2)", Type::Fixed(1)),
            ("IntervalMonth", Type::Fixed(8)),
            ("Tuple()", Type::Fixed(1)),
            ("Tuple(a UInt8, `b c` Tuple(UInt16, Int32))", Type::Fixed(7)),
            ("QBit(Float32, 9)", Type::Fixed(64)),
            ("QBit(BFloat16, 32, 8)", Type::Fixed(64)),
            (
                "Map(String, UInt8)",
                array(Type::Tuple(vec![text(), Type::Fixed(1)])),
            ),
            (
                "Nested(a UInt8, `b``)` String)",
                array(Type::Tuple(vec![Type::Fixed(1), text()])),
            ),
            (
                "Array(LowCardinality(Nullable(String)))",
                array(Type::LowCardinality(Box::new(Type::Nullable(Box::new(
                    text(),
                ))))),
            ),
            (
                "SimpleAggregateFunction(groupArrayArray(3), Array(String))",
                array(text()),
            ),
            ("Polygon", array(array(Type::Fixed(16)))),
            (
                "Variant(String, UInt64)",
                Type::Variant(vec![text(), Type::Fixed(8)]),
            ),
            ("Dynamic(max_types=3)", Type::Dynamic),
            ("JSON", Type::Json(vec![])),
            (
                "JSON(max_dynamic_paths=2, `SKIP` UInt8, a.b Array(String), SKIP c, SKIP REGEXP '(,')",
                Type::Json(vec![Type::Fixed(1), array(text())]),
            ),
        ] {
            assert_eq!(Type::parse(name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_type_is_said() {
        let deep = format!("{}UInt8{}", "Array(".repeat(70), ")".repeat(70));
        for name in [
            "",
            "(",
            "UInt7",
            "Array",
            "Array(",
            "Array()",
            "Array(UInt8",
            "Tuple(a UInt8",
            "Enum8('",
            "Decimal(0, 0)",
            "Decimal(77, 0)",
            "FixedString(x)",
            "QBit(Float32, 8, 0)",
            "Array(UInt8)x",
            "QBit(Float32, 18446744073709551615, 1)",
            "AggregateFunction(sum, UInt8)",
            &deep,
        ] {
            assert!(Type::parse(name).is_err(), "{name}");
        }
    }
}
