//! What tests share: a clock and randomness under their control, and the suite that every backend of
//! the stores passes.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this crate is assertions: a broken promise ends the test that found it"
)]

mod clock;
pub mod conformance;
mod entropy;
pub mod records;
pub mod simulation;

pub use clock::FakeClock;
pub use entropy::SeededEntropy;
