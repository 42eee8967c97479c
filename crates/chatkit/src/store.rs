//! What keeps threads.
//!
//! A store is written by implementing [`Store`]; the stories that every store must pass are in
//! `parlor_store::contract`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parlor_protocol::{
    AttachmentId, FeedbackKind, ItemId, Order, Page, ThreadId, ThreadItem, ThreadMetadata,
    ThreadStatus, Timestamp, TurnId, UserMessageItem,
};

use crate::{
    AttachmentRecord, DeleteAttachmentOutcome, DoomedAttachment, Owner, Peers, SignedLink,
    UnsentQuota, UploadedFile,
};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or does not answer.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused: a constraint, a full disk, a broken row.
    #[error("the database refused the operation")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item with this id exists already, in this thread or another.
    #[error("item id `{0}` exists already")]
    DuplicateItem(ItemId),
    /// The turn that wants to write no longer holds its thread, or the thread is gone.
    #[error("turn `{0}` no longer holds its thread")]
    TurnLost(TurnId),
    /// A stored value is not what this version reads.
    #[error("stored {what} cannot be read")]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// At most so many records; at least 1.
    pub limit: u32,
    /// Which end first.
    pub order: Order,
    /// Id of the last record of the page before.
    pub after: Option<String>,
}

/// Which items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Those that clients are shown.
    Visible,
    /// Hidden context as well.
    All,
}

/// The thread of a new turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnThread {
    /// One that is made with it.
    New(ThreadMetadata),
    /// One that exists.
    Existing(ThreadId),
}

/// A turn that is about to begin.
#[derive(Clone, Debug)]
pub struct BeginTurn<'a> {
    /// The turn.
    pub turn_id: TurnId,
    /// Its thread.
    pub thread: TurnThread,
    /// Items that open it: the user's message, if it has one.
    pub opening: &'a [ThreadItem],
    /// Items that exist and that the request changes: an answered question, a settled tool call.
    pub changed: &'a [ThreadItem],
    /// The client's key for this request.
    pub idempotency_key: Option<&'a str>,
    /// The process that runs it.
    pub holder: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What became of a turn that was about to begin.
#[derive(Clone, Debug, PartialEq)]
pub enum BeginOutcome {
    /// It holds its thread, and its opening is durable.
    Begun {
        /// The thread.
        thread: ThreadMetadata,
        /// The sequence number for the turn's next item.
        next_seq: i64,
        /// Calls of client tools that waited for their output, as they are now: the new message
        /// has settled them.
        settled: Vec<ThreadItem>,
    },
    /// The thread takes no messages: nothing was written.
    NotActive(ThreadStatus),
    /// There is no such thread of this owner's.
    NotFound,
    /// A file of the message cannot be sent with it: it was deleted, or sent elsewhere, in this
    /// very moment. Nothing was written.
    AttachmentLost,
    /// The request was made before: nothing was written.
    Repeated(RecordedTurn),
    /// Another turn holds the thread.
    Busy {
        /// That turn.
        turn_id: TurnId,
        /// The process that runs it.
        holder: String,
    },
}

/// What became of an item that was to get new content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplaceOutcome {
    /// It has it.
    Replaced,
    /// The thread takes no changes: nothing was written.
    NotActive(ThreadStatus),
    /// There is no such item that is whole in a thread of this owner's.
    NotFound,
}

/// A turn on record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// What became of it.
    pub state: TurnState,
}

/// A turn and who holds it, as other processes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// What became of it.
    pub state: TurnState,
    /// The process that runs it, or ran it.
    pub holder: String,
    /// Whether that process has said within the [`lease`](Store::lease) that it lives.
    pub holder_is_alive: bool,
}

impl HeldTurn {
    /// It and its thread.
    pub(crate) fn key(&self, thread_id: &ThreadId) -> TurnKey {
        TurnKey { turn_id: self.turn_id.clone(), thread_id: thread_id.clone() }
    }

    /// Whether nobody runs it any more, although the store has it as running.
    pub fn is_orphan(&self) -> bool {
        self.state == TurnState::Running && !self.holder_is_alive
    }
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// It is running.
    Running,
    /// It ended by itself.
    Done,
    /// It ended in an error.
    Failed,
    /// The user stopped it.
    Stopped,
    /// Its process went away, or a new message took its place.
    Interrupted,
}

impl TurnState {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Failed, Self::Stopped, Self::Interrupted]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// A turn and the thread it holds: they travel together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TurnKey {
    /// The turn.
    pub turn_id: TurnId,
    /// The thread.
    pub thread_id: ThreadId,
}

/// An automatic title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadTitle<'a> {
    /// The title.
    pub title: &'a str,
    /// The automatic title that it takes the place of; `None` where there is none yet.
    pub instead_of: Option<&'a str>,
}

/// Which judgements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackQuery {
    /// Only those given at this time or later.
    pub since: Option<Timestamp>,
    /// The last one of the page before.
    pub after: Option<FeedbackCursor>,
    /// At most so many.
    pub limit: u32,
}

/// A place in the order of judgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackCursor {
    /// When it was given.
    pub given_at: Timestamp,
    /// The item that was judged.
    pub item_id: ItemId,
}

/// What somebody thinks of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedbackRecord {
    /// Who.
    pub owner: Owner,
    /// The thread.
    pub thread_id: ThreadId,
    /// The item.
    pub item_id: ItemId,
    /// Up or down.
    pub kind: FeedbackKind,
    /// When, the last time.
    pub given_at: Timestamp,
    /// The item's content.
    pub item: ThreadItem,
    /// The user's message before it.
    pub question: Option<UserMessageItem>,
}

/// Whether an item is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// A checkpoint of an item that is still being made. Kept from every list until its turn
    /// has ended.
    Pending,
    /// Whole.
    Done,
}

/// One change to a thread's items by a running turn.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemWrite {
    /// An item of this turn's. Writing the same sequence number again replaces it.
    Put {
        /// Its place in the thread.
        seq: i64,
        /// The item.
        item: ThreadItem,
        /// Whether it is whole.
        state: ItemState,
    },
    /// An item that exists gets new content and keeps its place.
    Replace(ThreadItem),
    /// An item goes.
    Remove(ItemId),
    /// The thread's title, status and other properties. No title leaves the one that is stored:
    /// a late one may have come since the thread was read.
    Thread(ThreadMetadata),
}

/// Keeps threads, their items and their turns.
///
/// Rules that every method follows:
/// - What is not the owner's does not exist: `None`, never an error that tells the difference.
/// - A method's writes are one transaction, durable when it returns.
/// - Order is by sequence number, never by clock.
/// - Dropping a method's future leaves either all of its writes or none.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A thread.
    async fn thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<ThreadMetadata>, StoreError>;

    /// A page of the owner's threads, in the order of their creation. `None`: the cursor is no
    /// thread of the owner's.
    async fn threads(
        &self,
        owner: &Owner,
        query: &PageQuery,
    ) -> Result<Option<Page<ThreadMetadata>>, StoreError>;

    /// Gives a thread a title on behalf of its user. Automatic titles never overwrite it.
    async fn rename_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: &str,
    ) -> Result<Option<ThreadMetadata>, StoreError>;

    /// Gives a thread an automatic title that took its time, and the thread as it is then. `None`:
    /// there is no such thread, its user has given it a title, or it has another than the title
    /// that this one is to take the place of.
    async fn title_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: ThreadTitle<'_>,
    ) -> Result<Option<ThreadMetadata>, StoreError>;

    /// Deletes a thread with everything that belongs to it. `false`: there is none.
    ///
    /// Its attachments are doomed in the same transaction: gone for their owner, with a record
    /// that stays until their bytes are deleted.
    async fn delete_thread(&self, owner: &Owner, thread_id: &ThreadId) -> Result<bool, StoreError>;

    /// An item that is whole.
    async fn item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_id: &ItemId,
    ) -> Result<Option<ThreadItem>, StoreError>;

    /// A page of a thread's whole items. `None`: no such thread, or the cursor is no item of it.
    async fn items(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        query: &PageQuery,
        visibility: Visibility,
    ) -> Result<Option<Page<ThreadItem>>, StoreError>;

    /// The whole items of one turn, oldest first, hidden ones left out.
    async fn turn_items(
        &self,
        owner: &Owner,
        turn: &TurnKey,
    ) -> Result<Vec<ThreadItem>, StoreError>;

    /// Keeps the owner's judgement of items, in place of an earlier one. What is read of a thread
    /// afterwards has it in its assistant messages; writing an item never changes it. `false`: one of them is not theirs, nothing kept.
    async fn set_feedback(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_ids: &[ItemId],
        kind: FeedbackKind,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Judgements of all owners, in the order they were given, for the operator's export.
    async fn feedback(&self, query: &FeedbackQuery) -> Result<Vec<FeedbackRecord>, StoreError>;

    /// Gives an item that is whole new content, outside of a turn; it keeps its place.
    async fn replace_item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item: &ThreadItem,
    ) -> Result<ReplaceOutcome, StoreError>;

    /// The turn that was begun with this key.
    async fn turn_by_key(
        &self,
        owner: &Owner,
        idempotency_key: &str,
    ) -> Result<Option<RecordedTurn>, StoreError>;

    /// Begins a turn: thread, opening and lease in one transaction.
    ///
    /// An opening with a user message settles the client tool calls that are still pending in
    /// the thread: their status becomes completed, without an output.
    ///
    /// The attachments of a user message in the opening are bound to the thread: each must be
    /// uploaded, the owner's, and of no other thread.
    async fn begin_turn(
        &self,
        owner: &Owner,
        begin: BeginTurn<'_>,
    ) -> Result<BeginOutcome, StoreError>;

    /// Writes items of a running turn.
    async fn write(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        writes: &[ItemWrite],
    ) -> Result<(), StoreError>;

    /// Ends a turn: the last writes and the end of its lease in one transaction. Items that are
    /// still pending become whole.
    async fn end_turn(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        state: TurnState,
        writes: &[ItemWrite],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// How long a process may be silent before others take its turns for orphans. `None`: one
    /// process at a time uses this store, and every other one is gone.
    ///
    /// A store with a lease also lets a turn begin where an orphan holds the thread.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// Says that the process `holder` lives. Called several times a [`lease`](Self::lease).
    async fn keep_alive(&self, holder: &str) -> Result<(), StoreError> {
        let _ = holder;
        Ok(())
    }

    /// The way to the other processes that use this store. `None`: there are none, or requests of
    /// one conversation all reach the same one.
    ///
    /// A store that has it also has [`held_turn`](Self::held_turn).
    fn peers(&self) -> Option<Arc<dyn Peers>> {
        None
    }

    /// A turn of this thread: the one named, or the one that is running. Only asked of stores with
    /// [`peers`](Self::peers).
    async fn held_turn(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        turn_id: Option<&TurnId>,
    ) -> Result<Option<HeldTurn>, StoreError> {
        let _ = (owner, thread_id, turn_id);
        Ok(None)
    }

    /// A thread together with the turn that is running in it: both at once where that is cheaper.
    async fn thread_and_turn(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<(ThreadMetadata, Option<HeldTurn>)>, StoreError> {
        match self.thread(owner, thread_id).await? {
            Some(thread) => Ok(Some((thread, self.held_turn(owner, thread_id, None).await?))),
            None => Ok(None),
        }
    }

    /// Closes running turns of processes other than `holder` as interrupted, unless they have
    /// said within the [`lease`](Self::lease) that they live; their partial items become whole.
    /// Returns how many.
    async fn interrupt_orphans(&self, holder: &str, now: Timestamp) -> Result<u64, StoreError>;

    // Attachments: what is known of them. Their bytes are in an `AttachmentStore`.

    /// Keeps a file that was announced. `false`: the owner would then have more than `quota` that
    /// is not sent; nothing was kept.
    async fn create_attachment(
        &self,
        owner: &Owner,
        record: &AttachmentRecord,
        quota: UnsentQuota,
    ) -> Result<bool, StoreError>;

    /// Those of these files that are the owner's, in one query, in any order.
    async fn attachments(
        &self,
        owner: &Owner,
        ids: &[AttachmentId],
    ) -> Result<Vec<AttachmentRecord>, StoreError>;

    /// Keeps what the bytes of a file turned out to be. `None`: no such file is waited for.
    async fn complete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
        uploaded: &UploadedFile,
    ) -> Result<Option<AttachmentRecord>, StoreError>;

    /// Makes an uploaded file that is not sent one of a thread's, as a message does that it is sent
    /// with. `false`: there is no such file or thread of this owner's.
    ///
    /// What the server has made for a user is kept so, under the id of the item that shows it, which
    /// begins with `img_`. Removing that item ([`ItemWrite::Remove`]) dooms the file.
    async fn keep_attachment(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        id: &AttachmentId,
    ) -> Result<bool, StoreError>;

    /// Dooms a file that was not sent: it is gone for its owner, and its record stays until its
    /// bytes are deleted.
    async fn delete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
    ) -> Result<DeleteAttachmentOutcome, StoreError>;

    /// The owner of the file that a signed link names. `None`: it is gone.
    async fn attachment_owner(&self, link: &SignedLink) -> Result<Option<Owner>, StoreError>;

    /// Dooms files of everybody's that were announced before this time and are not sent. Returns
    /// how many.
    async fn expire_attachments(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Doomed files of everybody's, in the order of their ids, behind `after`.
    async fn doomed_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError>;

    /// Forgets a doomed file, once its bytes are deleted.
    async fn forget_attachment(&self, owner: &Owner, id: &AttachmentId) -> Result<(), StoreError>;

    /// A key of the server's own, such as the one that signs visitor cookies. `fresh` is kept
    /// when there is none under this name yet; it stays the same over restarts.
    async fn secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError>;

    /// Whether the database answers.
    async fn check(&self) -> Result<(), StoreError>;
}
