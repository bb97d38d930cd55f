//! The embedded ClickHouse: libchdb behind ClickHouse's HTTP interface.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod ffi;
