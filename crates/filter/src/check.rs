//! An expression against the fields of a campaign: unknown fields, operators that make no sense,
//! values of the wrong type; all at once.

use crate::ast::{Comparison, Expr};
use crate::eval::Node;
use crate::{Ast, FieldTypes, Filter, Issue};

/// Checks a parsed filter and makes it ready to run; on failure all mistakes.
pub fn check(ast: &Ast, types: &FieldTypes) -> Result<Filter, Vec<Issue>> {
    let mut issues = Vec::new();
    let node = expr(&ast.0, types, &mut issues);
    match node {
        Some(node) if issues.is_empty() => Ok(Filter::new(node)),
        _ => Err(issues),
    }
}

fn expr(source: &Expr, types: &FieldTypes, issues: &mut Vec<Issue>) -> Option<Node> {
    match source {
        Expr::All(parts) => every(parts, types, issues).map(Node::All),
        Expr::Any(parts) => every(parts, types, issues).map(Node::Any),
        Expr::Not(inner) => expr(inner, types, issues).map(|inner| Node::Not(Box::new(inner))),
        Expr::Is(source) => comparison(source, types, issues),
    }
}

fn every(parts: &[Expr], types: &FieldTypes, issues: &mut Vec<Issue>) -> Option<Vec<Node>> {
    let nodes: Vec<_> = parts.iter().map(|part| expr(part, types, issues)).collect();
    nodes.into_iter().collect()
}

fn comparison(source: &Comparison, types: &FieldTypes, issues: &mut Vec<Issue>) -> Option<Node> {
    let Some(field_type) = types.get(&source.field) else {
        let message = format!("the campaign has no field `{}`", source.field);
        issues.push(Issue::new(source.at, message));
        return None;
    };
    if !source.operator.accepts(field_type) {
        let message = format!(
            "`{}` does not apply to `{}`, which holds {}",
            source.spelling,
            source.field,
            field_type.noun()
        );
        issues.push(Issue::new(source.at, message));
        return None;
    }
    let mut values = Vec::with_capacity(source.operands.len());
    for operand in &source.operands {
        match field_type.value(&operand.text) {
            Ok(value) => values.push(value),
            Err(message) => issues.push(Issue::new(operand.at, message)),
        }
    }
    if values.len() < source.operands.len() {
        return None;
    }
    match source.operator.test(source.spelling, values) {
        Ok(test) => Some(Node::Is {
            field: source.field.clone(),
            test,
        }),
        Err(message) => {
            issues.push(Issue::new(source.at, message));
            None
        }
    }
}
