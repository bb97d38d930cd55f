//! Batches of events: a JSON array or an object a line, every type, every sender.

use std::sync::LazyLock;

pub(crate) fn run(data: &[u8]) {
    static BENCH: LazyLock<edge::fuzzing::Bench> = LazyLock::new(Default::default);
    BENCH.batch(crate::shipped(), &crate::Zeros, data);
}
