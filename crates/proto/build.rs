//! Compiles `proto/` to Rust with `protox`, so that no `protoc` has to be installed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    println!("cargo::rerun-if-changed=../../proto");
    let files = [
        "gavel/v1/catalog.proto",
        "gavel/v1/lead.proto",
        "gavel/v1/event.proto",
        "gavel/v1/lately.proto",
        "gavel/v1/quote.proto",
    ];
    let set = protox::compile(files, [root])?;
    let mut config = prost_build::Config::new();
    // Maps are part of encoded states that are compared byte for byte: keep their order fixed.
    config.btree_map(["."]);
    config.compile_fds(set)?;
    Ok(())
}
