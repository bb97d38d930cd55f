//! Parameters of postbacks and pixels: ids, amounts, statuses, aliases, unexpanded macros.

use std::sync::LazyLock;

pub(crate) fn run(data: &[u8]) {
    static BENCH: LazyLock<edge::fuzzing::Bench> = LazyLock::new(Default::default);
    let pairs: Vec<_> = httpd::form::pairs(data).collect();
    BENCH.postback(crate::shipped(), &crate::Zeros, &pairs);
}
