//! What the operator does with the data of users: hands it out, deletes it, has it go when it is
//! old, keeps a record of that, and has a visitor's become an account's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parlor_chatkit::{
    AttachmentRecord, DoomedAttachment, Owner, StoreError, TenantId, UserId,
    protocol::{AttachmentId, FeedbackKind, ItemId, ThreadId, Timestamp},
};

use crate::{Login, LoginId};

/// Tables beside threads and files with rows of one owner, and their columns with the tenant's and
/// the user's id: what [`OperatorStore::erase`] empties. A new table with rows of owners is added
/// here, for both databases; a test fails until it is.
pub(crate) const OWNED: [(&str, &str, &str); 6] = [
    ("grants", "tenant_id", "user_id"),
    ("grant_attempts", "tenant_id", "user_id"),
    ("logins", "tenant_id", "user_id"),
    ("model_usage", "tenant_id", "user_id"),
    ("visitor_moves", "tenant_id", "user_id"),
    ("visitor_moves", "tenant_id", "visitor_id"),
];

/// Tables whose rows go with their thread, or, as those of files, when their bytes are deleted.
#[cfg(test)]
pub(crate) const WITH_THREADS: [&str; 5] = ["threads", "turns", "items", "feedback", "attachments"];

/// Tables that name no user. What limits count with has keyed hashes, and is over soon.
#[cfg(test)]
pub(crate) const OWNERLESS: [&str; 8] = [
    "secrets",
    "holders",
    "audit",
    "counters",
    "open_now",
    "oauth_clients",
    "_migrations",
    "_sqlx_migrations",
];

/// How much of a user's there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Threads.
    pub threads: u64,
    /// Files, sent or not.
    pub files: u64,
    /// Browsers that they have signed in with.
    pub logins: u64,
    /// Files that are gone for them, and whose bytes are still to be deleted.
    pub doomed: u64,
}

impl Holdings {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A judgement, without its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFeedback {
    /// The item that was judged.
    pub item_id: ItemId,
    /// Up or down.
    pub kind: FeedbackKind,
    /// When, the last time.
    pub given_at: Timestamp,
}

/// What one step of a deletion has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Threads.
    pub threads: u64,
    /// Their turns.
    pub turns: u64,
    /// Their items.
    pub items: u64,
    /// Judgements of them.
    pub feedback: u64,
    /// Files that are doomed now.
    pub files: u64,
    /// Browsers that are signed out now.
    pub logins: u64,
    /// Other rows: counters and the like.
    pub others: u64,
    /// There are more threads.
    pub more: bool,
}

/// What is old: of which no part is younger than these times. `None`: nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// Threads in which nothing was said since then.
    pub threads: Option<Timestamp>,
    /// Files of threads in which nothing was said since then.
    pub files: Option<Timestamp>,
}

/// How much of a tenant's is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aged {
    /// Threads.
    pub threads: u64,
    /// When something was last said in the oldest of them.
    pub oldest_thread: Option<Timestamp>,
    /// Files that were sent; those of old threads are counted where files have an age of their own.
    pub files: u64,
    /// When the oldest of them was announced.
    pub oldest_file: Option<Timestamp>,
    /// Bytes of those files.
    pub bytes: u64,
}

/// What one step of deleting what is old has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Threads that were looked at: there may be more when they are as many as were to be.
    pub looked_at: u64,
    /// Threads that are deleted.
    pub threads: u64,
    /// Their files, which are doomed now.
    pub files: u64,
}

/// An act on the data of users. It outlives them, so it names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What: `users.export`, `users.delete`, `retention` or `visitor.moved`.
    pub act: String,
    /// The operating system's user who gave the command, or `server`.
    pub actor: String,
    /// Whose data it was: a keyed hash of tenant and user.
    pub subject: Option<[u8; 32]>,
    /// The tenant, of an act that concerns all of its users.
    pub tenant: Option<TenantId>,
    /// How many of what.
    pub counts: BTreeMap<String, u64>,
}

/// An act on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAct {
    /// Its number: later ones have higher numbers.
    pub id: i64,
    /// What was done.
    pub entry: AuditEntry,
}

/// Which acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only those at this time or later.
    pub since: Option<Timestamp>,
    /// Only those on the data of this subject.
    pub subject: Option<[u8; 32]>,
    /// Only those behind this number.
    pub after: i64,
    /// At most so many.
    pub limit: u32,
}

/// What became of a visitor who has signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovedVisitor {
    /// All that could be moved is the account's.
    Moved {
        /// Threads that this call has moved.
        threads: u64,
        /// Files that it has moved, sent or not.
        files: u64,
        /// Threads that are left, because an answer is under way in them.
        remaining: u64,
    },
    /// The visitor has become another account: nothing was moved.
    Anothers,
}

/// A visitor who has signed in and has something left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedMove {
    /// The visitor.
    pub visitor: Owner,
    /// The account of the same tenant.
    pub account: UserId,
}

/// What the operator does with the data of users.
///
/// Like [`LoginStore`](crate::LoginStore), a trait of this crate and not part of
/// [`Store`](parlor_chatkit::Store): who brings a database of their own brings their own tools.
#[async_trait]
pub trait OperatorStore: Send + Sync + 'static {
    /// How much of this owner's there is.
    async fn holdings(&self, owner: &Owner) -> Result<Holdings, StoreError>;

    /// The owner's files in the order of their ids, behind `after`.
    async fn files_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentRecord>, StoreError>;

    /// What the owner thinks of a thread's items, in the order it was given.
    async fn feedback_in(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Vec<GivenFeedback>, StoreError>;

    /// The owner's logins in the order of their ids, behind `after`; also those that have ended and
    /// were not swept yet.
    async fn logins_of(
        &self,
        owner: &Owner,
        after: Option<&LoginId>,
        limit: u32,
    ) -> Result<Vec<Login>, StoreError>;

    /// Deletes the owner's logins and so many of their threads, oldest first, with everything that
    /// belongs to these; with the last of them also all else that names the owner. Their files are
    /// doomed: their records stay until the bytes are deleted. Called until there is no
    /// [`more`](Erased::more).
    ///
    /// A turn that is running loses its thread: nothing of it comes back.
    async fn erase(&self, owner: &Owner, limit: u32) -> Result<Erased, StoreError>;

    /// The owner's doomed files in the order of their ids, behind `after`.
    async fn doomed_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError>;

    /// Tenants that have threads, in the order of their ids, behind `after`.
    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantId>, StoreError>;

    /// How much of a tenant's is old. Changes nothing.
    async fn aged(&self, tenant: &TenantId, ages: Ages) -> Result<Aged, StoreError>;

    /// Looks at so many of a tenant's threads that may be old, and deletes those in which nothing
    /// was said since `before` and no answer is under way. Called until fewer are looked at.
    async fn expire_threads(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Expired, StoreError>;

    /// Dooms so many files of a tenant's threads in which nothing was said since `before`. Their
    /// messages stay. Returns how many; called until they are fewer.
    async fn expire_sent_files(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Puts an act on record.
    async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Acts on record, oldest first.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<RecordedAct>, StoreError>;

    /// Gives what a visitor has to an account of the same tenant, in one transaction, and puts it
    /// on record with this subject: threads with all that belongs to them, and files. Threads in
    /// which an answer is under way are left to a later call. The first account that asks gets it,
    /// and no other ever.
    async fn move_visitor(
        &self,
        visitor: &Owner,
        account: &UserId,
        subject: [u8; 32],
        now: Timestamp,
    ) -> Result<MovedVisitor, StoreError>;

    /// Whether a visitor has become an account, and is nobody any more.
    async fn visitor_has_moved(&self, visitor: &Owner) -> Result<bool, StoreError>;

    /// Visitors who became an account since then and have something left.
    async fn unfinished_moves(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<UnfinishedMove>, StoreError>;
}
