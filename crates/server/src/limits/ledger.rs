//! What was used and what is over, on its way into the database.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_chatkit::{Clock, ErrorChain};
use parlor_store::{CounterId, LimitStore, OpenId, Use, Window};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

/// How soon writing is tried again that failed, at first and at most.
const AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Uses are added up here and written in the background, one write after the other: while one is on
/// its way, what comes in waits for the next. Under load many turns share a write.
///
/// What waits is bounded by what can begin, as nothing begins while the database is away.
pub(super) struct Ledger {
    shared: Arc<Shared>,
    writing: AbortHandle,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Notify,
    written: watch::Sender<Written>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves whole notes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    uses: HashMap<CounterId, (Window, i64)>,
    closed: HashMap<OpenId, Vec<CounterId>>,
    /// What the write under way is about.
    writing: HashSet<CounterId>,
    noted: u64,
}

/// How far the writing has come.
#[derive(Clone, Copy, Default)]
struct Written {
    /// The number of the last note that is in the database.
    noted: u64,
    /// The last attempt failed.
    failing: bool,
}

impl Ledger {
    /// One that writes into this store.
    pub(super) fn start(store: Arc<dyn LimitStore>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Notify::new(),
            written: watch::Sender::default(),
        });
        let task = tokio::spawn(write(Arc::clone(&shared), store, clock));
        Self { shared, writing: task.abort_handle() }
    }

    /// Something was used, or given back.
    pub(super) fn used(&self, uses: impl IntoIterator<Item = Use>) {
        let mut state = self.shared.lock();
        for Use { counter, window, amount } in uses {
            let (_, sum) = state.uses.entry(counter).or_insert((window, 0));
            *sum = sum.saturating_add(amount);
        }
        self.note(state);
    }

    /// Something is over that counted at these counters.
    pub(super) fn closed(&self, id: OpenId, counters: Vec<CounterId>) {
        let mut state = self.shared.lock();
        state.closed.insert(id, counters);
        self.note(state);
    }

    fn note(&self, mut state: MutexGuard<'_, State>) {
        state.noted += 1;
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Waits until what is known here of these counters is in the database, or cannot be written.
    pub(super) async fn settled(&self, counters: &[CounterId]) {
        let target = {
            let state = self.shared.lock();
            let open = || state.closed.values().flatten();
            let concerned = counters.iter().any(|counter| {
                state.writing.contains(counter)
                    || state.uses.contains_key(counter)
                    || open().any(|other| other == counter)
            });
            if !concerned {
                return;
            }
            state.noted
        };
        let mut written = self.shared.written.subscribe();
        // The sender lives as long as we do.
        let _ = written.wait_for(|written| written.noted >= target || written.failing).await;
    }

    /// Waits until everything is in the database, or cannot be written.
    pub(super) async fn all_settled(&self) {
        let target = self.shared.lock().noted;
        let mut written = self.shared.written.subscribe();
        let _ = written.wait_for(|written| written.noted >= target || written.failing).await;
    }
}

/// Writes what is noted, again and again.
async fn write(shared: Arc<Shared>, store: Arc<dyn LimitStore>, clock: Arc<dyn Clock>) {
    loop {
        let (uses, closed, noted) = {
            let mut state = shared.lock();
            let State { uses, closed, writing, noted } = &mut *state;
            let uses: Vec<Use> = uses
                .drain()
                .map(|(counter, (window, amount))| Use { counter, window, amount })
                .collect();
            writing.extend(uses.iter().map(|used| used.counter));
            writing.extend(closed.values().flatten());
            let closed: Vec<OpenId> = closed.drain().map(|(id, _)| id).collect();
            (uses, closed, *noted)
        };
        if uses.is_empty() && closed.is_empty() {
            // One that was noted meanwhile has left a permit.
            shared.wake.notified().await;
            continue;
        }
        let mut pause = AGAIN[0];
        while let Err(error) = store.settle(&uses, &closed, clock.now()).await {
            shared.written.send_modify(|written| written.failing = true);
            tracing::warn!(error = %ErrorChain(&error), "what was used is not counted yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN[1]);
        }
        shared.lock().writing.clear();
        shared.written.send_replace(Written { noted, failing: false });
    }
}
