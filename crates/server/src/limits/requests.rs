//! Requests in a minute, counted in the process.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use parlor_chatkit::{Owner, TenantId, protocol::Timestamp};
use parlor_store::{Slots, Window};

/// Who is counted, at most. More come from a flood of made-up callers, who are not told apart.
const MOST: usize = 50_000;

/// Whose requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    User(Owner),
    Tenant(TenantId),
    Address(IpAddr),
}

/// Requests of the last minute.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<Caller, Slots>>);

impl Requests {
    /// Counts a request, unless there were as many as allowed: then it says until when.
    pub(super) fn count(
        &self,
        caller: Caller,
        limit: u32,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let limit = u64::from(limit);
        // A panic while it was held leaves whole counters.
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MOST && !counters.contains_key(&caller) {
            counters.retain(|_, slots| {
                slots.advance(now);
                slots.used() > 0
            });
            if counters.len() >= MOST {
                // Forgetting all of them once costs less than looking through them each time.
                counters.clear();
            }
        }
        let slots = counters.entry(caller).or_insert_with(|| Slots::new(Window::Minute, now));
        slots.advance(now);
        if slots.used() >= limit {
            return Err(slots.free_at(limit));
        }
        slots.add(1);
        Ok(())
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

    #[test]
    fn who_asks_too_often_waits_and_nobody_else() {
        let requests = Requests::default();
        for second in [0, 1, 30] {
            requests.count(user("ada"), 3, at(second)).unwrap();
        }
        assert_eq!(requests.count(user("ada"), 3, at(31)), Err(at(65)));
        assert_eq!(requests.count(user("bob"), 3, at(31)), Ok(()));
        assert_eq!(requests.count(user("ada"), 3, at(64)), Err(at(65)));
        assert_eq!(requests.count(user("ada"), 3, at(65)), Ok(()));
    }

    #[test]
    fn callers_without_number_take_memory_within_limits() {
        let requests = Requests::default();
        for n in 0..MOST * 2 + 10 {
            requests.count(user(&n.to_string()), 3, at(0)).unwrap();
        }
        assert!(requests.0.lock().unwrap().len() <= MOST);
    }
}
