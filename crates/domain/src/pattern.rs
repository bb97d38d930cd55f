//! A regular expression over a whole text, matched in linear time and of bounded size.

use regex::{Regex, RegexBuilder};

/// A pattern that a text has to match from its first to its last character.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

/// Bytes of a compiled pattern, at most.
const SIZE: usize = 1 << 20;

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        // It has to be a pattern by itself: `a)(b` is none, though it is one inside a group.
        build(text)?;
        build(&format!("^(?:{text})$")).map(Self)
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

fn build(text: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(text).size_limit(SIZE).build();
    built.map_err(|error| {
        // The lines before the last one draw the place.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        PatternError(last.trim_start_matches("error: ").to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_whole_and_bounded() {
        let pattern = Pattern::new("ab|c").unwrap();
        assert!(pattern.matches("ab") && pattern.matches("c"));
        assert!(!pattern.matches("abc") && !pattern.matches("xc"));
        for bad in ["a)(b", "(", "[", "a{1000}{1000}"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
