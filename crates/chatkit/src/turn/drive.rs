//! The driver of a turn: runs the responder, ends the turn in exactly one way.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use parlor_protocol::{
    ErrorEvent, ItemId, StreamOptionsEvent, ThreadItemDoneEvent, ThreadItemRemovedEvent,
    UserMessageItem,
};
use serde_json::json;

use super::{
    LateTitle, OnDisconnect, Patience, Titling, Turn, TurnLog, Unended, Unsaved,
    growing::is_worth_keeping, unended::Ending,
};
use crate::{
    ErrorChain, ItemState, ItemWrite, StoreError, ThreadTitle, TurnError, TurnState,
    measure::RunningTurnMeasure,
    registry::{Registry, Reservation, RunningTurn},
    responder::{ActionSender, DynResponder},
    trace::{self, Traced as _},
};

/// What a turn starts from.
#[derive(Default)]
pub(crate) struct Opening {
    pub(crate) input: Option<UserMessageItem>,
    pub(crate) replaces: Vec<Replaced>,
}

/// An item of the answer that a retry takes the place of.
pub(crate) struct Replaced {
    pub(crate) id: ItemId,
    /// Clients never saw it, and are not told that it goes.
    pub(crate) hidden: bool,
}

/// What a turn is for.
#[derive(Default)]
pub(crate) enum Job {
    #[default]
    Respond,
    Action(Box<ActionSender>),
}

/// Ends the log of a turn whose task is gone before its time, so that nobody follows it for ever.
struct EndOfLog(Arc<TurnLog>);

impl Drop for EndOfLog {
    fn drop(&mut self) {
        self.0.finish(TurnState::Interrupted);
    }
}

/// What there is to do when a turn has ended and its thread is free.
pub(crate) struct Afterwards {
    turn: Box<Turn>,
    responder: Arc<dyn DynResponder>,
    registry: Arc<Registry>,
    late_title: Option<LateTitle>,
    cancelled: bool,
}

impl Afterwards {
    pub(crate) async fn run(self) {
        let Self { turn, responder, registry, late_title, cancelled } = self;
        if let Some(title) = late_title {
            title.save(&turn.shared, &registry).await;
        }
        if cancelled {
            responder.on_cancelled(&turn.context, &turn.thread).await;
        }
    }
}

/// Runs a turn to its end, and gives its thread free.
pub(crate) async fn drive(
    // Boxed, like the ending: a turn's task is little more than what it waits with.
    mut turn: Box<Turn>,
    responder: Arc<dyn DynResponder>,
    job: Job,
    running: Arc<RunningTurn>,
    reservation: Reservation,
) -> Afterwards {
    let _end = EndOfLog(Arc::clone(&turn.log));
    let measure = RunningTurnMeasure::begin();
    let limit = turn.shared.limits.turn_duration;
    let cancel_when_left = turn.shared.on_disconnect == OnDisconnect::Cancel;
    let log = Arc::clone(&turn.log);
    turn.note_begin(matches!(job, Job::Action(_)));
    let work = async {
        let options = responder.stream_options(&turn.context, &turn.thread);
        turn.emit(StreamOptionsEvent { stream_options: options }.into()).await?;
        let notices = turn.admission.as_mut().map(|admission| admission.take_notices());
        for notice in notices.into_iter().flatten() {
            turn.emit(notice.into()).await?;
        }
        match job {
            Job::Respond => responder.respond(&mut turn).await,
            Job::Action(action) => responder.action(&mut turn, *action).await,
        }
    };
    // A responder that panics has failed, like one that returns an error.
    let work = AssertUnwindSafe(work).catch_unwind();
    let (state, error) = tokio::select! {
        biased;
        state = running.cancelled() => (state, None),
        () = log.abandoned(), if cancel_when_left => (TurnState::Stopped, None),
        result = tokio::time::timeout(limit, work) => match result {
            Ok(Ok(Ok(()))) => (TurnState::Done, None),
            Ok(Ok(Err(error))) => (TurnState::Failed, Some(error)),
            Ok(Err(panic)) => (TurnState::Failed, Some(panicked(&*panic))),
            Err(_elapsed) => (TurnState::Failed, Some(too_slow())),
        },
    };
    let (state, error) = match turn.before.is_some() && Box::pin(turn.judge()).await {
        // Whoever made it failed because it could not go on.
        true if state == TurnState::Failed => (TurnState::Done, None),
        _ => (state, error),
    };
    let cancelled = matches!(state, TurnState::Stopped | TurnState::Interrupted);
    let reason = error.as_ref().map(|error| error.reason().to_owned());
    let cause = error.as_ref().and_then(TurnError::cause).filter(|_| turn.notes.are_read());
    let cause = cause.map(|cause| ErrorChain(cause).to_string());
    let notes = turn.notes.clone();
    let late_title = Box::pin(turn.end(state, error)).await;
    notes
        .add("turn.ended", || json!({ "state": state.as_str(), "reason": reason, "cause": cause }));
    measure.end(state);
    trace::turn_ended(&tracing::Span::current(), state, reason.as_deref());
    let registry = Arc::clone(reservation.registry());
    // Before the integrator's hook, which may take its time: the next message need not wait.
    reservation.complete(&running, &turn.shared.limits);
    Afterwards { turn, responder, registry, late_title, cancelled }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> TurnError {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    TurnError::new("internal", "Something went wrong while answering. Please try again.")
        .allow_retry(true)
        .caused_by(format!("the responder panicked: {message}"))
}

fn too_slow() -> TurnError {
    TurnError::new("turn.timeout", "The answer took too long and was cut off.").allow_retry(true)
}

impl Turn {
    /// Notes what the turn starts from.
    fn note_begin(&self, is_action: bool) {
        self.notes.add("turn.began", || {
            let (context, page) = (&self.context, self.context.page());
            let user = context.user();
            json!({
                "what": match (&self.input, is_action) {
                    (Some(_), _) => "message",
                    (None, true) => "action",
                    (None, false) => "continued",
                },
                "request_id": context.request_id(),
                "tenant": context.owner().tenant().as_str(),
                "user": context.owner().user().as_str(),
                "thread_title": self.thread.title,
                "input": self.input,
                "user_info": { "name": user.name, "email": user.email, "details": user.details,
                    "roles": user.roles },
                "locale": context.locale(),
                "page": page,
            })
        });
    }

    /// Closes the turn: what was begun is kept or dropped, the lease ends, everybody is told.
    ///
    /// Gives the title that is still being made.
    async fn end(&mut self, state: TurnState, error: Option<TurnError>) -> Option<LateTitle> {
        let error = error.map(|error| self.report(error));
        self.items.close().await;
        if let Err(late) = self.settle_saving().await {
            // What it wrote is tried again below, where that can help.
            tracing::warn!(turn_id = %self.key.turn_id, error = ?late, "not saved at once");
        }

        let Unsaved { mut writes, mut events } = std::mem::take(&mut self.unsaved);
        for pending in self.items.pending() {
            if is_worth_keeping(&pending.item) {
                events.push(ThreadItemDoneEvent { item: pending.item.clone() }.into());
                writes.push(ItemWrite::Put {
                    seq: pending.seq,
                    item: pending.item,
                    state: ItemState::Done,
                });
            } else if let Some(item_id) = pending.item.id() {
                writes.push(ItemWrite::Remove(item_id.clone()));
                events.push(ThreadItemRemovedEvent { item_id }.into());
            }
        }
        if state != TurnState::Done || self.thread.title.is_some() {
            self.titling.give_up();
        }
        if self.thread.title.is_none() {
            self.thread.title = self.titling.ready().await.or_else(|| self.title_at_end.take());
        }
        let mut thread_changed = self.thread != self.saved_thread;
        if thread_changed {
            writes.push(self.thread_write());
        }
        let mut late_title = None;

        let ended = self.end_in_store(state, &writes).await;
        // Before anybody learns that it is over: their next message must not find it running.
        self.admission = None;
        match ended {
            Ok(()) => {
                for event in &events {
                    // A full log has room for nothing more; the items are stored all the same.
                    let _ = self.send(event);
                }
                thread_changed |= self.title_soon().await;
                late_title = self.late_title();
                if thread_changed && let Err(error) = self.announce_thread().await {
                    tracing::warn!(turn_id = %self.key.turn_id, ?error, "thread not announced");
                }
                if let Some(error) = error {
                    self.send_last(error);
                }
                self.log.finish(state);
            }
            Err(StoreError::TurnLost(_)) => {
                // The thread was deleted, or another process took it over: nothing to keep.
                self.log.finish(TurnState::Interrupted);
            }
            Err(lost) => {
                if matches!(lost, StoreError::Unavailable(_)) {
                    let ending = Ending {
                        owner: self.owner().clone(),
                        key: self.key.clone(),
                        // As its followers are told.
                        state: TurnState::Failed,
                        writes,
                        bytes: self.log.bytes(),
                    };
                    Unended::keep(&self.shared, ending);
                }
                let event = self.report(lost.into());
                self.send_last(error.unwrap_or(event));
                self.log.finish(TurnState::Failed);
            }
        }
        late_title
    }

    /// Gives a thread that has only got a title for the time being the real one, if that comes
    /// soon. Whether it did.
    async fn title_soon(&mut self) -> bool {
        let Some(title) = self.titling.soon().await else { return false };
        let title = ThreadTitle { title: &title, instead_of: self.thread.title.as_deref() };
        let thread_id = &self.key.thread_id;
        match self
            .shared
            .store
            .title_thread(self.owner(), thread_id, title)
            .traced("title_thread")
            .await
        {
            Ok(thread) => thread.is_some(),
            Err(error) => {
                tracing::warn!(%thread_id, %error, "a title was not saved");
                false
            }
        }
    }

    fn late_title(&mut self) -> Option<LateTitle> {
        match std::mem::replace(&mut self.titling, Titling::NotWanted) {
            Titling::Running(task) => Some(LateTitle {
                task,
                instead_of: self.thread.title.clone(),
                owner: self.owner().clone(),
                key: self.key.clone(),
            }),
            _ => None,
        }
    }

    /// Ends the turn in the store, with patience: a database that restarts loses no answer.
    async fn end_in_store(&self, state: TurnState, writes: &[ItemWrite]) -> Result<(), StoreError> {
        let mut patience = Patience::new(self.shared.limits.store_patience);
        loop {
            let now = self.shared.clock.now();
            let ended = self
                .shared
                .store
                .end_turn(self.owner(), &self.key, state, writes, now)
                .traced("end_turn")
                .await;
            match ended {
                Err(error) if patience.allows(&error).await => {}
                Err(error) if !writes.is_empty() && is_about_the_writes(&error) => {
                    // Items that cannot be stored must not hold the thread.
                    let failed = TurnState::Failed;
                    let store = &self.shared.store;
                    let _ = store.end_turn(self.owner(), &self.key, failed, &[], now).await;
                    return Err(error);
                }
                ended => return ended,
            }
        }
    }

    /// Logs an error once, where it is handled, and makes the event of it.
    fn report(&self, error: TurnError) -> ErrorEvent {
        let request_id = self.context.request_id();
        match error.cause() {
            Some(cause) => tracing::error!(
                %request_id, turn_id = %self.key.turn_id, reason = error.reason(),
                error = %ErrorChain(cause), "turn failed"
            ),
            None => tracing::warn!(
                %request_id, turn_id = %self.key.turn_id, reason = error.reason(), "turn failed"
            ),
        }
        error.into_event(request_id.clone())
    }

    /// Sends the terminal error, even into a log that is full.
    fn send_last(&self, error: ErrorEvent) {
        let _ = self.log.append(&error.into(), usize::MAX);
    }
}

/// Whether the turn could be ended without its last writes.
fn is_about_the_writes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Failed(_) | StoreError::DuplicateItem(_) | StoreError::Corrupt { .. }
    )
}
