//! The topics as Kafka knows them: their names, what each is for, and how they are laid out.

use store::Topic;

use crate::KafkaOptions;
use crate::options::millis;

/// Largest record of topics `events` and `leads`, as in the journal.
const LARGEST: usize = 1 << 20;
/// Largest generation of the catalog.
const LARGEST_GENERATION: usize = 64 << 20;
/// What a batch costs beside its records, generously.
const FRAME: usize = 64 << 10;

/// The topic of wrapped keys.
pub(crate) const VAULT: &str = "vault";

/// Its name in Kafka.
pub(crate) fn of(options: &KafkaOptions, topic: Topic) -> String {
    format!("{}{}", options.prefix, topic.as_str())
}

/// The largest record it takes.
pub(crate) const fn largest(topic: Topic) -> usize {
    match topic {
        Topic::Events | Topic::Leads => LARGEST,
        Topic::Catalog => LARGEST_GENERATION,
    }
}

/// How many partitions it has.
pub(crate) const fn partitions(options: &KafkaOptions, topic: Topic) -> u16 {
    match topic {
        Topic::Events | Topic::Leads => options.partitions,
        Topic::Catalog => 1,
    }
}

/// A topic as it has to be.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) name: String,
    pub(crate) partitions: u16,
    pub(crate) kept: Kept,
    /// Bytes of the largest batch.
    pub(crate) largest: usize,
}

/// What becomes of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They go after so many milliseconds.
    For(String),
    /// The last one of each key stays.
    Compacted,
    /// Likewise, and what was erased is soon gone from the disks as well.
    Erasable,
}

/// All topics.
pub(crate) fn layouts(options: &KafkaOptions) -> Vec<Layout> {
    let of = |topic| Layout {
        name: of(options, topic),
        partitions: partitions(options, topic),
        kept: match topic {
            Topic::Events | Topic::Leads => Kept::For(millis(options.retention)),
            Topic::Catalog => Kept::Compacted,
        },
        largest: largest(topic) + FRAME,
    };
    let vault = Layout {
        name: format!("{}{VAULT}", options.prefix),
        partitions: options.partitions,
        kept: Kept::Erasable,
        largest: LARGEST + FRAME,
    };
    vec![
        of(Topic::Events),
        of(Topic::Leads),
        of(Topic::Catalog),
        vault,
    ]
}
