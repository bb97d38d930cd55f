//! How far a conversion has been approved.

use std::fmt;
use std::str::FromStr;

/// How far a conversion has been approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversionStatus {
    /// Waits for the advertiser.
    Pending,
    /// Counts.
    Approved,
    /// Waits for its hold to end.
    Held,
    /// The advertiser refused it.
    Rejected,
    /// It was taken back.
    Reversed,
}

/// Not a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not pending, approved, held, rejected or reversed")]
pub struct StatusError;

impl ConversionStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Held,
        Self::Rejected,
        Self::Reversed,
    ];

    /// The word in answers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Reversed => "reversed",
        }
    }

    /// Whether a conversion of this status is worth credit.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Rejected | Self::Reversed)
    }
}

impl fmt::Display for ConversionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ConversionStatus {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(StatusError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for status in ConversionStatus::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
        assert_eq!("Approved".parse::<ConversionStatus>(), Err(StatusError));
    }
}
