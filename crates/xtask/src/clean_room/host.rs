//! What the machine around the room lends it: Rust, and the settings by which it reaches registries.
//!
//! The settings are taken as they are found and name nothing themselves, so that the command works
//! behind a company's mirrors and proxies as well as on an open network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The release that the room is made of.
pub(super) const RELEASE: &str = "bookworm";

/// Settings that every tool in the room reads, and where it reads them.
const SYSTEM_SETTINGS: [&str; 8] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/npmrc",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/local/share/ca-certificates",
    "/usr/share/keyrings",
    "/etc/apt/keyrings",
    "/etc/apt/trusted.gpg.d",
];

/// Environment by which tools find proxies, certificates and registries; a `*` stands for any ending.
const LENT_ENVIRONMENT: [&str; 16] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_*",
    "NPM_CONFIG_*",
    "CARGO_HTTP_*",
    "CARGO_NET_*",
    "CARGO_REGISTRIES_*",
    "CARGO_SOURCE_*",
];

/// The machine around the room.
pub(super) struct Host {
    /// Toolchains of rustup.
    pub(super) rustup: PathBuf,
    /// `cargo`, `rustc` and the others, as rustup's proxies.
    pub(super) cargo_bin: PathBuf,
    cargo_home: PathBuf,
    home: PathBuf,
    /// Whether the machine is of the room's release, so that its apt sources fit.
    same_release: bool,
}

impl Host {
    pub(super) fn read() -> Result<Self> {
        let home = PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?);
        let folder = |name, default| {
            std::env::var_os(name).map_or_else(|| home.join(default), PathBuf::from)
        };
        let cargo_home = folder("CARGO_HOME", ".cargo");
        let rustup = folder("RUSTUP_HOME", ".rustup");
        let cargo_bin = cargo_home.join("bin");
        if !rustup.join("toolchains").is_dir() || !cargo_bin.join("rustup").is_file() {
            bail!(
                "the room borrows Rust as rustup installs it, and {} has none",
                home.display()
            );
        }
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let same_release = release
            .lines()
            .any(|line| line == format!("VERSION_CODENAME={RELEASE}"));
        Ok(Self {
            rustup,
            cargo_bin,
            cargo_home,
            home,
            same_release,
        })
    }

    /// The mirror that apt uses here, for debootstrap; without one debootstrap knows its own.
    pub(super) fn mirror(&self) -> Option<String> {
        if !self.same_release {
            return None;
        }
        let texts = self.apt_sources().into_iter();
        texts
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .find_map(|text| mirror_of(&text))
    }

    /// Copies the settings into the room.
    pub(super) fn lend_settings(&self, root: &Path) -> Result<()> {
        for setting in SYSTEM_SETTINGS {
            copy(Path::new(setting), &inside(root, setting))?;
        }
        for name in ["config.toml", "config"] {
            copy(
                &self.cargo_home.join(name),
                &inside(root, "/root").join(".cargo").join(name),
            )?;
        }
        copy(
            &self.home.join(".npmrc"),
            &inside(root, "/root").join(".npmrc"),
        )?;
        for path in acquire_settings() {
            copy(&path, &inside(root, &path))?;
        }
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            if let Some(path) = std::env::var_os(name).map(PathBuf::from) {
                copy(&path, &inside(root, &path))?;
            }
        }
        let sources = self.apt_sources();
        if self.same_release && !sources.is_empty() {
            std::fs::remove_file(inside(root, "/etc/apt/sources.list"))
                .context("debootstrap left no sources.list")?;
            for path in sources {
                copy(&path, &inside(root, &path))?;
            }
        }
        Ok(())
    }

    /// `NAME=VALUE` for each variable that is lent.
    pub(super) fn environment(&self) -> Vec<OsString> {
        std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(is_lent))
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                name
            })
            .collect()
    }

    fn apt_sources(&self) -> Vec<PathBuf> {
        let folder = files_of("/etc/apt/sources.list.d").into_iter();
        std::iter::once(PathBuf::from("/etc/apt/sources.list"))
            .chain(folder)
            .filter(|path| {
                path.extension()
                    .is_some_and(|end| end == "list" || end == "sources")
            })
            .filter(|path| path.is_file())
            .collect()
    }
}

/// The first address of a list of sources, in either of apt's formats, that has the room's release.
fn mirror_of(text: &str) -> Option<String> {
    if !text.split_whitespace().any(|word| word == RELEASE) {
        return None;
    }
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .find_map(|line| {
            let mut words = line.split_whitespace();
            match words.next()? {
                "URIs:" | "deb" => words.find(|word| word.contains("://")).map(str::to_owned),
                _ => None,
            }
        })
}

/// Those of apt's settings that say how to fetch; its hooks call programs that the room has not.
fn acquire_settings() -> Vec<PathBuf> {
    let mut paths = files_of("/etc/apt/apt.conf.d");
    paths.retain(|path| {
        std::fs::read_to_string(path).is_ok_and(|text| {
            text.lines().any(|line| line.starts_with("Acquire::")) && !text.contains("Invoke")
        })
    });
    paths
}

fn is_lent(name: &str) -> bool {
    LENT_ENVIRONMENT
        .iter()
        .any(|lent| match lent.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *lent == name,
        })
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// An absolute path of this machine as seen from outside the room.
fn inside(root: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Copies a file or the files of a folder, if there are any; links are followed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.is_file() {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // The room's own file may be a link that leads out of the room.
        if to.symlink_metadata().is_ok() {
            std::fs::remove_file(to)?;
        }
        std::fs::copy(from, to).with_context(|| format!("cannot lend {}", from.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_in_both_formats() {
        let deb822 = "Types: deb\n# http://old.example/debian\nURIs: http://a.example/debian\n\
                      Suites: bookworm bookworm-updates\n";
        let lines = "# deb http://old.example bookworm main\n\
                     deb [signed-by=/k.gpg] http://b.example/debian bookworm main\n";
        assert_eq!(
            mirror_of(deb822).as_deref(),
            Some("http://a.example/debian")
        );
        assert_eq!(mirror_of(lines).as_deref(), Some("http://b.example/debian"));
        assert_eq!(
            mirror_of("deb http://c.example/debian-security bookworm-security main"),
            None
        );
    }

    #[test]
    fn only_settings_of_the_network_are_lent() {
        for name in ["https_proxy", "npm_config_registry", "CARGO_HTTP_CAINFO"] {
            assert!(is_lent(name), "{name}");
        }
        for name in [
            "PATH",
            "CARGO_MANIFEST_DIR",
            "CI",
            "http_proxy_password",
            "GAVEL_LIBCHDB",
        ] {
            assert!(!is_lent(name), "{name}");
        }
    }
}
