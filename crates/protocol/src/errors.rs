//! Errors outside a stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{RequestId, Timestamp};

/// Body of every HTTP error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// Stable name, such as `not_found`.
    pub code: String,
    /// What was wrong and what to do, for people.
    pub message: String,
    /// The field concerned, as a path such as `params.input.content[0].text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable name of what the assistant's own code says, such as `model.rate_limited`; the one
    /// that errors in a stream have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request, to be found in the server's log.
    pub request_id: RequestId,
    /// Seconds after which trying again makes sense, as in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// With `rate_limited`: which limit is reached, such as `messages_per_day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// With `rate_limited`: whose limit it is, `user`, `tenant` or `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// With `rate_limited`: when something is free again, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
}
