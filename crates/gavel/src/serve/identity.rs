//! The name of a node among the others: made on its first start, kept in its data directory, so that what is
//! in its journal is known to be its own after a restart.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};
use domain::Entropy;

use super::whole;

const FILE: &str = "node";

/// The name in the data directory, which is made if it is not there.
pub(super) fn load(data: &Path, entropy: &dyn Entropy) -> anyhow::Result<String> {
    let path = data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(name) => read(&name).with_context(|| format!("the node's name in {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = format!("{:016x}", entropy.next_u64());
            whole::write(&path, format!("{name}\n").as_bytes())
                .with_context(|| format!("cannot make {}", path.display()))?;
            Ok(name)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn read(name: &str) -> anyhow::Result<String> {
    let name = name.trim();
    let good = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !good {
        bail!("a name is 16 hex digits");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::OsEntropy;

    #[test]
    fn a_node_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(dir.path(), &OsEntropy).unwrap();
        assert_eq!(load(dir.path(), &OsEntropy).unwrap(), first);
        fs::write(dir.path().join(FILE), "another").unwrap();
        assert!(load(dir.path(), &OsEntropy).is_err());
    }
}
