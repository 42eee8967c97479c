//! The client that authorization servers are asked with.
//!
//! Which hosts those are is said by the servers of tools, and so by strangers: they must not have
//! this server ask its own network. Only hosts that the operator names may be at private addresses.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use rmcp::transport::auth::{
    OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRequest,
};
use url::{Host, Url};

use crate::config::is_confidential;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read. Bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// What names proxies for requests. Their names are looked up in the place of a host's.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Why something is not asked, or its answer not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    /// Somebody could listen.
    #[error("{0} is no https address")]
    InTheClear(Url),
    /// It is on a network of the operator's.
    #[error("{0} is at a private address; name its host in sign_in.private_hosts if it may be")]
    Private(String),
    /// It says too much.
    #[error("the answer of {0} is too large")]
    TooLarge(Url),
}

/// Asks hosts at public addresses, and those that may be at others. Follows no redirections.
pub(super) struct GuardedClient {
    client: Client,
    hosts: PrivateHosts,
}

impl GuardedClient {
    /// For a server of tools and the authorization servers that it names.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(server: &Url, private_hosts: &[String]) -> Result<Self, reqwest::Error> {
        let hosts = PrivateHosts::new(server, private_hosts);
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(hosts.clone()))
            .build()?;
        Ok(Self { client, hosts })
    }

    async fn ask(
        &self,
        request: oauth2::HttpRequest,
    ) -> Result<oauth2::HttpResponse, OAuthHttpClientError> {
        let request = reqwest::Request::try_from(request)?;
        let url = request.url().clone();
        if !is_confidential(&url) {
            return Err(GuardError::InTheClear(url).into());
        }
        // Those in letters are looked at when they are looked up.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        let host = url.host_str().unwrap_or_default();
        if address.is_some_and(|address| !self.hosts.allow(host, address)) {
            return Err(GuardError::Private(host.to_owned()).into());
        }
        let mut response = self.client.execute(request).await?;
        let mut answer = oauth2::http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            answer = answer.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(GuardError::TooLarge(url).into());
            }
            body.extend_from_slice(&piece);
        }
        Ok(answer.body(body)?)
    }
}

impl OAuthHttpClient for GuardedClient {
    fn execute(&self, asked: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(self.ask(asked.request))
    }
}

/// The hosts that may be at any address.
#[derive(Clone)]
struct PrivateHosts {
    names: Arc<[String]>,
    /// Whether hosts of this machine may be asked: the server of tools is one of them.
    is_local: bool,
}

impl PrivateHosts {
    fn new(server: &Url, named: &[String]) -> Self {
        let proxies = PROXIES.iter().filter_map(|name| env::var(name).ok()).filter_map(|proxy| {
            let proxy = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
            Url::parse(&proxy).ok()?.host_str().map(ToOwned::to_owned)
        });
        let own = server.host_str().map(ToOwned::to_owned);
        let names = named.iter().cloned().chain(own).chain(proxies);
        let is_local = match server.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        Self { names: names.map(|name| plain(&name)).collect(), is_local }
    }

    fn allow(&self, host: &str, address: IpAddr) -> bool {
        is_public(address)
            || self.is_local && address.to_canonical().is_loopback()
            || self.names.contains(&plain(host))
    }
}

impl Resolve for PrivateHosts {
    fn resolve(&self, name: Name) -> Resolving {
        let hosts = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| hosts.allow(host, address.ip())).collect();
            if allowed.is_empty() {
                return Err(GuardError::Private(host.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A host's name as it is compared.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether an address is one of the internet's, and not of a network of its own (IANA's registries
/// of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // What is assigned at all; without 2001::/23 (protocols) and 2001:db8::/32 (documentation).
    (segments[0] & 0xe000) == 0x2000
        && !(segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8))
}

/// The IPv4 address that packets to this one end up at: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(of(g, h)),
        [0x2002, ..] => Some(of(b, c)),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_told_from_those_of_networks() {
        for address in ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:a00:1::",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn only_named_hosts_may_be_at_private_addresses() {
        let server = "https://crm.example.com/mcp".parse().unwrap();
        let hosts = PrivateHosts::new(&server, &["sso.example.com".to_owned()]);
        let private = "10.0.0.7".parse().unwrap();
        for host in ["crm.example.com", "CRM.example.com.", "sso.example.com"] {
            assert!(hosts.allow(host, private), "{host}");
        }
        assert!(!hosts.allow("evil.example.com", private));
        assert!(hosts.allow("evil.example.com", "93.184.215.14".parse().unwrap()));
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(!hosts.allow("localhost", loopback));
        let local = PrivateHosts::new(&"http://127.0.0.1:9/mcp".parse().unwrap(), &[]);
        assert!(local.allow("localhost", loopback) && !local.allow("localhost", private));
    }

    #[tokio::test]
    async fn names_and_addresses_of_this_machine_are_not_asked_for_a_server_elsewhere() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = "https://crm.example.com/mcp".parse().unwrap();
        let client = GuardedClient::new(&server, &[]).unwrap();
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let request = oauth2::http::Request::get(format!("http://{host}:{port}/"));
            let error = client.ask(request.body(Vec::new()).unwrap()).await.unwrap_err();
            let refused = parlor_chatkit::ErrorChain(&*error).to_string();
            assert!(refused.contains("private address"), "{refused}");
        }
        let clear = oauth2::http::Request::get("http://crm.example.com/").body(Vec::new());
        let error = client.ask(clear.unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("no https address"), "{error}");
    }
}
