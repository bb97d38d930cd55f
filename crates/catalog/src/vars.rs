//! Variables in the texts of a catalog: `${name}` is the configured value of `catalog.vars.name`,
//! `${name:-default}` falls back to a default, `$${` stands for `${`.

use std::collections::BTreeMap;

use crate::reader::Cursor;
use crate::tree::{Node, Value};

/// Replaces the variables of a text; on failure all names without a value.
fn replace(text: &str, vars: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let (mut out, mut missing) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inside, behind)) = after.split_once('}') else {
            missing.push(format!("`${{{after}` does not end with `}}`"));
            rest = "";
            continue;
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match vars.get(name).map(String::as_str).or(default) {
            Some(value) => out.push_str(value),
            None => missing.push(format!(
                "variable `{name}` has no value (`catalog.vars.{name}`)"
            )),
        }
        rest = behind;
    }
    out.push_str(rest);
    if missing.is_empty() {
        Ok(out)
    } else {
        Err(missing)
    }
}

/// Replaces the variables in every text of a tree. A text with a variable that has no value stays as
/// it is: [`complain`] has named it.
pub(crate) fn resolve(node: &mut Node, vars: &BTreeMap<String, String>) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => {
            if let Ok(replaced) = replace(text, vars) {
                *text = replaced;
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| resolve(item, vars)),
        Value::Table(members) => members.values_mut().for_each(|item| resolve(item, vars)),
        _ => {}
    }
}

/// Notes the variables that have no value.
pub(crate) fn complain(cursor: &Cursor<'_>, node: &Node, vars: &BTreeMap<String, String>) {
    match &node.value {
        Value::Text(text) if text.contains("${") => {
            for message in replace(text, vars).err().into_iter().flatten() {
                cursor.complain::<()>(message);
            }
        }
        Value::List(items) => {
            for (item, cursor) in items.iter().zip(cursor.items()) {
                complain(&cursor, item, vars);
            }
        }
        Value::Table(members) => {
            for (item, (_, cursor)) in members.values().zip(cursor.entries()) {
                complain(&cursor, item, vars);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_defaults_escapes_and_what_is_missing() {
        let vars = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("x${a}y${a}", "x1y1"),
            ("${a:-2}", "1"),
            ("${b:-2}/p", "2/p"),
            ("${b:-}", ""),
            ("$${a} $a {a}", "${a} $a {a}"),
        ] {
            assert_eq!(replace(text, &vars).as_deref(), Ok(expected), "{text}");
        }
        for (text, count) in [("${b}${c}", 2), ("${a", 1), ("${}", 1)] {
            assert_eq!(
                replace(text, &vars).map_err(|m| m.len()),
                Err(count),
                "{text}"
            );
        }
    }
}
