//! The targeting language of contracts: parse -> check -> evaluate to pass, fail or unknown.
//!
//! `state in (TX, OK) and (age between 25 and 70 or home_owner = true) and not sr22 = true`
//!
//! - Comparisons: `=` `!=` `<` `<=` `>` `>=` `between A and B` `in (A, B)` `not in (A, B)` `present`
//!   `absent` `matches 'PATTERN'`, joined by `and`, `or`, `not` and parentheses; `not` binds closest,
//!   then `and`, then `or`. Keywords are in lower case: `OR` is Oregon.
//! - Values: bare words and numbers, or text in `'..'` or `".."` (a quote inside is doubled).
//! - A field the lead does not have makes every comparison false, but `!=`, `not in` and `absent`
//!   true: `a != b` is always the same as `not a = b`.
//! - A field that may still come with the post makes a comparison unknown. Unknown spreads as in
//!   Kleene's logic: `false and unknown` is false, `true or unknown` is true.
#![forbid(unsafe_code)]

mod ast;
mod check;
mod eval;
mod issue;
mod lex;
mod op;
mod parse;
mod shared;
mod types;

pub use ast::{Ast, Literal};
pub use check::check;
pub use eval::{Cell, Fields, Filter, Verdict};
pub use issue::Issue;
pub use parse::parse;
pub use shared::{Answers, Shared};
pub use types::{FieldType, FieldTypes};

/// Parses and checks a text in one step.
pub fn compile(text: &str, types: &FieldTypes) -> Result<Filter, Vec<Issue>> {
    check(&parse(text)?, types)
}

/// What a filter may be at most.
pub(crate) mod limits {
    /// Bytes of its text.
    pub(crate) const TEXT: usize = 64 << 10;
    /// `not` and parentheses inside one another.
    pub(crate) const DEPTH: usize = 32;
    /// Comparisons.
    pub(crate) const COMPARISONS: usize = 200;
    /// Values of one `in`.
    pub(crate) const VALUES: usize = 5_000;
}
