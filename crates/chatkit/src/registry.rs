//! The turns that run in this process, and those that have just ended.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use parlor_protocol::ThreadId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Limits, Owner, TurnKey, TurnState, turn::TurnLog};

/// A turn that runs, or has just ended.
pub(crate) struct RunningTurn {
    pub(crate) owner: Owner,
    pub(crate) key: TurnKey,
    pub(crate) log: Arc<TurnLog>,
    cancel: CancellationToken,
    cancelled_as: OnceLock<TurnState>,
}

impl RunningTurn {
    pub(crate) fn new(owner: Owner, key: TurnKey, log: Arc<TurnLog>) -> Arc<Self> {
        Arc::new(Self {
            owner,
            key,
            log,
            cancel: CancellationToken::new(),
            cancelled_as: OnceLock::new(),
        })
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

#[derive(Default)]
pub(crate) struct Registry {
    turns: Mutex<Turns>,
}

#[derive(Default)]
struct Turns {
    /// `None`: reserved for a turn that is about to begin.
    running: HashMap<ThreadId, Option<Arc<RunningTurn>>>,
    ended: HashMap<ThreadId, Arc<RunningTurn>>,
    /// Ended turns in the order of their end.
    expiry: VecDeque<(Instant, Arc<RunningTurn>)>,
    ended_bytes: usize,
    closed: bool,
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

impl Registry {
    /// Reserves a thread for a turn.
    pub(crate) fn reserve(self: &Arc<Self>, thread_id: &ThreadId) -> Result<Reservation, Occupied> {
        let mut turns = self.lock();
        if turns.closed {
            return Err(Occupied::Closed);
        }
        match turns.running.entry(thread_id.clone()) {
            Entry::Occupied(entry) => Err(match entry.get() {
                Some(running) => Occupied::Running(Arc::clone(running)),
                None => Occupied::Starting,
            }),
            Entry::Vacant(entry) => {
                entry.insert(None);
                Ok(Reservation {
                    registry: Arc::clone(self),
                    thread_id: thread_id.clone(),
                    completed: false,
                })
            }
        }
    }

    /// The turn that runs in the thread.
    pub(crate) fn running(&self, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        self.lock().running.get(thread_id).cloned().flatten()
    }

    /// The turn that runs in the thread, or ended there a moment ago.
    pub(crate) fn recent(&self, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        let turns = self.lock();
        turns
            .running
            .get(thread_id)
            .cloned()
            .flatten()
            .or_else(|| turns.ended.get(thread_id).cloned())
    }

    /// Takes no more turns; gives those that still run.
    pub(crate) fn close(&self) -> Vec<Arc<RunningTurn>> {
        let mut turns = self.lock();
        turns.closed = true;
        turns.running.values().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is held for a turn. Dropping it gives the thread free.
pub(crate) struct Reservation {
    registry: Arc<Registry>,
    thread_id: ThreadId,
    completed: bool,
}

impl Reservation {
    /// The turn has begun.
    pub(crate) fn activate(&self, turn: &Arc<RunningTurn>) {
        let mut turns = self.registry.lock();
        turns.running.insert(self.thread_id.clone(), Some(Arc::clone(turn)));
    }

    /// The turn has ended; its log is kept a while for clients that lost their connection.
    pub(crate) fn complete(mut self, turn: &Arc<RunningTurn>, limits: &Limits) {
        let now = Instant::now();
        let mut turns = self.registry.lock();
        turns.running.remove(&self.thread_id);
        // The next turn may hold the thread before this reservation is dropped.
        self.completed = true;
        turns.ended.insert(self.thread_id.clone(), Arc::clone(turn));
        turns.expiry.push_back((now, Arc::clone(turn)));
        turns.ended_bytes += turn.log.bytes();
        while let Some((ended_at, oldest)) = turns.expiry.front() {
            if turns.ended_bytes <= limits.ended_turns_bytes
                && now.duration_since(*ended_at) < limits.ended_turns_duration
            {
                break;
            }
            let oldest = Arc::clone(oldest);
            turns.expiry.pop_front();
            turns.ended_bytes = turns.ended_bytes.saturating_sub(oldest.log.bytes());
            if let Entry::Occupied(entry) = turns.ended.entry(oldest.key.thread_id.clone())
                && Arc::ptr_eq(entry.get(), &oldest)
            {
                entry.remove();
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.completed {
            self.registry.lock().running.remove(&self.thread_id);
        }
    }
}
