//! Files that users send along.
//!
//! Three parts make them work: the [`Store`] keeps what is known of each file
//! ([`AttachmentRecord`]), an [`AttachmentStore`] keeps the bytes, and [`AttachmentLinks`] makes
//! the addresses that clients use. [`ChatKitBuilder::attachments`](crate::ChatKitBuilder::attachments)
//! puts them together; without it attachments are refused.
//!
//! A file goes through three states:
//!
//! 1. *Waiting*: it was announced (`attachments.create`, or the beginning of a direct upload).
//!    There is a record, and its bytes may be on their way.
//! 2. *Uploaded*: its bytes are there and were found to be what was announced. It is *unsent*:
//!    its owner may send or delete it.
//! 3. *Sent*: it belongs to a thread, since the transaction that stored the message, and goes
//!    with that thread.
//!
//! The record is there before the first byte and stays until the last one is deleted: what a
//! crash leaves behind is always known by name, and [`Attachments::sweep`] deletes it. Nothing is
//! ever looked for in the storage.

mod bytes;
mod links;
mod name;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use ::bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use parlor_protocol::{
    Attachment, AttachmentCreateParams, AttachmentId, FileAttachment, ImageAttachment, ThreadId,
    ThreadItem, ThreadItemDoneEvent, ThreadItemReplacedEvent, ThreadStreamEvent, Timestamp,
};

pub use self::bytes::{
    AttachmentStore, AttachmentStoreError, ByteError, ByteStream, FileKey, OpenFile, Rendition,
};
pub use links::{AttachmentLinks, SignedLink};

use crate::{ChatKitError, Clock, Owner, Store, StoreError, UserId, ids};

/// How much of it is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentLimits {
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Files of a message.
    pub per_message: usize,
    /// Media types that are taken: exact ones such as `image/png`, or all of a kind such as
    /// `text/*`.
    pub types: Vec<String>,
    /// Bytes of files that an owner has announced or uploaded but not sent, all together.
    pub unsent_bytes: u64,
    /// How many files an owner may have announced or uploaded but not sent.
    pub unsent_files: u32,
    /// How long a file that is not sent is kept.
    pub unsent_lifetime: Duration,
}

impl Default for AttachmentLimits {
    fn default() -> Self {
        let types = [
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/webp",
            "application/pdf",
            "application/json",
            "text/*",
        ];
        Self {
            file_bytes: 20 * 1024 * 1024,
            per_message: 10,
            types: types.map(ToOwned::to_owned).to_vec(),
            unsent_bytes: 200 * 1024 * 1024,
            unsent_files: 100,
            unsent_lifetime: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl AttachmentLimits {
    /// Whether files of this type are taken.
    pub fn takes(&self, mime_type: &str) -> bool {
        self.types.iter().any(|allowed| match allowed.strip_suffix("/*") {
            Some(kind) => mime_type.split_once('/').is_some_and(|(own, _)| own == kind),
            None => allowed == mime_type,
        })
    }
}

/// The type of a file of which its sender knows none. Browsers send it, or nothing at all, for
/// extensions that the user's system does not know.
pub const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The types of images that there are previews of. Files of other types are shown by their names.
pub const PREVIEWED_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// What is known of a file: everything but its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachmentRecord {
    /// Its id.
    pub id: AttachmentId,
    /// Its name, cleaned: the last part of a path, without invisible characters.
    pub name: String,
    /// Media type in lower case, without parameters: as announced while it is waited for, as
    /// found in the bytes afterwards.
    pub mime_type: String,
    /// Bytes: as announced while it is waited for, as counted afterwards.
    pub size: u64,
    /// Whether its bytes have come.
    pub state: AttachmentState,
    /// The thread of the message that it was sent with.
    pub thread_id: Option<ThreadId>,
    /// When it was announced.
    pub created_at: Timestamp,
    /// The user of the same tenant as whose its bytes are kept: one whose files became the owner's.
    /// `None`: the owner.
    pub stored_for: Option<UserId>,
}

impl AttachmentRecord {
    /// Who an [`AttachmentStore`] is asked for its bytes as.
    pub fn place(&self, owner: &Owner) -> Owner {
        place(owner, self.stored_for.as_ref())
    }

    /// As it is kept with a message: without links, which would be out of date when it is read.
    fn bare(&self, thread_id: Option<&ThreadId>) -> Attachment {
        let file = FileAttachment {
            id: self.id.clone(),
            name: self.name.clone(),
            mime_type: self.mime_type.clone(),
            upload_descriptor: None,
            download_url: None,
            thread_id: thread_id.or(self.thread_id.as_ref()).cloned(),
            metadata: None,
        };
        let is_image = match self.state {
            AttachmentState::Waiting => PREVIEWED_TYPES.contains(&self.mime_type.as_str()),
            AttachmentState::Uploaded { has_preview } => has_preview,
        };
        if is_image {
            return ImageAttachment { file, preview_url: String::new() }.into();
        }
        file.into()
    }
}

/// A file that is gone for its owner, and whose bytes are to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedAttachment {
    /// Whose it was.
    pub owner: Owner,
    /// Its id.
    pub id: AttachmentId,
    /// As [`AttachmentRecord::stored_for`].
    pub stored_for: Option<UserId>,
}

impl DoomedAttachment {
    /// Who an [`AttachmentStore`] is asked for its bytes as.
    pub fn place(&self) -> Owner {
        place(&self.owner, self.stored_for.as_ref())
    }
}

fn place(owner: &Owner, stored_for: Option<&UserId>) -> Owner {
    match stored_for {
        Some(user) => Owner::authenticated(owner.tenant().clone(), user.clone()),
        None => owner.clone(),
    }
}

/// Whether a file's bytes have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentState {
    /// Not yet.
    Waiting,
    /// They are there.
    Uploaded {
        /// There is a small image, too.
        has_preview: bool,
    },
}

/// What the bytes of a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedFile {
    /// How many they are.
    pub size: u64,
    /// Media type in lower case, without parameters.
    pub mime_type: String,
    /// There is a small image, too.
    pub has_preview: bool,
}

/// How much one owner may have that is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsentQuota {
    /// Bytes, announced or uploaded.
    pub bytes: u64,
    /// Files.
    pub files: u32,
}

/// What became of a file that was to be deleted by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAttachmentOutcome {
    /// It is gone for its owner; its bytes are to follow.
    Deleted,
    /// It was sent with a message.
    Sent,
    /// There is none of this owner's.
    NotFound,
}

/// A file that the server has made for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFile {
    /// What it is called when it is saved; cleaned like the names that users give.
    pub name: String,
    /// Media type in lower case, without parameters, as found in the bytes.
    pub mime_type: String,
    /// What is in it.
    pub bytes: Bytes,
    /// A small image of it.
    pub preview: Option<Bytes>,
}

/// Why the bytes of an attachment could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentReadError {
    /// Attachments are not enabled, or the thread has none with this id.
    #[error("attachment `{0}` is not one of this thread's")]
    NotFound(AttachmentId),
    /// It is larger than asked for.
    #[error("attachment `{id}` is {size} bytes, more than the {max} that were asked for")]
    TooLarge {
        /// The attachment.
        id: AttachmentId,
        /// Its bytes.
        size: u64,
        /// The bytes that were asked for at most.
        max: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes could not be read.
    #[error(transparent)]
    Bytes(#[from] AttachmentStoreError),
}

/// The files of a server: what an HTTP layer needs to take and give them.
///
/// Cloning shares it. The HTTP layer that comes with Parlor is in `parlor_server`; one of your
/// own goes the same way: [`create`](Self::create) a record (or take one that
/// `attachments.create` has made), [`begin_upload`](Self::begin_upload), store the bytes, look at
/// them, and [`complete`](Upload::complete) or [`discard`](Upload::discard) it.
#[derive(Clone)]
pub struct Attachments {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    bytes: Arc<dyn AttachmentStore>,
    links: Arc<dyn AttachmentLinks>,
    limits: AttachmentLimits,
    clock: Arc<dyn Clock>,
    /// Attachments whose bytes are coming in. One at a time each: two uploads to one link must
    /// not overwrite each other after one of them was found to be in order.
    uploading: Mutex<HashSet<AttachmentId>>,
    /// Whether a task is at work that deletes bytes, and whether there is more for it.
    deleting: AtomicU8,
}

const IDLE: u8 = 0;
const AT_WORK: u8 = 1;
const MORE_TO_DO: u8 = 2;

/// Files whose bytes are to be deleted, looked up at once.
const DOOMED: u32 = 100;

impl Attachments {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        bytes: Arc<dyn AttachmentStore>,
        links: Arc<dyn AttachmentLinks>,
        limits: AttachmentLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                bytes,
                links,
                limits,
                clock,
                uploading: Mutex::default(),
                deleting: AtomicU8::new(IDLE),
            }),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &AttachmentLimits {
        &self.inner.limits
    }

    /// Now, by the server's clock: what the expiry of links is held against.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    // Coming in.

    /// Announces a file: makes its record. The name is cleaned; size, type and the owner's unsent
    /// files are checked.
    ///
    /// A type that the sender does not know ([`UNKNOWN_TYPE`], or none) is taken here and decided
    /// by the bytes.
    ///
    /// # Errors
    /// When a limit is exceeded, the type is not taken, or the store fails.
    pub async fn create(
        &self,
        owner: &Owner,
        params: AttachmentCreateParams,
    ) -> Result<AttachmentRecord, ChatKitError> {
        let limits = &self.inner.limits;
        if params.size == 0 {
            return Err(ChatKitError::invalid("params.size", "is 0; an empty file says nothing"));
        }
        if params.size > limits.file_bytes {
            let max = usize::try_from(limits.file_bytes).unwrap_or(usize::MAX);
            return Err(ChatKitError::TooLarge { field: "params.size", max });
        }
        let mime_type = self.checked_type(&params.mime_type)?;
        let record = AttachmentRecord {
            id: ids::attachment(),
            name: name::clean(&params.name),
            mime_type,
            size: params.size,
            state: AttachmentState::Waiting,
            thread_id: None,
            created_at: self.inner.clock.now(),
            stored_for: None,
        };
        let quota = UnsentQuota { bytes: limits.unsent_bytes, files: limits.unsent_files };
        if !self.inner.store.create_attachment(owner, &record, quota).await? {
            return Err(ChatKitError::TooManyUnsent);
        }
        Ok(record)
    }

    /// A media type in the form that is kept, if files of it are taken.
    ///
    /// # Errors
    /// [`ChatKitError::UnsupportedType`] names the types that are.
    pub fn checked_type(&self, mime_type: &str) -> Result<String, ChatKitError> {
        let essence = mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let essence = match essence.as_str() {
            "" => UNKNOWN_TYPE.to_owned(),
            // Not registered, but sent.
            "image/jpg" | "image/pjpeg" => "image/jpeg".to_owned(),
            "application/x-pdf" => "application/pdf".to_owned(),
            _ => essence,
        };
        if essence == UNKNOWN_TYPE || self.inner.limits.takes(&essence) {
            return Ok(essence);
        }
        Err(self.unsupported(&essence))
    }

    /// The error for a type that is not taken.
    pub fn unsupported(&self, mime_type: &str) -> ChatKitError {
        // What a client sent is not repeated at length.
        let shown: String = mime_type.chars().filter(|char| !char.is_control()).take(100).collect();
        ChatKitError::UnsupportedType(
            format!(
                "files of the type `{shown}` are not taken here; these are: {}",
                self.inner.limits.types.join(", ")
            )
            .into(),
        )
    }

    /// Takes hold of a file that is waited for, to store its bytes.
    ///
    /// # Errors
    /// 404 when the owner has no such file, 409 when its bytes are there or are just coming in.
    pub async fn begin_upload(
        &self,
        owner: &Owner,
        attachment_id: &AttachmentId,
    ) -> Result<Upload, ChatKitError> {
        // Held before the look, which counts only then.
        let held = self.inner.hold(attachment_id);
        let Some(record) = self.record(owner, attachment_id).await? else {
            drop(held);
            // Whoever deletes its bytes passes over a file that is held, as this was for a moment.
            self.delete_bytes_soon();
            return Err(ChatKitError::NotFound("attachment"));
        };
        let held = held.ok_or(ChatKitError::UploadRunning)?;
        if record.state != AttachmentState::Waiting {
            return Err(ChatKitError::AlreadyUploaded);
        }
        let place = record.place(owner);
        let (attachments, owner) = (self.clone(), owner.clone());
        Ok(Upload { attachments, owner, place, record, stored: 0, held })
    }

    /// The owner of the file that a link names whose signature was checked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner_of(&self, link: &SignedLink) -> Result<Option<Owner>, StoreError> {
        self.inner.store.attachment_owner(link).await
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(
        &self,
        owner: &Owner,
        attachment_id: &AttachmentId,
    ) -> Result<Option<AttachmentRecord>, StoreError> {
        let found = self.inner.store.attachments(owner, std::slice::from_ref(attachment_id));
        Ok(found.await?.pop())
    }

    // Going out.

    /// A file that was uploaded, to be read. `None`: the owner has none, or not in this rendition.
    ///
    /// # Errors
    /// When one of the stores fails.
    pub async fn open(
        &self,
        owner: &Owner,
        attachment_id: &AttachmentId,
        rendition: Rendition,
    ) -> Result<Option<(AttachmentRecord, OpenFile)>, AttachmentReadError> {
        let Some(record) = self.record(owner, attachment_id).await? else { return Ok(None) };
        let is_there = match (record.state, rendition) {
            (AttachmentState::Waiting, _) => false,
            (AttachmentState::Uploaded { .. }, Rendition::Original) => true,
            (AttachmentState::Uploaded { has_preview }, Rendition::Preview) => has_preview,
        };
        if !is_there {
            return Ok(None);
        }
        // By the id on record, not by the one that was asked for.
        let key = FileKey { attachment_id: record.id.clone(), rendition };
        let file = self.inner.bytes.get(&record.place(owner), &key).await?;
        Ok(file.map(|file| (record, file)))
    }

    /// The bytes of a file of the thread's, if they are no more than `max`.
    pub(crate) async fn bytes_in(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        attachment_id: &AttachmentId,
        max: u64,
    ) -> Result<Bytes, AttachmentReadError> {
        let not_found = || AttachmentReadError::NotFound(attachment_id.clone());
        let record = self.record(owner, attachment_id).await?.ok_or_else(not_found)?;
        if record.thread_id.as_ref() != Some(thread_id) {
            return Err(not_found());
        }
        if record.size > max {
            return Err(AttachmentReadError::TooLarge { id: record.id, size: record.size, max });
        }
        let place = record.place(owner);
        let file = self.inner.bytes.get(&place, &FileKey::original(&record.id)).await?;
        let file = file.ok_or_else(not_found)?;
        Ok(read(file, max).await?)
    }

    /// An attachment as its owner's client is sent it, with fresh links.
    pub fn present(&self, record: &AttachmentRecord, base_url: &str) -> Attachment {
        let mut attachment = record.bare(None);
        self.add_links(&mut attachment, base_url);
        if record.state == AttachmentState::Waiting {
            let now = self.inner.clock.now();
            let upload = self.inner.links.upload(base_url, &record.id, &record.mime_type, now);
            if let Attachment::File(file) | Attachment::Image(ImageAttachment { file, .. }) =
                &mut attachment
            {
                file.upload_descriptor = Some(upload);
                file.download_url = None;
            }
        }
        attachment
    }

    fn add_links(&self, attachment: &mut Attachment, base_url: &str) {
        let (links, now) = (&self.inner.links, self.inner.clock.now());
        let file = match attachment {
            Attachment::File(file) => file,
            Attachment::Image(image) => {
                image.preview_url = links.preview(base_url, &image.file.id, now);
                &mut image.file
            }
            Attachment::Unknown(_) => return,
        };
        file.download_url = links.download(base_url, &file.id, now);
    }

    // Made here.

    /// Keeps a file that the server has made as one of the thread's. Until it is the thread's, it is
    /// like one that was not sent: a crash in between leaves it to the [`sweep`](Self::sweep).
    pub(crate) async fn keep_made(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        id: AttachmentId,
        file: MadeFile,
    ) -> Result<(), ChatKitError> {
        // It takes nothing of the room that its owner has for files of their own.
        const ROOM: UnsentQuota = UnsentQuota { bytes: u64::MAX, files: u32::MAX };
        let size = file.bytes.len() as u64;
        if size > self.inner.limits.file_bytes {
            let max = usize::try_from(self.inner.limits.file_bytes).unwrap_or(usize::MAX);
            return Err(ChatKitError::TooLarge { field: "file", max });
        }
        let record = AttachmentRecord {
            id,
            name: name::clean(&file.name),
            mime_type: file.mime_type,
            size,
            state: AttachmentState::Waiting,
            thread_id: None,
            created_at: self.inner.clock.now(),
            stored_for: None,
        };
        self.inner.store.create_attachment(owner, &record, ROOM).await?;
        let mut upload = self.begin_upload(owner, &record.id).await?;
        let has_preview = file.preview.is_some();
        let stored = async {
            upload.store(futures::stream::iter([Ok(file.bytes)]).boxed()).await?;
            match file.preview {
                Some(preview) => upload.store_preview(preview).await,
                None => Ok(()),
            }
        };
        if let Err(error) = stored.await {
            upload.abandon().await;
            return Err(error.into());
        }
        upload.complete(record.mime_type, has_preview).await?;
        if !self.inner.store.keep_attachment(owner, thread_id, &record.id).await? {
            // The thread was deleted meanwhile.
            self.delete(owner, &record.id).await?;
            return Err(ChatKitError::NotFound("thread"));
        }
        Ok(())
    }

    /// Where the owner's client loads an image from that was [kept](Self::keep_made).
    fn made_url(&self, id: &str, base_url: &str) -> String {
        let (links, now, id) = (&self.inner.links, self.inner.clock.now(), AttachmentId::new(id));
        links.download(base_url, &id, now).unwrap_or_else(|| links.preview(base_url, &id, now))
    }

    // With messages.

    /// The attachments of a message to a thread, as they are kept with it.
    pub(crate) async fn of_message(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        ids: &[AttachmentId],
    ) -> Result<Vec<Attachment>, ChatKitError> {
        let field = |index: usize| format!("params.input.attachments[{index}]");
        let records = self.inner.store.attachments(owner, ids).await?;
        let mut attachments = Vec::with_capacity(ids.len());
        for (index, id) in ids.iter().enumerate() {
            // There are as many as a message may have: a few.
            let record = records
                .iter()
                .find(|record| record.id == *id)
                .ok_or(ChatKitError::NotFound("attachment"))?;
            if record.state == AttachmentState::Waiting {
                return Err(ChatKitError::invalid(
                    field(index),
                    "has not been uploaded yet; send the message when it has",
                ));
            }
            if record.thread_id.as_ref().is_some_and(|sent| sent != thread_id) {
                return Err(ChatKitError::invalid(
                    field(index),
                    "was sent in another conversation; upload the file again",
                ));
            }
            attachments.push(record.bare(Some(thread_id)));
        }
        Ok(attachments)
    }

    // Going away.

    /// Deletes a file that was not sent.
    pub(crate) async fn delete(
        &self,
        owner: &Owner,
        attachment_id: &AttachmentId,
    ) -> Result<(), ChatKitError> {
        match self.inner.store.delete_attachment(owner, attachment_id).await? {
            DeleteAttachmentOutcome::Deleted => {}
            DeleteAttachmentOutcome::NotFound => return Err(ChatKitError::NotFound("attachment")),
            DeleteAttachmentOutcome::Sent => {
                return Err(ChatKitError::invalid(
                    "params.attachment_id",
                    "was sent with a message; it goes when its thread is deleted",
                ));
            }
        }
        self.delete_bytes_soon();
        Ok(())
    }

    /// Deletes what nobody needs: files that were not sent for too long, and the bytes of all
    /// that were deleted, also those whose deletion failed or was cut short by a crash. Returns
    /// how many files are gone.
    ///
    /// Call it at start and then every hour or so; `parlor_server` does.
    ///
    /// # Errors
    /// When one of the stores fails; what is left is for the next call.
    pub async fn sweep(&self) -> Result<u64, AttachmentReadError> {
        let before = self.inner.clock.now().saturating_sub(self.inner.limits.unsent_lifetime);
        self.inner.store.expire_attachments(before).await?;
        self.delete_bytes().await
    }

    /// Deletes the bytes of what was deleted, in a task of its own. A failure is logged and left
    /// to the next [`sweep`](Self::sweep).
    pub(crate) fn delete_bytes_soon(&self) {
        // One task is enough; one that is at work looks again.
        let next = |state| Some(if state == IDLE { AT_WORK } else { MORE_TO_DO });
        let was = self.inner.deleting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        if was != Ok(IDLE) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = this.delete_bytes().await {
                    tracing::warn!(?error, "files could not be deleted; tried again later");
                }
                let done = this.inner.deleting.compare_exchange(
                    AT_WORK,
                    IDLE,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                if done.is_ok() {
                    return;
                }
                this.inner.deleting.store(AT_WORK, Ordering::Release);
            }
        });
    }

    async fn delete_bytes(&self) -> Result<u64, AttachmentReadError> {
        let mut deleted = 0;
        let mut after: Option<AttachmentId> = None;
        let mut failed = None;
        loop {
            let doomed = self.inner.store.doomed_attachments(after.as_ref(), DOOMED).await?;
            let Some(last) = doomed.last() else { break };
            after = Some(last.id.clone());
            for file in &doomed {
                // Its bytes are coming in: they would be written after they were deleted. The
                // upload finds the record gone and sees to them.
                let Some(_held) = self.inner.hold(&file.id) else { continue };
                match self.delete_files(&file.owner, &file.place(), &file.id).await {
                    Ok(()) => deleted += 1,
                    // One file that cannot be deleted keeps no other.
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(deleted), Err)
    }

    /// Deletes a file's bytes, and then its record.
    async fn delete_files(
        &self,
        owner: &Owner,
        place: &Owner,
        attachment_id: &AttachmentId,
    ) -> Result<(), AttachmentReadError> {
        self.inner.bytes.delete(place, &FileKey::preview(attachment_id)).await?;
        self.inner.bytes.delete(place, &FileKey::original(attachment_id)).await?;
        self.inner.store.forget_attachment(owner, attachment_id).await?;
        Ok(())
    }
}

/// All bytes of a file, if they are no more than `max`.
async fn read(file: OpenFile, max: u64) -> Result<Bytes, AttachmentStoreError> {
    let mut bytes = file.bytes.map_err(AttachmentStoreError::Unavailable);
    let mut all = BytesMut::with_capacity(usize::try_from(file.size.min(max)).unwrap_or(0));
    while let Some(piece) = bytes.try_next().await? {
        if (all.len() + piece.len()) as u64 > max {
            let message = "a stored file is larger than its record says";
            return Err(AttachmentStoreError::Unavailable(message.into()));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

impl Inner {
    fn hold(self: &Arc<Self>, attachment_id: &AttachmentId) -> Option<Held> {
        let mut uploading = self.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        uploading
            .insert(attachment_id.clone())
            .then(|| Held { inner: Arc::clone(self), attachment_id: attachment_id.clone() })
    }
}

/// An attachment that nobody else stores or deletes the bytes of.
struct Held {
    inner: Arc<Inner>,
    attachment_id: AttachmentId,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut uploading = self.inner.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        uploading.remove(&self.attachment_id);
    }
}

/// A file whose bytes are coming in.
///
/// Call its methods from a task that is not tied to the connection: one that is dropped in the
/// middle leaves bytes behind until the next [`sweep`](Attachments::sweep).
pub struct Upload {
    attachments: Attachments,
    owner: Owner,
    place: Owner,
    record: AttachmentRecord,
    stored: u64,
    held: Held,
}

impl Upload {
    /// What was announced.
    pub fn record(&self) -> &AttachmentRecord {
        &self.record
    }

    /// Stores the bytes; gives how many they were. They can be stored again before the upload is
    /// completed.
    ///
    /// `bytes` may give an error of its own to refuse what comes: nothing is kept then, and
    /// [`AttachmentStoreError::Source`] has it. More than
    /// [`AttachmentLimits::file_bytes`] are refused here in any case.
    ///
    /// # Errors
    /// When the stream gives an error or the bytes cannot be kept.
    pub async fn store(&mut self, bytes: ByteStream) -> Result<u64, AttachmentStoreError> {
        let max = self.attachments.inner.limits.file_bytes;
        let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let bytes = bytes.map(move |piece| {
            let piece = piece?;
            let so_far = counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
            if so_far + piece.len() as u64 > max {
                return Err(format!("the file is larger than {max} bytes").into());
            }
            Ok(piece)
        });
        let key = FileKey::original(&self.record.id);
        self.attachments.inner.bytes.put(&self.place, &key, bytes.boxed()).await?;
        self.stored = count.load(Ordering::Relaxed);
        Ok(self.stored)
    }

    /// Stores a small image of the file.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn store_preview(&mut self, preview: Bytes) -> Result<(), AttachmentStoreError> {
        let key = FileKey::preview(&self.record.id);
        let bytes = futures::stream::iter([Ok(preview)]).boxed();
        self.attachments.inner.bytes.put(&self.place, &key, bytes).await
    }

    /// The bytes that were stored, to look at them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self) -> Result<Bytes, AttachmentStoreError> {
        let max = self.attachments.inner.limits.file_bytes;
        let key = FileKey::original(&self.record.id);
        match self.attachments.inner.bytes.get(&self.place, &key).await? {
            Some(file) => read(file, max).await,
            None => Err(AttachmentStoreError::Unavailable("a stored file is gone".into())),
        }
    }

    /// Ends the upload: the file can now be sent with a message.
    ///
    /// # Errors
    /// 404 when the file was deleted meanwhile; its bytes are deleted then. When the store fails.
    pub async fn complete(
        self,
        mime_type: String,
        has_preview: bool,
    ) -> Result<AttachmentRecord, ChatKitError> {
        let uploaded = UploadedFile { size: self.stored, mime_type, has_preview };
        let store = &self.attachments.inner.store;
        match store.complete_attachment(&self.owner, &self.record.id, &uploaded).await? {
            Some(record) => Ok(record),
            None => {
                self.discard().await;
                Err(ChatKitError::NotFound("attachment"))
            }
        }
    }

    /// Takes back the bytes that were stored. The file stays announced: it may be uploaded again,
    /// correctly.
    pub async fn discard(self) {
        let Self { attachments, place, record, held, .. } = self;
        let bytes = &attachments.inner.bytes;
        for key in [FileKey::preview(&record.id), FileKey::original(&record.id)] {
            if let Err(error) = bytes.delete(&place, &key).await {
                // The record is still there and the sweep goes by it.
                tracing::warn!(attachment_id = %record.id, ?error, "refused bytes not deleted");
            }
        }
        drop(held);
        // For a record that was deleted while the bytes came.
        attachments.delete_bytes_soon();
    }

    /// Takes back the bytes that were stored and the announcement.
    pub async fn abandon(self) {
        let Self { attachments, owner, place, record, held, .. } = self;
        if let Err(error) = attachments.inner.store.delete_attachment(&owner, &record.id).await {
            tracing::warn!(attachment_id = %record.id, ?error, "an abandoned upload expires later");
        }
        let deleted = attachments.delete_files(&owner, &place, &record.id).await;
        drop(held);
        if let Err(error) = deleted {
            tracing::warn!(attachment_id = %record.id, ?error, "refused bytes not deleted");
        }
    }
}

/// Puts fresh links into an item for its owner's client, and takes out what clients are not sent.
/// Without attachments enabled there are no links: images that users sent are shown as files then,
/// and those that were made for them are not shown.
pub(crate) fn dress(item: &mut ThreadItem, attachments: Option<&Attachments>, base_url: &str) {
    if let ThreadItem::GeneratedImage(item) = item {
        if item.image.as_ref().is_some_and(|image| image.url.is_empty()) {
            match (&mut item.image, attachments) {
                (Some(image), Some(attachments)) => {
                    image.url = attachments.made_url(&image.id, base_url);
                }
                (image, _) => *image = None,
            }
        }
        return;
    }
    let ThreadItem::UserMessage(message) = item else { return };
    for attachment in &mut message.attachments {
        match attachments {
            Some(attachments) => attachments.add_links(attachment, base_url),
            None => {
                if let Attachment::Image(image) = attachment {
                    *attachment = image.file.clone().into();
                }
            }
        }
        if let Attachment::File(file) | Attachment::Image(ImageAttachment { file, .. }) = attachment
        {
            file.metadata = None;
        }
    }
}

/// An event of a turn as its reader is sent it, where that is not as it is stored.
pub(crate) fn dressed(
    event: &ThreadStreamEvent,
    attachments: Option<&Attachments>,
    base_url: &str,
) -> Option<ThreadStreamEvent> {
    let (ThreadStreamEvent::ItemDone(ThreadItemDoneEvent { item })
    | ThreadStreamEvent::ItemReplaced(ThreadItemReplacedEvent { item })) = event
    else {
        return None;
    };
    if !matches!(item, ThreadItem::GeneratedImage(_)) {
        return None;
    }
    let mut event = event.clone();
    if let ThreadStreamEvent::ItemDone(ThreadItemDoneEvent { item })
    | ThreadStreamEvent::ItemReplaced(ThreadItemReplacedEvent { item }) = &mut event
    {
        dress(item, attachments, base_url);
    }
    Some(event)
}
