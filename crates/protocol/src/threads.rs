//! Threads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JsonMap, Page, ThreadId, ThreadItem, Timestamp};

/// A thread without its items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadMetadata {
    /// Title, when somebody or something gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its id.
    pub id: ThreadId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Whether it takes messages.
    #[serde(default)]
    pub status: ThreadStatus,
    /// Hosts from which clients may load images that answers refer to; the client's default
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_image_domains: Option<Vec<String>>,
    /// The integrator's own; never sent to clients.
    #[serde(default)]
    pub metadata: JsonMap,
}

/// Whether a thread takes messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ThreadStatus {
    /// It does.
    #[default]
    Active,
    /// Not for now.
    Locked {
        /// Shown to the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Never again.
    Closed {
        /// Shown to the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// A thread with a page of its items: what clients are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// The thread itself.
    #[serde(flatten)]
    pub thread: ThreadMetadata,
    /// A page of its items.
    pub items: Page<ThreadItem>,
}

impl ThreadMetadata {
    /// The thread as clients are sent it: with `items`, without the integrator's metadata.
    ///
    /// The reference, too, leaves the metadata out of every response.
    pub fn into_response(mut self, items: Page<ThreadItem>) -> Thread {
        self.metadata = JsonMap::new();
        Thread { thread: self, items }
    }
}
