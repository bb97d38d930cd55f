//! What was freed: how long it stays with the process, and that it does not come back by itself.
//!
//! The allocator gives memory back to the system a second after it was freed. The worker frees a batch's memory
//! about a second before the next batch needs as much: each would be given its pages anew, zeroed.
//!
//! It also asks for huge pages. Where most of two megabytes was given back, the system then makes a huge page of what
//! is left, and what was given back is the process's again, unused: a service that runs for hours grows by it.

use std::ffi::{c_int, c_long};
use std::io;

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

/// Has the system give it small pages only, and the processes that it starts.
///
/// # Errors
/// The system does not do that.
pub(crate) fn small_pages() -> io::Result<()> {
    Ok(rustix::thread::disable_transparent_huge_pages(true)?)
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

    #[test]
    fn a_process_that_wants_small_pages_gets_no_others() {
        small_pages().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(status.contains("THP_enabled:\t0"));
    }
}
