//! How much is too much in a minute or a day, for whom, and how it is known where somebody is.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize, de::Error as _};

use super::{AuthMode, Config, Tenant};

/// How much somebody may use. What is absent or 0 is not limited, but for the defaults that
/// [`Config::quotas`] gives visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// What leads to an answer, in a minute: messages, retries, actions, recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<u32>,
    /// The same in 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_day: Option<u32>,
    /// Requests of any kind in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens of questions and answers in 24 hours, as the model server counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Answers that are being written or followed at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_streams: Option<u32>,
}

impl Quotas {
    /// With what another one says where this one says nothing.
    fn or(self, other: Self) -> Self {
        Self {
            messages_per_minute: self.messages_per_minute.or(other.messages_per_minute),
            messages_per_day: self.messages_per_day.or(other.messages_per_day),
            requests_per_minute: self.requests_per_minute.or(other.requests_per_minute),
            tokens_per_day: self.tokens_per_day.or(other.tokens_per_day),
            open_streams: self.open_streams.or(other.open_streams),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.set().next().is_none()
    }

    /// The limits that there are, with the names of their settings.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("messages_per_minute", self.messages_per_minute.map(u64::from)),
            ("messages_per_day", self.messages_per_day.map(u64::from)),
            ("requests_per_minute", self.requests_per_minute.map(u64::from)),
            ("tokens_per_day", self.tokens_per_day),
            ("open_streams", self.open_streams.map(u64::from)),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit.filter(|limit| *limit > 0)?)))
    }

    fn check(&self, place: &str) -> Result<(), String> {
        if let (Some(minute), Some(day)) = (self.messages_per_minute, self.messages_per_day)
            && day > 0
            && minute > day
        {
            return Err(format!(
                "{place}.messages_per_minute ({minute}) is larger than {place}.messages_per_day ({day}), so it limits nothing; lower it, or use 0 for none"
            ));
        }
        Ok(())
    }
}

/// How much a user may use, all users of a tenant together, and all who come from one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopedQuotas {
    /// A user.
    #[serde(skip_serializing_if = "is_nothing")]
    pub user: Quotas,
    /// All users of a tenant together.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tenant: Quotas,
    /// All who come from one address: of IPv6, from one /64 network.
    #[serde(skip_serializing_if = "is_nothing")]
    pub address: Quotas,
}

pub(super) fn is_nothing(quotas: &Quotas) -> bool {
    *quotas == Quotas::default()
}

impl ScopedQuotas {
    /// For visitors who are not known: more than somebody uses who reads and asks, less than what
    /// hurts. An address may be that of a whole office.
    const OF_VISITORS: Self = Self {
        user: Quotas {
            messages_per_minute: Some(20),
            messages_per_day: Some(500),
            requests_per_minute: Some(600),
            tokens_per_day: None,
            open_streams: Some(10),
        },
        tenant: Quotas {
            messages_per_minute: None,
            messages_per_day: None,
            requests_per_minute: None,
            tokens_per_day: None,
            open_streams: None,
        },
        address: Quotas {
            messages_per_minute: Some(120),
            messages_per_day: Some(5_000),
            requests_per_minute: Some(3_000),
            tokens_per_day: None,
            open_streams: Some(100),
        },
    };

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            user: self.user.or(other.user),
            tenant: self.tenant.or(other.tenant),
            address: self.address.or(other.address),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.tenant.is_empty() && self.address.is_empty()
    }

    pub(super) fn check(&self, place: &str) -> Result<(), String> {
        self.user.check(&format!("{place}.user"))?;
        self.tenant.check(&format!("{place}.tenant"))?;
        self.address.check(&format!("{place}.address"))
    }
}

/// The quotas in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotasInForce {
    /// For callers on the server's own machine: what the settings say.
    pub here: ScopedQuotas,
    /// For everybody else: with defaults for visitors.
    pub elsewhere: ScopedQuotas,
}

impl Config {
    /// The quotas in force, for everybody or for a tenant.
    ///
    /// In mode `anonymous`, where anybody may ask, there are defaults. They are not for callers on
    /// the same machine: those are its operator, or a proxy that does not say for whom it asks.
    pub fn quotas(&self, tenant: Option<&Tenant>) -> QuotasInForce {
        let limits = &self.limits;
        let all =
            ScopedQuotas { user: limits.user, tenant: limits.tenant, address: limits.address };
        let own = tenant.and_then(|tenant| tenant.limits).unwrap_or_default();
        let here = own.or(all);
        let elsewhere = match self.auth.mode() {
            AuthMode::Anonymous => here.or(ScopedQuotas::OF_VISITORS),
            AuthMode::TrustedHeader | AuthMode::Jwt | AuthMode::Session => here,
        };
        QuotasInForce { here, elsewhere }
    }

    /// The proxies that are believed: those of `server.trusted_proxies`, and those that are trusted
    /// to say who asks.
    pub fn trusted_proxies(&self) -> Vec<Network> {
        let authenticating = match (self.auth.mode(), &self.auth.trusted_header) {
            (AuthMode::TrustedHeader, Some(settings)) => settings.peers.as_slice(),
            _ => &[],
        };
        let authenticating = authenticating.iter().copied().map(Network::from);
        self.server.trusted_proxies.iter().copied().chain(authenticating).collect()
    }

    pub(super) fn check_quotas(&self) -> Result<(), String> {
        self.quotas(None).here.check("limits")
    }
}

/// An address, or all that begin alike: `192.0.2.7` or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// This machine.
    pub(super) fn loopback() -> Vec<Self> {
        let v4 = Self { address: IpAddr::from([127, 0, 0, 0]), bits: 8 };
        vec![v4, Self::from(IpAddr::from(std::net::Ipv6Addr::LOCALHOST))]
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                alike(own.to_bits().into(), other.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                alike(own.to_bits(), other.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

/// Whether the first bits of two numbers of this length are the same.
fn alike(one: u128, other: u128, length: u8, bits: u8) -> bool {
    bits == 0 || (one ^ other) >> (length - bits.min(length)) == 0
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no address and no network; write one such as 192.0.2.7 or 10.0.0.0/8"
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let whole = Self::from(address.trim().parse::<IpAddr>().map_err(|_| wrong())?);
        match bits {
            None => Ok(whole),
            Some(bits) => {
                let bits = bits.parse().ok().filter(|bits| *bits <= whole.bits);
                Ok(Self { bits: bits.ok_or_else(wrong)?, ..whole })
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        match self.bits {
            bits if bits == whole => write!(f, "{}", self.address),
            bits => write!(f, "{}/{bits}", self.address),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_all_addresses_that_begin_alike() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
            ("2001:db8::/32", "2001:db8:9::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
            assert_eq!(network.parse::<Network>().unwrap().to_string(), network);
        }
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::1/129", "10.0"] {
            assert!(wrong.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn visitors_are_limited_by_default_and_nobody_else() {
        let mut config = Config::default();
        assert!(config.quotas(None).here.is_empty(), "nobody on this machine");
        assert_eq!(config.quotas(None).elsewhere, ScopedQuotas::OF_VISITORS);
        config.limits.user.messages_per_day = Some(0);
        config.limits.address.open_streams = Some(7);
        let quotas = config.quotas(None).elsewhere;
        assert_eq!((quotas.user.messages_per_day, quotas.address.open_streams), (Some(0), Some(7)));
        assert_eq!(quotas.user.messages_per_minute, Some(20));
        config.auth.mode = Some(AuthMode::TrustedHeader);
        assert!(config.quotas(None).elsewhere.user.is_empty());
        let own = ScopedQuotas {
            address: Quotas { open_streams: Some(3), ..Quotas::default() },
            ..ScopedQuotas::default()
        };
        let tenant = Tenant { limits: Some(own), ..Tenant::default() };
        assert_eq!(config.quotas(Some(&tenant)).here.address.open_streams, Some(3));
        assert_eq!(config.quotas(None).here.address.open_streams, Some(7));
    }
}
