//! What was made of a text last, for as long as the same text comes again.

/// A text and what was made of it.
pub(crate) struct Last<T> {
    text: String,
    made: Option<T>,
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self {
            text: String::new(),
            made: None,
        }
    }
}

impl<T: Copy> Last<T> {
    /// What was made of `text`, if it was the last one, else what `make` makes of it now.
    pub(crate) fn or(&mut self, text: &str, make: impl FnOnce(&str) -> T) -> T {
        match self.made {
            Some(made) if self.text == text => made,
            _ => {
                let made = make(text);
                self.text.clear();
                self.text.push_str(text);
                *self.made.insert(made)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_the_same_is_made() {
        let (mut last, mut made) = (Last::default(), Vec::new());
        for text in ["", "", "ab", "ab", "a", "ab"] {
            let len = last.or(text, |text| {
                made.push(text.to_owned());
                text.len()
            });
            assert_eq!(len, text.len());
        }
        assert_eq!(made, ["", "ab", "a", "ab"]);
    }
}
