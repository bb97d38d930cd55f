//! An expression against the fields of a campaign: unknown fields, operators that make no sense,
//! values of the wrong type; all at once.

use domain::FieldName;

use crate::ast::{Comparison, Expr};
use crate::eval::Node;
use crate::{Ast, FieldTypes, Filter, Issue};

/// Checks a parsed filter and makes it ready to run; on failure all mistakes.
pub fn check(ast: &Ast, types: &FieldTypes) -> Result<Filter, Vec<Issue>> {
    let mut checker = Checker {
        types,
        columns: Vec::new(),
        issues: Vec::new(),
    };
    match checker.expr(&ast.0) {
        Some(node) if checker.issues.is_empty() => Ok(Filter::new(node, checker.columns)),
        _ => Err(checker.issues),
    }
}

struct Checker<'t> {
    types: &'t FieldTypes,
    columns: Vec<FieldName>,
    issues: Vec<Issue>,
}

impl Checker<'_> {
    fn expr(&mut self, source: &Expr) -> Option<Node> {
        match source {
            Expr::All(parts) => self.every(parts).map(Node::All),
            Expr::Any(parts) => self.every(parts).map(Node::Any),
            Expr::Not(inner) => self.expr(inner).map(|inner| Node::Not(Box::new(inner))),
            Expr::Is(source) => self.comparison(source),
        }
    }

    fn every(&mut self, parts: &[Expr]) -> Option<Vec<Node>> {
        let nodes: Vec<_> = parts.iter().map(|part| self.expr(part)).collect();
        nodes.into_iter().collect()
    }

    fn column(&mut self, field: &FieldName) -> usize {
        let known = self.columns.iter().position(|column| column == field);
        known.unwrap_or_else(|| {
            self.columns.push(field.clone());
            self.columns.len() - 1
        })
    }

    fn comparison(&mut self, source: &Comparison) -> Option<Node> {
        let Some((field, field_type)) = self.types.get_key_value(&source.field) else {
            let message = format!("the campaign has no field `{}`", source.field);
            return self.complain(source.at, message);
        };
        let operator = source.operator;
        if !operator.accepts(field_type) {
            let message = format!(
                "`{}` does not apply to `{}`, which holds {}",
                source.spelling,
                source.field,
                field_type.noun()
            );
            return self.complain(source.at, message);
        }
        let mut values = Vec::with_capacity(source.operands.len());
        for operand in &source.operands {
            match operator.operand_type(field_type).value(&operand.text) {
                Ok(value) => values.push(value),
                Err(message) => self.issues.push(Issue::new(operand.at, message)),
            }
        }
        if values.len() < source.operands.len() {
            return None;
        }
        match operator.test(source.spelling, values) {
            Ok(test) => Some(Node::Is {
                // The schema's own copy of the name: all filters of a campaign share it.
                column: self.column(field),
                test,
            }),
            Err(message) => self.complain(source.at, message),
        }
    }

    fn complain<T>(&mut self, at: usize, message: String) -> Option<T> {
        self.issues.push(Issue::new(at, message));
        None
    }
}
