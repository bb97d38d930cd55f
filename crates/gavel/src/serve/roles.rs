//! What a process does of all that the service does.

use clap::ValueEnum;

/// A part of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Clicks, pixels, postbacks, batches of events.
    Edge,
    /// Publishers' leads, the auction, buyers' and operators' calls about leads.
    Router,
    /// Everything behind the log: leads' ends, attribution, the tables, postbacks to publishers.
    Worker,
}

/// The roles of a process: all of them, or those that were named.
#[derive(Debug, Clone)]
pub(crate) struct Roles(Vec<Role>);

impl Roles {
    /// Those that were named; nobody names none.
    pub(crate) fn of(named: Vec<Role>) -> Self {
        match named.is_empty() {
            true => Self(Role::value_variants().to_vec()),
            false => Self(named),
        }
    }

    /// Whether this is one of them.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether it is all of them.
    pub(crate) fn all(&self) -> bool {
        Role::value_variants().iter().all(|role| self.has(*role))
    }
}
