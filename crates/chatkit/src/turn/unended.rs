//! Turns that have ended while the store was away for longer than they could wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_protocol::TurnId;

use super::Shared;
use crate::{ItemWrite, Owner, StoreError, TurnKey, TurnState};

/// How often the store is asked whether it is back, at first and at most.
const ASK: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// How a turn has ended, and what is to be written of it.
pub(crate) struct Ending {
    pub(crate) owner: Owner,
    pub(crate) key: TurnKey,
    pub(crate) state: TurnState,
    pub(crate) writes: Vec<ItemWrite>,
    /// About how much memory that takes.
    pub(crate) bytes: usize,
}

impl Ending {
    /// Ends the turn in the store. What cannot be stored must not hold the thread.
    async fn write(&self, shared: &Shared) -> Result<(), StoreError> {
        let (store, now) = (&shared.store, shared.clock.now());
        let ended = store.end_turn(&self.owner, &self.key, self.state, &self.writes, now).await;
        match ended {
            // It was written after all, or its thread is gone.
            Ok(()) | Err(StoreError::TurnLost(_)) => Ok(()),
            Err(StoreError::Unavailable(away)) => Err(StoreError::Unavailable(away)),
            Err(error) => {
                tracing::error!(turn_id = %self.key.turn_id, %error, "the end of a turn cannot be stored");
                match store.end_turn(&self.owner, &self.key, self.state, &[], now).await {
                    Err(StoreError::Unavailable(away)) => Err(StoreError::Unavailable(away)),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Ends that wait for the store, so that what was said is there when it is back. As much as the
/// logs of ended turns may take; of what is more, the last checkpoint stays.
#[derive(Default)]
pub(crate) struct Unended(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    endings: HashMap<TurnId, Arc<Ending>>,
    bytes: usize,
    /// Whether a task is asking for the store.
    asking: bool,
}

impl Unended {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an ending until the store is back.
    pub(crate) fn keep(shared: &Arc<Shared>, ending: Ending) {
        let mut inner = shared.unended.lock();
        if inner.bytes + ending.bytes > shared.limits.ended_turns_bytes {
            tracing::warn!(turn_id = %ending.key.turn_id, "too much waits for the store; the end of a turn is not kept");
            return;
        }
        inner.bytes += ending.bytes;
        inner.endings.insert(ending.key.turn_id.clone(), Arc::new(ending));
        if !inner.asking {
            inner.asking = true;
            tokio::spawn(ask(Arc::clone(shared)));
        }
    }

    /// Ends a turn whose thread is needed again; whether it is one of those that wait.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn end(shared: &Shared, turn_id: &TurnId) -> Result<bool, StoreError> {
        let ending = shared.unended.lock().endings.get(turn_id).cloned();
        let Some(ending) = ending else { return Ok(false) };
        ending.write(shared).await?;
        shared.unended.forget(turn_id);
        Ok(true)
    }

    fn forget(&self, turn_id: &TurnId) {
        let mut inner = self.lock();
        if let Some(ending) = inner.endings.remove(turn_id) {
            inner.bytes -= ending.bytes;
        }
    }
}

/// Asks for the store until nothing waits for it any more.
async fn ask(shared: Arc<Shared>) {
    let mut pause = ASK[0];
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK[1]);
        let waiting: Vec<_> = {
            let mut inner = shared.unended.lock();
            if inner.endings.is_empty() {
                inner.asking = false;
                return;
            }
            inner.endings.values().cloned().collect()
        };
        for ending in waiting {
            if ending.write(&shared).await.is_err() {
                // Nor would the others be.
                break;
            }
            shared.unended.forget(&ending.key.turn_id);
        }
    }
}
