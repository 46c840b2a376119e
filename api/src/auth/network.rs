//! The networks that clients are counted by. A client usually has a whole /64 of IPv6 addresses to send from, and often a
//! /48.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One client as far as addresses can tell: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

/// What one subscriber may have: an IPv4 address, or the /48 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(masked(address, 4))
    }
}

impl Network {
    pub fn site(self) -> Site {
        Site(masked(self.0, 3))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// The address, of an IPv6 address only the first `segments` of 16 bits.
fn masked(address: IpAddr, segments: usize) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut masked = [0; 8];
            masked[..segments].copy_from_slice(&address.segments()[..segments]);
            IpAddr::V6(Ipv6Addr::from(masked))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_a_48_one_site() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("2001:db8:1:2::1").site(), network("2001:db8:1:3::1").site());
        assert_ne!(network("2001:db8:1:2::1").site(), network("2001:db8:2:2::1").site());
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1").site(), network("192.0.2.2").site());
        assert_eq!(network("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
