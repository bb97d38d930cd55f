//! What a read-only client must not say, beyond what the engine refuses itself.
//!
//! Under `readonly = 1` the engine refuses writes, table functions that leave it, and settings. Three
//! ways around that were seen (26.7.3), and are closed here on the statement's text:
//! `SETTINGS readonly = 0` inside a subquery takes the restriction off for that subquery; the
//! ordinary function `file` reads the machine's files; and `DESCRIBE` of a table function looks into
//! what the function names. `KILL` and other commands are refused by their class.

use crate::exception::{Code, Exception};
use crate::ffi::{Analysis, QueryClass};
use crate::lexer::{Kind, slices};

/// Functions that reach outside the engine or run text made by the query itself.
const OUTSIDE: [&str; 10] = [
    "file",
    "eval",
    "cluster",
    "clusterAllReplicas",
    "catboostEvaluate",
    "aiClassify",
    "aiEmbed",
    "aiExtract",
    "aiGenerate",
    "aiTranslate",
];

/// Refuses what changes something.
pub(crate) fn reads(analysis: Analysis) -> Result<(), Exception> {
    if analysis.class == QueryClass::ReadOnly {
        Ok(())
    } else {
        Err(refused("Cannot execute query in readonly mode"))
    }
}

/// Refuses what only looks like reading, too.
pub(crate) fn check(text: &[u8], analysis: Analysis) -> Result<(), Exception> {
    reads(analysis)?;
    let tokens = slices(text);
    let is = |token: &(Kind, &[u8]), word: &str| {
        token.0 == Kind::Word && token.1.eq_ignore_ascii_case(word.as_bytes())
    };
    let applies = tokens.iter().any(|token| is(token, "APPLY"));
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(|token| token.0);
        if is(token, "SETTINGS") && is_name(next) {
            let after = tokens.get(at + 2).map(|token| token.0);
            if matches!(after, Some(Kind::Punctuation(b'=' | b','))) {
                return Err(refused("Cannot modify settings in readonly mode"));
            }
        }
        let called = next == Some(Kind::Punctuation(b'('));
        if (called || applies) && names_outside(*token) {
            return Err(refused(
                "Functions that reach outside the engine are not allowed in readonly mode",
            ));
        }
    }
    let mut described = tokens.iter().skip(1).skip_while(|token| is(token, "TABLE"));
    let describes = tokens
        .first()
        .is_some_and(|token| is(token, "DESCRIBE") || is(token, "DESC"));
    if describes && is_name(described.next().map(|token| token.0)) {
        let called = described
            .next()
            .is_some_and(|token| token.0 == Kind::Punctuation(b'('));
        if called {
            return Err(refused(
                "A table function cannot be described in readonly mode",
            ));
        }
    }
    Ok(())
}

pub(crate) fn refused(message: &str) -> Exception {
    Exception::new(Code::Readonly, format!("default: {message}"))
}

fn is_name(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Word | Kind::Quoted))
}

/// A quoted name may be written with escapes; such a one is not looked into but taken for a match.
fn names_outside((kind, text): (Kind, &[u8])) -> bool {
    let name = match (kind, text) {
        (Kind::Word, name) => name,
        (Kind::Quoted, [b'`' | b'"', name @ .., b'`' | b'"']) => name,
        // Typographic quotes make names too.
        (Kind::Quoted, [0xE2, 0x80, 0x9C, name @ .., 0xE2, 0x80, 0x9D]) => name,
        _ => return false,
    };
    (kind == Kind::Quoted && name.contains(&b'\\'))
        || OUTSIDE
            .iter()
            .any(|outside| name.eq_ignore_ascii_case(outside.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, class: QueryClass) -> bool {
        check(
            text.as_bytes(),
            Analysis {
                statements: 1,
                class,
            },
        )
        .is_ok()
    }

    #[test]
    fn ways_around_are_closed() {
        for text in [
            "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
            "SELECT * FROM (SELECT 1 settings `read\\x6fnly`=0)",
            "SELECT * FROM (SELECT 1 SETTINGS log_queries, readonly=0)",
            "SELECT * FROM (SELECT 1 SETTINGS/**/\u{a0}readonly=0)",
            "SELECT 1 AS a$$, * FROM (SELECT 1 SETTINGS readonly=0)",
            "SELECT \u{2018}'\u{2019}, * FROM (SELECT 1 SETTINGS readonly=0)",
            "SELECT file('x')",
            "SELECT file /* x */ ('x')",
            "SELECT `file`('x')",
            "SELECT \"fi\\x6ce\"('x')",
            "SELECT \u{201c}file\u{201d}('x')",
            "SELECT * APPLY file FROM t",
            "SELECT * FROM eval('SELECT 1')",
            "DESCRIBE TABLE url('http://x')",
            "desc file('x')",
        ] {
            assert!(!allowed(text, QueryClass::ReadOnly), "{text}");
        }
        assert!(!allowed("KILL QUERY WHERE 1", QueryClass::Control));
        assert!(!allowed("INSERT INTO t SELECT 1", QueryClass::Mutating));
        assert!(!allowed("EXECUTE AS x SELECT 1", QueryClass::Unknown));
    }

    #[test]
    fn reading_is_allowed() {
        for text in [
            "SELECT 1",
            "SELECT 'SETTINGS readonly = 0', 'file(' -- SETTINGS readonly = 0",
            "SELECT Settings['x'] = 'y' FROM system.processes",
            "SELECT file FROM logs",
            "SELECT count() FROM (SELECT settings FROM t WHERE settings = 1)",
            "DESCRIBE TABLE t",
            "DESCRIBE (SELECT 1)",
            "SHOW TABLES",
        ] {
            assert!(allowed(text, QueryClass::ReadOnly), "{text}");
        }
    }
}
