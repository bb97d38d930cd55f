//! Memory that the machine has at hand.
//!
//! A virtual machine's free memory may be with its host, and who needs it first waits until the host has given it
//! back: what runs after a pause then spends half as much again in the kernel, whatever it is.

use std::hint::black_box;

/// The smallest page there is; larger ones are touched more often than they need.
const PAGE: usize = 4096;

/// Touches so many bytes and gives them up again.
pub fn memory(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    for page in memory.chunks_mut(PAGE) {
        page.fill(1);
        black_box(page);
    }
}
