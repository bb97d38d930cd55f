//! Where a contract takes leads: states, and ZIPs as sorted ranges.

use domain::{ContractReason, FieldValue};
use filter::Cell;

use crate::eligible::Answer;

/// Whether the text of a cell is among some: a lead without the field is nowhere.
fn lies(cell: Cell<'_>, among: impl FnOnce(&str) -> bool) -> Answer {
    match cell {
        Cell::Value(FieldValue::Text(text)) => Answer::of(among(text), ContractReason::Geo),
        Cell::Value(_) | Cell::Absent => Answer::No(ContractReason::Geo),
        Cell::Later => Answer::Unknown,
    }
}

/// States, by their two letters: one bit for each pair of letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct States([u64; 11]);

impl States {
    /// Adds a state. False for what is not two capital letters.
    pub fn add(&mut self, code: &str) -> bool {
        let word = place(code).and_then(|(word, bit)| Some((self.0.get_mut(word)?, bit)));
        if let Some((word, bit)) = word {
            *word |= bit;
            return true;
        }
        false
    }

    fn contains(&self, code: &str) -> bool {
        let word = place(code).and_then(|(word, bit)| Some((self.0.get(word)?, bit)));
        word.is_some_and(|(word, bit)| word & bit != 0)
    }

    pub(crate) fn check(&self, state: Cell<'_>) -> Answer {
        lies(state, |code| self.contains(code))
    }
}

fn place(code: &str) -> Option<(usize, u64)> {
    let letter = |byte: u8| byte.is_ascii_uppercase().then(|| usize::from(byte - b'A'));
    let &[first, second] = code.as_bytes() else {
        return None;
    };
    let pair = letter(first)? * 26 + letter(second)?;
    Some((pair / 64, 1 << (pair % 64)))
}

/// ZIPs: ranges from a first to a last one, in order and apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Zips(Vec<(u32, u32)>);

/// A text that names no ZIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipError(&'static str);

impl std::fmt::Display for ZipError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ZipError {}

impl Zips {
    /// Sorts and joins ranges.
    pub fn new(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Reads one ZIP (`78701`), all that begin alike (`902*`), or a range (`10000-14999`).
    pub fn read(text: &str) -> Result<(u32, u32), ZipError> {
        const FORM: ZipError = ZipError("expected a ZIP like 78701, 902* or 10000-14999");
        let digits = |text: &str, length: std::ops::RangeInclusive<usize>| {
            let plain = length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| plain)
        };
        if let Some(stem) = text.strip_suffix('*') {
            let number = digits(stem, 1..=4).ok_or(FORM)?;
            let open = (stem.len()..5).fold(1, |span, _| span * 10);
            return Ok((number * open, number * open + open - 1));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first = digits(first, 5..=5).ok_or(FORM)?;
        let last = digits(last, 5..=5).ok_or(FORM)?;
        if first > last {
            return Err(ZipError(
                "the first ZIP of a range is greater than its last",
            ));
        }
        Ok((first, last))
    }

    fn contains(&self, zip: &str) -> bool {
        let number = zip.parse::<u32>().ok().filter(|_| zip.len() == 5);
        number.is_some_and(|zip| {
            let after = self.0.partition_point(|(_, last)| *last < zip);
            self.0.get(after).is_some_and(|(first, _)| *first <= zip)
        })
    }

    pub(crate) fn check(&self, zip: Cell<'_>) -> Answer {
        lies(zip, |zip| self.contains(zip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zips_are_read_in_three_forms() {
        for (text, range) in [
            ("78701", (78_701, 78_701)),
            ("00501", (501, 501)),
            ("902*", (90_200, 90_299)),
            ("0*", (0, 9_999)),
            ("1234*", (12_340, 12_349)),
            ("10000-14999", (10_000, 14_999)),
        ] {
            assert_eq!(Zips::read(text), Ok(range), "{text}");
        }
        for bad in [
            "",
            "*",
            "7870",
            "787011",
            "12345*",
            "9o2*",
            "1-2",
            "14999-10000",
            "10000-",
            "+1234",
            "10000-14999-15000",
            "90*2",
        ] {
            assert!(Zips::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_zip_is_in_or_out_as_its_ranges_say() {
        // Overlapping, touching, nested and apart, in no order.
        let ranges = [
            (500, 510),
            (300, 399),
            (90_000, 99_999),
            (400, 450),
            (310, 320),
            (505, 600),
            (700, 700),
            (0, 3),
        ];
        let zips = Zips::new(ranges.to_vec());
        assert_eq!(zips.0.len(), 5);
        for number in 0..100_000_u32 {
            let among = ranges
                .iter()
                .any(|(first, last)| (first..=last).contains(&&number));
            assert_eq!(zips.contains(&format!("{number:05}")), among, "{number}");
        }
        assert!(!zips.contains("1") && !zips.contains("") && !zips.contains("9000x"));
    }

    #[test]
    fn states_are_pairs_of_letters() {
        let mut states = States::default();
        for code in ["TX", "AA", "ZZ"] {
            assert!(states.add(code), "{code}");
        }
        for bad in ["", "T", "tx", "T1", "TEX"] {
            assert!(!states.add(bad), "{bad}");
        }
        for (code, among) in [
            ("TX", true),
            ("ZZ", true),
            ("OK", false),
            ("tx", false),
            ("", false),
        ] {
            assert_eq!(states.contains(code), among, "{code}");
        }
    }

    #[test]
    fn a_place_that_is_not_known_yet_is_unknown() {
        let zips = Zips::new(vec![(78_701, 78_701)]);
        let text = |text: &str| FieldValue::Text(text.to_owned());
        let elsewhere = Answer::No(ContractReason::Geo);
        assert_eq!(zips.check(Cell::Value(&text("78701"))), Answer::Yes);
        assert_eq!(zips.check(Cell::Value(&text("78702"))), elsewhere);
        assert_eq!(zips.check(Cell::Absent), elsewhere);
        assert_eq!(zips.check(Cell::Later), Answer::Unknown);
    }
}
