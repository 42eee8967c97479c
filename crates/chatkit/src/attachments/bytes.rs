//! Where the bytes of files are kept.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use parlor_protocol::AttachmentId;

use crate::Owner;

/// What a stream of bytes may fail with.
pub type ByteError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes that come piece by piece.
pub type ByteStream = BoxStream<'static, Result<Bytes, ByteError>>;

/// One of the things that are kept of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rendition {
    /// What the user sent.
    Original,
    /// A small image of it.
    Preview,
}

/// Names what an [`AttachmentStore`] keeps. The id is one that this server made and has on
/// record: never a text that a client sent, never the user's name for the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// The attachment.
    pub attachment_id: AttachmentId,
    /// Which of its files.
    pub rendition: Rendition,
}

impl FileKey {
    /// What the user sent.
    pub fn original(attachment_id: &AttachmentId) -> Self {
        Self { attachment_id: attachment_id.clone(), rendition: Rendition::Original }
    }

    /// The small image.
    pub fn preview(attachment_id: &AttachmentId) -> Self {
        Self { attachment_id: attachment_id.clone(), rendition: Rendition::Preview }
    }
}

/// A file that is being read.
pub struct OpenFile {
    /// Bytes in all.
    pub size: u64,
    /// The bytes.
    pub bytes: ByteStream,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Why bytes could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentStoreError {
    /// The disk is full, the service does not answer, access was refused.
    #[error("the file storage is unavailable")]
    Unavailable(#[source] ByteError),
    /// What was to be kept broke off, or was refused while it came. Nothing was kept.
    #[error("the upload ended early: {0}")]
    Source(ByteError),
}

/// Keeps the bytes of files. What is known of the files is kept by the [`Store`](crate::Store).
///
/// Rules that every method follows:
/// - Owners are apart: what was kept for one is not there for another.
/// - A file is there whole or not at all, also when the process is killed while it is written.
/// - Memory is bounded, however large the file.
#[async_trait]
pub trait AttachmentStore: Send + Sync + 'static {
    /// Keeps a file; one that was kept under this key before is replaced. The bytes are durable
    /// when it returns.
    ///
    /// A stream that gives an error leaves nothing behind:
    /// [`AttachmentStoreError::Source`] has the error.
    async fn put(
        &self,
        owner: &Owner,
        key: &FileKey,
        bytes: ByteStream,
    ) -> Result<(), AttachmentStoreError>;

    /// A file. `None`: there is none.
    async fn get(
        &self,
        owner: &Owner,
        key: &FileKey,
    ) -> Result<Option<OpenFile>, AttachmentStoreError>;

    /// Deletes a file. That there is none is fine: deletions are repeated after a crash.
    async fn delete(&self, owner: &Owner, key: &FileKey) -> Result<(), AttachmentStoreError>;
}
