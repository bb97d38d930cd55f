//! Ids as a transcript shows them: numbered by kind in the order in which they appear. Requests of
//! the scenario may use these names. Times are shown by how far they are from now.

use std::collections::BTreeMap;

use domain::Timestamp;
use serde_json::Value;

/// Members that differ from run to run or say nothing here.
const DROPPED: [&str; 4] = ["took_ms", "tmax_ms", "request_id", "generation"];

#[derive(Default)]
pub(crate) struct Names {
    shown: BTreeMap<String, String>,
    real: BTreeMap<String, String>,
    count: BTreeMap<String, usize>,
}

/// A prefix of two letters and more than an example would have.
fn is_id(text: &str) -> bool {
    let id = text.split_once('_').filter(|(prefix, rest)| {
        prefix.len() == 2
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
            && rest.len() >= 24
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    });
    id.is_some()
}

impl Names {
    /// The short name of an id.
    pub(crate) fn show(&mut self, id: &str) -> String {
        if let Some(known) = self.shown.get(id) {
            return known.clone();
        }
        let prefix = &id[..2];
        let count = self.count.entry(prefix.to_owned()).or_default();
        *count += 1;
        let short = format!("{prefix}_{count}");
        self.shown.insert(id.to_owned(), short.clone());
        self.real.insert(short.clone(), id.to_owned());
        short
    }

    /// A text of the scenario with the real ids in it.
    pub(crate) fn real(&self, text: &str) -> String {
        let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(part).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(self.real.get(word).map_or(word, String::as_str));
            let next = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&after[..next]);
            rest = &after[next..];
        }
        out
    }

    /// The last id of a kind.
    pub(crate) fn last(&self, prefix: &str) -> String {
        let count = self.count.get(prefix);
        let count = count.unwrap_or_else(|| panic!("no {prefix} was seen yet"));
        format!("{prefix}_{count}")
    }

    /// A body as it is shown.
    pub(crate) fn tidy(&mut self, now: Timestamp, body: &mut Value) {
        match body {
            Value::String(text) if is_id(text) => *text = self.show(text),
            Value::String(text) => {
                if let Ok(at) = Timestamp::parse(text) {
                    *text = match (at.since(now).as_millis(), now.since(at).as_millis()) {
                        (0, 0) => "now".to_owned(),
                        (ahead, 0) => format!("in {ahead} ms"),
                        (_, ago) => format!("{ago} ms ago"),
                    };
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.tidy(now, item)),
            Value::Object(members) => {
                members.retain(|name, _| !DROPPED.contains(&name.as_str()));
                members.values_mut().for_each(|value| self.tidy(now, value));
            }
            _ => {}
        }
    }
}
