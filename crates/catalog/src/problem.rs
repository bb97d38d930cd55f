//! One thing that is wrong with a configuration, and where.

use std::fmt;

/// A problem of a config file, a catalog file, the environment or a flag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or `environment` or `flags`.
    pub file: String,
    /// The line, counted from 1; none where there is no line.
    pub line: Option<usize>,
    /// The path of the value: `campaigns.auto-us.fields.zip.type`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `file:line: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}
