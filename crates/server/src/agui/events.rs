//! Events of AG-UI 1.0, as far as we send them.
//!
//! Names and shapes are those of the packages `@ag-ui/core` and `ag-ui-protocol`.

use serde::Serialize;
use serde_json::Value;

/// The version of the protocol that is spoken.
pub(crate) const PROTOCOL_VERSION: &str = "1.0";

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub(crate) enum Event {
    /// The run has begun. Always the first.
    RunStarted { thread_id: String, run_id: String, protocol_version: &'static str },
    /// The run is over. Nothing follows.
    RunFinished { thread_id: String, run_id: String, outcome: Outcome },
    /// The run has failed. Nothing follows.
    RunError {
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(skip_serializing_if = "Value::is_null")]
        metadata: Value,
    },
    /// A text begins.
    TextMessageStart { message_id: String, role: &'static str },
    /// A text grows.
    TextMessageContent { message_id: String, delta: String },
    /// A text is whole.
    TextMessageEnd { message_id: String },
    /// The page is to call a tool.
    ToolCallStart { tool_call_id: String, tool_call_name: String },
    /// What it is called with, as JSON.
    ToolCallArgs { tool_call_id: String, delta: String },
    /// The call is whole.
    ToolCallEnd { tool_call_id: String },
    /// The model begins to think.
    ReasoningStart { message_id: String },
    /// A thought begins.
    ReasoningMessageStart { message_id: String, role: &'static str },
    /// A thought grows.
    ReasoningMessageContent { message_id: String, delta: String },
    /// A thought is whole.
    ReasoningMessageEnd { message_id: String },
    /// The model has thought.
    ReasoningEnd { message_id: String },
    /// What is no text: steps, a widget, an image.
    ActivitySnapshot { message_id: String, activity_type: &'static str, content: Value },
    /// That changes, by a JSON Patch (RFC 6902).
    ActivityDelta { message_id: String, activity_type: &'static str, patch: Value },
    /// The assistant is doing something.
    StepStarted { step_name: String },
    /// It has done it.
    StepFinished { step_name: String },
    /// The whole conversation.
    MessagesSnapshot { messages: Vec<Value> },
    /// What AG-UI has no event for.
    Custom { name: String, value: Value },
}

/// How a run has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(crate) enum Outcome {
    /// The answer is there, but for the calls that the page is to make.
    Success {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pending_tool_call_ids: Vec<String>,
    },
    /// Somebody has stopped it.
    Cancelled,
    /// The user is to decide something first.
    Interrupt { interrupts: Vec<Interrupt> },
}

/// Something that the user is to decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interrupt {
    /// Id of the item that asks.
    pub(crate) id: String,
    /// `approval` or `questions`.
    pub(crate) reason: &'static str,
    /// What is asked, for people.
    pub(crate) message: String,
    /// JSON Schema of the answer's `payload`.
    pub(crate) response_schema: Value,
    /// The item, as ChatKit has it.
    pub(crate) metadata: Value,
}

impl Event {
    /// The event's frame of a stream.
    pub(crate) fn write(&self, frames: &mut Vec<u8>) {
        frames.extend_from_slice(b"data: ");
        // No map has keys that are not text, and writing to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *frames, self);
        frames.extend_from_slice(b"\n\n");
    }
}
