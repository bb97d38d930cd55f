//! Medians: a ratio of two sides in the same round says more than either figure.

/// The middle of some figures; of an even number, the mean of the two in the middle.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    let upper = *figures.get(half)?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    figures
        .get(half.checked_sub(1)?)
        .map(|lower| (lower + upper) / 2.0)
}

/// How a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At least.
    AtLeast(f64),
    /// At most.
    AtMost(f64),
}

impl Bar {
    /// Whether a figure is as it has to be.
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bar) => figure >= bar,
            Self::AtMost(bar) => figure <= bar,
        }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, ">= {bar}"),
            Self::AtMost(bar) => write!(f, "<= {bar}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
        assert!(Bar::AtLeast(0.5).holds(0.5) && !Bar::AtMost(2.0).holds(2.1));
    }
}
