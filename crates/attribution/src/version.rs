//! The version of a credit: of two rows for one conversion and model the higher one holds.

/// The rule by which credits are computed: raised with every change to keys, windows or models that
/// can change a credit, so that recomputed rows replace the old ones.
pub const RULE: u8 = 3;

/// Equal versions of one conversion's credit mean equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CreditVersion {
    /// Rises when journeys were lost or restored from elsewhere.
    pub epoch: u8,
    /// By which rules it was computed ([`crate::Rules::version`]), of which 24 bits count.
    pub rules: u32,
    /// The journey's revision.
    pub revision: u32,
}

impl CreditVersion {
    /// As stored: 8 bits of epoch, 24 of rules, 32 of revision.
    pub fn pack(self) -> u64 {
        let rules = u64::from(self.rules & 0x00ff_ffff);
        (u64::from(self.epoch) << 56) | (rules << 32) | u64::from(self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    #[test]
    fn an_epoch_outranks_rules_and_rules_a_revision() {
        let pack = |epoch, rules, revision| {
            CreditVersion {
                epoch,
                rules,
                revision,
            }
            .pack()
        };
        assert!(pack(1, 0, 0) > pack(0, 0x00ff_ffff, u32::MAX));
        assert!(pack(0, 2, 0) > pack(0, 1, u32::MAX));
        assert!(pack(0, 1, 2) > pack(0, 1, 1));
        assert_eq!(pack(1, 0x0002_0003, 4), 0x0102_0003_0000_0004);
    }

    #[test]
    fn what_the_service_computes_outranks_what_the_catalog_says() {
        let of = |number| {
            Rules {
                number,
                ..Rules::default()
            }
            .version()
        };
        assert_eq!(of(5), (u32::from(RULE) << 16) | 5);
        assert_eq!(of(u32::MAX), (u32::from(RULE) << 16) | 0xffff);
        assert!(of(u32::MAX) < (u32::from(RULE) + 1) << 16);
    }
}
