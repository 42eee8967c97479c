//! Records as every store writes and reads them.

use std::collections::BTreeSet;

use parlor_chatkit::{
    StoreError,
    protocol::{
        AssistantMessageItem, AttachmentId, ClientToolCallStatus, FeedbackKind, ItemId, Page,
        ThreadItem, ThreadMetadata, ThreadStatus,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// An item as it is written.
pub(crate) struct ItemRow {
    pub(crate) id: ItemId,
    pub(crate) hidden: bool,
    /// A client tool call that waits for its output.
    pub(crate) waiting: bool,
    pub(crate) body: String,
}

impl ItemRow {
    pub(crate) fn new(item: &ThreadItem) -> Result<Self, StoreError> {
        let waiting = matches!(
            item,
            ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending
        );
        Ok(Self {
            id: item.id().unwrap_or_else(|| ItemId::new("")),
            hidden: item.is_hidden(),
            waiting,
            body: match item {
                // It is kept apart: an item that is written again must not bring an old one back.
                ThreadItem::AssistantMessage(message) if message.feedback.is_some() => {
                    let message = AssistantMessageItem { feedback: None, ..message.clone() };
                    json(&ThreadItem::from(message))?
                }
                item => json(item)?,
            },
        })
    }

    pub(crate) fn all(items: &[ThreadItem]) -> Result<Vec<Self>, StoreError> {
        items.iter().map(Self::new).collect()
    }
}

/// A thread's properties as they are written.
pub(crate) struct ThreadRow {
    pub(crate) title: Option<String>,
    /// Whether the thread takes messages.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite reads the status"))]
    pub(crate) active: bool,
    pub(crate) status: String,
    pub(crate) allowed_image_domains: Option<String>,
    pub(crate) metadata: String,
}

impl ThreadRow {
    pub(crate) fn new(thread: &ThreadMetadata) -> Result<Self, StoreError> {
        Ok(Self {
            title: thread.title.clone(),
            active: thread.status == ThreadStatus::Active,
            status: json(&thread.status)?,
            allowed_image_domains: thread.allowed_image_domains.as_ref().map(json).transpose()?,
            metadata: json(&thread.metadata)?,
        })
    }
}

/// The files that the messages of an opening were sent with, each once.
pub(crate) fn attachments_of(opening: &[ThreadItem]) -> BTreeSet<&str> {
    opening
        .iter()
        .filter_map(|item| match item {
            ThreadItem::UserMessage(message) => Some(&message.attachments),
            _ => None,
        })
        .flatten()
        .filter_map(|attachment| attachment.id().map(AttachmentId::as_str))
        .collect()
}

/// A judgement's name in the database.
pub(crate) fn kind_name(kind: FeedbackKind) -> &'static str {
    match kind {
        FeedbackKind::Positive => "positive",
        FeedbackKind::Negative => "negative",
    }
}

/// The judgement of that name.
pub(crate) fn kind_of(name: &str) -> Option<FeedbackKind> {
    [FeedbackKind::Positive, FeedbackKind::Negative]
        .into_iter()
        .find(|kind| kind_name(*kind) == name)
}

/// A page from one record more than it holds.
pub(crate) fn page<T>(
    mut data: Vec<T>,
    limit: usize,
    cursor: impl Fn(&T) -> Option<String>,
) -> Page<T> {
    let has_more = data.len() > limit;
    data.truncate(limit);
    let after = has_more.then(|| data.last().and_then(cursor)).flatten();
    Page { data, has_more, after }
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt { what: "value", source })
}

pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Corrupt { what, source })
}
