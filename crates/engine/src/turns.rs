//! When this process runs, and how it ends: what the kernel is asked that no crate asks for us.

#![expect(
    unsafe_code,
    reason = "system calls that no safe crate offers; nothing else of the project is unsafe but `ffi`"
)]

use std::io::{Error, Result};
use std::time::Duration;

/// Ends the process without the library's exit handlers, which race its threads.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: takes a number, runs nothing of ours, does not return.
    unsafe { libc::_exit(code) }
}

/// Lets every other process go first: this thread, and those it starts, run when a core has nothing else
/// to do, and stop at once when it has.
///
/// # Errors
/// The system does not allow it.
pub fn run_when_idle() -> Result<()> {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the struct is whole and is only read; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) } {
        -1 => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How long a thread goes on that was not waited for, while another waits. The kernel's least.
const TURN: Duration = Duration::from_micros(100);

/// `struct sched_attr` of the kernel, as of its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Gives this thread, and those it starts, short turns: one that wakes takes its turn before one that is in the
/// middle of a longer one, and no thread's turn keeps another waiting for milliseconds. What each gets
/// in the end is not changed. Kernels before 6.12 do not know such turns and change nothing.
///
/// # Errors
/// The system does not allow it.
pub fn take_short_turns() -> Result<()> {
    let size = size_of::<Attributes>() as u32;
    let mut attributes = Attributes::default();
    // SAFETY: the struct is as large as is said, and the kernel writes no more than that; 0 is the
    // calling thread.
    let told = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if told == -1 {
        return Err(Error::last_os_error());
    }
    if i32::try_from(attributes.policy) != Ok(libc::SCHED_OTHER) {
        // Somebody has decided otherwise.
        return Ok(());
    }
    attributes.runtime = TURN.as_nanos() as u64;
    // SAFETY: the struct says its own size and is only read; 0 is the calling thread.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
        -1 => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}
