//! Where clients send and fetch bytes.

use parlor_protocol::{AttachmentId, AttachmentUploadDescriptor, Timestamp};

/// Makes the addresses that clients use for a file's bytes. The HTTP layer is the one that knows
/// them: `parlor_server` signs them with an expiry, so that they work without other
/// authentication.
///
/// They are made afresh whenever an attachment is sent to a client, and never stored. `base_url`
/// is [`RequestOptions::base_url`](crate::RequestOptions::base_url): the addresses begin with it,
/// because clients are promised absolute ones.
pub trait AttachmentLinks: Send + Sync + 'static {
    /// Where and how the client sends the bytes of a file of this type.
    fn upload(
        &self,
        base_url: &str,
        attachment_id: &AttachmentId,
        mime_type: &str,
        now: Timestamp,
    ) -> AttachmentUploadDescriptor;

    /// Where the client loads the small image from.
    fn preview(&self, base_url: &str, attachment_id: &AttachmentId, now: Timestamp) -> String;

    /// Where the client fetches the file; `None` when it cannot.
    fn download(
        &self,
        base_url: &str,
        attachment_id: &AttachmentId,
        now: Timestamp,
    ) -> Option<String>;
}

/// An attachment that a link names whose signature was checked.
///
/// A link works without other authentication: its signature says that this server gave it to the
/// attachment's owner a moment ago. Like an [`Owner`](crate::Owner) it cannot be read from JSON,
/// and only code that has checked a signature makes one;
/// [`Store::attachment_owner`](crate::Store::attachment_owner) takes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLink(AttachmentId);

impl SignedLink {
    /// The attachment of a link whose signature and expiry were checked.
    pub fn verified(attachment_id: AttachmentId) -> Self {
        Self(attachment_id)
    }

    /// The attachment.
    pub fn attachment_id(&self) -> &AttachmentId {
        &self.0
    }
}
