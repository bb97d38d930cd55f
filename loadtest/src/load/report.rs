//! What a test found: bars that hold or not, on the terminal, and raw figures in a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use loadtest::ratio::Bar;
use serde::Serialize;

/// Whether the service is as it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Holds,
    /// A bar does not hold.
    Fails,
}

/// One figure against its bar.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    what: &'static str,
    value: Option<f64>,
    bar: Option<String>,
    holds: bool,
}

impl Figure {
    /// A figure that has to be as `bar` says. One that could not be measured does not hold.
    pub(crate) fn held_to(bar: Bar, what: &'static str, value: Option<f64>) -> Self {
        Self {
            what,
            value,
            bar: Some(bar.to_string()),
            holds: value.is_some_and(|value| bar.holds(value)),
        }
    }

    /// Whether it is as it has to be.
    #[cfg(test)]
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }

    /// A figure without a bar.
    pub(crate) fn told(what: &'static str, value: Option<f64>) -> Self {
        Self {
            what,
            value,
            bar: None,
            holds: true,
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = match (&self.bar, self.holds) {
            (None, _) => "    ",
            (Some(_), true) => "ok  ",
            (Some(_), false) => "FAIL",
        };
        write!(f, "{mark}  {:<58}", self.what)?;
        match self.value {
            Some(value) => write!(f, " {value:>10.2}")?,
            None => write!(f, " {:>10}", "none")?,
        }
        match &self.bar {
            Some(bar) => write!(f, "  ({bar})"),
            None => Ok(()),
        }
    }
}

/// Prints the figures and writes everything into `out`.
pub(crate) fn conclude(
    figures: &[Figure],
    rounds: &impl Serialize,
    out: Option<&Path>,
) -> Result<Verdict> {
    #[derive(Serialize)]
    struct Raw<'a, R> {
        figures: &'a [Figure],
        rounds: &'a R,
    }
    for figure in figures {
        println!("{figure}");
    }
    if let Some(out) = out {
        let raw = serde_json::to_vec_pretty(&Raw { figures, rounds })?;
        std::fs::write(out, raw).with_context(|| out.display().to_string())?;
        println!("raw figures: {}", out.display());
    }
    Ok(if figures.iter().all(|figure| figure.holds) {
        Verdict::Holds
    } else {
        Verdict::Fails
    })
}
