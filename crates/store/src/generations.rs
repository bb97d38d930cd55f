//! Which generation of the catalog is in force: the fold of topic `catalog`, the same on every node,
//! whoever put what where and when.
//!
//! A generation that is put after another one is passed over if that one is not in force any more where
//! its record stands. So of two operators who change the same catalog at once the second is told, though the
//! log takes both records. All others replace what is there. What is in force already changes nothing.
//!
//! Credits are computed by rules, which most changes leave alone. The number of the rules counts how often
//! they changed, and is part of the version of what they gave.

use proto::{Generation, Message as _, RecordError};

use crate::Record;

/// A generation in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its id.
    pub generation: String,
    /// How many were put into force up to this one: later ones have a higher number.
    pub number: u64,
    /// How often what enters credits changed up to this one.
    pub rules: u32,
    digest: Vec<u8>,
}

/// What a record came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is in force now.
    Taken,
    /// It was in force already.
    Same,
    /// It was put after another one than was there.
    PassedOver,
}

/// The fold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generations {
    in_force: Option<InForce>,
}

impl Generations {
    /// What is in force; none before the first.
    pub fn in_force(&self) -> Option<&InForce> {
        self.in_force.as_ref()
    }

    /// Takes the next record in.
    pub fn fold(&mut self, record: &Generation) -> Turn {
        let before = self.in_force.as_ref();
        let is = before.map_or("", |before| before.generation.as_str());
        if !record.after.is_empty() && record.after != is {
            return Turn::PassedOver;
        }
        if record.generation == is {
            return Turn::Same;
        }
        let (number, rules) = before.map_or((0, 0), |before| (before.number, before.rules));
        let changed = before.is_none_or(|before| before.digest != record.rules);
        self.in_force = Some(InForce {
            generation: record.generation.clone(),
            number: number + 1,
            rules: rules.saturating_add(u32::from(changed)),
            digest: record.rules.clone(),
        });
        Turn::Taken
    }
}

/// Reads a record of topic `catalog`.
///
/// # Errors
/// It is damaged.
pub fn read(record: &Record) -> Result<Generation, RecordError> {
    let read = Generation::decode(record.payload.clone())?;
    match read.generation.is_empty() || read.canonical.is_empty() {
        true => Err(RecordError::Field("generation")),
        false => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(generation: &str, after: &str, rules: u8) -> Generation {
        Generation {
            generation: generation.to_owned(),
            canonical: generation.into(),
            after: after.to_owned(),
            rules: vec![rules],
            ..Generation::default()
        }
    }

    fn folded(records: &[Generation]) -> (Vec<Turn>, Generations) {
        let mut generations = Generations::default();
        let turns = records.iter().map(|record| generations.fold(record));
        (turns.collect(), generations)
    }

    #[test]
    fn whoever_put_it_the_log_says_what_is_in_force() {
        let (turns, generations) = folded(&[
            put("a", "", 1),
            put("b", "a", 1),
            // Another one was put after the same.
            put("c", "a", 2),
            put("b", "", 1),
            put("d", "b", 2),
            // Back to what there was, with its rules.
            put("a", "", 1),
        ]);
        let taken = [
            Turn::Taken,
            Turn::Taken,
            Turn::PassedOver,
            Turn::Same,
            Turn::Taken,
            Turn::Taken,
        ];
        assert_eq!(turns, taken);
        let now = generations.in_force().unwrap();
        assert_eq!(
            (now.generation.as_str(), now.number, now.rules),
            ("a", 4, 3)
        );
    }

    #[test]
    fn nothing_is_put_after_what_was_never_there() {
        let (turns, generations) = folded(&[put("b", "a", 1)]);
        assert_eq!(turns, [Turn::PassedOver]);
        assert_eq!(generations.in_force(), None);
    }

    #[test]
    fn rules_are_numbered_by_their_changes() {
        let (_, generations) = folded(&[put("a", "", 1), put("b", "", 1), put("c", "", 1)]);
        assert_eq!(generations.in_force().unwrap().rules, 1);
    }
}
