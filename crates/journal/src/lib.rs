//! A durable log on one disk: records of bytes in, dense offsets out, nothing acknowledged is lost.
//!
//! A journal is one directory with one physical stream of segment files. Its records belong to
//! **lanes**, each with offsets of its own that start at 0 and have no gaps, so that a batch for all
//! lanes is one `write` and one `fdatasync`. Everything that is queued becomes one write: on the thread of an
//! append that waits for the kernel alone, or on the writer's. The syncer syncs whatever was written while it
//! synced before (group commit without a timer); or the writer syncs too ([`Syncs`]). It knows no record type,
//! no clock and no consumer.
//!
//! ```text
//! append -> queue -> [ pen  ] -> segment file -> [syncer] -> synced mark
//!                        |                          |
//!                   Ack::Kernel, readers       Ack::Durable
//! ```
//!
//! On disk: `lock` (who has it open), `synced` (up to where the segments are known to be safe) and
//! `<sequence>.seg`. What that promises after a crash is written down in the module `repair`.

mod commit;
mod error;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod lock;
mod mark;
mod options;
mod progress;
mod queue;
mod reader;
mod repair;
mod runway;
mod segment;
mod segments;
mod shared;
mod space;
mod syncer;
mod writer;

pub use error::{AppendError, OpenError, ReadError};
pub use journal::{Appended, Journal};
pub use options::{Ack, OnFailure, Options, Space, Syncs};
pub use reader::{Reader, Record};
pub use repair::Opened;
