//! What shuts a contract for a moment, whatever the lead is: its breaker, and its rates.
//!
//! Who is outside counts calls and holds the breakers; the auction is told what it found. Before a round
//! that is a fact of each contract, before a post an answer to the ladder's hold.

use domain::ContractReason;

use crate::{Check, Failed};

/// Why a contract is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shut {
    /// Its breaker is open.
    Breaker,
    /// It, or its buyer, has had as many calls as it takes at a time.
    Rate,
}

impl Shut {
    /// The contract's reason.
    pub const fn reason(self) -> ContractReason {
        match self {
            Self::Breaker => ContractReason::BreakerOpen,
            Self::Rate => ContractReason::Throttled,
        }
    }

    pub(crate) const fn failed(self) -> Failed {
        let check = match self {
            Self::Breaker => Check::Breaker,
            Self::Rate => Check::Rate,
        };
        let reason = self.reason();
        Failed { check, reason }
    }
}
