//! The items of a turn while they grow, and their checkpoints in the store.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_protocol::{ItemId, ThreadItem, ThreadStreamEvent};
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use tracing::Instrument as _;

use super::{
    Shared,
    apply::{ApplyError, Effect, Pending, TurnItems},
};
use crate::{ItemState, ItemWrite, Owner, StoreError, TurnKey, trace::Traced as _};

/// How long text may be there without being stored, about. A growing item is stored this often at
/// most.
const CHECKPOINT: Duration = Duration::from_millis(1_000);

/// The items that a turn is making.
///
/// What grows is stored beside the stream, so that a crash keeps what was said: by one task a
/// turn, which runs while there is text that was not stored, and sleeps before it writes. So text
/// that comes just before a long silence is stored like any other.
pub(super) struct Growing {
    state: Arc<State>,
}

struct State {
    inner: Mutex<Inner>,
    /// A checkpoint has been written.
    written: Notify,
}

struct Inner {
    items: TurnItems,
    /// Whether something grew since the last checkpoint.
    grown: bool,
    task: Task,
}

/// What the task that writes checkpoints is at.
enum Task {
    /// There is none.
    None,
    /// It waits for its time. What it will write is looked up then.
    Sleeping(AbortHandle),
    /// It is writing what was there a moment ago.
    Writing,
    /// The turn has ended: it writes nothing any more.
    Over,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves an event applied or not.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    /// No items yet; the first will get `next_seq`.
    pub(super) fn new(next_seq: i64) -> Self {
        let inner = Inner { items: TurnItems::new(next_seq), grown: false, task: Task::None };
        Self { state: Arc::new(State { inner: Mutex::new(inner), written: Notify::new() }) }
    }

    /// Applies an event.
    pub(super) fn apply(&self, event: &ThreadStreamEvent) -> Result<Effect, ApplyError> {
        self.state.lock().items.apply(event)
    }

    /// Reads the item that is being made under this id.
    pub(super) fn read<T>(&self, id: &ItemId, read: impl FnOnce(&ThreadItem) -> T) -> Option<T> {
        self.state.lock().items.get(id).map(read)
    }

    /// The items that this turn has made, latest first, and whether each is hidden.
    pub(super) fn made(&self) -> Vec<(ItemId, bool)> {
        self.state.lock().items.made()
    }

    /// Copies of the items that are still being made, in their order.
    pub(super) fn pending(&self) -> Vec<Pending> {
        self.state.lock().items.pending().to_vec()
    }

    /// Writes that keep what is being made.
    pub(super) fn pending_writes(&self) -> Vec<ItemWrite> {
        self.state.lock().pending_writes()
    }

    /// Something has grown: it is stored within about a second, whatever comes next.
    pub(super) fn grew(&self, shared: &Arc<Shared>, owner: &Owner, key: &TurnKey) {
        let mut inner = self.state.lock();
        inner.grown = true;
        if matches!(inner.task, Task::None) {
            let (shared, owner, key) = (Arc::clone(shared), owner.clone(), key.clone());
            let work = checkpoints(Arc::clone(&self.state), shared, owner, key);
            let task = tokio::spawn(work.in_current_span());
            inner.task = Task::Sleeping(task.abort_handle());
        }
    }

    /// Waits for a checkpoint that is being written: it must not overwrite what is written after
    /// it. One that is still to come is none of that, since it looks up then what is there.
    pub(super) async fn settle(&self) {
        self.settled(|_| ()).await;
    }

    /// As [`settle`](Self::settle), and there will be no other checkpoint.
    pub(super) async fn close(&self) {
        self.settled(Inner::close).await;
    }

    /// Waits until nothing is being written, and does something before anything else is.
    async fn settled(&self, then: impl FnOnce(&mut Inner)) {
        loop {
            // Made before the look: what is written after the look is not missed.
            let written = self.state.written.notified();
            {
                let mut inner = self.state.lock();
                if !matches!(inner.task, Task::Writing) {
                    return then(&mut inner);
                }
            }
            written.await;
        }
    }
}

impl Inner {
    fn pending_writes(&self) -> Vec<ItemWrite> {
        let pending = self.items.pending().iter();
        pending.map(write).collect()
    }

    /// What would be missed after a crash. Not what is still empty: it would stay empty.
    fn checkpoint(&self) -> Vec<ItemWrite> {
        let pending = self.items.pending().iter();
        pending.filter(|pending| is_worth_keeping(&pending.item)).map(write).collect()
    }

    fn close(&mut self) {
        if let Task::Sleeping(task) = std::mem::replace(&mut self.task, Task::Over) {
            task.abort();
        }
    }
}

fn write(pending: &Pending) -> ItemWrite {
    ItemWrite::Put { seq: pending.seq, item: pending.item.clone(), state: ItemState::Pending }
}

/// Whether an unfinished item holds anything that somebody would miss.
pub(super) fn is_worth_keeping(item: &ThreadItem) -> bool {
    match item {
        ThreadItem::AssistantMessage(message) => {
            message.content.iter().any(|part| !part.text.trim().is_empty())
        }
        ThreadItem::Workflow(item) => !item.workflow.tasks.is_empty(),
        ThreadItem::GeneratedImage(item) => item.image.is_some(),
        _ => true,
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.state.lock().close();
    }
}

/// Stores what grows, until nothing does for a while.
async fn checkpoints(state: Arc<State>, shared: Arc<Shared>, owner: Owner, key: TurnKey) {
    let mut next = Instant::now() + CHECKPOINT;
    loop {
        sleep_until(next).await;
        let (writes, handle) = {
            let mut inner = state.lock();
            let Task::Sleeping(handle) = std::mem::replace(&mut inner.task, Task::Over) else {
                return;
            };
            inner.grown = false;
            let writes = inner.checkpoint();
            if writes.is_empty() {
                inner.task = Task::None;
                return;
            }
            inner.task = Task::Writing;
            (writes, handle)
        };
        next = Instant::now() + CHECKPOINT;
        if let Err(error) = shared.store.write(&owner, &key, &writes).traced("checkpoint").await {
            tracing::warn!(turn_id = %key.turn_id, %error, "checkpoint failed");
            // Tried again in a second, also if nothing grows meanwhile.
            state.lock().grown |= matches!(error, StoreError::Unavailable(_));
        }
        let goes_on = {
            let mut inner = state.lock();
            let goes_on = inner.grown && matches!(inner.task, Task::Writing);
            match inner.task {
                Task::Writing if goes_on => inner.task = Task::Sleeping(handle),
                Task::Writing => inner.task = Task::None,
                _ => {}
            }
            goes_on
        };
        state.written.notify_waiters();
        if !goes_on {
            return;
        }
    }
}
