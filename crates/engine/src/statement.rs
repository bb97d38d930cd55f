//! Where an INSERT ends and its rows begin, found as the server finds it.
//!
//! The rows of an INSERT are bytes of some format: they must reach the engine untouched and must
//! not be looked at as SQL. So the text is read token by token only up to the place where
//! ClickHouse's own parser (`ParserInsertQuery`) stops. The text may still be arriving: a reader
//! that cannot tell yet says so.

use std::ops::Range;

use crate::lexer::{Kind, Lexer, Stop, Token, bare_words, tokens};

/// What a text starts with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The text ends too early to tell; ask again with more of it.
    Incomplete,
    /// An INSERT whose rows follow in the same stream of bytes.
    Insert(Insert),
    /// `INSERT .. FROM INFILE`: a file of the machine, which HTTP clients must not name.
    Infile,
    /// Anything else: no data follows.
    Other,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Insert {
    /// The statement without `FORMAT` and data.
    pub statement: Vec<u8>,
    pub format: String,
    /// Where the rows begin.
    pub data: usize,
}

/// Reads the head of `text`; `whole` says that nothing follows it.
pub(crate) fn head(text: &[u8], whole: bool) -> Head {
    let mut lexer = Lexer::new(text, whole);
    match insert_head(&mut lexer) {
        Ok(head) => head,
        Err(Stop::MoreNeeded) => Head::Incomplete,
        Err(Stop::NotThis) => Head::Other,
    }
}

/// The name in the `FORMAT` clause that ends a statement without data.
pub(crate) fn output_format(text: &[u8]) -> Option<&str> {
    format_clause(&tokens(text), text).map(|(_, name)| name)
}

/// The statement with its result directed into a file. `format` is for one that names none.
pub(crate) fn into_file(text: &[u8], path: &str, format: &str) -> Vec<u8> {
    let tokens = tokens(text);
    let (at, clause) = match format_clause(&tokens, text) {
        Some((at, _)) => (at, String::new()),
        None => (end(&tokens), format!("FORMAT {format}")),
    };
    let (before, after) = text.split_at(at.min(text.len()));
    let into = format!(" INTO OUTFILE '{path}' TRUNCATE {clause}");
    [before, into.as_bytes(), after].concat()
}

/// A text as it stands in a statement.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The statement as it can stand in parentheses: without its `FORMAT` clause and what ends it.
pub(crate) fn within(text: &[u8]) -> Vec<u8> {
    let tokens = tokens(text);
    let slice = |range: Range<usize>| text.get(range).unwrap_or_default();
    let Some((at, _)) = format_clause(&tokens, text) else {
        return slice(0..end(&tokens)).to_vec();
    };
    let (before, clause) = tokens.split_at(tokens.partition_point(|token| token.range.start < at));
    let after = clause.get(1).map_or(text.len(), |name| name.range.end);
    let last = end(&tokens).max(after);
    [slice(0..end(before)), b" ", slice(after..last)].concat()
}

/// Where these tokens end, but for semicolons.
fn end(tokens: &[Token]) -> usize {
    let semicolon = |token: &&Token| token.kind == Kind::Punctuation(b';');
    let last = tokens.iter().rev().find(|token| !semicolon(token));
    last.map_or(0, |token| token.range.end)
}

/// Where the `FORMAT` clause begins, and the name in it.
fn format_clause<'t>(tokens: &[Token], text: &'t [u8]) -> Option<(usize, &'t str)> {
    let slice = |token: &Token| text.get(token.range.clone()).unwrap_or_default();
    let is_word = |token: &Token, word: &str| {
        token.kind == Kind::Word && slice(token).eq_ignore_ascii_case(word.as_bytes())
    };
    let at = tokens.iter().rposition(|token| is_word(token, "FORMAT"))?;
    let ends = match tokens.get(at + 2) {
        None => true,
        Some(next) => next.kind != Kind::Word || is_word(next, "SETTINGS"),
    };
    let name = tokens.get(at + 1).filter(|name| name.kind == Kind::Word)?;
    let name = std::str::from_utf8(slice(name)).ok()?;
    ends.then_some((tokens.get(at)?.range.start, name))
}

/// Says whether these words follow one another in the statement, outside strings and comments.
pub(crate) fn has_words(text: &[u8], words: &[&str]) -> bool {
    bare_words(text).windows(words.len()).any(|window| {
        window
            .iter()
            .zip(words)
            .all(|(have, want)| have.eq_ignore_ascii_case(want.as_bytes()))
    })
}

/// Says whether this is the statement's first word.
pub(crate) fn starts_with(text: &[u8], word: &str) -> bool {
    let mut lexer = Lexer::new(text, true);
    matches!(lexer.next(), Ok(Some(token)) if lexer.is_word(&token, word))
}

/// Says whether the statement is a SELECT by its first word: the kind that can be streamed.
pub(crate) fn is_select(text: &[u8]) -> bool {
    let mut lexer = Lexer::new(text, true);
    loop {
        match lexer.next() {
            Ok(Some(token)) if token.kind == Kind::Punctuation(b'(') => {}
            Ok(Some(token)) => {
                return ["SELECT", "WITH", "FROM"]
                    .iter()
                    .any(|word| lexer.is_word(&token, word));
            }
            Ok(None) | Err(_) => return false,
        }
    }
}

fn insert_head(lexer: &mut Lexer<'_>) -> Result<Head, Stop> {
    let first = lexer.need()?;
    if !lexer.is_word(&first, "INSERT") {
        return Err(Stop::NotThis);
    }
    let mut token = lexer.need()?;
    if lexer.is_word(&token, "INTO") {
        token = lexer.need()?;
    }
    if lexer.is_word(&token, "TABLE") {
        token = lexer.need()?;
    }
    if lexer.is_word(&token, "FUNCTION") {
        token = lexer.need()?;
    }
    // The target's name may be any word, so it is not looked at: `INSERT INTO format FORMAT CSV`.
    let mut depth = 0_u32;
    skip_name(lexer, &token)?;
    loop {
        token = lexer.need()?;
        if token.kind != Kind::Punctuation(b'.') {
            break;
        }
        let name = lexer.need()?;
        skip_name(lexer, &name)?;
    }
    loop {
        match token.kind {
            Kind::Punctuation(b'(' | b'[' | b'{') => depth += 1,
            Kind::Punctuation(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Kind::Word if depth <= 1 && lexer.is_any(&token, &["SELECT", "WITH", "WATCH"]) => {
                return Err(Stop::NotThis);
            }
            Kind::Word if depth == 0 && lexer.is_word(&token, "FROM") => {
                let next = lexer.need()?;
                let infile = lexer.is_word(&next, "INFILE");
                return if infile {
                    Ok(Head::Infile)
                } else {
                    Err(Stop::NotThis)
                };
            }
            Kind::Word if depth == 0 && lexer.is_word(&token, "VALUES") => {
                return Ok(Head::Insert(Insert {
                    statement: lexer
                        .text
                        .get(..token.range.start)
                        .unwrap_or_default()
                        .to_vec(),
                    format: "Values".to_owned(),
                    data: token.range.end,
                }));
            }
            Kind::Word if depth == 0 && lexer.is_word(&token, "FORMAT") => {
                return with_format(lexer, token.range.start);
            }
            _ => {}
        }
        token = lexer.need()?;
    }
}

/// A name is one token, or `{parameter:Identifier}`.
fn skip_name(lexer: &mut Lexer<'_>, first: &Token) -> Result<(), Stop> {
    if first.kind == Kind::Punctuation(b'{') {
        while lexer.need()?.kind != Kind::Punctuation(b'}') {}
    }
    Ok(())
}

fn with_format(lexer: &mut Lexer<'_>, statement_end: usize) -> Result<Head, Stop> {
    let name = lexer.need()?;
    let format = String::from_utf8_lossy(lexer.slice(&name)).into_owned();
    let mut statement = lexer.text.get(..statement_end).unwrap_or_default().to_vec();
    let mut end = name.range.end;
    if let Some(settings) = settings_after_format(lexer, end)? {
        statement.extend_from_slice(lexer.text.get(settings.clone()).unwrap_or_default());
        end = settings.end;
    }
    // What stands before the rows: an optional `;`, blanks, and one line end.
    let mut data = end;
    let at = |data: usize| lexer.text.get(data).copied();
    if at(data) == Some(b';') {
        data += 1;
    }
    while matches!(at(data), Some(b' ' | b'\t' | b'\x0c')) {
        data += 1;
    }
    if at(data) == Some(b'\r') {
        data += 1;
    }
    if at(data) == Some(b'\n') {
        data += 1;
    }
    if data == lexer.text.len() && !lexer.whole {
        return Err(Stop::MoreNeeded);
    }
    Ok(Head::Insert(Insert {
        statement,
        format,
        data,
    }))
}

/// `FORMAT CSV SETTINGS a = 1, b = 'x'`: where the settings stand. The rows may be binary, so they
/// are compared with the word before anything is read as a token.
fn settings_after_format(lexer: &mut Lexer<'_>, from: usize) -> Result<Option<Range<usize>>, Stop> {
    const WORD: &[u8] = b"SETTINGS";
    let rest = lexer.text.get(from..).unwrap_or_default();
    let start = from
        + rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
    let rest = lexer.text.get(start..).unwrap_or_default();
    let compared = rest.len().min(WORD.len());
    let alike = rest
        .iter()
        .zip(WORD)
        .take(compared)
        .all(|(have, want)| have.eq_ignore_ascii_case(want));
    if !alike || start == from {
        return Ok(None);
    }
    match rest.get(WORD.len()) {
        Some(byte) if !byte.is_ascii_whitespace() => return Ok(None),
        None if !lexer.whole => return Err(Stop::MoreNeeded),
        None => return Ok(None),
        Some(_) => {}
    }
    lexer.at = start + WORD.len();
    loop {
        let (name, equals, mut value) = (lexer.need()?, lexer.need()?, lexer.need()?);
        if matches!(value.kind, Kind::Punctuation(b'-' | b'+')) {
            value = lexer.need()?;
        }
        let is_value = matches!(value.kind, Kind::Word | Kind::Quoted);
        if name.kind != Kind::Word || equals.kind != Kind::Punctuation(b'=') || !is_value {
            return Ok(None);
        }
        let end = value.range.end;
        let blanks = lexer.text.get(end..).unwrap_or_default();
        let blanks = blanks
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if lexer.text.get(end + blanks) != Some(&b',') {
            return Ok(Some(start..end));
        }
        lexer.at = end + blanks + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8], whole: bool) -> String {
        match head(text, whole) {
            Head::Insert(insert) => format!(
                "[{}] {} <{}>",
                String::from_utf8_lossy(&insert.statement),
                insert.format,
                String::from_utf8_lossy(&text[insert.data..])
                    .replace('\n', "\\n")
                    .replace('\t', "\\t")
            ),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn rows_begin_where_the_server_says() {
        for (text, expected) in [
            (
                "INSERT INTO t FORMAT CSV\n1,2\n",
                "[INSERT INTO t ] CSV <1,2\\n>",
            ),
            (
                "insert into t format CSV 1,2\n",
                "[insert into t ] CSV <1,2\\n>",
            ),
            (
                "INSERT INTO t FORMAT CSV \t\r\n\n1",
                "[INSERT INTO t ] CSV <\\n1>",
            ),
            ("INSERT INTO t FORMAT CSV;\n1", "[INSERT INTO t ] CSV <1>"),
            (
                "INSERT INTO t VALUES (1, 'a')",
                "[INSERT INTO t ] Values < (1, 'a')>",
            ),
            (
                "INSERT INTO t(a) VALUES(1)",
                "[INSERT INTO t(a) ] Values <(1)>",
            ),
            (
                "INSERT INTO format FORMAT TSV\n1",
                "[INSERT INTO format ] TSV <1>",
            ),
            (
                "INSERT INTO values.values VALUES (1)",
                "[INSERT INTO values.values ] Values < (1)>",
            ),
            (
                "INSERT INTO TABLE `a``b`.\"c\" (x) FORMAT TSV\n1",
                "[INSERT INTO TABLE `a``b`.\"c\" (x) ] TSV <1>",
            ),
            (
                "INSERT INTO {t:Identifier} FORMAT TSV\n1",
                "[INSERT INTO {t:Identifier} ] TSV <1>",
            ),
            (
                "INSERT INTO FUNCTION null('FORMAT x') FORMAT TSV\n1",
                "[INSERT INTO FUNCTION null('FORMAT x') ] TSV <1>",
            ),
            (
                "/* VALUES */ INSERT -- FORMAT\n INTO t # VALUES\n FORMAT TSV\n1",
                "[/* VALUES */ INSERT -- FORMAT\n INTO t # VALUES\n ] TSV <1>",
            ),
            (
                "INSERT INTO t SETTINGS a = 1, b = 'FORMAT' FORMAT TSV\n1",
                "[INSERT INTO t SETTINGS a = 1, b = 'FORMAT' ] TSV <1>",
            ),
            (
                "INSERT INTO t FORMAT CSV SETTINGS a = -1, b='x'\n1,2",
                "[INSERT INTO t SETTINGS a = -1, b='x'] CSV <1,2>",
            ),
            (
                "INSERT INTO t FORMAT CSV\nSETTINGSX,2",
                "[INSERT INTO t ] CSV <SETTINGSX,2>",
            ),
            (
                "INSERT INTO t FORMAT RowBinary\n",
                "[INSERT INTO t ] RowBinary <>",
            ),
            (
                "INSERT INTO t FORMAT RowBinary\n'\" \t\n",
                "[INSERT INTO t ] RowBinary <'\" \\t\\n>",
            ),
        ] {
            assert_eq!(shown(text.as_bytes(), true), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_insert_of_rows() {
        for text in [
            "SELECT 1",
            "",
            "-- INSERT",
            "INSERT INTO t SELECT 1 FORMAT x",
            "INSERT INTO t (a) WITH 1 AS x SELECT x",
            "INSERT INTO t (SELECT 1)",
            "INSERT INTO t",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "CREATE TABLE x (format String)",
        ] {
            assert_eq!(shown(text.as_bytes(), true), "Other", "{text:?}");
        }
        assert_eq!(
            shown(b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", true),
            "Infile"
        );
    }

    #[test]
    fn the_place_does_not_depend_on_how_the_text_arrives() {
        let texts: [&[u8]; 5] = [
            b"INSERT INTO t FORMAT RowBinary\n\n \t\xFF",
            b"INSERT INTO `a` (b, c) SETTINGS x = 'y' FORMAT CSV SETTINGS z = 1\n1,2",
            b"INSERT INTO t (a) /* c */ VALUES (1)",
            b"INSERT INTO t FORMAT TSV SETTING\n",
            b"INSERT INTO t SELECT 1",
        ];
        for text in texts {
            let whole = head(text, true);
            for cut in 0..text.len() {
                match head(&text[..cut], false) {
                    Head::Incomplete => {}
                    // `VALUES` and a format's name are known with the byte after them.
                    early => assert_eq!(early, whole, "cut at {cut} of {text:?}"),
                }
            }
        }
    }

    #[test]
    fn what_stands_in_parentheses_has_no_format_and_no_end() {
        for (text, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("SELECT 1 -- x", "SELECT 1"),
            ("SELECT 1; ; -- FORMAT x", "SELECT 1"),
            ("SELECT 'FORMAT y' FORMAT Native", "SELECT 'FORMAT y' "),
            (
                "SELECT 1 SETTINGS a = 1 /* x */ format Native -- y",
                "SELECT 1 SETTINGS a = 1 ",
            ),
            (
                "SELECT 1 FORMAT Native SETTINGS a = 1;",
                "SELECT 1  SETTINGS a = 1",
            ),
        ] {
            let shown = String::from_utf8(within(text.as_bytes())).unwrap();
            assert_eq!(shown, expected, "{text:?}");
        }
    }

    #[test]
    fn a_result_is_directed_into_a_file_before_its_format() {
        for (text, expected) in [
            ("SELECT 1", "SELECT 1 INTO OUTFILE 'f' TRUNCATE FORMAT TSV"),
            (
                "SELECT 1 SETTINGS a = 1; -- FORMAT x",
                "SELECT 1 SETTINGS a = 1 INTO OUTFILE 'f' TRUNCATE FORMAT TSV; -- FORMAT x",
            ),
            (
                "SELECT 'FORMAT y' format JSON SETTINGS a = 1;",
                "SELECT 'FORMAT y'  INTO OUTFILE 'f' TRUNCATE format JSON SETTINGS a = 1;",
            ),
            (
                "SELECT format FROM t",
                "SELECT format FROM t INTO OUTFILE 'f' TRUNCATE FORMAT TSV",
            ),
        ] {
            let directed = into_file(text.as_bytes(), "f", "TSV");
            assert_eq!(String::from_utf8(directed).unwrap(), expected);
        }
    }

    #[test]
    fn words_inside_strings_and_comments_do_not_count() {
        assert_eq!(
            output_format(b"SELECT 'FORMAT x' FORMAT JSON -- FORMAT y"),
            Some("JSON")
        );
        assert_eq!(output_format(b"SELECT 1 FORMAT JSON;"), Some("JSON"));
        assert_eq!(output_format(b"SELECT format FROM t"), None);
        assert_eq!(output_format(b"SELECT 1"), None);
        assert!(has_words(
            b"SELECT 1 INTO /* x */ OUTFILE 'f'",
            &["INTO", "OUTFILE"]
        ));
        assert!(!has_words(b"SELECT 'INTO OUTFILE'", &["INTO", "OUTFILE"]));
        assert!(is_select(b" (( -- x\n WITH 1 AS y SELECT y"));
        assert!(!is_select(b"SHOW TABLES"));
    }
}
