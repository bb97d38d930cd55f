//! The targets under libFuzzer; `cargo xtask fuzz` builds and runs it. `GAVEL_FUZZ_TARGET` names
//! the target.
#![no_main]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "libFuzzer owns the command line, so the target comes by the environment"
)]

use std::sync::OnceLock;

fn target() -> fn(&[u8]) {
    let name = std::env::var("GAVEL_FUZZ_TARGET").unwrap_or_default();
    let target = fuzz::TARGETS.iter().find(|target| target.name == name);
    target
        .unwrap_or_else(|| panic!("GAVEL_FUZZ_TARGET is {name:?}, which is no target"))
        .run
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    TARGET.get_or_init(target)(data);
});
