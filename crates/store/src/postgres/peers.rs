//! Messages between the processes that share a database, by LISTEN and NOTIFY.
//!
//! Each process listens on a channel of its own, over a connection of its own. A notification has
//! at most 7,999 bytes of text, so a message is sent in parts. Whoever may connect to a database may
//! listen in it, to any channel, and notify, too: every part is encrypted and authenticated with a
//! key that is in a table (`docs/decisions/0010-replicas.md`).
//!
//! A transaction that notifies takes a lock of the whole database while it commits. So what is to
//! be sent waits for the transaction before it, and goes in one with all that waits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use parlor_chatkit::{Delivery, ErrorChain, Peers, Store as _, StoreError};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgListener, PgPoolOptions};
use tokio::{
    sync::{OnceCell, mpsc, oneshot},
    time::timeout,
};

use super::{PostgresStore, arguments, pool::Repeatable};

/// Begins the names of channels.
const CHANNEL: &str = "parlor_";
/// The secret that keys are made of, in the table of secrets.
const SECRET: &str = "peers";
/// How many bytes of a message go in one notification: with the sender's name, encrypted and as
/// base64, less than 8,000.
const PART: usize = 5_800;
/// Number of the message, number of the part, number of parts.
const HEAD: usize = 16;
/// Messages larger than this are not put together: several times a turn with all its events.
const LARGEST: usize = 128 * 1024 * 1024;
/// Notifications of one transaction, at most.
const BATCH: usize = 256;
/// Messages that wait to be sent. More wait where they are made.
const WAITING: usize = 256;
/// Messages that wait to be read.
const UNREAD: usize = 256;
/// When nothing has come for so long, a process says something to itself; when that does not come
/// either, the connection is made again.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long to wait before a connection is made again, at first and at most.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Keys of other processes that are kept at hand.
const KEYS: usize = 256;

/// The way to the other processes on a database.
pub(super) struct PostgresPeers {
    core: Arc<Core>,
    queue: OnceLock<mpsc::Sender<Outgoing>>,
}

struct Core {
    store: PostgresStore,
    /// How the connection that listens is made.
    options: PgConnectOptions,
    connect_timeout: Duration,
    name: OnceLock<String>,
    keys: OnceCell<Keys>,
}

/// A message on its way out: its parts, and who waits for them to be sent.
struct Outgoing {
    channel: String,
    parts: Vec<String>,
    sent: oneshot::Sender<bool>,
}

#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error("notifications could not be sent")]
    Failed,
    #[error("a notification could not be encrypted")]
    Encryption,
    #[error("this process has not joined the others yet")]
    NotJoined,
}

impl From<NotSent> for StoreError {
    fn from(reason: NotSent) -> Self {
        Self::Unavailable(Box::new(reason))
    }
}

/// A name that no other process has.
pub(super) fn random_name() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|Unspecified| NotSent::Encryption)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn channel_of(name: &str) -> String {
    format!("{CHANNEL}{name}")
}

impl PostgresPeers {
    pub(super) fn new(
        store: PostgresStore,
        options: PgConnectOptions,
        connect_timeout: Duration,
    ) -> Self {
        let options = options.application_name("parlor-listener");
        let (name, keys) = (OnceLock::new(), OnceCell::new());
        let core = Arc::new(Core { store, options, connect_timeout, name, keys });
        Self { core, queue: OnceLock::new() }
    }
}

#[async_trait]
impl Peers for PostgresPeers {
    async fn join(&self, name: &str) -> BoxStream<'static, Delivery> {
        let name = self.core.name.get_or_init(|| name.to_owned());
        let queue = self.queue.get_or_init(|| {
            let (queue, outgoing) = mpsc::channel(WAITING);
            tokio::spawn(send_all(self.core.store.clone(), outgoing));
            queue
        });
        let (deliveries, unread) = mpsc::channel(UNREAD);
        let (listens, is_listening) = oneshot::channel();
        let listener = Listener {
            core: Arc::clone(&self.core),
            channel: channel_of(name),
            // Weak: the queue is there as long as we are.
            queue: queue.downgrade(),
            deliveries,
            incoming: Incoming::default(),
            told: false,
        };
        tokio::spawn(listener.run(listens));
        // Until it listens, what is sent here is lost.
        let _ = timeout(self.core.connect_timeout, is_listening).await;
        futures::stream::unfold(unread, async |mut unread| {
            unread.recv().await.map(|delivery| (delivery, unread))
        })
        .boxed()
    }

    async fn send(&self, to: &str, message: Bytes) -> Result<(), StoreError> {
        let queue = self.queue.get().ok_or(NotSent::NotJoined)?;
        let channel = channel_of(to);
        let parts = self.core.keys().await?.seal(&channel, &message)?;
        let (sent, is_sent) = oneshot::channel();
        let outgoing = Outgoing { channel, parts, sent };
        queue.send(outgoing).await.map_err(|_closed| NotSent::Failed)?;
        match is_sent.await {
            Ok(true) => Ok(()),
            _ => Err(NotSent::Failed.into()),
        }
    }
}

/// Sends what comes, with all that has come meanwhile in one transaction.
async fn send_all(store: PostgresStore, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(first) = outgoing.recv().await {
        let mut all = vec![first];
        let mut parts = all[0].parts.len();
        while parts < BATCH
            && let Ok(next) = outgoing.try_recv()
        {
            parts += next.parts.len();
            all.push(next);
        }
        let notifications: Vec<(&str, &str)> = all
            .iter()
            .flat_map(|out| out.parts.iter().map(|part| (out.channel.as_str(), part.as_str())))
            .collect();
        let mut done = true;
        for batch in notifications.chunks(BATCH) {
            if let Err(error) = notify(&store, batch).await {
                tracing::debug!(error = %ErrorChain(&error), "notifications were not sent");
                done = false;
                break;
            }
        }
        for out in all {
            let _ = out.sent.send(done);
        }
    }
}

async fn notify(store: &PostgresStore, batch: &[(&str, &str)]) -> Result<(), StoreError> {
    let (channels, parts): (Vec<&str>, Vec<&str>) = batch.iter().copied().unzip();
    let inner = &store.inner;
    // What comes twice is recognised.
    let sent = inner.run(&inner.statements.notify, arguments![channels, parts], Repeatable::Yes);
    sent.await.map(drop)
}

/// The task that listens.
struct Listener {
    core: Arc<Core>,
    channel: String,
    queue: mpsc::WeakSender<Outgoing>,
    deliveries: mpsc::Sender<Delivery>,
    incoming: Incoming,
    /// That nothing comes in has been logged.
    told: bool,
}

/// Nobody listens to the listener any more.
struct Closed;

impl Listener {
    async fn run(mut self, listens: oneshot::Sender<()>) {
        let mut listens = Some(listens);
        let mut pause = PAUSE[0];
        let deliveries = self.deliveries.clone();
        let work = async {
            loop {
                match self.connect().await {
                    Ok(mut listener) => {
                        let is_first = listens.take().map(|listens| listens.send(())).is_some();
                        if !is_first && self.deliver(Delivery::Gap).await.is_err() {
                            return;
                        }
                        match self.listen(&mut listener).await {
                            Ok(true) => pause = PAUSE[0],
                            Ok(false) => {}
                            Err(Closed) => return,
                        }
                    }
                    Err(error) => {
                        tracing::debug!(error = %ErrorChain(&error), "not listening");
                        self.warn_once();
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE[1]);
            }
        };
        tokio::select! {
            () = work => {}
            () = deliveries.closed() => {}
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(self.core.connect_timeout)
            .connect_lazy_with(self.core.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // It is we who connect again: whoever receives has to know that something may be missing.
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    /// Receives until the connection breaks or falls silent. Whether anything has come.
    async fn listen(&mut self, listener: &mut PgListener) -> Result<bool, Closed> {
        let mut has_come = false;
        let mut is_asked = false;
        self.incoming = Incoming::default();
        loop {
            let notification = match timeout(HEARTBEAT, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => notification,
                Ok(Ok(None)) => return Ok(has_come),
                Ok(Err(error)) => {
                    tracing::debug!(error = %ErrorChain(&error), "the listening connection broke");
                    return Ok(has_come);
                }
                Err(_elapsed) if is_asked => {
                    self.warn_once();
                    return Ok(has_come);
                }
                Err(_elapsed) => {
                    is_asked = self.say_something().await;
                    continue;
                }
            };
            (has_come, is_asked, self.told) = (true, false, false);
            let Ok(keys) = self.core.keys().await else { continue };
            let part = keys.open(&self.channel, notification.payload());
            if let Some(message) = part.and_then(|part| self.incoming.take(part)) {
                self.deliver(Delivery::Message(message)).await?;
            }
        }
    }

    /// Until something comes in again.
    fn warn_once(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "notifications of PostgreSQL do not come in: other servers cannot reach this one; \
                 see database.listen_url if there is a pooler in between"
            );
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<(), Closed> {
        self.deliveries.send(delivery).await.map_err(|_closed| Closed)
    }

    /// Sends a notification to ourselves. Whether it went out.
    async fn say_something(&self) -> bool {
        let Some(queue) = self.queue.upgrade() else { return false };
        let Ok(keys) = self.core.keys().await else { return false };
        let Ok(echo) = keys.seal_part(&self.channel, Part::ECHO, &[]) else { return false };
        let (sent, is_sent) = oneshot::channel();
        let outgoing = Outgoing { channel: self.channel.clone(), parts: vec![echo], sent };
        queue.try_send(outgoing).is_ok() && matches!(is_sent.await, Ok(true))
    }
}

/// Puts messages together. Parts of one sender's message come one after the other.
#[derive(Default)]
struct Incoming {
    senders: HashMap<String, Partial>,
}

struct Partial {
    message: u64,
    next: u32,
    bytes: Vec<u8>,
}

impl Incoming {
    /// Takes a part; gives the message that it completes.
    fn take(&mut self, part: Opened) -> Option<Bytes> {
        let Opened { sender, part: Part { message, at, of }, bytes } = part;
        if at >= of {
            // Only to be heard.
            return None;
        }
        if of == 1 {
            return Some(bytes.into());
        }
        if at == 0 {
            if self.senders.len() >= KEYS {
                self.senders.clear();
            }
            self.senders.insert(sender, Partial { message, next: 1, bytes });
            return None;
        }
        let partial = self.senders.get_mut(&sender)?;
        let fits = partial.message == message
            && partial.next == at
            && partial.bytes.len() + bytes.len() <= LARGEST;
        if !fits {
            self.senders.remove(&sender);
            return None;
        }
        partial.bytes.extend_from_slice(&bytes);
        partial.next += 1;
        if partial.next < of {
            return None;
        }
        self.senders.remove(&sender).map(|partial| partial.bytes.into())
    }
}

/// Which part of which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    message: u64,
    at: u32,
    of: u32,
}

impl Part {
    /// No part of any message.
    const ECHO: Self = Self { message: 0, at: 0, of: 0 };

    fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&self.message.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.at.to_be_bytes());
        bytes[12..].copy_from_slice(&self.of.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, d, e, f, g, h, at @ .., i, j, k, l] = bytes;
        Self {
            message: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            at: u32::from_be_bytes(at),
            of: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

/// A part that has come.
struct Opened {
    sender: String,
    part: Part,
    bytes: Vec<u8>,
}

/// Encrypts and authenticates. Every process has a key of its own, made of the secret and its name,
/// so that random nonces do not run out; what is said stands together with whom it is said to.
struct Keys {
    secret: Vec<u8>,
    name: String,
    own: RandomizedNonceKey,
    others: Mutex<HashMap<String, Arc<RandomizedNonceKey>>>,
    messages: AtomicU64,
}

impl Core {
    async fn keys(&self) -> Result<&Keys, StoreError> {
        let make = async || {
            let name = self.name.get().ok_or(NotSent::NotJoined)?;
            let mut fresh = vec![0; 32];
            rand::fill(&mut fresh).map_err(|Unspecified| NotSent::Encryption)?;
            Keys::new(self.store.secret(SECRET, fresh).await?, name)
        };
        self.keys.get_or_try_init(make).await
    }
}

impl Keys {
    fn new(secret: Vec<u8>, name: &str) -> Result<Self, StoreError> {
        Ok(Self {
            own: key(&secret, name)?,
            secret,
            name: name.to_owned(),
            others: Mutex::default(),
            messages: AtomicU64::new(1),
        })
    }

    /// A message as notifications.
    fn seal(&self, channel: &str, message: &[u8]) -> Result<Vec<String>, NotSent> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let of = message.len().div_ceil(PART).max(1);
        let of = u32::try_from(of).map_err(|_too_large| NotSent::Encryption)?;
        (0..of)
            .zip(message.chunks(PART).chain(message.is_empty().then_some(&[][..])))
            .map(|(at, bytes)| self.seal_part(channel, Part { message: number, at, of }, bytes))
            .collect()
    }

    fn seal_part(&self, channel: &str, part: Part, bytes: &[u8]) -> Result<String, NotSent> {
        let mut sealed = Vec::with_capacity(HEAD + bytes.len() + 16);
        sealed.extend_from_slice(&part.to_bytes());
        sealed.extend_from_slice(bytes);
        let nonce = self
            .own
            .seal_in_place_append_tag(Aad::from(channel.as_bytes()), &mut sealed)
            .map_err(|Unspecified| NotSent::Encryption)?;
        let mut text = format!("{} ", self.name);
        STANDARD_NO_PAD.encode_string(nonce.as_ref(), &mut text);
        STANDARD_NO_PAD.encode_string(&sealed, &mut text);
        Ok(text)
    }

    /// `None`: it is from nobody who has the secret, or was sent to somebody else.
    fn open(&self, channel: &str, text: &str) -> Option<Opened> {
        /// Of the nonce, as base64.
        const NONCE: usize = NONCE_LEN / 3 * 4;
        let (sender, text) = text.split_once(' ')?;
        let (nonce, sealed) = text.split_at_checked(NONCE)?;
        let nonce = STANDARD_NO_PAD.decode(nonce).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let known = self.others().get(sender).cloned();
        let key = match &known {
            Some(key) => Arc::clone(key),
            None => Arc::new(key(&self.secret, sender).ok()?),
        };
        let plain = key.open_in_place(nonce, Aad::from(channel.as_bytes()), &mut sealed).ok()?;
        let (part, bytes) = plain.split_first_chunk()?;
        let (part, bytes) = (Part::from_bytes(*part), bytes.to_vec());
        if known.is_none() {
            // Only now: strangers are not remembered.
            let mut others = self.others();
            if others.len() >= KEYS {
                others.clear();
            }
            others.insert(sender.to_owned(), key);
        }
        Some(Opened { sender: sender.to_owned(), part, bytes })
    }

    fn others(&self) -> MutexGuard<'_, HashMap<String, Arc<RandomizedNonceKey>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(secret: &[u8], name: &str) -> Result<RandomizedNonceKey, NotSent> {
    let mut hash = Sha256::new();
    hash.update(b"parlor/peers/1\n");
    hash.update(secret);
    hash.update(name);
    RandomizedNonceKey::new(&AES_256_GCM, &hash.finalize())
        .map_err(|Unspecified| NotSent::Encryption)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn messages_of_any_length_are_put_together_again() {
        let (ada, bob) = (vec![7; 32], vec![7; 32]);
        let (from, to) = (Keys::new(ada, "from").unwrap(), Keys::new(bob, "to").unwrap());
        let mut incoming = Incoming::default();
        for length in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 100_000] {
            let parts = from.seal("parlor_to", &message(length)).unwrap();
            let (last, others) = parts.split_last().unwrap();
            for part in others {
                assert!(part.len() < 8_000, "{}", part.len());
                assert!(incoming.take(to.open("parlor_to", part).unwrap()).is_none());
            }
            let whole = incoming.take(to.open("parlor_to", last).unwrap()).unwrap();
            assert_eq!(whole, message(length));
        }
        assert!(incoming.senders.is_empty());
    }

    #[test]
    fn a_message_of_which_a_part_is_missing_does_not_come() {
        let keys = Keys::new(vec![7; 32], "from").unwrap();
        let open = |part: &String| keys.open("c", part).unwrap();
        let parts = keys.seal("c", &message(4 * PART)).unwrap();
        for missing in 0..parts.len() {
            let mut incoming = Incoming::default();
            for (at, part) in parts.iter().enumerate() {
                assert!(at == missing || incoming.take(open(part)).is_none());
            }
            // The next one does.
            let next = keys.seal("c", &message(2 * PART)).unwrap();
            assert!(incoming.take(open(&next[0])).is_none());
            assert_eq!(incoming.take(open(&next[1])).unwrap(), message(2 * PART));
        }
    }

    #[test]
    fn only_who_has_the_secret_is_heard_and_only_by_whom_it_speaks_to() {
        let keys = Keys::new(vec![7; 32], "from").unwrap();
        let stranger = Keys::new(vec![8; 32], "from").unwrap();
        let sealed = keys.seal("parlor_to", b"words").unwrap().remove(0);
        assert!(!sealed.contains("words"));
        assert_ne!(keys.seal("parlor_to", b"words").unwrap()[0], sealed);
        assert!(keys.open("parlor_to", &sealed).is_some());
        assert!(keys.open("parlor_other", &sealed).is_none());
        assert!(stranger.open("parlor_to", &sealed).is_none());
        let in_the_name_of_another = sealed.replacen("from", "bob", 1);
        assert!(keys.open("parlor_to", &in_the_name_of_another).is_none());
        for text in ["", " ", "from", "from ", "from AAAA", "from é", "from AAAAAAAAAAAAAAAAé"] {
            assert!(keys.open("parlor_to", text).is_none(), "{text:?}");
        }
        for at in 0..sealed.len() {
            if let Some(cut) = sealed.get(..at) {
                assert!(keys.open("parlor_to", cut).is_none(), "cut at {at}");
            }
        }
        assert_eq!(keys.others().len(), 1, "strangers are not remembered");
    }
}
