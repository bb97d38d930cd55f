//! What crate `fuzz` tries on configurations.

use std::path::Path;

use crate::reader::Sink;
use crate::tree::Node;
use crate::{Config, Problem, read_config};

/// Reads the text of a configuration, without the catalog that it names.
///
/// # Errors
/// All that is wrong with it.
pub fn config(text: &str) -> Result<Config, Vec<Problem>> {
    let root = Node::read("fuzz", text).map_err(|problem| vec![problem])?;
    let sink = Sink::new("fuzz");
    let config = read_config::config(&root, Path::new(""), &sink);
    let problems = sink.into_problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}
