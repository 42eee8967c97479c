//! Errors outside a stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RequestId;

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
}
