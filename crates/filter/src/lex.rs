//! Text of a filter -> tokens with their places.

use crate::Issue;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, a keyword, a number, a bare value.
    Word(String),
    /// Text in quotes.
    Quoted(String),
    /// `=` `!=` `<` `<=` `>` `>=` `(` `)` `,`
    Symbol(&'static str),
}

/// A token and its byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

/// Longer ones first, so that `<=` is not `<` and `=`.
const SYMBOLS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The text inside quotes and the bytes it takes with them; none if it does not end.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Some((text, at + 1));
        }
    }
    None
}

/// Takes a text apart. Characters that mean nothing become issues and are skipped.
pub(crate) fn lex(text: &str, issues: &mut Vec<Issue>) -> Vec<Lexeme> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let (token, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if let Some(symbol) = symbol {
            (Some(Token::Symbol(symbol)), symbol.len())
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            (Some(Token::Word(word.to_owned())), length)
        } else if matches!(first, '"' | '\'') {
            match quoted(rest, first) {
                Some((text, length)) => (Some(Token::Quoted(text)), length),
                None => {
                    issues.push(Issue::new(at, "this quote does not end"));
                    (None, rest.len())
                }
            }
        } else {
            issues.push(Issue::new(at, format!("`{first}` means nothing here")));
            (None, first.len_utf8())
        };
        lexemes.extend(token.map(|token| Lexeme { token, at }));
        at += length;
    }
    lexemes
}
