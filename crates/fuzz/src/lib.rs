//! Fuzz targets: one for every parser that reads what strangers or a damaged disk wrote.
//!
//! A target is a function over bytes that panics when a promise is broken: beside "no panic" each
//! says what has to hold of what was read. `cargo xtask fuzz` runs them under libFuzzer with the
//! compiler's own coverage, which needs no other toolchain; `cargo test -p fuzz` runs the seeds.
//!
//! To add one: `src/<name>.rs` with a function from bytes, a line in the table below, and a
//! few small seeds in `seeds/<name>/`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise ends the run that found it"
)]

mod answers;
mod batches;
mod bodies;
mod catalogs;
mod configs;
mod connections;
mod filters;
mod forms;
mod frames;
mod ids;
mod leads;
mod native;
mod postbacks;
mod quotes;
mod records;
mod requests;
mod statements;

/// A parser and what has to hold of it.
pub struct Target {
    /// Its name, and its seeds' folder.
    pub name: &'static str,
    /// Reads some bytes; panics if a promise is broken.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name::run },)*];
    };
}

targets! {
    answers
    batches
    bodies
    catalogs
    configs
    connections
    filters
    forms
    frames
    ids
    leads
    native
    postbacks
    quotes
    records
    requests
    statements
}

/// The shipped catalog, on which what needs one is tried.
fn shipped() -> &'static catalog::Snapshot {
    static SHIPPED: std::sync::LazyLock<catalog::Snapshot> = std::sync::LazyLock::new(|| {
        let text = include_str!("../../../deploy/catalog/auto-us.toml");
        catalog::load_catalog("shipped", text, &Default::default(), &[]).expect("it is good")
    });
    &SHIPPED
}

/// Randomness without any: what was found is found again.
struct Zeros;

impl domain::Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
