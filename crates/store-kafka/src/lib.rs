//! The log and the vault of a cluster, on Kafka.
//!
//! Partition = key modulo the number of partitions, as on one machine, so that who owns a partition owns
//! what its keys mean. A record is acknowledged once all in-sync replicas have it. Nothing here assumes
//! that a partition begins at 0 or has every offset: retention and compaction cut.
#![forbid(unsafe_code)]

mod consumer;
mod ends;
mod error;
mod hearing;
mod log;
mod names;
mod options;
mod producer;
mod replay;
mod scan;
mod shipped;
mod topics;
mod vault;
mod watch;

pub use consumer::KafkaConsumer;
pub use error::{OpenError, Problems};
pub use log::KafkaLog;
pub use options::{KafkaOptions, Mechanism, Sasl, Security, Tls};
pub use replay::KafkaReplay;
pub use shipped::{FrontOptions, ShippedLog, ShippedVault, Standing};
pub use vault::KafkaVault;
