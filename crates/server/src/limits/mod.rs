//! Limits on what users, tenants and addresses may use.
//!
//! Requests in a minute are counted in the process, before anything else is done for them; of those
//! who make many the servers tell each other through the database. What costs money (messages,
//! tokens, answers at the same time) is counted in the database, for all servers together,
//! immediately before it begins.

mod address;
mod ledger;
mod requests;
mod words;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use axum::http::{Extensions, HeaderMap, request::Parts};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_chatkit::{
    Admission, ChatKitError, Clock, LimitReached, Owner, Quota, Store, StoreError, TenantId, Work,
    protocol::{NoticeEvent, NoticeLevel, Timestamp},
};
use parlor_store::{Charge, Charged, CounterId, LimitStore, OpenId, Opening, Refusal, Use, Window};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    config::{Config, Network, Quotas, QuotasInForce, ScopedQuotas},
    error::ApiError,
    late::Late,
    metrics::limited,
};
use ledger::Ledger;
use requests::{Caller, Requests};

/// Name under which the store keeps the key that counters are named with.
const COUNTER_KEY: &str = "limits";

/// Seconds after which somebody tries again who has too many answers under way.
const STREAM_AGAIN: u64 = 5;

/// Limits, and what was used of them. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Limits(Arc<Inner>);

struct Inner {
    store: Arc<dyn LimitStore>,
    clock: Arc<dyn Clock>,
    /// Names the counters, so that the database knows neither users nor addresses.
    key: Arc<Late<Hmac<Sha256>>>,
    proxies: Vec<Network>,
    /// Once is enough.
    warned_of_a_proxy: AtomicBool,
    everybody: QuotasInForce,
    tenants: HashMap<String, QuotasInForce>,
    requests: Requests,
    ledger: Ledger,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    User,
    Tenant,
    Address,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Address => "address",
        }
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    MessagesPerMinute,
    MessagesPerDay,
    RequestsPerMinute,
    TokensPerDay,
    OpenStreams,
}

impl Limit {
    fn as_str(self) -> &'static str {
        match self {
            Self::MessagesPerMinute => "messages_per_minute",
            Self::MessagesPerDay => "messages_per_day",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerDay => "tokens_per_day",
            Self::OpenStreams => "open_streams",
        }
    }
}

impl Limits {
    /// The limits that the configuration sets. `None`: it sets none.
    pub(crate) fn new(
        config: &Config,
        store: Arc<dyn LimitStore>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let everybody = config.quotas(None);
        let tenants: HashMap<_, _> = config
            .tenants
            .iter()
            .map(|(id, tenant)| (id.clone(), config.quotas(Some(tenant))))
            .collect();
        let is_empty = |quotas: &QuotasInForce| quotas.elsewhere.is_empty();
        if is_empty(&everybody) && tenants.values().all(is_empty) {
            return None;
        }
        let key = Arc::new(Late::default());
        Some(Self(Arc::new(Inner {
            requests: Requests::start(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&key)),
            ledger: Ledger::start(Arc::clone(&store), Arc::clone(&clock)),
            store,
            clock,
            key,
            proxies: config.trusted_proxies(),
            warned_of_a_proxy: AtomicBool::new(false),
            everybody,
            tenants,
        })))
    }

    /// Takes the key that this store keeps.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let fresh = (0..2).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
        let key = store.secret(COUNTER_KEY, fresh).await?;
        let key = Hmac::new_from_slice(&key).map_err(|error| StoreError::Failed(error.into()))?;
        self.0.key.set(key);
        Ok(())
    }

    /// Counts a request from an address, before it is known whose it is.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(crate) fn count_of_address(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let Some(address) = address::client(extensions, headers, &self.0.proxies) else {
            return Ok(());
        };
        if let Some(peer) = address::disbelieved(extensions, headers, &self.0.proxies)
            && !self.0.warned_of_a_proxy.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "this peer passes requests on for others, but is not in server.trusted_proxies: all \
                 who come through it count as one address"
            );
        }
        let quotas = of_address(&self.0.everybody, Some(address)).address;
        let caller = || Caller::Address(address::counted_as(address));
        self.count_request(Scope::Address, &quotas, caller)
    }

    /// Counts a request of a user, and of their tenant.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(crate) fn count_of_user(&self, owner: &Owner, parts: &Parts) -> Result<(), ApiError> {
        let address = address::client(&parts.extensions, &parts.headers, &self.0.proxies);
        let quotas = self.0.quotas(owner, address);
        self.count_request(Scope::User, &quotas.user, || Caller::User(owner.clone()))?;
        let tenant = || Caller::Tenant(owner.tenant().clone());
        self.count_request(Scope::Tenant, &quotas.tenant, tenant)
    }

    fn count_request(
        &self,
        scope: Scope,
        quotas: &Quotas,
        caller: impl FnOnce() -> Caller,
    ) -> Result<(), ApiError> {
        let Some(limit) = quotas.requests_per_minute.filter(|limit| *limit > 0) else {
            return Ok(());
        };
        let now = self.0.clock.now();
        let counted = self.0.requests.count(caller(), limit, now);
        counted
            .map_err(|free_at| reached(Limit::RequestsPerMinute, scope, Some(free_at), now).into())
    }

    /// What a request may use. `None`: as much as it wants.
    pub(crate) fn quota(&self, owner: &Owner, parts: &Parts) -> Option<Arc<dyn Quota>> {
        let address = address::client(&parts.extensions, &parts.headers, &self.0.proxies);
        let quotas = self.0.quotas(owner, address);
        if quotas.is_empty() {
            return None;
        }
        Some(Arc::new(CallersQuota {
            limits: self.clone(),
            owner: owner.clone(),
            address: address.map(address::counted_as),
            quotas: *quotas,
        }))
    }

    /// Waits until what was used is in the database, or cannot be written.
    pub(crate) async fn settled(&self) {
        self.0.ledger.all_settled().await;
    }

    /// Deletes what counts nothing any more, so much at a time that the database has time for
    /// others in between. How much there was.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sweep(&self, process: &str) -> Result<u64, StoreError> {
        const BATCH: u32 = 500;
        let mut all = 0;
        loop {
            let now = self.0.clock.now();
            let deleted = self.0.store.sweep_limits(process, now, BATCH).await?;
            all += deleted;
            if deleted < u64::from(BATCH) {
                return Ok(all);
            }
        }
    }
}

/// Those for callers on this machine, or for others.
fn of_address(quotas: &QuotasInForce, address: Option<IpAddr>) -> &ScopedQuotas {
    match address {
        Some(address) if address.is_loopback() => &quotas.here,
        _ => &quotas.elsewhere,
    }
}

impl Inner {
    fn quotas(&self, owner: &Owner, address: Option<IpAddr>) -> &ScopedQuotas {
        let own = self.tenants.get(owner.tenant().as_str());
        of_address(own.unwrap_or(&self.everybody), address)
    }
}

/// What one caller may use.
struct CallersQuota {
    limits: Limits,
    owner: Owner,
    address: Option<IpAddr>,
    quotas: ScopedQuotas,
}

impl fmt::Debug for CallersQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallersQuota").field("quotas", &self.quotas).finish_non_exhaustive()
    }
}

impl CallersQuota {
    /// Those who are limited, and how.
    fn scopes(&self) -> impl Iterator<Item = (Scope, &Quotas)> {
        let scopes = [
            (Scope::User, &self.quotas.user),
            (Scope::Tenant, &self.quotas.tenant),
            (Scope::Address, &self.quotas.address),
        ];
        let has_address = self.address.is_some();
        scopes.into_iter().filter(move |(scope, quotas)| {
            !quotas.is_empty() && (*scope != Scope::Address || has_address)
        })
    }

    /// What the counter of a limit is called.
    fn counter(&self, key: &Hmac<Sha256>, scope: Scope, limit: Limit) -> CounterId {
        let who = match (scope, self.address) {
            (Scope::User, _) => Counted::User(&self.owner),
            (Scope::Address, Some(address)) => Counted::Address(address),
            // Those without an address have no limit of one.
            (Scope::Tenant, _) | (Scope::Address, None) => Counted::Tenant(self.owner.tenant()),
        };
        counter(key, limit, who)
    }

    /// What is to be counted before this work begins.
    fn charges(&self, key: &Hmac<Sha256>, work: Work) -> Vec<(Scope, Limit, Charge)> {
        let mut charges = Vec::new();
        for (scope, quotas) in self.scopes() {
            let mut add = |limit, window, allowed: Option<u64>, cost| {
                if let Some(allowed) = allowed.filter(|allowed| *allowed > 0) {
                    let counter = self.counter(key, scope, limit);
                    // Only users are told: what is left to a tenant or an address says what others
                    // have used. And of a minute nobody needs to be told.
                    let told = scope == Scope::User && window == Window::Day;
                    let near = told.then(|| near(allowed)).flatten();
                    let charge = Charge { counter, window, limit: allowed, cost, near };
                    charges.push((scope, limit, charge));
                }
            };
            if matches!(work, Work::Message | Work::Recording) {
                let minute = quotas.messages_per_minute.map(u64::from);
                add(Limit::MessagesPerMinute, Window::Minute, minute, 1);
                let day = quotas.messages_per_day.map(u64::from);
                add(Limit::MessagesPerDay, Window::Day, day, 1);
            }
            if work != Work::Following {
                add(Limit::TokensPerDay, Window::Day, quotas.tokens_per_day, 0);
            }
        }
        charges
    }

    /// Where it counts that an answer is under way.
    fn opening(
        &self,
        key: &Hmac<Sha256>,
        work: Work,
        process: &str,
    ) -> Option<(Vec<Scope>, Opening)> {
        if work == Work::Recording {
            return None;
        }
        let limited = self.scopes().filter_map(|(scope, quotas)| {
            let limit = quotas.open_streams.filter(|limit| *limit > 0)?;
            let counter = self.counter(key, scope, Limit::OpenStreams);
            Some((scope, (counter, u64::from(limit))))
        });
        let (scopes, counters): (Vec<_>, Vec<_>) = limited.unzip();
        let id = OpenId(Uuid::new_v4().into_bytes());
        (!scopes.is_empty()).then(|| (scopes, Opening { id, holder: process.to_owned(), counters }))
    }
}

/// Whom a counter counts.
#[derive(Clone, Copy, Debug)]
enum Counted<'a> {
    User(&'a Owner),
    Tenant(&'a TenantId),
    Address(IpAddr),
}

impl Counted<'_> {
    fn scope(self) -> Scope {
        match self {
            Self::User(_) => Scope::User,
            Self::Tenant(_) => Scope::Tenant,
            Self::Address(_) => Scope::Address,
        }
    }
}

/// What a counter is called: the same for everybody whom it counts, and nothing that could be
/// turned back into a name.
fn counter(key: &Hmac<Sha256>, limit: Limit, who: Counted<'_>) -> CounterId {
    let mut mac = key.clone();
    // Lines: the first two have no line end in them, and of names the length comes first.
    for part in ["limits/1", who.scope().as_str(), limit.as_str()] {
        mac.update(part.as_bytes());
        mac.update(b"\n");
    }
    let mut name = |name: &[u8]| {
        mac.update(name.len().to_string().as_bytes());
        mac.update(b"\n");
        mac.update(name);
    };
    match who {
        Counted::User(owner) => {
            name(owner.tenant().as_str().as_bytes());
            name(owner.user().as_str().as_bytes());
        }
        Counted::Tenant(tenant) => name(tenant.as_str().as_bytes()),
        Counted::Address(IpAddr::V4(address)) => name(&address.octets()),
        Counted::Address(IpAddr::V6(address)) => name(&address.octets()),
    }
    let mut id = [0; 16];
    id.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    CounterId(id)
}

/// From how much on the user is told that the limit is near: when a tenth is left, or three of few.
fn near(limit: u64) -> Option<u64> {
    let left = (limit / 10).max(3).min(limit / 2);
    (left > 0).then(|| limit - left)
}

#[async_trait]
impl Quota for CallersQuota {
    async fn admit(&self, work: Work, process: &str) -> Result<Admission, ChatKitError> {
        let inner = &self.limits.0;
        let Some(key) = inner.key.value() else {
            return Err(StoreError::Unavailable("the limits' key is not there yet".into()).into());
        };
        let charges = self.charges(key, work);
        let opening = self.opening(key, work, process);
        if charges.is_empty() && opening.is_none() {
            return Ok(Admission::free());
        }
        let (scopes, opening) = opening.unzip();
        let open_at: Vec<CounterId> =
            opening.iter().flat_map(|opening| &opening.counters).map(|(id, _)| *id).collect();
        let mut counters = open_at.clone();
        counters.extend(charges.iter().map(|(_, _, charge)| charge.counter));
        inner.ledger.settled(&counters).await;

        let now = inner.clock.now();
        let asked: Vec<Charge> = charges.iter().map(|(_, _, charge)| *charge).collect();
        let allowances = match inner.store.charge(&asked, opening.as_ref(), now).await? {
            Charged::Counted(allowances) => allowances,
            Charged::Refused(Refusal::Charge { place, free_at }) => {
                let (scope, limit, _) = charges[place];
                return Err(reached(limit, scope, Some(free_at), now));
            }
            Charged::Refused(Refusal::Open { place }) => {
                let scope = scopes.and_then(|scopes| scopes.get(place).copied());
                let scope = scope.unwrap_or(Scope::User);
                return Err(reached(Limit::OpenStreams, scope, None, now));
            }
        };
        let limits = self.limits.clone();
        let open_id = opening.map(|opening| opening.id);
        let mut admission = Admission::until(move |begun| {
            let ledger = &limits.0.ledger;
            if !begun {
                let counted = asked.iter().filter(|charge| charge.cost > 0);
                ledger.used(counted.map(|charge| Use {
                    counter: charge.counter,
                    window: charge.window,
                    amount: -i64::try_from(charge.cost).unwrap_or(i64::MAX),
                }));
            }
            if let Some(id) = open_id {
                ledger.closed(id, open_at);
            }
        });
        for ((_, limit, charge), allowance) in charges.iter().zip(allowances) {
            if allowance.warn {
                let left = allowance.left;
                let message = words::notice(*limit, left, charge.limit, allowance.more_at, now);
                let level = NoticeLevel::Warning;
                admission = admission.with_notice(NoticeEvent { level, message, title: None });
            }
        }
        Ok(admission)
    }

    fn used(&self, tokens: u64) {
        let inner = &self.limits.0;
        let Some(key) = inner.key.value() else { return };
        let uses: Vec<Use> = self
            .scopes()
            .filter(|(_, quotas)| quotas.tokens_per_day.is_some_and(|limit| limit > 0))
            .map(|(scope, _)| Use {
                counter: self.counter(key, scope, Limit::TokensPerDay),
                window: Window::Day,
                amount: i64::try_from(tokens).unwrap_or(i64::MAX),
            })
            .collect();
        if !uses.is_empty() {
            inner.ledger.used(uses);
        }
    }
}

/// The error of a limit that is reached.
fn reached(limit: Limit, scope: Scope, free_at: Option<Timestamp>, now: Timestamp) -> ChatKitError {
    limited(limit.as_str(), scope.as_str());
    let retry_after = match free_at {
        Some(free_at) => {
            let wait = free_at.as_datetime() - now.as_datetime();
            // Rounded up: who comes back then must not be a moment early.
            u64::try_from((wait.num_milliseconds() + 999) / 1_000).unwrap_or_default().max(1)
        }
        None => STREAM_AGAIN,
    };
    ChatKitError::LimitReached(Box::new(LimitReached {
        limit: limit.as_str(),
        scope: scope.as_str(),
        message: words::refusal(limit, scope, retry_after, free_at, now),
        retry_after,
        reset_at: free_at,
    }))
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn users_are_told_while_they_still_have_something_left() {
        for (limit, told_at) in [
            (1, None),
            (2, Some(1)),
            (4, Some(2)),
            (10, Some(7)),
            (50, Some(45)),
            (1_000, Some(900)),
        ] {
            assert_eq!(near(limit), told_at, "{limit}");
        }
    }
}
