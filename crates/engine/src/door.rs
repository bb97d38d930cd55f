//! How the process that has a data directory is asked for what its clients may not: over the same HTTP, with a key
//! that stands in the directory, so that whoever owns the files may ask and nobody else.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use subtle::ConstantTimeEq as _;

/// Where backups are asked for; the path of the backup is the body.
pub(crate) const BACKUP: &str = "/gavel/backup";
/// The header with the key.
pub(crate) const KEY: &str = "x-gavel-key";
/// Of an answer.
const MOST: u64 = 1 << 20;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Door {
    address: SocketAddr,
    key: [u8; 32],
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.address)
    }
}

/// As the line of a file.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.address, self.key())
    }
}

impl Door {
    /// Of a process that listens there.
    pub(crate) fn new(listens: SocketAddr, key: [u8; 32]) -> Self {
        // On all addresses is on loopback too.
        let address = match listens.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Self {
            address: (address, listens.port()).into(),
            key,
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (address, key) = line.strip_suffix('\n')?.split_once(' ')?;
        let key = data_encoding::HEXLOWER.decode(key.as_bytes()).ok()?;
        Some(Self {
            address: address.parse().ok()?,
            key: key.try_into().ok()?,
        })
    }

    fn key(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.key)
    }

    /// Whether somebody has the key.
    pub(crate) fn opens(&self, given: &[u8]) -> bool {
        self.key().as_bytes().ct_eq(given).into()
    }

    /// Asks, and gives the status and the text of the answer. Blocks for as long as it takes.
    pub(crate) fn ask(&self, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!(
            "POST {path} HTTP/1.0\r\n{KEY}: {}\r\ncontent-length: {}\r\n\r\n",
            self.key(),
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.trim_end().to_owned()))
        });
        parsed.ok_or_else(|| io::Error::other("it went away without an answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_a_line_and_opens_to_its_key() {
        let door = Door::new("0.0.0.0:8123".parse().unwrap(), [0xab; 32]);
        let line = door.to_string();
        assert_eq!(line, format!("127.0.0.1:8123 {}\n", "ab".repeat(32)));
        assert_eq!(Door::parse(&line), Some(door.clone()));
        for part in 0..line.len() {
            assert_eq!(Door::parse(&line[..part]), None);
        }
        assert!(door.opens("ab".repeat(32).as_bytes()));
        assert!(!door.opens("ac".repeat(32).as_bytes()) && !door.opens(b""));
        assert_eq!(format!("{door:?}"), "Door(127.0.0.1:8123)");
    }
}
