//! Turns of other processes that are followed here.
//!
//! A turn has one log here, fed by its holder, however many readers there are. Events are numbered:
//! one that comes twice is passed over, one that is missing is asked for again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_protocol::{ThreadItemDoneEvent, ThreadStreamEvent};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    message::{Message, Subject},
    post::{Caller, Post, lock},
};
use crate::{
    EventStream, Owner, StoreError, TurnError, TurnKey, TurnState,
    attachments::dress,
    measure,
    turn::{Misfit, Shared, TurnLog},
};

/// How often the holder is told that there still are readers. It answers.
const RENEW: Duration = Duration::from_secs(3);
/// When the holder has said nothing for so long, the store is asked what became of the turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a turn that has ended is asked for before what is stored of it has to do.
const ATTEMPTS_AT_THE_END: u32 = 2;
/// The holder is told what has come after so many bytes.
const ACKNOWLEDGE: usize = 128 * 1024;
/// A holder that did not know the turn is asked again after so long, unless it has ended.
const UNKNOWN: Duration = Duration::from_millis(500);

/// Whose turn, and which.
pub(super) type RemoteKey = (Owner, TurnKey);

/// A turn of another process.
pub(super) struct Remote {
    pub(super) log: Arc<TurnLog>,
    number: u64,
}

/// What comes from the holder.
pub(super) enum Incoming {
    Frames {
        attempt: u32,
        after: u64,
        body: Bytes,
    },
    End {
        attempt: u32,
        last: u64,
        state: TurnState,
    },
    Unknown {
        attempt: u32,
    },
    /// Something may be missing.
    Gap,
}

impl Post {
    /// Whether somebody follows a turn of another process here, and it has not ended.
    pub(crate) fn is_followed(&self, owner: &Owner, key: &TurnKey) -> bool {
        let remotes = lock(&self.remotes);
        let remote = remotes.get(&(owner.clone(), key.clone()));
        remote.is_some_and(|remote| remote.log.end().is_none() && remote.log.has_readers())
    }

    pub(super) fn follow_remote(
        self: &Arc<Self>,
        owner: &Owner,
        key: &TurnKey,
        holder: &str,
        after: u64,
        caller: Caller,
    ) -> EventStream {
        let place = (owner.clone(), key.clone());
        let mut remotes = lock(&self.remotes);
        if let Some(remote) = remotes.get(&place)
            && remote.log.base() <= after
        {
            // Under the lock, under which the task looks whether it is still needed.
            return remote.log.follow(after);
        }
        let log = TurnLog::behind(after);
        let events = log.follow(after);
        let (number, inbox) = self.open_inbox();
        // One that begins later and is not enough for this reader goes on with its own readers.
        remotes.insert(place.clone(), Remote { log: Arc::clone(&log), number });
        drop(remotes);
        let following = Following {
            post: Arc::clone(self),
            about: Subject::new(owner, key),
            place,
            holder: holder.to_owned(),
            log,
            number,
            attempt: 1,
            come: 0,
            asked_at_the_end: 0,
            caller,
        };
        tokio::spawn(following.run(inbox));
        events
    }
}

/// The task that feeds the log of a turn of another process.
struct Following {
    post: Arc<Post>,
    place: RemoteKey,
    about: Subject,
    holder: String,
    log: Arc<TurnLog>,
    number: u64,
    attempt: u32,
    /// Bytes that have come since the holder was told of any.
    come: usize,
    /// How often the turn was asked for since it is known to have ended.
    asked_at_the_end: u32,
    caller: Caller,
}

impl Following {
    async fn run(mut self, mut inbox: mpsc::Receiver<Incoming>) {
        let _measure = measure::remote_turn();
        let mut renew = interval(RENEW);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is now.
        renew.tick().await;
        self.ask().await;
        let mut heard = Instant::now();
        let log = Arc::clone(&self.log);
        while log.end().is_none() {
            tokio::select! {
                incoming = inbox.recv() => {
                    heard = Instant::now();
                    match incoming {
                        Some(incoming) => self.take(incoming).await,
                        None => break,
                    }
                }
                _ = renew.tick() => {
                    if heard.elapsed() >= PATIENCE {
                        self.look_into_the_store().await;
                        self.attempt += 1;
                    }
                    if log.end().is_none() {
                        self.ask().await;
                    }
                }
                () = log.abandoned() => {
                    if self.forget_unless_needed() {
                        let message =
                            Message::Leave { number: self.number, from: self.post.name.clone() };
                        self.post.try_send(&self.holder, &message).await;
                        break;
                    }
                }
            }
        }
        self.forget();
    }

    /// Asks for what comes next, which also says that what was before has come.
    async fn ask(&mut self) {
        self.come = 0;
        let message = Message::Follow {
            number: self.number,
            from: self.post.name.clone(),
            about: self.about.clone(),
            attempt: self.attempt,
            after: self.log.last(),
        };
        self.post.try_send(&self.holder, &message).await;
    }

    /// Asks for what is missing.
    async fn ask_again(&mut self) {
        self.attempt += 1;
        self.ask().await;
    }

    async fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frames { attempt, after, body } => {
                self.come += body.len();
                let misfit = match after > self.log.last() {
                    true => Err(Misfit::Gap),
                    // As much again as one turn may have: its last words are not counted there.
                    false => self.log.extend(&body, self.post.shared.limits.turn_bytes * 2),
                };
                match misfit {
                    Ok(()) if self.come >= ACKNOWLEDGE => self.ask().await,
                    Ok(()) => {}
                    // Of an earlier attempt: what is missing is on its way.
                    Err(Misfit::Gap) if attempt < self.attempt => {}
                    Err(Misfit::Gap) => self.ask_again().await,
                    Err(Misfit::Broken) => {
                        tracing::warn!(
                            holder = self.holder,
                            "what another server sent of a turn cannot be read"
                        );
                        self.log.cut();
                        self.log.finish(TurnState::Interrupted);
                    }
                }
            }
            Incoming::End { last, state, .. } if last == self.log.last() => {
                self.log.finish(state);
            }
            Incoming::End { attempt, .. } | Incoming::Unknown { attempt }
                if attempt < self.attempt => {}
            Incoming::End { .. } | Incoming::Gap => self.ask_again().await,
            Incoming::Unknown { .. } => {
                self.asked_at_the_end = ATTEMPTS_AT_THE_END;
                self.look_into_the_store().await;
                if self.log.end().is_none() {
                    tokio::time::sleep(UNKNOWN).await;
                    self.ask_again().await;
                }
            }
        }
    }

    /// Ends the log if the turn has ended and its holder cannot tell.
    async fn look_into_the_store(&mut self) {
        let (owner, key) = &self.place;
        let state = match self.post.state_of(owner, key).await {
            // Its thread is gone.
            Ok(None) => return self.log.finish(TurnState::Interrupted),
            Ok(Some(held)) if held.state == TurnState::Running => {
                self.asked_at_the_end = 0;
                return;
            }
            Ok(Some(held)) if held.holder_is_alive => {
                self.asked_at_the_end += 1;
                if self.asked_at_the_end <= ATTEMPTS_AT_THE_END {
                    return;
                }
                held.state
            }
            Ok(Some(held)) => held.state,
            Err(error) => {
                tracing::debug!(%error, "it is not known what became of a turn");
                return;
            }
        };
        match tell_from_store(&self.post.shared, owner, key, state, &self.caller).await {
            Ok(events) => {
                for event in &events {
                    let _ = self.log.append(event, usize::MAX);
                }
                self.log.finish(state);
            }
            Err(error) => tracing::debug!(%error, "the items of a turn could not be read"),
        }
    }

    /// Whether nobody needs the log any more; nobody finds it then.
    fn forget_unless_needed(&self) -> bool {
        let mut remotes = lock(&self.post.remotes);
        if self.log.has_readers() {
            return false;
        }
        if remotes.get(&self.place).is_some_and(|remote| remote.number == self.number) {
            remotes.remove(&self.place);
        }
        true
    }

    fn forget(&self) {
        self.post.close_inbox(self.number);
        let mut remotes = lock(&self.post.remotes);
        if remotes.get(&self.place).is_some_and(|remote| remote.number == self.number) {
            remotes.remove(&self.place);
        }
    }
}

/// What there is to say of a turn that has ended and whose events are gone with its holder: its
/// items as they are stored, and that it was not completed, if so.
pub(crate) async fn tell_from_store(
    shared: &Shared,
    owner: &Owner,
    key: &TurnKey,
    state: TurnState,
    caller: &Caller,
) -> Result<Vec<ThreadStreamEvent>, StoreError> {
    let items = shared.store.turn_items(owner, key).await?;
    let attachments = shared.attachments.as_ref();
    let mut events: Vec<ThreadStreamEvent> = items
        .into_iter()
        .map(|mut item| {
            dress(&mut item, attachments, &caller.base_url);
            ThreadItemDoneEvent { item }.into()
        })
        .collect();
    let error = match state {
        TurnState::Failed => Some(TurnError::not_completed()),
        TurnState::Interrupted => Some(TurnError::new(
            "turn.interrupted",
            "The answer was interrupted. Please try again.",
        )),
        _ => None,
    };
    let request_id = caller.request_id.clone();
    events.extend(error.map(|error| error.allow_retry(true).into_event(request_id).into()));
    Ok(events)
}
