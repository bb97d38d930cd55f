//! Who may ask the embedded engine: the service itself, by a secret made at each start, and whoever is on this
//! machine, to read.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use domain::Entropy;
use engine::Access;
use engine::users::User;

use super::whole;

const FILE: &str = "engine-users";
/// The service's own name there.
const SERVICE: &str = "gavel";
/// The name of one who gives none.
const ANYBODY: &str = "default";

/// How the service gets in.
pub(super) struct Pass {
    pub(super) user: &'static str,
    pub(super) password: String,
}

/// Lists both in a file of the data directory, and gives its name. It holds no secret but its digest.
pub(super) fn list(data: &Path, entropy: &dyn Entropy) -> io::Result<(PathBuf, Pass)> {
    let mut secret = [0; 32];
    entropy.fill(&mut secret);
    let password = HEXLOWER.encode(&secret);
    let service = User::new(SERVICE, &password, Access::ReadWrite);
    let anybody = User::open(ANYBODY, Access::ReadOnly);
    let path = data.join(FILE);
    // An engine that is still there looks at it.
    whole::write(
        &path,
        format!("{}{}", service.line(), anybody.line()).as_bytes(),
    )?;
    let user = SERVICE;
    Ok((path, Pass { user, password }))
}
