//! SQL as tokens, cut where ClickHouse's own lexer cuts it: strings, quoted names, heredocs, comments
//! and everything it takes for white space.
//!
//! It has to agree with the engine, because what stands inside a string decides nothing and what
//! stands outside does.

use std::ops::Range;

pub(crate) enum Stop {
    MoreNeeded,
    NotThis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word or a number.
    Word,
    /// A string or a quoted identifier.
    Quoted,
    Punctuation(u8),
}

pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

pub(crate) struct Lexer<'t> {
    pub(crate) text: &'t [u8],
    /// Nothing follows the text.
    pub(crate) whole: bool,
    pub(crate) at: usize,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t [u8], whole: bool) -> Self {
        let at = if text.starts_with(b"\xEF\xBB\xBF") {
            3
        } else {
            0
        };
        Self { text, whole, at }
    }

    pub(crate) fn slice(&self, token: &Token) -> &'t [u8] {
        self.text.get(token.range.clone()).unwrap_or_default()
    }

    pub(crate) fn is_word(&self, token: &Token, word: &str) -> bool {
        token.kind == Kind::Word && self.slice(token).eq_ignore_ascii_case(word.as_bytes())
    }

    pub(crate) fn is_any(&self, token: &Token, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(token, word))
    }

    /// The next token of a text that must have one.
    pub(crate) fn need(&mut self) -> Result<Token, Stop> {
        match self.next()? {
            Some(token) => Ok(token),
            None if self.whole => Err(Stop::NotThis),
            None => Err(Stop::MoreNeeded),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Token>, Stop> {
        self.skip_blanks()?;
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let Some(first) = rest.first().copied() else {
            return Ok(None);
        };
        let (kind, length) = match first {
            b'\'' | b'"' | b'`' => (Kind::Quoted, quoted_length(rest, first, self.whole)),
            b'$' => heredoc_length(rest),
            _ if rest.starts_with(CURLY_SINGLE.0) => {
                (Kind::Quoted, closed_by(rest, CURLY_SINGLE.1))
            }
            _ if rest.starts_with(CURLY_DOUBLE.0) => {
                (Kind::Quoted, closed_by(rest, CURLY_DOUBLE.1))
            }
            _ if is_word_byte(first) => {
                // A name may hold dollars; a number ends before one.
                let dollars = !first.is_ascii_digit();
                let inside = |byte: &&u8| is_word_byte(**byte) || (dollars && **byte == b'$');
                let length = rest.iter().take_while(inside).count();
                // The last word of a text that goes on may go on too.
                (
                    Kind::Word,
                    (length < rest.len() || self.whole).then_some(length),
                )
            }
            _ => (Kind::Punctuation(first), Some(1)),
        };
        let length = match length {
            Some(length) => length,
            None if self.whole => rest.len(),
            None => return Err(Stop::MoreNeeded),
        };
        self.at = start + length;
        Ok(Some(Token {
            kind,
            range: start..self.at,
        }))
    }

    fn skip_blanks(&mut self) -> Result<(), Stop> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let end: &[u8] = match rest {
                [] => return Ok(()),
                // A quote of three bytes that has not arrived whole.
                [0xE2] | [0xE2, 0x80] if !self.whole => return Err(Stop::MoreNeeded),
                _ if rest.starts_with(CURLY_SINGLE.0) || rest.starts_with(CURLY_DOUBLE.0) => {
                    return Ok(());
                }
                [first, ..] if is_blank(*first) => {
                    self.at += 1;
                    continue;
                }
                [b'-', b'-', ..] | [b'/', b'/', ..] | [b'#', b' ' | b'!', ..] => b"\n",
                [b'/', b'*', ..] => b"*/",
                [b'-' | b'/' | b'#'] if !self.whole => return Err(Stop::MoreNeeded),
                _ => return Ok(()),
            };
            match find(rest.get(2..).unwrap_or_default(), end) {
                Some(at) => self.at += 2 + at + end.len(),
                None if self.whole => self.at = self.text.len(),
                None => return Err(Stop::MoreNeeded),
            }
        }
    }
}

/// The typographic quotes, which the engine takes for quotes.
const CURLY_SINGLE: (&[u8], &[u8]) = ("\u{2018}".as_bytes(), "\u{2019}".as_bytes());
const CURLY_DOUBLE: (&[u8], &[u8]) = ("\u{201C}".as_bytes(), "\u{201D}".as_bytes());

/// Beyond ASCII there are only blanks outside strings: the rest is an error to the engine.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b) || byte >= 0x80
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn closed_by(text: &[u8], quote: &[u8]) -> Option<usize> {
    find(text, quote).map(|at| at + quote.len())
}

/// The statement's bare words in order, with an empty one where another token stands between.
pub(crate) fn bare_words(text: &[u8]) -> Vec<&[u8]> {
    slices(text)
        .into_iter()
        .map(|(kind, text)| if kind == Kind::Word { text } else { &[][..] })
        .collect()
}

/// All tokens of a text that is whole.
pub(crate) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer::new(text, true);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

/// The same, with their texts.
pub(crate) fn slices(text: &[u8]) -> Vec<(Kind, &[u8])> {
    let slice = |token: Token| (token.kind, text.get(token.range).unwrap_or_default());
    tokens(text).into_iter().map(slice).collect()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The length of a string that starts `text`: a backslash escapes, a doubled quote stands for one.
fn quoted_length(text: &[u8], quote: u8, whole: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'\\' => at += 2,
            byte if byte == quote => match text.get(at + 1) {
                Some(next) if *next == quote => at += 2,
                Some(_) => return Some(at + 1),
                None => return whole.then_some(at + 1),
            },
            _ => at += 1,
        }
    }
}

/// `$tag$ .. $tag$` is a string; a `$` that opens none is a character.
fn heredoc_length(text: &[u8]) -> (Kind, Option<usize>) {
    let tag = text
        .iter()
        .skip(1)
        .take_while(|byte| is_word_byte(**byte))
        .count()
        + 2;
    match text.get(..tag) {
        Some(open) if open.ends_with(b"$") => {
            let length = find(text.get(tag..).unwrap_or_default(), open).map(|at| at + 2 * tag);
            (Kind::Quoted, length)
        }
        Some(_) => (Kind::Punctuation(b'$'), Some(1)),
        None => (Kind::Punctuation(b'$'), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        slices(text.as_bytes())
            .into_iter()
            .map(|(_, token)| String::from_utf8_lossy(token).into_owned())
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn tokens_are_cut_where_the_engine_cuts_them() {
        for (text, expected) in [
            ("a.b (1,'c')", "a|.|b|(|1|,|'c'|)"),
            (
                "'it''s' 'it\\'s' \"a\\\"b\" `c``d`",
                "'it''s'|'it\\'s'|\"a\\\"b\"|`c``d`",
            ),
            ("a -- '\nb // '\nc /* ' */ d # '\ne #! '\nf", "a|b|c|d|e|f"),
            ("a$$ b $$'$$ c $t$'$$t$ d", "a$$|b|$$'$$|c|$t$'$$t$|d"),
            ("1$$'$$ x", "1|$$'$$|x"),
            (
                "SETTINGS\u{a0}readonly\u{b}=\u{2003}0",
                "SETTINGS|readonly|=|0",
            ),
            (
                "\u{2018}'\u{2019} a \u{201c}\"\u{201d} b",
                "\u{2018}'\u{2019}|a|\u{201c}\"\u{201d}|b",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }
}
