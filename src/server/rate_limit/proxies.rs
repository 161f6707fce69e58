//! The client's address behind proxies.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The networks of the proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let networks = parts.map(|part| {
            let address = part.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| part.parse()).map_err(|_| {
                "is not a list of addresses and networks, separated by commas, like `10.0.0.0/8,::1`".to_owned()
            })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }
}

impl TrustedProxies {
    /// The client of a request: the peer or, behind trusted proxies, the last address in the header that is not a
    /// trusted proxy. Addresses before it were sent by that client and cannot be trusted.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops {
            if !self.trusts(client) {
                return client;
            }
            match address(hop.trim()) {
                Some(address) => client = address,
                None => return client,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Some proxies append the port.
fn address(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_trusted_proxies_set_the_client_address() {
        let proxies: TrustedProxies = "10.0.0.0/8, 192.0.2.1 ,fd00::/8".parse().expect("a list");
        for (peer, forwarded_for, expected) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.1.2.3", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.1.2.3", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            (
                "10.1.2.3",
                &["1.1.1.1, 198.51.100.1, 192.0.2.1, fd00::7"],
                "198.51.100.1",
            ),
            ("10.1.2.3", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            ("10.1.2.3", &["1.1.1.1, nonsense"], "10.1.2.3"),
            ("10.1.2.3", &["1.1.1.1, nonsense, 10.0.0.9"], "10.0.0.9"),
            ("10.1.2.3", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.1.2.3", &[""], "10.1.2.3"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded_for {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            let client = proxies.client(peer.parse().expect(peer), &headers);
            assert_eq!(client.to_string(), expected, "{peer} {forwarded_for:?}");
        }
    }

    #[test]
    fn an_invalid_network_is_rejected() {
        for text in [
            "proxy.example.com",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.1;10.0.0.2",
        ] {
            text.parse::<TrustedProxies>().expect_err(text);
        }
    }
}
