//! `cargo xtask mutants`: shows that the laws bite.
//!
//! `crates/*/mutants/NAME.patch` breaks one law on purpose and says in its head which test must see it:
//! ```text
//! # law: one outcome a lead
//! # test: -p auction --test laws one_outcome_a_lead
//! ```
//! The tests of that target are run on the tree as it is, where all must pass, and then with the patch,
//! where exactly the named one must fail. The tree is a clone of HEAD with a build folder of its own,
//! kept between runs. `docs/reference/laws.md` lists them all.

#[cfg(test)]
pub(crate) mod laws;
mod patch;
mod verdict;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::patch::Patch;
use self::verdict::{Run, Verdict};
use crate::kafka;
use crate::process;
use crate::workspace::Workspace;

/// A broken law may loop for ever; this is far above what a test target takes.
const TEST_LIMIT: &str = "600s";

/// Break each law by its committed patch and see exactly its test fail
///
/// Works on the committed HEAD, in a clone below the build folder. A patch that no longer applies or
/// no longer builds is a failure too.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the patches of these names (file names without `.patch`)
    names: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let clone = Clone::of_head(&workspace)?;
    let patches = clone.patches(&args.names)?;
    let absent = |name: &&String| !patches.iter().any(|patch| patch.name == **name);
    if let Some(name) = args.names.iter().find(absent) {
        bail!("there is no crates/*/mutants/{name}.patch");
    }
    let mut rows = Vec::new();
    let mut sound: BTreeSet<Vec<String>> = BTreeSet::new();
    for patch in &patches {
        if !sound.contains(&patch.target) {
            clone.expect_sound(patch)?;
            sound.insert(patch.target.clone());
        }
        let started = Instant::now();
        let verdict = clone.try_patch(patch)?;
        eprintln!("mutants: {}: {verdict}", patch.name);
        rows.push((patch, verdict, started.elapsed().as_secs_f64()));
    }
    println!("{:<34}{:>9}  {:<44}  law", "mutant", "seconds", "verdict");
    for (patch, verdict, seconds) in &rows {
        println!(
            "{:<34}{seconds:>9.1}  {:<44}  {}",
            patch.name,
            verdict.to_string(),
            patch.law
        );
    }
    let survived = rows
        .iter()
        .filter(|(_, verdict, _)| *verdict != Verdict::Caught)
        .count();
    if survived > 0 {
        bail!(
            "{survived} of {} mutants were not caught as they should be",
            rows.len()
        );
    }
    println!("{} mutants, each caught by exactly its test", rows.len());
    Ok(())
}

/// The tree that is broken and mended again, and where its builds go.
struct Clone {
    tree: PathBuf,
    target: PathBuf,
    /// The jars of a Kafka broker, for the laws that need one.
    broker: Option<PathBuf>,
}

impl Clone {
    /// Brings the kept clone to HEAD. Git rewrites only files that differ, so cargo builds only those.
    fn of_head(workspace: &Workspace) -> Result<Self> {
        let home = workspace.target().join("mutants");
        let root = workspace.root();
        let clone = Self {
            tree: home.join("tree"),
            target: home.join("target"),
            broker: kafka::ensure(root)?,
        };
        if !clone.tree.join(".git").exists() {
            std::fs::create_dir_all(&home)?;
            let args = ["clone", "--quiet", "--shared", "--no-checkout", "."];
            process::run(process::command(root, "git", args).arg(&clone.tree))?;
        }
        let head = process::read(&mut process::command(root, "git", ["rev-parse", "HEAD"]))?;
        clone.git(&["fetch", "--quiet", "origin", "HEAD"])?;
        clone.git(&["checkout", "--quiet", "--force", "--detach", head.trim()])?;
        clone.git(&["clean", "--quiet", "-fdx"])?;
        Ok(clone)
    }

    fn git(&self, args: &[&str]) -> Result<()> {
        process::run(&mut process::command(&self.tree, "git", args))
    }

    fn patches(&self, only: &[String]) -> Result<Vec<Patch>> {
        let args = ["ls-files", "-z", "--", "crates/*/mutants/*.patch"];
        let listing = process::read(&mut process::command(&self.tree, "git", args))?;
        let mut patches = Vec::new();
        for path in listing.split('\0').filter(|path| !path.is_empty()) {
            let file = self.tree.join(path);
            let name = file
                .file_stem()
                .context("a patch without a name")?
                .to_string_lossy();
            if only.is_empty() || only.iter().any(|only| *only == name) {
                let text = std::fs::read_to_string(&file)?;
                patches.push(Patch::parse(&name, &file, &text).with_context(|| path.to_owned())?);
            }
        }
        Ok(patches)
    }

    /// A failure means nothing where the tests fail without the patch, or where the named one is absent.
    fn expect_sound(&self, patch: &Patch) -> Result<()> {
        let target = patch.target.join(" ");
        match self.tests(patch)? {
            Run::Ended(tests) if tests.failed.is_empty() => Ok(()),
            Run::Ended(tests) => bail!(
                "`cargo test {target}` does not pass without a patch: {} failed; {} has what they said",
                Vec::from_iter(tests.failed).join(", "),
                self.said().display()
            ),
            _ => bail!("`cargo test {target}` does not pass without a patch"),
        }
    }

    fn try_patch(&self, patch: &Patch) -> Result<Verdict> {
        let apply = |args: &[&str]| {
            let mut git = process::command(&self.tree, "git", args);
            process::run(git.arg(&patch.file))
        };
        if apply(&["apply", "--whitespace=nowarn"]).is_err() {
            return Ok(Verdict::DoesNotApply);
        }
        let run = self.tests(patch);
        self.git(&["checkout", "--quiet", "--force", "HEAD", "--", "."])?;
        self.git(&["clean", "--quiet", "-fdx"])?;
        Ok(Verdict::of(&run?, &patch.test))
    }

    /// What the last run of tests said.
    fn said(&self) -> PathBuf {
        self.target.join("said.txt")
    }

    /// Builds and runs all tests of the patch's target. Only what runs may loop: a build takes its time.
    fn tests(&self, patch: &Patch) -> Result<Run> {
        let mut build = self.test("cargo", &[], patch);
        build.arg("--no-run");
        eprintln!("$ {}", process::describe(&build));
        if !build.status()?.success() {
            return Ok(Run::DidNotBuild);
        }
        let mut tests = self.test("timeout", &[TEST_LIMIT, "cargo"], patch);
        // Without `--quiet` of the harness each test has a line of its own.
        tests.args(["--no-fail-fast", "--", "--format", "pretty"]);
        eprintln!("$ {}", process::describe(&tests));
        let output = tests.stdout(Stdio::piped()).output()?;
        std::fs::write(self.said(), &output.stdout)?;
        Ok(Run::read(
            &String::from_utf8_lossy(&output.stdout),
            output.status.success(),
        ))
    }

    /// `cargo test` of the patch's target.
    fn test(&self, program: &str, before: &[&str], patch: &Patch) -> Command {
        let mut command = process::command(&self.tree, program, before);
        command.args(["test", "--quiet"]).args(&patch.target);
        command
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            // What a mutant is caught by depends on no luck.
            .env("PROPTEST_RNG_SEED", "1");
        if let Some(jars) = &self.broker {
            command.env(kafka::OWN, jars);
        }
        command
    }
}
