//! How a buyer behaves: what it bids, how fast it is, and how often it misbehaves.
//!
//! A profile file is TOML with one `[[buyer]]` for each buyer:
//!
//! ```toml
//! [[buyer]]
//! name = "buyer-01"
//! bid = { min = "8.00", max = "30.00", share = 0.9 }
//! latency = { min = "5ms", typical = "25ms", tail = "60ms", tail_share = 0.05 }
//! ping = { stall = 0.005, break = 0.003 }
//! post = { reject = 0.05, duplicate = 0.01, pending = 0.0, stall = 0.002, break = 0.001 }
//! ```

use std::time::Duration;

use domain::Micros;
use serde::{Deserialize, Deserializer};

/// A profile file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or not of the shape above.
    #[error("profile: {0}")]
    Shape(String),
    /// A share is not between zero and one.
    #[error("profile of {buyer}: {what} must be between 0 and 1")]
    Share {
        /// The buyer's name.
        buyer: String,
        /// Which share.
        what: &'static str,
    },
    /// The shares of a post's answers leave no room for accepting.
    #[error("profile of {0}: the shares of a post's answers exceed 1")]
    Shares(String),
    /// A range ends before it begins.
    #[error("profile of {buyer}: {what} ends before it begins")]
    Range {
        /// The buyer's name.
        buyer: String,
        /// Which range.
        what: &'static str,
    },
}

/// One buyer's behaviour.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name its journal carries.
    pub name: String,
    /// What it bids.
    pub bid: Market,
    /// How long it takes.
    pub latency: Latency,
    /// How it treats pings.
    #[serde(default)]
    pub ping: PingManners,
    /// How it treats posts.
    #[serde(default)]
    pub post: PostManners,
}

/// What a buyer bids.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// The lowest bid.
    #[serde(deserialize_with = "amount")]
    pub min: Micros,
    /// The highest bid.
    #[serde(deserialize_with = "amount")]
    pub max: Micros,
    /// The share of pings that it bids on.
    pub share: f64,
}

/// How long a buyer takes: between `min` and `typical`, and for a share between `typical` and `tail`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The fastest answer.
    #[serde(deserialize_with = "span")]
    pub min: Duration,
    /// The slowest ordinary answer.
    #[serde(deserialize_with = "span")]
    pub typical: Duration,
    /// The slowest answer.
    #[serde(deserialize_with = "span")]
    pub tail: Duration,
    /// The share of slow answers.
    pub tail_share: f64,
}

/// Shares of pings that are not answered as they should be.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PingManners {
    /// Answered after the time the caller named, or never.
    pub stall: f64,
    /// Reset, cut short, garbage, or a 500.
    #[serde(rename = "break")]
    pub broken: f64,
}

/// Shares of posts; the rest is accepted.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostManners {
    /// Rejected.
    pub reject: f64,
    /// Answered `duplicate`.
    pub duplicate: f64,
    /// Answered `pending`.
    pub pending: f64,
    /// Decided as drawn, and answered never or far too late.
    pub stall: f64,
    /// Decided as drawn, and answered with a reset, a cut, garbage or a 500.
    #[serde(rename = "break")]
    pub broken: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    buyer: Vec<Profile>,
}

impl Profile {
    /// Reads a profile file.
    pub fn parse(text: &str) -> Result<Vec<Self>, ProfileError> {
        let file: ProfileFile = toml_edit::de::from_str(text)
            .map_err(|error| ProfileError::Shape(error.to_string()))?;
        file.buyer.iter().try_for_each(Self::check)?;
        Ok(file.buyer)
    }

    /// The buyers one gets without a file: different prices and speeds, and a few faults each.
    pub fn standard(buyers: u32) -> Vec<Self> {
        (0..buyers).map(Self::standard_one).collect()
    }

    fn standard_one(index: u32) -> Self {
        let step = i64::from(index % 10);
        let millis = |ms: u64| Duration::from_millis(ms);
        Self {
            name: format!("buyer-{:02}", index + 1),
            bid: Market {
                min: Micros::new((6 + step) * 1_000_000),
                max: Micros::new((24 + 2 * step) * 1_000_000),
                share: 0.92 - 0.03 * f64::from(index % 5),
            },
            latency: Latency {
                min: millis(5),
                typical: millis(15 + 3 * u64::from(index % 7)),
                tail: millis(60),
                tail_share: 0.04,
            },
            ping: PingManners {
                stall: 0.000_5,
                broken: 0.002,
            },
            post: PostManners {
                reject: 0.06,
                duplicate: 0.01,
                pending: 0.0,
                stall: 0.0,
                broken: 0.0,
            },
        }
    }

    /// Refuses shares and ranges that cannot be.
    fn check(&self) -> Result<(), ProfileError> {
        let shares = [
            (self.bid.share, "bid.share"),
            (self.latency.tail_share, "latency.tail_share"),
            (self.ping.stall, "ping.stall"),
            (self.ping.broken, "ping.break"),
            (self.post.reject, "post.reject"),
            (self.post.duplicate, "post.duplicate"),
            (self.post.pending, "post.pending"),
            (self.post.stall, "post.stall"),
            (self.post.broken, "post.break"),
        ];
        let buyer = || self.name.clone();
        for (share, what) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(ProfileError::Share {
                    buyer: buyer(),
                    what,
                });
            }
        }
        if self.post.reject + self.post.duplicate + self.post.pending > 1.0 {
            return Err(ProfileError::Shares(buyer()));
        }
        let Latency {
            min, typical, tail, ..
        } = self.latency;
        if self.bid.max < self.bid.min {
            return Err(ProfileError::Range {
                buyer: buyer(),
                what: "bid",
            });
        }
        if typical < min || tail < typical {
            return Err(ProfileError::Range {
                buyer: buyer(),
                what: "latency",
            });
        }
        Ok(())
    }
}

fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Micros, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// `150ms`, `2s` or `800us`.
fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let count = digits.parse::<u64>().ok();
    match (count, unit) {
        (Some(count), "us") => Ok(Duration::from_micros(count)),
        (Some(count), "ms") => Ok(Duration::from_millis(count)),
        (Some(count), "s") => Ok(Duration::from_secs(count)),
        _ => Err(serde::de::Error::custom("expected a time such as \"25ms\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [[buyer]]
        name = "b"
        bid = { min = "8.00", max = "30.00", share = 0.9 }
        latency = { min = "5ms", typical = "25ms", tail = "60ms", tail_share = 0.05 }
        post = { reject = 0.1, break = 0.02 }
    "#;

    #[test]
    fn a_profile_reads_as_documented() {
        let profiles = Profile::parse(ONE).unwrap();
        let [profile] = profiles.as_slice() else {
            panic!("{profiles:?}")
        };
        assert_eq!(profile.bid.max, Micros::new(30_000_000));
        assert_eq!(profile.latency.tail, Duration::from_millis(60));
        assert_eq!(
            (profile.post.reject, profile.post.broken, profile.ping.stall),
            (0.1, 0.02, 0.0)
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (from, to, part) in [
            ("share = 0.9", "share = 1.9", "bid.share"),
            ("reject = 0.1", "reject = 0.9, duplicate = 0.2", "exceed 1"),
            ("\"30.00\"", "\"3.00\"", "bid ends"),
            ("\"25ms\"", "\"70ms\"", "latency ends"),
            ("\"25ms\"", "\"25\"", "a time such as"),
            ("name = \"b\"", "name = \"b\"\ncolour = 1", "colour"),
        ] {
            let error = Profile::parse(&ONE.replace(from, to))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{to}: {error}");
        }
    }

    #[test]
    fn the_standard_buyers_are_sound_and_differ() {
        let buyers = Profile::standard(10);
        buyers.iter().for_each(|buyer| buyer.check().unwrap());
        assert_eq!(buyers.len(), 10);
        assert_ne!(buyers[0].bid, buyers[1].bid);
    }
}
