//! What a stream is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Icon, ItemId, JsonMap, RequestId, Thread, ThreadItem, ThreadItemUpdate};

open_union! {
    /// One event of a stream.
    pub enum ThreadStreamEvent {
        /// A thread was begun.
        "thread.created" => ThreadCreated(ThreadCreatedEvent),
        /// A thread's title, status or other properties changed.
        "thread.updated" => ThreadUpdated(ThreadUpdatedEvent),
        /// An item is whole and stored.
        "thread.item.done" => ItemDone(ThreadItemDoneEvent),
        /// An item begins.
        "thread.item.added" => ItemAdded(ThreadItemAddedEvent),
        /// An item that has begun changes.
        "thread.item.updated" => ItemUpdated(ThreadItemUpdatedEvent),
        /// An item is gone.
        "thread.item.removed" => ItemRemoved(ThreadItemRemovedEvent),
        /// An item is replaced by another of the same id.
        "thread.item.replaced" => ItemReplaced(ThreadItemReplacedEvent),
        /// Settings of this stream.
        "stream_options" => StreamOptions(StreamOptionsEvent),
        /// What the assistant is doing.
        "progress_update" => ProgressUpdate(ProgressUpdateEvent),
        /// Something for the page to do.
        "client_effect" => ClientEffect(ClientEffectEvent),
        /// The turn has failed.
        "error" => Error(ErrorEvent),
        /// Something to tell the user.
        "notice" => Notice(NoticeEvent),
    }
}

/// A thread was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadCreatedEvent {
    /// The thread.
    pub thread: Thread,
}

/// A thread's title, status or other properties changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadUpdatedEvent {
    /// The thread as it is now, without items.
    pub thread: Thread,
}

/// An item begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadItemAddedEvent {
    /// The item so far.
    pub item: ThreadItem,
}

/// An item that has begun changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadItemUpdatedEvent {
    /// The item.
    pub item_id: ItemId,
    /// The change.
    pub update: ThreadItemUpdate,
}

/// An item is whole and stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadItemDoneEvent {
    /// The item.
    pub item: ThreadItem,
}

/// An item is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadItemRemovedEvent {
    /// The item.
    pub item_id: ItemId,
}

/// An item is replaced by another of the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadItemReplacedEvent {
    /// The item as it is now.
    pub item: ThreadItem,
}

/// Settings of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamOptions {
    /// Whether clients offer to stop it.
    pub allow_cancel: bool,
}

/// Settings of this stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamOptionsEvent {
    /// The settings.
    pub stream_options: StreamOptions,
}

/// What the assistant is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressUpdateEvent {
    /// Icon beside the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Icon>,
    /// A few words.
    pub text: String,
}

/// Something for the page to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientEffectEvent {
    /// Name that the integrator gave it.
    pub name: String,
    /// Passed to the page.
    #[serde(default)]
    pub data: JsonMap,
}

open_string! {
    /// Kind of an [`ErrorEvent`], as official clients know them.
    pub enum ErrorCode {
        /// The event carries its own message.
        Custom = "custom",
        /// The client shows its own message.
        StreamError = "stream.error",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the enum has no default")]
impl Default for ErrorCode {
    fn default() -> Self {
        Self::Custom
    }
}

/// The turn has failed.
///
/// `reason`, `request_id` and `retry_after` are Parlor's additions: the official models accept
/// only their own values of `code`, and ignore fields that they don't know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEvent {
    /// Kind, as official clients know them.
    #[serde(default)]
    pub code: ErrorCode,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether clients offer to try again.
    #[serde(default)]
    pub allow_retry: bool,
    /// Stable name of what happened, such as `model.rate_limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request, to be found in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Seconds after which trying again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeEvent {
    /// How serious it is.
    pub level: NoticeLevel,
    /// Markdown.
    pub message: String,
    /// Heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// Something is wrong.
    Danger,
}
