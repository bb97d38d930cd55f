//! What every member of a configuration and of a catalog means: the reference pages are made of it.
//!
//! A member is one line here. A test holds the lines against what the readers ask for, in both
//! directions, so that neither a member nor its line can be forgotten; with `UPDATE_EXPECT=1` it
//! writes `docs/reference/config.md` and `docs/reference/catalog.md`.

mod catalog;
mod config;

pub use catalog::CATALOG;
pub use config::CONFIG;

/// One member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where it stands: `*` is a name of the operator's choice, `[]` an entry of a list.
    pub path: &'static str,
    /// What it holds.
    pub form: &'static str,
    /// What it is without being written: a default, `required`, or nothing.
    pub default: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// A list of members, one a line.
macro_rules! members {
    ($($path:literal: $form:literal, $default:literal, $about:literal;)*) => {
        &[$(Member { path: $path, form: $form, default: $default, about: $about },)*]
    };
}
use members;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write as _;
    use std::path::Path;

    use expect_test::expect_file;

    use super::{CATALOG, CONFIG, Member};
    use crate::reader::Sink;
    use crate::tree::Node;
    use crate::{compile, read_config, vars};

    /// Members that no shipped catalog shows.
    const REST: &str = include_str!("reference/rest.toml");

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    fn asked_of_a_catalog(text: &str) -> BTreeSet<String> {
        let mut root = Node::read("c", text).unwrap();
        let sink = Sink::new("c");
        vars::resolve(&mut root, &BTreeMap::new());
        compile::hide_keys(&mut root);
        compile::catalog(&root, &[], &sink);
        let asked = sink.asked();
        let problems = sink.into_problems();
        assert_eq!(problems, [], "an example that is not good shows little");
        asked.into_iter().collect()
    }

    fn same(members: &[Member], mut asked: BTreeSet<String>) {
        // What only holds other members, or lists them, is explained by them.
        let inner: Vec<String> = asked.iter().cloned().collect();
        let holds = |path: &str| {
            let deeper = [format!("{path}."), format!("{path}[].")];
            let mut inner = inner.iter();
            inner.any(|other| deeper.iter().any(|deeper| other.starts_with(deeper)))
        };
        let told: BTreeSet<String> = members.iter().map(|one| one.path.to_owned()).collect();
        asked.retain(|path| told.contains(path) || !holds(path));
        let missing: Vec<_> = asked.difference(&told).collect();
        let gone: Vec<_> = told.difference(&asked).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "members without a line: {missing:#?}\nlines that no example's reading asks for: {gone:#?}"
        );
    }

    fn page(title: &str, head: &str, members: &[Member]) -> String {
        let mut page = format!("# {title}\n\n{head}\n");
        let mut table = "";
        for one in members {
            let (outer, name) = one.path.rsplit_once('.').unwrap_or(("", one.path));
            if outer != table || std::ptr::eq(one, &members[0]) {
                table = outer;
                let shown = if outer.is_empty() {
                    "Top level".to_owned()
                } else {
                    format!("`{outer}`")
                };
                let _ = write!(
                    page,
                    "\n## {shown}\n\n| member | holds | default | meaning |\n|---|---|---|---|\n"
                );
            }
            let cell = |text: &str| text.replace('|', "\\|");
            let default = match one.default {
                "" => String::new(),
                "required" => "required".to_owned(),
                text => format!("`{}`", cell(text)),
            };
            let _ = writeln!(
                page,
                "| `{name}` | {} | {default} | {} |",
                cell(one.form),
                cell(one.about)
            );
        }
        page
    }

    #[test]
    fn every_member_of_a_catalog_has_a_line() {
        let mut asked = asked_of_a_catalog(REST);
        for entry in std::fs::read_dir(root().join("deploy/catalog")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            asked.extend(asked_of_a_catalog(&text));
        }
        same(CATALOG, asked);
        let head = "Made from `crates/catalog/src/reference/catalog.rs`, which a test holds against the \
            reader. `*` is a name\nof your choice, `[]` an entry of a list. Money is text with a decimal \
            point; times have units (`150ms`, `2s`,\n`5m`, `24h`, `30d`), sizes too (`64KiB`). Unknown \
            members are errors; `gavel check --config FILE` names every\nproblem with its line. \
            `deploy/catalog/` has whole catalogs to begin from.";
        expect_file![root().join("docs/reference/catalog.md")]
            .assert_eq(&page("Catalog", head, CATALOG));
    }

    #[test]
    fn every_member_of_a_configuration_has_a_line() {
        let text = "catalog = { file = \"c\" }\nclickhouse = { url = \"http://h\" }\n";
        let key = "0".repeat(64);
        let mut asked = BTreeSet::new();
        let in_place = format!(
            "secrets = {{ sealing = \"{key}\", hashing = \"{key}\", quotes = \"{key}\", tracking = \"{key}\" }}"
        );
        let shared = "kafka = { brokers = \"h:9\" }\nredis = { url = \"redis://h\" }\n";
        let root_of = |text: &str| Node::read("c", text).unwrap();
        let node = root_of(&format!("{text}{shared}{in_place}"));
        let sink = Sink::new("c");
        read_config::config(&node, Path::new(""), &sink);
        asked.extend(sink.asked());
        assert_eq!(sink.into_problems(), []);
        same(CONFIG, asked);
        let head = "Made from `crates/catalog/src/reference/config.rs`, which a test holds against the \
            reader. Paths are relative\nto the file's folder. The environment comes before the file, flags \
            before both: `listen.public` is\n`GAVEL_LISTEN_PUBLIC`. Unknown members are errors. \
            `deploy/config/embedded.full.toml` and\n`cluster.full.toml` show all of them.";
        expect_file![root().join("docs/reference/config.md")].assert_eq(&page(
            "Configuration",
            head,
            CONFIG,
        ));
    }
}
