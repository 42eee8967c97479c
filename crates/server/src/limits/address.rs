//! From where somebody asks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};

use crate::config::Network;

/// The address of whoever asks: the peer's, or what proxies say that are trusted.
///
/// Each proxy adds to `X-Forwarded-For` from whom it has the request, so the list is read from its
/// end: the first that is no trusted proxy is the caller. What stands before it the caller may
/// have made up.
pub(super) fn client(
    extensions: &Extensions,
    headers: &HeaderMap,
    proxies: &[Network],
) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut caller = peer;
    if !trusted(caller) {
        return Some(caller);
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let named = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    for name in named {
        // What is no address has been said by somebody who is trusted, and ends the list.
        let Some(address) = address(name.trim()) else { break };
        caller = address;
        if !trusted(caller) {
            break;
        }
    }
    Some(caller)
}

/// The peer, when it says for whom it asks and is not believed: mostly a proxy that somebody forgot
/// to name.
pub(super) fn disbelieved(
    extensions: &Extensions,
    headers: &HeaderMap,
    proxies: &[Network],
) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let said = headers.contains_key("x-forwarded-for");
    (said && !proxies.iter().any(|network| network.contains(peer))).then_some(peer)
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        let with_port = text.parse::<SocketAddr>().ok().map(|address| address.ip());
        with_port.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
    })?;
    Some(address.to_canonical())
}

/// What an address is counted as: who has one of IPv6 has a whole /64 network.
pub(super) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut request = Request::builder();
        for line in forwarded {
            request = request.header("x-forwarded-for", *line);
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let parts = request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts().0;
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        client(&parts.extensions, &parts.headers, &proxies).unwrap().to_string()
    }

    #[test]
    fn a_proxy_that_is_not_named_is_noticed() {
        let noticed = |peer: &str, forwarded: bool| {
            let mut request = Request::builder();
            if forwarded {
                request = request.header("x-forwarded-for", "203.0.113.7");
            }
            let peer: SocketAddr = peer.parse().unwrap();
            let parts = request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts().0;
            let proxies = ["10.0.0.0/8".parse().unwrap()];
            disbelieved(&parts.extensions, &parts.headers, &proxies).map(|peer| peer.to_string())
        };
        assert_eq!(noticed("10.0.0.1:1", true), None);
        assert_eq!(noticed("192.0.2.1:1", false), None);
        assert_eq!(noticed("192.0.2.1:1", true).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn only_trusted_proxies_say_for_whom_they_ask() {
        let local = ["127.0.0.0/8", "::1"];
        for (peer, forwarded, caller) in [
            ("203.0.113.9:1", &["1.2.3.4"][..], "203.0.113.9"),
            ("127.0.0.1:1", &[], "127.0.0.1"),
            ("127.0.0.1:1", &["1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1:1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1:1", &["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1:1", &["6.6.6.6, 127.0.0.1, 1.2.3.4, 127.0.0.2"], "1.2.3.4"),
            ("127.0.0.1:1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("[::1]:1", &["[2001:db8::7]:44"], "2001:db8::7"),
            ("[::1]:1", &["[2001:db8::7]"], "2001:db8::7"),
            ("[::ffff:127.0.0.1]:1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1:1", &["6.6.6.6, unknown"], "127.0.0.1"),
            ("127.0.0.1:1", &[""], "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, forwarded, &local), caller, "{peer} {forwarded:?}");
        }
        let inner = "6.6.6.6, 1.2.3.4, 10.0.0.9";
        assert_eq!(seen("10.0.0.1:1", &[inner], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(seen("10.0.0.1:1", &[inner], &["10.0.0.1"]), "10.0.0.9");
        assert_eq!(seen("127.0.0.1:1", &["1.2.3.4"], &[]), "127.0.0.1");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let same = |one: &str, other: &str| {
            counted_as(one.parse().unwrap()) == counted_as(other.parse().unwrap())
        };
        assert!(same("2001:db8::1", "2001:db8::ffff:2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    proptest! {
        #[test]
        fn nothing_that_a_caller_sends_makes_them_somebody_else(forged in "[ -~]{0,80}") {
            prop_assert_eq!(seen("203.0.113.9:1", &[&forged], &["127.0.0.1"]), "203.0.113.9");
            let line = format!("{forged}, 203.0.113.9");
            prop_assert_eq!(seen("127.0.0.1:1", &[&line], &["127.0.0.1"]), "203.0.113.9");
        }
    }
}
