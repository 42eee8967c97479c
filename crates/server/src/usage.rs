//! What answers took, on its way into the database.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_agent::usage::{Purpose, TurnUsage, UsageSink};
use parlor_chatkit::{Clock, ErrorChain, StoreError};
use parlor_store::{UsageRecord, UsageStore, Used};
use tokio::{sync::Notify, task::AbortHandle};

/// How long records wait for others: all that come in that time are one write.
const TOGETHER: Duration = Duration::from_secs(1);

/// How soon writing is tried again that failed, at first and at most.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Records of one write.
const BATCH: usize = 500;

/// Records that wait while the database is away, at most: the oldest go first.
const WAITING: usize = 20_000;

/// Takes what turns took, and writes it in the background: no turn waits for it.
pub(crate) struct UsageLedger {
    shared: Arc<Shared>,
    writing: AbortHandle,
}

struct Shared {
    store: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
    waiting: Mutex<VecDeque<UsageRecord>>,
    wake: Notify,
    /// Held while something is being written.
    turn: tokio::sync::Mutex<()>,
}

impl Drop for UsageLedger {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

impl UsageLedger {
    pub(crate) fn start(store: Arc<dyn UsageStore>, clock: Arc<dyn Clock>) -> Self {
        let (waiting, wake, turn) =
            (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        let shared = Arc::new(Shared { store, clock, waiting, wake, turn });
        let writing = tokio::spawn(write(Arc::clone(&shared))).abort_handle();
        Self { shared, writing }
    }

    /// Writes what waits; once, as the server is about to end.
    pub(crate) async fn settle(&self) {
        if let Err(error) = self.shared.write_all().await {
            tracing::warn!(error = %ErrorChain(&error), "what was used last is not recorded");
        }
    }
}

impl UsageSink for UsageLedger {
    fn used(&self, usage: TurnUsage) {
        let TurnUsage { owner, thread_id, purpose, models } = usage;
        let at = self.shared.clock.now();
        let mut waiting = self.shared.lock();
        for model in models {
            waiting.push_back(UsageRecord {
                owner: owner.clone(),
                thread_id: thread_id.clone(),
                at,
                purpose: match purpose {
                    Purpose::Answer => "answer",
                    Purpose::Title => "title",
                },
                used: Used {
                    requests: model.requests.into(),
                    input_tokens: model.input_tokens,
                    cached_tokens: model.cached_tokens,
                    output_tokens: model.output_tokens,
                    cost: model.cost,
                },
                model: model.model,
            });
        }
        let excess = waiting.len().saturating_sub(WAITING);
        waiting.drain(..excess);
        drop(waiting);
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<UsageRecord>> {
        // A panic while it was held leaves whole records.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits. What could not be written waits on.
    async fn write_all(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        loop {
            let batch: Vec<UsageRecord> = self.lock().iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            match self.store.add_usage(&batch).await {
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => {
                    // It would fail again, and keep all others waiting.
                    let records = batch.len();
                    tracing::error!(error = %ErrorChain(&error), records, "usage is not recorded");
                }
                Ok(()) => {}
            }
            let mut waiting = self.lock();
            let written = batch.len().min(waiting.len());
            waiting.drain(..written);
        }
    }
}

/// Writes what comes in, again and again.
async fn write(shared: Arc<Shared>) {
    loop {
        shared.wake.notified().await;
        tokio::time::sleep(TOGETHER).await;
        let mut pause = AGAIN[0];
        while let Err(error) = shared.write_all().await {
            tracing::warn!(error = %ErrorChain(&error), "what was used is not recorded yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN[1]);
        }
    }
}
