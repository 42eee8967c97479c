//! How much was used of late, and by whom: what limits are counted with.

use async_trait::async_trait;
use parlor_chatkit::{StoreError, protocol::Timestamp};

/// What a counter is found by: a keyed hash, made by the server, of what is counted and for whom.
/// The store learns neither names nor addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterId(pub [u8; 16]);

/// What is open at the moment, such as an answer that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenId(pub [u8; 16]);

/// How far a counter looks back.
///
/// The time is cut into slots, and a slot counts until all of it is older than the window. So in no
/// stretch of time as long as the window is more allowed than the limit, and it is known to the
/// second when something is free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A minute, in slots of five seconds.
    Minute,
    /// 24 hours, in slots of one.
    Day,
}

impl Window {
    /// Seconds of a slot.
    pub const fn width(self) -> i64 {
        match self {
            Self::Minute => 5,
            Self::Day => 3_600,
        }
    }

    /// Slots that count: those that fill the window, and the one that has begun.
    pub const fn slots(self) -> usize {
        match self {
            Self::Minute => 60 / 5 + 1,
            Self::Day => 24 + 1,
        }
    }
}

/// What is to be counted, and how much of it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Where it is counted.
    pub counter: CounterId,
    /// How far the counter looks back. Always the same for a counter.
    pub window: Window,
    /// How much is allowed within the window.
    pub limit: u64,
    /// How much to count. 0 only asks whether anything is left.
    pub cost: u64,
    /// From how much on the caller wants to be told, once, that the limit is near.
    pub near: Option<u64>,
}

/// Something that is open from now on until it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What it is called.
    pub id: OpenId,
    /// The process that has it. What is open in a process that is gone does not count.
    pub holder: String,
    /// Where it counts, and how many may be open there.
    pub counters: Vec<(CounterId, u64)>,
}

/// What became of a request to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    /// It is counted; what was asked for, in the same order.
    Counted(Vec<Allowance>),
    /// A limit is reached, and nothing was counted.
    Refused(Refusal),
}

/// What is known of a counter after something was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What is left of the limit.
    pub left: u64,
    /// The limit is near, and nobody was told since it last was not.
    pub warn: bool,
    /// When more will be left. `None`: nothing was counted.
    pub more_at: Option<Timestamp>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The charge in this place: of several that are refused the one that is so for longest.
    Charge {
        /// Its place in the list.
        place: usize,
        /// When something will be left.
        free_at: Timestamp,
    },
    /// As many are open as may be, at the counter in this place of [`Opening::counters`].
    Open {
        /// Its place in the list.
        place: usize,
    },
}

/// What was used without being asked for, or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Where it is counted.
    pub counter: CounterId,
    /// How far the counter looks back.
    pub window: Window,
    /// How much. Below zero what was counted and then not used.
    pub amount: i64,
}

/// Counts what is used, for all servers that share the database.
#[async_trait]
pub trait LimitStore: Send + Sync + 'static {
    /// Counts all of it, or nothing when a limit is reached. Many at once count one after the other.
    /// No counter is named twice.
    async fn charge(
        &self,
        charges: &[Charge],
        opening: Option<&Opening>,
        now: Timestamp,
    ) -> Result<Charged, StoreError>;

    /// Counts what was used, whether or not it is allowed, and closes what was open.
    async fn settle(
        &self,
        uses: &[Use],
        closed: &[OpenId],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Counts what was used, whether or not it is allowed, and tells what each counter then holds, in
    /// the same order. No counter is named twice.
    async fn tally(&self, uses: &[Use], now: Timestamp) -> Result<Vec<Slots>, StoreError>;

    /// Deletes at most so many counters that count nothing any more, and what was open in
    /// processes that are gone. `holder` is the process that asks. Returns how many.
    async fn sweep_limits(
        &self,
        holder: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}

/// What was counted in each slot of a window, the newest first.
///
/// Public so that a server can count for itself what others need not know at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    window: Window,
    /// Number of the newest slot.
    newest: i64,
    counts: Vec<u64>,
}

impl Slots {
    /// A counter of nothing.
    pub fn new(window: Window, now: Timestamp) -> Self {
        Self { window, newest: slot(window, now), counts: vec![0; window.slots()] }
    }

    /// One as it was stored.
    pub(crate) fn stored(window: Window, newest: i64, mut counts: Vec<u64>) -> Self {
        counts.resize(window.slots(), 0);
        Self { window, newest, counts }
    }

    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Leaves behind what no longer counts. A clock that is a little behind counts into the newest
    /// slot; one that has been set back by more than the window begins anew.
    pub fn advance(&mut self, now: Timestamp) {
        let (current, length) = (slot(self.window, now), self.counts.len());
        let Ok(ahead) = usize::try_from(current.saturating_sub(self.newest)) else {
            if self.newest.saturating_sub(current) >= i64::try_from(length).unwrap_or(i64::MAX) {
                *self = Self::new(self.window, now);
            }
            return;
        };
        self.counts.rotate_right(ahead.min(length) % length);
        self.counts[..ahead.min(length)].fill(0);
        self.newest = current;
    }

    /// How much counts.
    pub fn used(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts so much more, or less.
    pub fn add(&mut self, amount: i64) {
        if let Ok(more) = u64::try_from(amount) {
            // The databases count to 2⁶³; so much is never really used.
            self.counts[0] = self.counts[0].saturating_add(more).min(u64::from(u32::MAX) << 16);
            return;
        }
        let mut less = amount.unsigned_abs();
        for count in &mut self.counts {
            let taken = less.min(*count);
            *count -= taken;
            less -= taken;
        }
    }

    /// When less than `limit` will count.
    pub fn free_at(&self, limit: u64) -> Timestamp {
        let mut used = self.used();
        for (age, count) in self.counts.iter().enumerate().rev() {
            used -= count;
            if used < limit {
                return self.gone_at(age);
            }
        }
        self.gone_at(0)
    }

    /// When some of what counts no longer will.
    pub fn more_at(&self) -> Option<Timestamp> {
        let oldest = self.counts.iter().rposition(|count| *count > 0)?;
        Some(self.gone_at(oldest))
    }

    /// When nothing of it counts any more, in seconds.
    pub(crate) fn over_at(&self) -> i64 {
        let slots = i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
        (self.newest + slots) * self.window.width()
    }

    /// When a slot no longer counts.
    fn gone_at(&self, age: usize) -> Timestamp {
        let behind = i64::try_from(age).unwrap_or(i64::MAX);
        at_second(self.over_at() - behind * self.window.width())
    }
}

/// A point in time, from seconds since 1970.
pub(crate) fn at_second(second: i64) -> Timestamp {
    Timestamp::from_micros(second.saturating_mul(1_000_000))
        .unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into())
}

/// Number of the slot that this is in.
pub(crate) fn slot(window: Window, now: Timestamp) -> i64 {
    now.as_datetime().timestamp().div_euclid(window.width())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_counted_leaves_when_all_of_its_slot_is_older_than_the_window() {
        for window in [Window::Minute, Window::Day] {
            let length = window.width() * (i64::try_from(window.slots()).unwrap_or(0) - 1);
            let begin = at_second(1_000 * window.width() + 3);
            let mut slots = Slots::new(window, begin);
            slots.add(2);
            let free = at_second(1_000 * window.width() + length + window.width());
            assert_eq!((slots.free_at(2), slots.more_at()), (free, Some(free)));
            slots.advance(at_second(free.as_datetime().timestamp() - 1));
            assert_eq!(slots.used(), 2, "{window:?}");
            slots.advance(free);
            assert_eq!((slots.used(), slots.more_at()), (0, None));
        }
    }

    proptest! {
        #[test]
        fn no_stretch_as_long_as_the_window_has_more_than_the_limit(
            steps in prop::collection::vec((0_i64..30, 1_u64..4), 1..200),
            limit in 1_u64..20,
        ) {
            let mut slots = Slots::new(Window::Minute, at_second(0));
            let mut taken: Vec<(i64, u64)> = Vec::new();
            let mut now = 0;
            for (pause, cost) in steps {
                now += pause;
                slots.advance(at_second(now));
                if slots.used() + cost <= limit {
                    slots.add(i64::try_from(cost).unwrap_or(0));
                    taken.push((now, cost));
                } else if slots.used() >= limit {
                    let free = slots.free_at(limit).as_datetime().timestamp();
                    prop_assert!(free > now && free <= now + 65);
                    let mut then = slots.clone();
                    then.advance(at_second(free - 1));
                    prop_assert!(then.used() >= limit, "not before it was said");
                    then.advance(at_second(free));
                    prop_assert!(then.used() < limit, "as it was said");
                }
            }
            for (end, _) in &taken {
                let within = taken.iter().filter(|(at, _)| *at > end - 60 && at <= end);
                prop_assert!(within.map(|(_, cost)| cost).sum::<u64>() <= limit);
            }
        }

        #[test]
        fn a_clock_that_jumps_breaks_nothing(times in prop::collection::vec(0_i64..10_000, 1..50)) {
            let mut slots = Slots::new(Window::Minute, at_second(5_000));
            for time in times {
                slots.advance(at_second(time));
                slots.add(1);
                prop_assert!(slots.used() >= 1);
                let free = slots.free_at(1).as_datetime().timestamp();
                prop_assert!(free > time && free <= time + 2 * 65 + 5, "{free} {time}");
                slots.add(-1);
            }
        }
    }
}
