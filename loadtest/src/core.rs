//! Which processor a program runs on.
//!
//! What is measured has one core, what measures it has another: neither can take time from the other
//! unseen. A child inherits the cores of the thread that starts it.

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores: one for what is measured, one for everything that measures.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// For the program under test.
    pub subject: usize,
    /// For clients and buyers.
    pub driver: usize,
}

impl Cores {
    /// The first two that this process may use.
    ///
    /// # Errors
    /// There are fewer.
    pub fn find() -> Result<Self> {
        let may = sched_getaffinity(None).context("which cores there are")?;
        let mut own = (0..CpuSet::MAX_CPU).filter(|core| may.is_set(*core));
        let two = own.next().zip(own.next());
        ensure!(two.is_some(), "this needs two cores");
        let (subject, driver) = two.unwrap_or_default();
        Ok(Self { subject, driver })
    }

    /// Does something, such as starting a child, on the core of what is measured.
    ///
    /// # Errors
    /// The system refuses.
    pub fn as_subject<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        stay_on(self.subject)?;
        let done = act();
        stay_on(self.driver)?;
        Ok(done)
    }

    /// Keeps the calling thread, and those it starts, off what is measured.
    ///
    /// # Errors
    /// The system refuses.
    pub fn drive(&self) -> Result<()> {
        stay_on(self.driver)
    }
}

fn stay_on(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).with_context(|| format!("cannot stay on core {core}"))
}
