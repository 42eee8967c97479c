//! `parlor healthcheck`: for containers and supervisors, which ask by running a program.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};

use crate::config::Config;

/// A server that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks the server that these settings are of whether it can answer chat.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let url = format!("http://{}/readyz", reachable(config.listen));
    // Not through a proxy of the environment: the server is on this machine.
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let response =
        client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    if !response.status().is_success() {
        bail!("{url} answers {}: {}", response.status(), response.text().await.unwrap_or_default());
    }
    Ok(())
}

/// The address at which this machine reaches what listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8000", "127.0.0.1:8000"),
            ("[::]:8000", "[::1]:8000"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
