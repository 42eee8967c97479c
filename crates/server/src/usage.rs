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
                    Purpose::Guardrail => "guardrail",
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
            let batch: Vec<UsageRecord> = {
                let mut waiting = self.lock();
                let first = waiting.len().min(BATCH);
                waiting.drain(..first).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            match self.store.add_usage(&batch).await {
                Err(error @ StoreError::Unavailable(_)) => {
                    let mut waiting = self.lock();
                    for record in batch.into_iter().rev() {
                        waiting.push_front(record);
                    }
                    return Err(error);
                }
                Err(error) => {
                    // It would fail again, and keep all others waiting.
                    let records = batch.len();
                    tracing::error!(error = %ErrorChain(&error), records, "usage is not recorded");
                }
                Ok(()) => {}
            }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use parlor_agent::usage::ModelUsage;
    use parlor_chatkit::{Owner, SystemClock, UserId, protocol::Timestamp};
    use parlor_store::{UsageQuery, UsageSum};

    use super::*;

    /// Away until it is said to be back; keeps which threads it was told of.
    #[derive(Default)]
    struct Books {
        away: AtomicBool,
        kept: Mutex<Vec<String>>,
        tries: Mutex<usize>,
        /// While a write is under way, so much more is used.
        meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    }

    #[async_trait]
    impl UsageStore for Books {
        async fn add_usage(&self, records: &[UsageRecord]) -> Result<(), StoreError> {
            if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
                meanwhile();
            }
            *self.tries.lock().unwrap() += 1;
            if self.away.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("it is away".into()));
            }
            if records.iter().any(|record| record.model == "odd") {
                return Err(StoreError::Failed("odd".into()));
            }
            let threads = records.iter().map(|record| record.thread_id.to_string());
            self.kept.lock().unwrap().extend(threads);
            Ok(())
        }

        async fn usage(&self, _: &UsageQuery) -> Result<Vec<UsageSum>, StoreError> {
            Ok(Vec::new())
        }

        async fn expire_usage(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    fn usage(thread: usize, model: &str) -> TurnUsage {
        TurnUsage {
            owner: Owner::single_tenant(UserId::new("ada")),
            thread_id: thread.to_string().into(),
            purpose: Purpose::Answer,
            models: vec![ModelUsage { model: model.to_owned(), ..ModelUsage::default() }],
        }
    }

    fn ledger(books: &Arc<Books>) -> Arc<UsageLedger> {
        Arc::new(UsageLedger::start(books.clone(), Arc::new(SystemClock)))
    }

    fn threads(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| n.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_while_the_database_was_away_is_written_in_order_when_it_is_back() {
        let books = Arc::new(Books::default());
        books.away.store(true, Ordering::SeqCst);
        let ledger = ledger(&books);
        let all = BATCH + 3;
        (0..all).for_each(|n| ledger.used(usage(n, "m")));
        while *books.tries.lock().unwrap() < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ledger.used(usage(all, "m"));
        books.away.store(false, Ordering::SeqCst);
        while books.kept.lock().unwrap().len() <= all {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(*books.kept.lock().unwrap(), threads(0..all + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_to_wait_drops_the_oldest_and_nothing_newer() {
        let last = BATCH + WAITING;
        for (away, kept) in [(true, threads(BATCH + 1..last + 1)), (false, threads(0..last + 1))] {
            let books = Arc::new(Books::default());
            let ledger = ledger(&books);
            books.away.store(away, Ordering::SeqCst);
            (0..BATCH).for_each(|n| ledger.used(usage(n, "m")));
            // As many as may wait come while the first batch is being written.
            let late = Arc::clone(&ledger);
            *books.meanwhile.lock().unwrap() = Some(Box::new(move || {
                (BATCH..last).for_each(|n| late.used(usage(n, "m")));
            }));
            assert_eq!(ledger.shared.write_all().await.is_err(), away);
            ledger.used(usage(last, "m"));
            books.away.store(false, Ordering::SeqCst);
            ledger.settle().await;
            assert_eq!(*books.kept.lock().unwrap(), kept, "away: {away}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_cannot_be_written_keeps_no_other_waiting() {
        let books = Arc::new(Books::default());
        let ledger = ledger(&books);
        (0..BATCH).for_each(|n| ledger.used(usage(n, "odd")));
        ledger.used(usage(BATCH, "m"));
        ledger.settle().await;
        assert_eq!(*books.kept.lock().unwrap(), threads(BATCH..BATCH + 1));
    }
}
