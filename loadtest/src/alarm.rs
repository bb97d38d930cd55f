//! A timer as exact as the kernel's: tokio's own goes by whole milliseconds, which is more than what is
//! to be measured.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A timer of one task.
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer that is not set. Inside a runtime only.
    ///
    /// # Errors
    /// The system gives none.
    #[expect(
        deprecated,
        reason = "what takes its place is unsafe; this descriptor is ours and never replaced"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::new(fd)?))
    }

    /// Waits. A wait that is dropped is over.
    ///
    /// # Errors
    /// The system does not do it.
    pub async fn wait(&mut self, span: Duration) -> io::Result<()> {
        if span.is_zero() {
            return Ok(());
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let it_value = Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: span.subsec_nanos().into(),
        };
        let once = Itimerspec {
            it_interval: zero,
            it_value,
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let rung = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
            match rung {
                Ok(rung) => return rung.map(drop),
                Err(_would_block) => {}
            }
        }
    }
}
