//! The phases of a long command: each says when it starts and how long it took, a table ends the run.

use std::time::Instant;

use anyhow::{Context, Result, bail};

/// How a phase ended.
enum Outcome {
    Done,
    Skipped(String),
}

/// Phases run one after another; the first that fails ends the run.
pub(crate) struct Phases {
    ci: bool,
    started: Instant,
    done: Vec<(&'static str, f64, Outcome)>,
}

impl Phases {
    /// On CI (`CI=true`) nothing may be skipped.
    pub(crate) fn new() -> Self {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Self {
            ci,
            started: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one phase and prints its seconds, also when it fails.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        phase: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n== {name}");
        let started = Instant::now();
        let result = phase();
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "== {name}: {seconds:.1} s{}",
            if result.is_ok() { "" } else { ", FAILED" }
        );
        self.done.push((name, seconds, Outcome::Done));
        result.with_context(|| format!("phase `{name}`"))
    }

    /// Leaves a phase out because something is missing: said loudly, and on CI a failure.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) -> Result<()> {
        println!("\n== {name}: SKIPPED, {why}");
        if self.ci {
            bail!("phase `{name}` cannot be skipped on CI: {why}");
        }
        self.done
            .push((name, 0.0, Outcome::Skipped(why.to_owned())));
        Ok(())
    }

    /// The table of what ran.
    pub(crate) fn summary(&self) {
        println!("\n{:<14}{:>9}", "phase", "seconds");
        for (name, seconds, outcome) in &self.done {
            match outcome {
                Outcome::Done => println!("{name:<14}{seconds:>9.1}"),
                Outcome::Skipped(why) => println!("{name:<14}{:>9}  {why}", "SKIPPED"),
            }
        }
        println!("{:<14}{:>9.1}", "all", self.started.elapsed().as_secs_f64());
    }
}
