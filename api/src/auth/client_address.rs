//! The client's address: that of the connection or, where a trusted proxy made the connection, the one that the proxy
//! passes on in a header.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::HeaderName;
use axum::http::request::Parts;
use ipnet::IpNet;
use rollcall_schema::settings::error::SettingError;

/// How clients' addresses are found.
#[derive(Debug, Clone)]
pub struct ClientAddresses {
    header: Option<HeaderName>,
    /// The networks of the proxies whose header is believed.
    trusted: Vec<IpNet>,
}

impl ClientAddresses {
    /// Fails where the header could be forged, or would never be read.
    pub fn new(header: Option<HeaderName>, trusted: Vec<IpNet>) -> Result<Self, SettingError> {
        if header.is_some() && trusted.is_empty() {
            return Err(SettingError::new(
                "ROLLCALL_CLIENT_ADDRESS_HEADER",
                "is set, but ROLLCALL_TRUSTED_PROXIES is not, so any client could forge the header: set \
                 ROLLCALL_TRUSTED_PROXIES to the addresses or networks of the proxies, such as 10.0.0.0/8",
            ));
        }
        if header.is_none() && !trusted.is_empty() {
            return Err(SettingError::new(
                "ROLLCALL_TRUSTED_PROXIES",
                "is set, but ROLLCALL_CLIENT_ADDRESS_HEADER is not: set it to the header in which the proxies pass the \
                 client's address, such as X-Forwarded-For",
            ));
        }
        if header.as_ref().is_some_and(|header| header.as_str() == "forwarded") {
            return Err(SettingError::new(
                "ROLLCALL_CLIENT_ADDRESS_HEADER",
                "names the header Forwarded, whose syntax is not supported: have the proxy send X-Forwarded-For",
            ));
        }
        Ok(Self { header, trusted })
    }

    /// The address of the client that sent the request. Of the addresses in the header, which each proxy extends at its
    /// end, it is the last one that no trusted proxy has. What stands before it, the client may have made up.
    pub fn of(&self, parts: &Parts) -> IpAddr {
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let mut client =
            connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical());
        let Some(header) = &self.header else { return client };
        let mut hops = parts
            .headers
            .get_all(header)
            .iter()
            .rev()
            .flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
        while self.is_trusted(client) {
            // What is no address, such as `unknown`, ends the search at the proxy that wrote it.
            let Some(hop) = hops.next().and_then(parse) else { break };
            client = hop;
        }
        client
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Parses an address as proxies write it: also with a port, and an IPv6 address also in brackets.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn addresses(trusted: &[&str]) -> ClientAddresses {
        let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        ClientAddresses::new(Some(HeaderName::from_static("x-forwarded-for")), trusted)
            .expect("the settings agree")
    }

    /// The client of a request over a connection from `peer` with these headers.
    fn client(addresses: &ClientAddresses, peer: &str, headers: &[&str]) -> String {
        let mut request = Request::builder();
        for header in headers {
            request = request.header("x-forwarded-for", *header);
        }
        let mut parts = request.body(()).expect("a request").into_parts().0;
        let peer: IpAddr = peer.parse().expect("an address");
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer, 1234)));
        addresses.of(&parts).to_string()
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        let addresses = addresses(&["10.0.0.0/8", "fd00::/8"]);
        for (peer, headers, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.1.2.3"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:50123"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::7]:50123"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("fd00::1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, "], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client(&addresses, peer, headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_header_that_could_be_forged_is_refused() {
        let header = |name| Some(HeaderName::from_static(name));
        let proxy = || vec!["10.0.0.1/32".parse().expect("a network")];
        assert!(ClientAddresses::new(header("x-forwarded-for"), Vec::new()).is_err());
        assert!(ClientAddresses::new(None, proxy()).is_err());
        assert!(ClientAddresses::new(header("forwarded"), proxy()).is_err());
        assert!(ClientAddresses::new(None, Vec::new()).is_ok());
    }
}
