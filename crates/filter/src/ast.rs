//! A parsed filter whose fields and values have not been looked at yet.

use domain::FieldName;

use crate::op::Operator;

/// A parsed filter.
#[derive(Debug, Clone)]
pub struct Ast(pub(crate) Expr);

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    /// All of these hold.
    All(Vec<Expr>),
    /// One of these holds.
    Any(Vec<Expr>),
    /// This does not hold.
    Not(Box<Expr>),
    /// One comparison.
    Is(Comparison),
}

/// A field, an operator, and what it is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) field: FieldName,
    pub(crate) at: usize,
    pub(crate) operator: &'static dyn Operator,
    pub(crate) spelling: &'static str,
    pub(crate) operands: Vec<Literal>,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Its text, without quotes.
    pub text: String,
    /// Where it begins.
    pub at: usize,
}
