//! One process's end of the messages.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use parlor_protocol::RequestId;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    Delivery, Peers,
    follow::{Incoming, Remote, RemoteKey},
    message::{Answer, Message, Question, Subject},
    serve::Follower,
};
use crate::{
    EventStream, HeldTurn, Owner, StoreError, TurnKey, TurnState, measure, registry::Registry,
    turn::Shared,
};

/// How soon a question that was not answered is asked again, and the store asked beside it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long a question waits for an answer beside what the store's lease allows for.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last events may take to reach other processes when this one shuts down.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Messages that wait for one who follows. More are dropped, and asked for again.
const INBOX: usize = 64;

/// A process that knows the others.
pub(crate) struct Post {
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Arc<Registry>,
    /// The name of this process.
    pub(super) name: String,
    peers: Arc<dyn Peers>,
    numbers: AtomicU64,
    /// Questions that wait for their answers.
    asked: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    /// Turns of other processes that are followed here.
    pub(super) remotes: Mutex<HashMap<RemoteKey, Remote>>,
    /// Where what comes for them goes.
    inboxes: Mutex<HashMap<u64, mpsc::Sender<Incoming>>>,
    /// Other processes that follow turns of this one.
    pub(super) followers: Mutex<HashMap<(String, u64), Arc<Follower>>>,
    /// The tasks that send them what they follow.
    pub(super) serving: TaskTracker,
    closed: AtomicBool,
    /// Ends the task that receives.
    receiving: CancellationToken,
    _receiving: DropGuard,
}

/// Who a turn is followed for, or was asked about: for what is said in its place.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) request_id: RequestId,
    /// What links to files begin with.
    pub(crate) base_url: String,
}

impl Post {
    pub(crate) fn new(
        shared: Arc<Shared>,
        registry: Arc<Registry>,
        name: String,
        peers: Arc<dyn Peers>,
    ) -> Arc<Self> {
        let receiving = CancellationToken::new();
        Arc::new(Self {
            shared,
            registry,
            name,
            peers,
            numbers: AtomicU64::new(1),
            asked: Mutex::default(),
            remotes: Mutex::default(),
            inboxes: Mutex::default(),
            followers: Mutex::default(),
            serving: TaskTracker::new(),
            closed: AtomicBool::new(false),
            _receiving: receiving.clone().drop_guard(),
            receiving,
        })
    }

    /// Begins to receive.
    pub(crate) async fn join(self: &Arc<Self>) {
        let deliveries = self.peers.join(&self.name).await;
        let (post, receiving) = (Arc::downgrade(self), self.receiving.clone());
        tokio::spawn(receiving.run_until_cancelled_owned(async move {
            let mut deliveries: BoxStream<'static, Delivery> = deliveries;
            while let Some(delivery) = deliveries.next().await {
                let Some(post) = post.upgrade() else { return };
                post.receive(delivery);
            }
        }));
    }

    /// Tells the others what is left to say, and sends those who follow turns of other processes
    /// here elsewhere.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for remote in lock(&self.remotes).values() {
            remote.log.cut();
        }
        self.serving.close();
        if timeout(LAST_WORDS, self.serving.wait()).await.is_err() {
            tracing::warn!("other servers were not told of the last events of their readers");
        }
    }

    fn receive(self: &Arc<Self>, delivery: Delivery) {
        let bytes = match delivery {
            Delivery::Message(bytes) => bytes,
            Delivery::Gap => {
                let inboxes = lock(&self.inboxes);
                inboxes.values().for_each(|inbox| drop(inbox.try_send(Incoming::Gap)));
                return;
            }
        };
        measure::received_from_peer();
        let (message, body) = match Message::from_bytes(&bytes) {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "a message of another version was passed over");
                return;
            }
        };
        match message {
            Message::Ask { number, from, question, about } => {
                self.serve_question(number, from, question, &about);
            }
            Message::Answer { number, answer } => {
                if let Some(asked) = lock(&self.asked).remove(&number) {
                    let _ = asked.send(answer);
                }
            }
            Message::Follow { number, from, about, attempt, after } => {
                self.serve_follower(number, from, &about, attempt, after);
            }
            Message::Leave { number, from } => self.serve_leave(number, from),
            Message::Frames { number, attempt, after } => {
                self.pass_on(number, Incoming::Frames { attempt, after, body });
            }
            Message::End { number, attempt, last, state } => {
                self.pass_on(number, Incoming::End { attempt, last, state });
            }
            Message::Unknown { number, attempt } => {
                self.pass_on(number, Incoming::Unknown { attempt });
            }
        }
    }

    fn pass_on(&self, number: u64, incoming: Incoming) {
        // What finds no room will be missed and asked for again.
        if let Some(inbox) = lock(&self.inboxes).get(&number) {
            let _ = inbox.try_send(incoming);
        }
    }

    /// A number for messages to come, and where they come in.
    pub(super) fn open_inbox(&self) -> (u64, mpsc::Receiver<Incoming>) {
        let number = self.number();
        let (sender, receiver) = mpsc::channel(INBOX);
        lock(&self.inboxes).insert(number, sender);
        (number, receiver)
    }

    pub(super) fn close_inbox(&self, number: u64) {
        lock(&self.inboxes).remove(&number);
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) async fn send(
        &self,
        to: &str,
        message: &Message,
        body: &[u8],
    ) -> Result<(), StoreError> {
        self.peers.send(to, message.to_bytes(body)).await?;
        measure::sent_to_peer();
        Ok(())
    }

    /// Sends what may as well get lost.
    pub(super) async fn try_send(&self, to: &str, message: &Message) {
        if let Err(error) = self.send(to, message, &[]).await {
            tracing::debug!(%error, "a message to another server was not sent");
        }
    }

    /// How long a process that is gone may pass for one that lives.
    pub(super) fn lease(&self) -> Duration {
        self.shared.store.lease().unwrap_or_default()
    }

    /// What the store says of a turn that this process has met in another one's hands, after
    /// closing it if that one is gone.
    pub(crate) async fn state_of(
        &self,
        owner: &Owner,
        key: &TurnKey,
    ) -> Result<Option<HeldTurn>, StoreError> {
        let store = &self.shared.store;
        let look = || store.held_turn(owner, &key.thread_id, Some(&key.turn_id));
        match look().await? {
            Some(held) if held.is_orphan() => {
                store.interrupt_orphans(&self.name, self.shared.clock.now()).await?;
                look().await
            }
            held => Ok(held),
        }
    }

    /// Asks the process that holds a turn. `None`: it lives, and does not answer.
    ///
    /// A holder that is gone is found out within the store's lease; its turn has then ended.
    pub(crate) async fn ask(
        &self,
        owner: &Owner,
        key: &TurnKey,
        holder: &str,
        question: Question,
    ) -> Result<Option<Answer>, StoreError> {
        let deadline = Instant::now() + self.lease() + self.shared.limits.store_patience;
        let deadline = deadline + ASK_PATIENCE;
        let about = Subject::new(owner, key);
        loop {
            let number = self.number();
            let (sender, answer) = oneshot::channel();
            lock(&self.asked).insert(number, sender);
            let asked = Asked { post: self, number };
            let (from, about) = (self.name.clone(), about.clone());
            self.send(holder, &Message::Ask { number, from, question, about }, &[]).await?;
            let until = deadline.min(Instant::now() + ASK_AGAIN);
            if let Ok(Ok(answer)) = timeout_at(until, answer).await {
                return Ok(Some(answer));
            }
            drop(asked);
            match self.state_of(owner, key).await? {
                Some(held) if held.state == TurnState::Running => {}
                // It has ended, and its holder may be gone.
                Some(held) if question != Question::Have || !held.holder_is_alive => {
                    return Ok(Some(Answer::Ended(held.state)));
                }
                Some(_) => {}
                // With its thread.
                None => return Ok(Some(Answer::Ended(TurnState::Interrupted))),
            }
            if Instant::now() >= deadline {
                tracing::warn!(
                    holder,
                    "another server lives but does not answer; see `parlor doctor` on \
                     notifications of PostgreSQL"
                );
                return Ok(None);
            }
        }
    }

    /// Has a process end a turn whose thread is gone.
    pub(crate) async fn tell_of_deletion(&self, owner: &Owner, held: &HeldTurn, key: &TurnKey) {
        let about = Subject::new(owner, key);
        let (number, from, question) = (self.number(), self.name.clone(), Question::Drop);
        // Where it gets lost, the turn ends with the first thing that it wants to store.
        self.try_send(&held.holder, &Message::Ask { number, from, question, about }).await;
    }

    /// Follows a turn of another process from behind event number `after`. `None`: this process
    /// is shutting down.
    pub(crate) fn follow(
        self: &Arc<Self>,
        owner: &Owner,
        key: &TurnKey,
        holder: &str,
        after: u64,
        caller: Caller,
    ) -> Option<EventStream> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        Some(self.follow_remote(owner, key, holder, after, caller))
    }
}

/// A question that waits for its answer.
struct Asked<'a> {
    post: &'a Post,
    number: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        lock(&self.post.asked).remove(&self.number);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
