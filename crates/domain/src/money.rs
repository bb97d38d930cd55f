//! Money as integers: [`Micros`] (1e-6 of a currency unit), shares as [`Ppm`]; never a float.

use std::fmt;
use std::str::FromStr;

/// Text is no amount, or a sum does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number with at most six decimals.
    #[error("not a decimal amount with at most six decimals")]
    NotDecimal,
    /// Beyond what an amount can hold.
    #[error("amount out of range")]
    Overflow,
    /// Not a three-letter code.
    #[error("not a three-letter ISO 4217 code")]
    NotCurrency,
}

/// An amount of money in millionths of its currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(i64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From millionths.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Sum, or [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(MoneyError::Overflow)
    }

    /// Difference, or [`MoneyError::Overflow`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(MoneyError::Overflow)
    }

    /// `self` x `share`, rounded down (toward minus infinity) to the micro.
    #[must_use]
    pub fn share_floor(self, share: Ppm) -> Self {
        let product = i128::from(self.0) * i128::from(share.0);
        // A share is at most one, so the result fits where `self` does.
        Self(i64::try_from(product.div_euclid(i128::from(Ppm::ONE.0))).unwrap_or(self.0))
    }
}

impl FromStr for Micros {
    type Err = MoneyError;

    /// Reads `12`, `12.5`, `-0.000001`; no exponent, no thousands separator, no leading plus.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || fraction.len() > 6 {
            return Err(MoneyError::NotDecimal);
        }
        let whole: i64 = whole.parse().map_err(|_| MoneyError::Overflow)?;
        let scale = 10_i64.pow(6 - u32::try_from(fraction.len()).unwrap_or(6));
        let fraction: i64 = fraction.parse().map_err(|_| MoneyError::NotDecimal)?;
        let micros = whole
            .checked_mul(1_000_000)
            .and_then(|w| w.checked_add(fraction * scale))
            .ok_or(MoneyError::Overflow)?;
        Ok(Self(if negative { -micros } else { micros }))
    }
}

impl fmt::Display for Micros {
    /// Decimal with two to six decimals: `12.50`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abs = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, mut fraction, mut width) = (abs / 1_000_000, abs % 1_000_000, 6);
        while width > 2 && fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{sign}{whole}.{fraction:0width$}")
    }
}

/// A share in parts per million, zero to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ppm(u32);

impl Ppm {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);
    /// A half.
    pub const HALF: Self = Self(500_000);

    /// A share of at most one.
    pub fn new(ppm: u32) -> Option<Self> {
        (ppm <= Self::ONE.0).then_some(Self(ppm))
    }

    /// In parts per million.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// What is left of the whole.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(Self::ONE.0 - self.0)
    }
}

/// A currency by its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar.
    pub const USD: Self = Self(*b"USD");

    /// The code, three upper-case letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|l| l.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::NotCurrency),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Splits `total` over `weights` so that the parts sum exactly to it: largest remainder, ties to
/// the lower index. With no weight at all nothing is given (all parts zero).
pub fn split(total: i64, weights: &[u64]) -> Vec<i64> {
    let sum: u128 = weights.iter().map(|&w| u128::from(w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let magnitude = u128::from(total.unsigned_abs());
    let mut parts: Vec<u128> = Vec::with_capacity(weights.len());
    let mut rests: Vec<(u128, usize)> = Vec::with_capacity(weights.len());
    for (index, &weight) in weights.iter().enumerate() {
        let product = magnitude * u128::from(weight);
        parts.push(product / sum);
        rests.push((product % sum, index));
    }
    let missing = magnitude - parts.iter().sum::<u128>();
    rests.sort_by_key(|&(rest, index)| (std::cmp::Reverse(rest), index));
    for (_, index) in rests
        .into_iter()
        .take(usize::try_from(missing).unwrap_or(usize::MAX))
    {
        if let Some(part) = parts.get_mut(index) {
            *part += 1;
        }
    }
    let signed = |part: u128| i64::try_from(part).unwrap_or(i64::MAX) * total.signum();
    parts.into_iter().map(signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_decimals() {
        for (text, micros, shown) in [
            ("12.5", 12_500_000, "12.50"),
            ("0", 0, "0.00"),
            ("-3.000001", -3_000_001, "-3.000001"),
            ("7.123", 7_123_000, "7.123"),
        ] {
            let money: Micros = text.parse().unwrap();
            assert_eq!((money.get(), money.to_string()), (micros, shown.to_owned()));
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "+1",
            "1e3",
            "1,000",
            "1.0000001",
            "--1",
            " 1",
        ] {
            assert!(bad.parse::<Micros>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "99999999999999999999".parse::<Micros>(),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn shares_round_down() {
        let third = Ppm::new(333_333).unwrap();
        assert_eq!(Micros::new(10).share_floor(third), Micros::new(3));
        assert_eq!(Micros::new(-10).share_floor(third), Micros::new(-4));
    }

    proptest! {
        #[test]
        fn a_split_sums_to_its_total(total in any::<i64>().prop_filter("not min", |t| *t != i64::MIN),
                                     weights in prop::collection::vec(0_u64..=1_000_000, 1..20)) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            prop_assert_eq!(split(total, &weights).iter().sum::<i64>(), total);
        }

        #[test]
        fn what_is_written_reads_back(micros in any::<i64>().prop_filter("not min", |t| *t != i64::MIN)) {
            let money = Micros::new(micros);
            prop_assert_eq!(money.to_string().parse::<Micros>(), Ok(money));
        }
    }
}
