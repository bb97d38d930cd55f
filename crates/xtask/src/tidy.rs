//! `cargo xtask tidy`: the rules of the house that a compiler does not know.
//!
//! To add one: write a function from what it looks at to a list of problems in the file it belongs to
//! (`arrows` the drawn architecture, `crates` what is depended on, `text` what stands in files), and
//! call it in `problems`. Each problem is one line that says where it is and what to do.

mod arrows;
mod crates;
mod text;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Check the rules that no compiler checks
///
/// Crate arrows against `docs/architecture.md`, no runtime or clock in the core, banned crates,
/// foreign sources, leftovers in the text, the length and head of every file, and the formatting.
/// With cargo-deny installed it also checks licences.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<()> {
    check(&Workspace::load()?)
}

/// Prints all problems, then fails if there was one.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let problems = problems(workspace)?;
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    let root = workspace.root();
    let formatted = process::run(&mut process::cargo(
        root,
        ["fmt", "--all", "--check", "--", "-l"],
    ));
    if process::installed("cargo-deny") {
        let deny = [
            "deny",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ];
        process::run(&mut process::cargo(root, deny))?;
    } else {
        eprintln!("tidy: cargo-deny is not installed: licences are not checked");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problem(s)", problems.len());
    }
    formatted
}

fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = drawn(workspace.root()).map_or_else(
        |error| vec![format!("{error:#}")],
        |drawn| arrows::differences(&drawn, &arrows::Arrows::of_code(&workspace.metadata)),
    );
    problems.extend(crates::problems(workspace)?);
    problems.extend(text::problems(workspace.root())?);
    Ok(problems)
}

/// The page that draws the arrows.
const PAGE: &str = "docs/architecture.md";

fn drawn(root: &Path) -> Result<arrows::Arrows> {
    let page = std::fs::read_to_string(root.join(PAGE)).with_context(|| PAGE.to_owned())?;
    arrows::Arrows::parse(&page).with_context(|| PAGE.to_owned())
}
