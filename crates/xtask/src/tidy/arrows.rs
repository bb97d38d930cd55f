//! Which crate may depend on which: the block `arrows` of the architecture page, against the code.
//!
//! A line is `router -> domain intake`; what only tests (dev-dependencies) need is `router ~> testkit`.
//! Both directions count: an arrow of the code that is not drawn, and a drawn one that is not there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata};

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Arrows between the crates of this repo.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrows {
    /// Normal and build dependencies.
    shipped: Edges,
    /// Dependencies of tests only.
    tests: Edges,
}

impl Arrows {
    /// Reads the one fenced block `arrows` of a page.
    pub(super) fn parse(page: &str) -> Result<Self> {
        let mut blocks = page.split("```arrows\n").skip(1);
        let block = blocks.next().context("has no block ```arrows")?;
        if blocks.next().is_some() {
            bail!("has more than one block ```arrows");
        }
        let (block, _) = block
            .split_once("```")
            .context("the block ```arrows does not end")?;
        let mut arrows = Self::default();
        for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
            arrows
                .read_line(line)
                .with_context(|| format!("in the line `{line}`"))?;
        }
        Ok(arrows)
    }

    fn read_line(&mut self, line: &str) -> Result<()> {
        let (from, to, edges) = match (line.split_once(" -> "), line.split_once(" ~> ")) {
            (Some((from, to)), None) => (from, to, &mut self.shipped),
            (None, Some((from, to))) => (from, to, &mut self.tests),
            _ => bail!("expected `crate -> crates` or `crate ~> crates`"),
        };
        let targets: BTreeSet<String> = to.split_whitespace().map(str::to_owned).collect();
        if targets.len() != to.split_whitespace().count() {
            bail!("names a crate twice");
        }
        if edges.insert(from.trim().to_owned(), targets).is_some() {
            bail!("draws the arrows of {from} a second time");
        }
        Ok(())
    }

    /// The arrows between workspace members as the manifests have them.
    pub(super) fn of_code(metadata: &Metadata) -> Self {
        let members = metadata.workspace_packages();
        let mut arrows = Self::default();
        for member in &members {
            let inner = member.dependencies.iter().filter(|dependency| {
                dependency.path.is_some()
                    && members.iter().any(|other| *other.name == dependency.name)
            });
            for dependency in inner {
                let edges = match dependency.kind {
                    DependencyKind::Development => &mut arrows.tests,
                    _ => &mut arrows.shipped,
                };
                edges
                    .entry(member.name.to_string())
                    .or_default()
                    .insert(dependency.name.clone());
            }
        }
        arrows
    }
}

/// One line for each crate whose arrows differ, saying how its line has to read.
pub(super) fn differences(drawn: &Arrows, code: &Arrows) -> Vec<String> {
    let mut lines = compare("->", &drawn.shipped, &code.shipped);
    lines.extend(compare("~>", &drawn.tests, &code.tests));
    lines
}

fn compare(sign: &str, drawn: &Edges, code: &Edges) -> Vec<String> {
    let none = BTreeSet::new();
    let crates: BTreeSet<&String> = drawn.keys().chain(code.keys()).collect();
    crates
        .into_iter()
        .filter_map(|from| {
            let drawn = drawn.get(from).unwrap_or(&none);
            let code = code.get(from).unwrap_or(&none);
            let undrawn = list("not drawn", code.difference(drawn));
            let gone = list("drawn but not in the code", drawn.difference(code));
            let both: Vec<String> = undrawn.into_iter().chain(gone).collect();
            let line = code
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            (!both.is_empty()).then(|| {
                format!(
                    "arrow {}; the code has `{from} {sign} {line}`",
                    both.join("; ")
                )
            })
        })
        .map(|problem| format!("docs/architecture.md: {problem}"))
        .collect()
}

fn list<'a>(label: &str, crates: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = crates.map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("{label}: {}", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(block: &str) -> String {
        format!("# Title\n\ntext\n\n```arrows\n{block}```\n\nmore ``` text\n")
    }

    fn edges(of: &[(&str, &[&str])]) -> Edges {
        of.iter()
            .map(|(from, to)| {
                (
                    from.to_string(),
                    to.iter().map(|name| name.to_string()).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn a_block_is_read() {
        let arrows = Arrows::parse(&page("a -> b c\n\nb  ->  c\na ~> d\n")).unwrap();
        assert_eq!(arrows.shipped, edges(&[("a", &["b", "c"]), ("b", &["c"])]));
        assert_eq!(arrows.tests, edges(&[("a", &["d"])]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, said) in [
            ("no block".to_owned(), "has no block"),
            (page("a -> b\n") + &page("a -> b\n"), "more than one block"),
            ("```arrows\na -> b\n".to_owned(), "does not end"),
            (page("a b\n"), "expected"),
            (page("a -> b ~> c\n"), "expected"),
            (page("a -> b b\n"), "twice"),
            (page("a -> b\na -> c\n"), "a second time"),
        ] {
            let error = format!("{:#}", Arrows::parse(&text).unwrap_err());
            assert!(error.contains(said), "{text:?} said {error:?}");
        }
    }

    #[test]
    fn both_directions_count() {
        let drawn = Arrows::parse(&page("a -> b c\nx -> y\n")).unwrap();
        let code = Arrows {
            shipped: edges(&[("a", &["b", "d"])]),
            tests: edges(&[("a", &["t"])]),
        };
        assert_eq!(
            differences(&drawn, &code),
            [
                "docs/architecture.md: arrow not drawn: d; drawn but not in the code: c; \
                 the code has `a -> b d`",
                "docs/architecture.md: arrow drawn but not in the code: y; the code has `x -> `",
                "docs/architecture.md: arrow not drawn: t; the code has `a ~> t`",
            ]
        );
        assert_eq!(differences(&drawn, &drawn), Vec::<String>::new());
    }
}
