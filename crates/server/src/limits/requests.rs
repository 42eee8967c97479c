//! Requests in a minute: counted in the process, and shared where they become many.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hmac::Hmac;
use parlor_chatkit::{Clock, ErrorChain, Owner, TenantId, protocol::Timestamp};
use parlor_store::{LimitStore, Slots, Use, Window};
use sha2::Sha256;
use tokio::{sync::Notify, task::AbortHandle};

use super::{Counted, Limit, counter};
use crate::late::Late;

/// Who is counted, at most. More come from a flood of made-up callers, who are not told apart.
const MOST: usize = 50_000;

/// What part of its limit a caller may use before the database hears of it: few come that far, so
/// that most requests are never written, and an eleventh server still helps nobody much.
const UNSHARED: u64 = 10;

/// How often those who make many requests are counted together, at most.
const SHARE_EVERY: Duration = Duration::from_secs(1);

/// Whose requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    User(Owner),
    Tenant(TenantId),
    Address(IpAddr),
}

impl Caller {
    fn counted(&self) -> Counted<'_> {
        match self {
            Self::User(owner) => Counted::User(owner),
            Self::Tenant(tenant) => Counted::Tenant(tenant),
            Self::Address(address) => Counted::Address(*address),
        }
    }
}

/// Requests of the last minute.
pub(super) struct Requests {
    shared: Arc<Shared>,
    sharing: AbortHandle,
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.sharing.abort();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves whole counters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    counters: HashMap<Caller, Requested>,
    /// Whose requests the database is to be told.
    due: Vec<Caller>,
}

struct Requested {
    /// As far as is known here: of all servers, for those who make many.
    slots: Slots,
    /// What the database has not been told.
    untold: u64,
    /// Among those that are due.
    due: bool,
}

impl Requested {
    fn new(now: Timestamp) -> Self {
        Self { slots: Slots::new(Window::Minute, now), untold: 0, due: false }
    }
}

impl Requests {
    /// Counts, and shares through this store what becomes much.
    pub(super) fn start(
        store: Arc<dyn LimitStore>,
        clock: Arc<dyn Clock>,
        key: Arc<Late<Hmac<Sha256>>>,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(share(Arc::clone(&shared), store, clock, key));
        Self { shared, sharing: task.abort_handle() }
    }

    /// Counts a request, unless there were as many as allowed: then it says until when.
    pub(super) fn count(
        &self,
        caller: Caller,
        limit: u32,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let due = self.shared.lock().count(caller, u64::from(limit), now)?;
        if due {
            self.shared.wake.notify_one();
        }
        Ok(())
    }
}

impl State {
    /// Whether the database is to be told, and was not to be before.
    fn count(&mut self, caller: Caller, limit: u64, now: Timestamp) -> Result<bool, Timestamp> {
        let Self { counters, due } = self;
        if counters.len() >= MOST && !counters.contains_key(&caller) {
            counters.retain(|_, requested| {
                requested.slots.advance(now);
                requested.slots.used() > 0
            });
            if counters.len() >= MOST {
                // Forgetting all of them once costs less than looking through them each time.
                counters.clear();
                due.clear();
            }
        }
        let requested = counters.entry(caller.clone()).or_insert_with(|| Requested::new(now));
        requested.slots.advance(now);
        let used = requested.slots.used();
        if used >= limit {
            return Err(requested.slots.free_at(limit));
        }
        requested.slots.add(1);
        // What is older than a minute is nobody's business.
        requested.untold = requested.untold.min(used) + 1;
        if requested.due || used < limit / UNSHARED {
            return Ok(false);
        }
        requested.due = true;
        due.push(caller);
        Ok(true)
    }

    /// What is due, with how much it is.
    fn take(&mut self) -> Vec<(Caller, u64)> {
        let due = std::mem::take(&mut self.due);
        due.into_iter()
            .filter_map(|caller| {
                let requested = self.counters.get_mut(&caller)?;
                requested.due = false;
                Some((caller, std::mem::take(&mut requested.untold)))
            })
            .collect()
    }

    /// Puts what all servers together have counted in the place of what is known here.
    fn told(&mut self, taken: &[(Caller, u64)], counted: Vec<Slots>) {
        for ((caller, _), slots) in taken.iter().zip(counted) {
            if let Some(requested) = self.counters.get_mut(caller) {
                requested.slots = slots;
                let meanwhile = i64::try_from(requested.untold).unwrap_or(i64::MAX);
                requested.slots.add(meanwhile);
            }
        }
    }

    /// It could not be told; once more, later.
    fn not_told(&mut self, taken: Vec<(Caller, u64)>) {
        for (caller, amount) in taken {
            if let Some(requested) = self.counters.get_mut(&caller) {
                requested.untold += amount;
                if !requested.due {
                    requested.due = true;
                    self.due.push(caller);
                }
            }
        }
    }
}

/// Tells the database of those who make many requests, and hears how many it is at all servers.
async fn share(
    shared: Arc<Shared>,
    store: Arc<dyn LimitStore>,
    clock: Arc<dyn Clock>,
    key: Arc<Late<Hmac<Sha256>>>,
) {
    loop {
        if shared.lock().due.is_empty() {
            // One that became due meanwhile has left a permit.
            shared.wake.notified().await;
            continue;
        }
        // Not before the database was reached.
        if let Some(key) = key.value() {
            let taken = shared.lock().take();
            let uses: Vec<Use> = taken
                .iter()
                .map(|(caller, amount)| Use {
                    counter: counter(key, Limit::RequestsPerMinute, caller.counted()),
                    window: Window::Minute,
                    amount: i64::try_from(*amount).unwrap_or(i64::MAX),
                })
                .collect();
            match store.tally(&uses, clock.now()).await {
                Ok(counted) => shared.lock().told(&taken, counted),
                Err(error) => {
                    tracing::debug!(error = %ErrorChain(&error), "requests are counted here only");
                    shared.lock().not_told(taken);
                }
            }
        }
        tokio::time::sleep(SHARE_EVERY).await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parlor_chatkit::UserId;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000).unwrap()
    }

    fn user(id: &str) -> Caller {
        Caller::User(Owner::single_tenant(UserId::new(id)))
    }

    /// So many of a user's, all at once.
    fn ask(state: &mut State, id: &str, times: u64, limit: u64, second: i64) {
        for _ in 0..times {
            state.count(user(id), limit, at(second)).unwrap();
        }
    }

    fn slots(used: i64, second: i64) -> Slots {
        let mut slots = Slots::new(Window::Minute, at(second));
        slots.add(used);
        slots
    }

    #[test]
    fn who_asks_too_often_waits_and_nobody_else() {
        let mut requests = State::default();
        for second in [0, 1, 30] {
            requests.count(user("ada"), 3, at(second)).unwrap();
        }
        assert_eq!(requests.count(user("ada"), 3, at(31)), Err(at(65)));
        assert!(requests.count(user("bob"), 3, at(31)).is_ok());
        assert_eq!(requests.count(user("ada"), 3, at(64)), Err(at(65)));
        assert!(requests.count(user("ada"), 3, at(65)).is_ok());
    }

    #[test]
    fn callers_without_number_take_memory_within_limits() {
        let mut requests = State::default();
        for n in 0..MOST * 2 + 10 {
            requests.count(user(&n.to_string()), 3, at(0)).unwrap();
        }
        assert!(requests.counters.len() <= MOST && requests.due.len() <= MOST);
    }

    #[test]
    fn only_those_who_make_many_requests_are_shared() {
        let mut requests = State::default();
        ask(&mut requests, "ada", 10, 100, 0);
        assert!(requests.take().is_empty());
        ask(&mut requests, "ada", 2, 100, 0);
        assert_eq!(requests.take(), [(user("ada"), 12)], "once, and all of it");
        assert!(requests.take().is_empty());
        ask(&mut requests, "ada", 3, 100, 0);
        assert_eq!(requests.take(), [(user("ada"), 3)]);
    }

    #[test]
    fn what_is_no_longer_counted_is_not_shared() {
        let mut requests = State::default();
        for minute in 0..5 {
            ask(&mut requests, "ada", 10, 100, minute * 100);
        }
        ask(&mut requests, "ada", 1, 100, 401);
        assert_eq!(requests.take(), [(user("ada"), 11)]);
    }

    #[test]
    fn what_others_have_counted_counts_with_what_came_meanwhile() {
        let mut requests = State::default();
        ask(&mut requests, "ada", 20, 100, 0);
        let taken = requests.take();
        ask(&mut requests, "ada", 5, 100, 1);
        requests.told(&taken, vec![slots(90, 1)]);
        ask(&mut requests, "ada", 5, 100, 1);
        assert!(requests.count(user("ada"), 100, at(1)).is_err());
        assert_eq!(requests.take(), [(user("ada"), 10)], "still to be told");
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let mut requests = State::default();
        ask(&mut requests, "ada", 20, 100, 0);
        let taken = requests.take();
        ask(&mut requests, "ada", 5, 100, 1);
        requests.not_told(taken);
        assert_eq!(requests.take(), [(user("ada"), 25)]);
    }
}
