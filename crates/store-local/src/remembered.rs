//! What is remembered of a lead's consumer, small: there is one for every lead of some weeks.

use domain::{LeadId, Timestamp};
use store::{ConsumerHash, Earlier, Standing};

use crate::names::{Name, Names};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Remembered {
    pub(crate) lead: LeadId,
    pub(crate) campaign: Name,
    publisher: Name,
    at: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) standing: Standing,
    pub(crate) hashes: Box<[ConsumerHash]>,
    buyers: Box<[Name]>,
}

impl Remembered {
    pub(crate) fn new(earlier: &Earlier, names: &mut Names) -> Self {
        Self {
            lead: earlier.lead,
            campaign: names.number(&earlier.campaign),
            publisher: names.number(&earlier.publisher),
            at: earlier.at,
            until: earlier.until,
            standing: earlier.standing,
            hashes: earlier.hashes.as_slice().into(),
            buyers: (earlier.buyers.iter())
                .map(|buyer| names.number(buyer))
                .collect(),
        }
    }

    /// Whether both are found by the same.
    pub(crate) fn is_indexed_as(&self, other: &Self) -> bool {
        (self.campaign, &self.hashes) == (other.campaign, &other.hashes)
    }

    pub(crate) fn earlier(&self, names: &Names) -> Earlier {
        let name = |number: Name| names.name(number).to_owned();
        Earlier {
            lead: self.lead,
            campaign: name(self.campaign),
            publisher: name(self.publisher),
            at: self.at,
            until: self.until,
            standing: self.standing,
            hashes: self.hashes.to_vec(),
            buyers: self.buyers.iter().map(|buyer| name(*buyer)).collect(),
        }
    }
}
