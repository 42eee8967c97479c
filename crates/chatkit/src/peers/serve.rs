//! What a process does for others with the turns that it holds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use super::{
    message::{Answer, Message, Question, Subject},
    post::{Post, lock},
};
use crate::{
    Owner, TurnKey, TurnState,
    registry::{Known, RunningTurn},
    turn::Unended,
};

/// A process that has not been heard of for so long follows no more. It says that it does every
/// three seconds.
const SILENCE: Duration = Duration::from_secs(10);
/// Events are passed on at most so often. Each message is a transaction of a database's, and what
/// comes in the meantime goes with the next.
const PACE: Duration = Duration::from_millis(25);
/// How many bytes of events go in one message, about.
const PIECE: usize = 48 * 1024;
/// How many bytes of events may be under way to one process.
const WINDOW: usize = 512 * 1024;
/// How soon a message that could not be sent is sent again.
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// A turn that is about to begin is looked for again so often, for so long.
const STARTING: (Duration, u32) = (Duration::from_millis(50), 100);

/// A process that follows a turn of this one.
pub(super) struct Follower {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    attempt: u32,
    /// Up to this number, events have come there.
    acknowledged: u64,
    /// Events are to be sent again, those behind `acknowledged`.
    rewind: bool,
    /// It has asked, and is to be told something, if only that there is nothing new.
    waits: bool,
    heard: Instant,
    left: bool,
}

/// What a follower has said, as its task takes it.
struct Said {
    attempt: u32,
    acknowledged: u64,
    rewind: bool,
    waits: bool,
    until: Instant,
}

impl Follower {
    fn new(attempt: u32, after: u64) -> Arc<Self> {
        let state = State {
            attempt,
            acknowledged: after,
            rewind: true,
            waits: true,
            heard: Instant::now(),
            left: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    fn says(&self, attempt: u32, after: u64) {
        {
            let mut state = lock(&self.state);
            // An earlier one that took its time says nothing new.
            if attempt < state.attempt {
                return;
            }
            state.rewind |= attempt > state.attempt;
            state.attempt = attempt;
            state.acknowledged = after;
            state.waits = true;
            state.heard = Instant::now();
        }
        self.changed.notify_one();
    }

    fn leaves(&self) {
        lock(&self.state).left = true;
        self.changed.notify_one();
    }

    /// What it has said. `None`: it has left, or has not been heard of for long.
    fn said(&self) -> Option<Said> {
        let mut state = lock(&self.state);
        let until = state.heard + SILENCE;
        if state.left || Instant::now() >= until {
            return None;
        }
        Some(Said {
            attempt: state.attempt,
            acknowledged: state.acknowledged,
            rewind: std::mem::take(&mut state.rewind),
            waits: std::mem::take(&mut state.waits),
            until,
        })
    }
}

impl Post {
    /// A turn, waiting for one that is about to begin. One that the store has as running in this
    /// process, and that does not run here, has ended while the store was away: it is told now.
    async fn known(&self, owner: &Owner, key: &TurnKey) -> Option<Arc<RunningTurn>> {
        for _ in 0..STARTING.1 {
            match self.registry.know(owner, key) {
                Known::Turn(turn) => return Some(turn),
                Known::Starting => sleep(STARTING.0).await,
                Known::Unknown => break,
            }
        }
        if self.end_in_store(key).await {
            return None;
        }
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        // Most often it has ended in the meantime, and this changes nothing.
        if let Err(error) = store.end_turn(owner, key, TurnState::Interrupted, &[], now).await {
            tracing::debug!(%error, "a turn that another server asked for has ended");
        }
        None
    }

    /// Has the store know of the end of a turn, if that still waits for it. Whether it did.
    async fn end_in_store(&self, key: &TurnKey) -> bool {
        match Unended::end(&self.shared, &key.turn_id).await {
            Ok(waited) => waited,
            Err(error) => {
                tracing::debug!(%error, "the end of a turn still waits for the store");
                true
            }
        }
    }

    pub(super) fn serve_question(
        self: &Arc<Self>,
        number: u64,
        from: String,
        question: Question,
        about: &Subject,
    ) {
        let (owner, key) = about.place();
        let post = Arc::clone(self);
        tokio::spawn(async move {
            let answer = match post.known(&owner, &key).await {
                None => Answer::Unknown,
                Some(turn) => match question {
                    Question::Stop => {
                        turn.cancel(TurnState::Stopped);
                        Answer::Ended(turn.log.ended().await)
                    }
                    Question::Yield if turn.log.end().is_none() && turn.log.has_readers() => {
                        Answer::Followed
                    }
                    Question::Yield | Question::Drop => {
                        turn.cancel(TurnState::Interrupted);
                        Answer::Ended(turn.log.ended().await)
                    }
                    Question::Have => Answer::Here,
                },
            };
            if matches!(answer, Answer::Ended(_)) {
                post.end_in_store(&key).await;
            }
            post.try_send(&from, &Message::Answer { number, answer }).await;
        });
    }

    pub(super) fn serve_leave(&self, number: u64, from: String) {
        if let Some(follower) = lock(&self.followers).get(&(from, number)) {
            follower.leaves();
        }
    }

    pub(super) fn serve_follower(
        self: &Arc<Self>,
        number: u64,
        from: String,
        about: &Subject,
        attempt: u32,
        after: u64,
    ) {
        let name = (from, number);
        let follower = {
            let mut followers = lock(&self.followers);
            if let Some(follower) = followers.get(&name) {
                follower.says(attempt, after);
                return;
            }
            let follower = Follower::new(attempt, after);
            followers.insert(name.clone(), Arc::clone(&follower));
            follower
        };
        let (owner, key) = about.place();
        let post = Arc::clone(self);
        self.serving.spawn(async move {
            let (from, number) = &name;
            match post.known(&owner, &key).await {
                Some(turn) => post.pass_events_on(&turn, &follower, from, *number).await,
                None => {
                    let attempt = lock(&follower.state).attempt;
                    post.try_send(from, &Message::Unknown { number: *number, attempt }).await;
                }
            }
            lock(&post.followers).remove(&name);
        });
    }

    /// Sends a turn's events to a process that follows it, as long as it does.
    async fn pass_events_on(&self, turn: &RunningTurn, follower: &Follower, to: &str, number: u64) {
        let log = &turn.log;
        // It counts among those who follow the turn: nobody takes its place.
        let _reading = log.join();
        let mut changes = log.changes();
        let mut sent = 0;
        // What is under way: up to which number, and how many bytes.
        let mut under_way: VecDeque<(u64, usize)> = VecDeque::new();
        while let Some(said) = follower.said() {
            if said.rewind {
                sent = said.acknowledged;
                under_way.clear();
            }
            while under_way.front().is_some_and(|(last, _)| *last <= said.acknowledged) {
                under_way.pop_front();
            }
            changes.mark_unchanged();
            let attempt = said.attempt;
            let is_full = under_way.iter().map(|(_, bytes)| bytes).sum::<usize>() >= WINDOW;
            let (piece, last, end) = match is_full {
                true => (Vec::new(), sent, None),
                false => log.piece(sent, PIECE),
            };
            let message = match end {
                _ if !piece.is_empty() => Message::Frames { number, attempt, after: sent },
                Some(state) => Message::End { number, attempt, last, state },
                None if said.waits => Message::Frames { number, attempt, after: sent },
                None => {
                    tokio::select! {
                        _ = changes.changed(), if !is_full => {}
                        () = follower.changed.notified() => {}
                        () = sleep_until(said.until) => {}
                    }
                    continue;
                }
            };
            if let Err(error) = self.send(to, &message, &piece).await {
                tracing::debug!(%error, "events for another server were not sent");
                sleep(SEND_AGAIN).await;
                continue;
            }
            match message {
                Message::End { .. } => return,
                _ if !piece.is_empty() => {
                    under_way.push_back((last, piece.len()));
                    sent = last;
                    sleep(PACE).await;
                }
                _ => {}
            }
        }
    }
}
