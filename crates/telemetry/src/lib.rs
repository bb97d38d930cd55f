//! What operators see: metrics, all named in one place, log lines, and a wrapper that keeps
//! personal values out of both.
#![forbid(unsafe_code)]

mod logs;
mod metric;
mod metrics;
mod redact;

pub use logs::{LogFormat, LogsError, init_logs};
pub use metric::*;
pub use metrics::{Count, Metrics, Times};
pub use redact::Redacted;
