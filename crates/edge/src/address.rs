//! What is kept of a visitor's address: its network, and a keyed hash of the whole.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use store::Sealer;

/// The network: IPv4 /24, IPv6 /48.
pub(crate) fn prefix(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let mut prefix = String::with_capacity("255.255.255.0/24".len());
            // A text takes whatever is written to it.
            let _ = write!(prefix, "{a}.{b}.{c}.0/24");
            prefix
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// A keyed hash of the whole address.
pub(crate) fn hash(ip: IpAddr, sealer: &Sealer) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => sealer.hash("ip", &ip.octets()),
        IpAddr::V6(ip) => sealer.hash("ip", &ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_cut() {
        for (ip, kept) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(prefix(ip.parse().unwrap()), kept);
        }
    }
}
