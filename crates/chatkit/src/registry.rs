//! The turns that run in this process, and those that have just ended.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use parlor_protocol::ThreadId;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Limits, Owner, TurnKey, TurnState, turn::TurnLog};

/// A turn that runs, or has just ended.
pub(crate) struct RunningTurn {
    pub(crate) key: TurnKey,
    pub(crate) log: Arc<TurnLog>,
    cancel: CancellationToken,
    cancelled_as: OnceLock<TurnState>,
}

impl RunningTurn {
    pub(crate) fn new(key: TurnKey, log: Arc<TurnLog>) -> Arc<Self> {
        Arc::new(Self { key, log, cancel: CancellationToken::new(), cancelled_as: OnceLock::new() })
    }

    /// Has the turn end as `state`. The first caller decides.
    pub(crate) fn cancel(&self, state: TurnState) {
        let _ = self.cancelled_as.set(state);
        self.cancel.cancel();
    }

    /// Waits until somebody cancels the turn; as what.
    pub(crate) async fn cancelled(&self) -> TurnState {
        self.cancel.cancelled().await;
        self.cancelled_as.get().copied().unwrap_or(TurnState::Interrupted)
    }
}

/// Whose thread it is, and which. The owner is part of the key: a request that names somebody
/// else's thread meets nothing here, as in the store.
type Place = (Owner, ThreadId);

#[derive(Default)]
pub(crate) struct Registry {
    turns: Mutex<Turns>,
    /// Something was given free.
    freed: Notify,
}

#[derive(Default)]
struct Turns {
    /// `None`: reserved for a turn that is about to begin.
    running: HashMap<Place, Option<Arc<RunningTurn>>>,
    /// Idempotency keys of requests that are about to begin a turn.
    keys: HashSet<(Owner, String)>,
    ended: HashMap<Place, Arc<RunningTurn>>,
    /// Ended turns in the order of their end.
    expiry: VecDeque<(Instant, Place, Arc<RunningTurn>)>,
    ended_bytes: usize,
    /// Whether a task is at work that forgets ended turns.
    sweeping: bool,
    closed: bool,
}

impl Turns {
    /// Forgets ended turns that are too old, or too many.
    fn expire(&mut self, now: Instant, keep: Duration, bytes: usize) {
        while let Some((ended_at, _, _)) = self.expiry.front() {
            if self.ended_bytes <= bytes && now.duration_since(*ended_at) < keep {
                break;
            }
            let Some((_, place, oldest)) = self.expiry.pop_front() else { break };
            self.ended_bytes = self.ended_bytes.saturating_sub(oldest.log.bytes());
            if let Entry::Occupied(entry) = self.ended.entry(place)
                && Arc::ptr_eq(entry.get(), &oldest)
            {
                entry.remove();
            }
        }
    }
}

/// Why a thread could not be reserved.
pub(crate) enum Occupied {
    /// A turn is about to begin there.
    Starting,
    /// This turn is running there.
    Running(Arc<RunningTurn>),
    /// The server is shutting down.
    Closed,
}

/// What is known here of a turn.
pub(crate) enum Known {
    /// It runs, or has just ended.
    Turn(Arc<RunningTurn>),
    /// One is about to begin in its thread: this one, or another.
    Starting,
    /// It neither runs here nor has just ended here.
    Unknown,
}

impl Registry {
    /// What is known of a turn that another process asks for.
    pub(crate) fn know(&self, owner: &Owner, key: &TurnKey) -> Known {
        let place = (owner.clone(), key.thread_id.clone());
        let turns = self.lock();
        let running = turns.running.get(&place);
        let found = running.and_then(Option::as_ref).into_iter().chain(turns.ended.get(&place));
        match found.into_iter().find(|turn| turn.key.turn_id == key.turn_id) {
            Some(turn) => Known::Turn(Arc::clone(turn)),
            None if matches!(running, Some(None)) => Known::Starting,
            None => Known::Unknown,
        }
    }

    /// Reserves a thread for a turn.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Reservation, Occupied> {
        let mut turns = self.lock();
        if turns.closed {
            return Err(Occupied::Closed);
        }
        let place = (owner.clone(), thread_id.clone());
        match turns.running.entry(place.clone()) {
            Entry::Occupied(entry) => Err(match entry.get() {
                Some(running) => Occupied::Running(Arc::clone(running)),
                None => Occupied::Starting,
            }),
            Entry::Vacant(entry) => {
                entry.insert(None);
                Ok(Reservation { registry: Arc::clone(self), place, completed: false })
            }
        }
    }

    /// Waits until no other request with this idempotency key is about to begin a turn.
    pub(crate) async fn hold_key(self: &Arc<Self>, owner: &Owner, key: &str) -> HeldKey {
        let key = (owner.clone(), key.to_owned());
        loop {
            // Made before the look: what is freed after the look is not missed.
            let freed = self.freed.notified();
            if self.lock().keys.insert(key.clone()) {
                return HeldKey { registry: Arc::clone(self), key };
            }
            freed.await;
        }
    }

    /// The turn that runs in the thread.
    pub(crate) fn running(&self, owner: &Owner, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        self.lock().running.get(&(owner.clone(), thread_id.clone())).cloned().flatten()
    }

    /// The turn that runs in the thread, or ended there a moment ago.
    pub(crate) fn recent(&self, owner: &Owner, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        let place = (owner.clone(), thread_id.clone());
        let turns = self.lock();
        turns.running.get(&place).cloned().flatten().or_else(|| turns.ended.get(&place).cloned())
    }

    /// Takes no more turns, and ends those that run and those that are about to begin.
    pub(crate) async fn close(&self) {
        loop {
            let freed = self.freed.notified();
            {
                let mut turns = self.lock();
                turns.closed = true;
                if turns.running.is_empty() {
                    return;
                }
                for running in turns.running.values().flatten() {
                    running.cancel(TurnState::Interrupted);
                }
            }
            freed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets ended turns while there are any, so that an idle server holds no old answers.
async fn sweep(registry: Weak<Registry>, keep: Duration, bytes: usize) {
    loop {
        tokio::time::sleep(keep).await;
        let Some(registry) = registry.upgrade() else { return };
        let mut turns = registry.lock();
        turns.expire(Instant::now(), keep, bytes);
        if turns.expiry.is_empty() {
            turns.sweeping = false;
            return;
        }
    }
}

/// A thread that is held for a turn. Dropping it gives the thread free.
pub(crate) struct Reservation {
    registry: Arc<Registry>,
    place: Place,
    completed: bool,
}

impl Reservation {
    /// Where it is.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The turn has begun.
    pub(crate) fn activate(&self, turn: &Arc<RunningTurn>) {
        let mut turns = self.registry.lock();
        if turns.closed {
            // The server began to shut down while the turn began.
            turn.cancel(TurnState::Interrupted);
        }
        turns.running.insert(self.place.clone(), Some(Arc::clone(turn)));
    }

    /// The turn has ended; its log is kept a while for clients that lost their connection.
    pub(crate) fn complete(mut self, turn: &Arc<RunningTurn>, limits: &Limits) {
        let now = Instant::now();
        let (keep, bytes) = (limits.ended_turns_duration, limits.ended_turns_bytes);
        let mut turns = self.registry.lock();
        turns.running.remove(&self.place);
        // The next turn may hold the thread before this reservation is dropped.
        self.completed = true;
        turns.ended.insert(self.place.clone(), Arc::clone(turn));
        turns.expiry.push_back((now, self.place.clone(), Arc::clone(turn)));
        turns.ended_bytes += turn.log.bytes();
        turns.expire(now, keep, bytes);
        if !turns.sweeping {
            turns.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(&self.registry), keep, bytes));
        }
        drop(turns);
        self.registry.freed.notify_waiters();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.completed {
            self.registry.lock().running.remove(&self.place);
            self.registry.freed.notify_waiters();
        }
    }
}

/// An idempotency key that one request holds until its turn has begun, or it was refused.
pub(crate) struct HeldKey {
    registry: Arc<Registry>,
    key: (Owner, String),
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.registry.lock().keys.remove(&self.key);
        self.registry.freed.notify_waiters();
    }
}
