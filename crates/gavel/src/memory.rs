//! How long what was freed stays with the process.
//!
//! The allocator gives memory back to the system a second after it was freed. The worker frees a batch's memory
//! about a second before the next batch needs as much: each would be given its pages anew, zeroed.

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay` of `mimalloc.h`, which `libmimalloc-sys` has no name for.
const PURGE_DELAY: c_int = 15;
/// In milliseconds. Who has freed for good has it back before anybody looks at a chart.
const KEPT_MS: c_long = 10_000;

/// Lets it stay for several batches, unless the environment (`MIMALLOC_PURGE_DELAY`) says how long. While there is one
/// thread only.
#[expect(unsafe_code, reason = "a C function")]
pub(crate) fn keep_freed() {
    // SAFETY: takes two numbers. It is not thread-safe: this is the first that the process does.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEPT_MS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "a C function")]
    fn the_option_is_the_one_that_is_a_second_unless_it_is_set() {
        // SAFETY: takes a number.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(get(), 1000);
        keep_freed();
        assert_eq!(get(), KEPT_MS);
    }
}
