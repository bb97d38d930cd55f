//! One thing that is wrong with a filter, and where in its text.

use std::fmt;

/// A mistake in a filter's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Issue {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.at, self.message)
    }
}
