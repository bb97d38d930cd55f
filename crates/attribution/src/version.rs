//! The version of a credit: of two rows for one conversion and model the higher one holds.

/// The rule by which credits are computed: raised with every change to keys, windows or models that
/// can change a credit, so that recomputed rows replace the old ones.
pub const RULE: u8 = 3;

/// Equal versions of one conversion's credit mean equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CreditVersion {
    /// Rises when journeys were lost or restored from elsewhere.
    pub epoch: u8,
    /// [`RULE`], of which 8 bits count.
    pub rule: u8,
    /// The campaigns' rules by number ([`crate::Rules::number`]), of which 16 bits count.
    pub rules: u16,
    /// The journey's revision.
    pub revision: u32,
}

impl CreditVersion {
    /// As stored: 8 bits of epoch, 24 of rules, 32 of revision.
    pub fn pack(self) -> u64 {
        (u64::from(self.epoch) << 56)
            | (u64::from(self.rule) << 48)
            | (u64::from(self.rules) << 32)
            | u64::from(self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_outranks_a_rule_and_a_rule_a_revision() {
        let pack = |epoch, rule, rules, revision| {
            CreditVersion {
                epoch,
                rule,
                rules,
                revision,
            }
            .pack()
        };
        assert!(pack(1, 0, 0, 0) > pack(0, u8::MAX, u16::MAX, u32::MAX));
        assert!(pack(0, 2, 0, 0) > pack(0, 1, u16::MAX, u32::MAX));
        assert!(pack(0, 1, 2, 0) > pack(0, 1, 1, u32::MAX));
        assert!(pack(0, 1, 1, 2) > pack(0, 1, 1, 1));
        assert_eq!(pack(1, 2, 3, 4), 0x0102_0003_0000_0004);
    }
}
