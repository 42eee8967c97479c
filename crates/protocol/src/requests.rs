//! What clients send.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::open::split_path;
use crate::{
    Action, Attachment, AttachmentCreateParams, AttachmentId, ItemId, JsonMap, Order, Page,
    StructuredInputSubmission, Thread, ThreadId, ThreadItem, Timestamp, TurnId, UserMessageInput,
};

/// A request: an operation in an envelope with metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// Whatever the integration sends along: user, page, locale.
    pub metadata: JsonMap,
    /// What is asked for.
    #[serde(flatten)]
    pub operation: Operation,
}

/// Why a body is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not JSON at all.
    #[error("the body is not valid JSON: {0}")]
    MalformedJson(String),
    /// JSON, but not an object with a `type`.
    #[error("the body must be a JSON object with a string `type`: {0}")]
    NotARequest(String),
    /// An operation that does not exist.
    #[error("unknown operation `{0}`")]
    UnknownOperation(String),
    /// A field is missing or of the wrong type.
    #[error("{field}: {message}")]
    InvalidField {
        /// Path of the field, such as `params.input.content[0]`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Declares the operations: `name => Variant(params)`, with the type of the answer where it is one
/// JSON document.
macro_rules! operations {
    (
        streaming {
            $(
                $(#[doc = $stream_doc:literal])*
                $stream_name:literal $(| $stream_alias:literal)*
                    => $stream:ident($stream_params:ty),
            )+
        }
        json {
            $( $(#[doc = $json_doc:literal])* $json_name:literal => $json:ident($json_params:ty) -> $answer:ty, )+
        }
    ) => {
        /// What is asked for.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type", content = "params")]
        pub enum Operation {
            $( $(#[doc = $stream_doc])* #[serde(rename = $stream_name)] $stream($stream_params), )+
            $( $(#[doc = $json_doc])* #[serde(rename = $json_name)] $json($json_params), )+
        }

        impl Operation {
            /// The operation's name on the wire.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$stream(_) => $stream_name, )+
                    $( Self::$json(_) => $json_name, )+
                }
            }

            /// The names of all operations.
            pub const NAMES: &'static [&'static str] = &[$($stream_name,)+ $($json_name),+];

            /// Whether the answer is a stream.
            pub fn is_streaming(&self) -> bool {
                match self {
                    $( Self::$stream(_) => true, )+
                    $( Self::$json(_) => false, )+
                }
            }

            fn parse(name: &str, params: &RawValue) -> Result<Self, RequestError> {
                match name {
                    $( $stream_name $(| $stream_alias)* => {
                        Ok(Self::$stream(parse_params(params)?))
                    } )+
                    $( $json_name => Ok(Self::$json(parse_params(params)?)), )+
                    _ => Err(RequestError::UnknownOperation(name.to_owned())),
                }
            }
        }

        impl JsonSchema for Request {
            named_schema!(Request);

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let arms = vec![
                    $({
                        struct Arm;
                        request_schema!(
                            Arm, $stream, $stream_params, [$stream_name $(, $stream_alias)*],
                            concat!($($stream_doc, "\n",)* "\nAnswered with a stream of events.")
                        );
                        generator.subschema_for::<Arm>()
                    },)+
                    $({
                        struct Arm;
                        request_schema!(
                            Arm, $json, $json_params, [$json_name], concat!($($json_doc, "\n"),*)
                        );
                        generator.subschema_for::<Arm>()
                    },)+
                ];
                json_schema!({
                    "description": "A request: an operation and its parameters, in an envelope \
                        with metadata.",
                    "oneOf": arms,
                })
            }
        }

        by_operation! {
            /// Parameters of the operations that answer with a stream of events, by operation.
            StreamingParams { $($stream_name: $stream_params,)+ }
        }
        by_operation! {
            /// Parameters of the operations that answer with one JSON document, by operation.
            JsonParams { $($json_name: $json_params,)+ }
        }
        by_operation! {
            /// Answers of the operations that answer with one JSON document, by operation.
            JsonResults { $($json_name: $answer,)+ }
        }
    };
}

/// Gives `$arm` the schema of one operation's request, named after the operation.
macro_rules! request_schema {
    ($arm:ident, $operation:ident, $params:ty, $names:expr, $doc:expr) => {
        impl JsonSchema for $arm {
            fn schema_name() -> Cow<'static, str> {
                concat!(stringify!($operation), "Request").into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let needs_params = <$params>::json_schema(generator).get("required").is_some();
                let params = generator.subschema_for::<$params>();
                crate::schema::request($doc, &$names, params, needs_params)
            }
        }
    };
}

/// Declares a schema with a property for each operation: what belongs to an operation can be
/// looked up in it, by people and by generators.
macro_rules! by_operation {
    ($(#[doc = $doc:literal])* $name:ident { $($operation:literal: $type:ty,)+ }) => {
        pub(crate) struct $name;

        impl JsonSchema for $name {
            named_schema!($name);

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                crate::schema::record(
                    concat!($($doc, "\n"),*),
                    vec![$(($operation, generator.subschema_for::<$type>())),+],
                )
            }
        }
    };
}

operations! {
    streaming {
        /// A new thread from a message.
        "threads.create" => ThreadsCreate(ThreadCreateParams),
        /// A message to a thread. Published samples call it `threads.run`.
        "threads.add_user_message" | "threads.run" => ThreadsAddUserMessage(AddUserMessageParams),
        /// What a client tool gave.
        "threads.add_client_tool_output" => ThreadsAddClientToolOutput(AddClientToolOutputParams),
        /// Answers to questions.
        "threads.add_structured_input" => ThreadsAddStructuredInput(AddStructuredInputParams),
        /// Another answer to a message.
        "threads.retry_after_item" => ThreadsRetryAfterItem(RetryAfterItemParams),
        /// Somebody used a widget.
        "threads.custom_action" => ThreadsCustomAction(CustomActionParams),
        /// Re-attaches to the running turn. Parlor's own.
        "threads.resume" => ThreadsResume(ResumeParams),
    }
    json {
        /// A thread with its first page of items.
        "threads.get_by_id" => ThreadsGetById(ThreadGetByIdParams) -> Thread,
        /// The caller's threads.
        "threads.list" => ThreadsList(ThreadListParams) -> Page<Thread>,
        /// A new title.
        "threads.update" => ThreadsUpdate(ThreadUpdateParams) -> Thread,
        /// A thread with all that belongs to it goes.
        "threads.delete" => ThreadsDelete(ThreadDeleteParams) -> Done,
        /// Somebody used a widget; answered with one item.
        "threads.sync_custom_action"
            => ThreadsSyncCustomAction(CustomActionParams) -> SyncCustomActionResponse,
        /// A page of a thread's items.
        "items.list" => ItemsList(ItemsListParams) -> Page<ThreadItem>,
        /// Thumbs up or down.
        "items.feedback" => ItemsFeedback(ItemFeedbackParams) -> Done,
        /// A file is about to be uploaded.
        "attachments.create" => AttachmentsCreate(AttachmentCreateParams) -> Attachment,
        /// A file that was not sent after all goes.
        "attachments.delete" => AttachmentsDelete(AttachmentDeleteParams) -> Done,
        /// Speech to text.
        "input.transcribe" => InputTranscribe(TranscribeParams) -> TranscriptionResult,
        /// Ends the running turn and keeps its partial text. Parlor's own.
        "threads.stop" => ThreadsStop(StopParams) -> StopResult,
    }
}

impl Request {
    /// Reads a request body.
    ///
    /// The envelope is read first and the parameters after it, so that an error can name the
    /// field: a union tagged by `type` would lose the path.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            r#type: String,
            #[serde(default, borrow)]
            params: Option<&'a RawValue>,
            #[serde(default)]
            metadata: Option<JsonMap>,
        }

        if let Err(error) = std::str::from_utf8(body) {
            return Err(RequestError::MalformedJson(error.to_string()));
        }
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(RequestError::NotARequest("it is an array".to_owned()));
        }
        let mut reader = serde_json::Deserializer::from_slice(body);
        let envelope: Envelope<'_> =
            serde_path_to_error::deserialize(&mut reader).map_err(|error| {
                let path = error.path().to_string();
                let inner = error.into_inner();
                if inner.is_syntax() || inner.is_eof() {
                    RequestError::MalformedJson(plainly(&inner.to_string()).to_owned())
                } else if path == "metadata" {
                    RequestError::InvalidField { field: path, message: inner.to_string() }
                } else {
                    RequestError::NotARequest(inner.to_string())
                }
            })?;
        reader.end().map_err(|error| RequestError::MalformedJson(error.to_string()))?;

        let empty = empty_params();
        // Not copied: a recording is some megabytes.
        let params = envelope.params.unwrap_or(&empty);
        Ok(Self {
            metadata: envelope.metadata.unwrap_or_default(),
            operation: Operation::parse(&envelope.r#type, params)?,
        })
    }
}

/// What the parser says of half a surrogate pair names neither. Text from languages whose strings
/// are UTF-16 has some where it was cut within a character.
fn plainly(message: &str) -> &str {
    const HALVES: [&str; 2] = ["lone leading surrogate", "unexpected end of hex escape"];
    if HALVES.iter().any(|half| message.starts_with(half)) {
        return "the text has half a character: a lone surrogate such as \\ud83d, without its other half; send whole characters";
    }
    message
}

/// What absent `params` are read as, so that the error names the missing field inside.
fn empty_params() -> Box<RawValue> {
    serde_json::value::to_raw_value(&JsonMap::new()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn parse_params<'a, T: Deserialize<'a>>(params: &'a RawValue) -> Result<T, RequestError> {
    // Serde reads a struct from an array, too; the protocol does not.
    if !params.get().starts_with('{') {
        return Err(RequestError::InvalidField {
            field: "params".to_owned(),
            message: "must be an object".to_owned(),
        });
    }
    let mut reader = serde_json::Deserializer::from_str(params.get());
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let mut field = if path == "." { "params".to_owned() } else { format!("params.{path}") };
        let message = error.into_inner().to_string();
        // The position is one within the parameters, which nobody counts from.
        let message = message.find(" at line ").map_or(message.as_str(), |end| &message[..end]);
        let (inner, message) = split_path(message);
        if !inner.is_empty() {
            field = format!("{field}.{inner}");
        }
        let message = plainly(message).to_owned();
        RequestError::InvalidField { field, message }
    })
}

/// Parameters of `threads.get_by_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadGetByIdParams {
    /// The thread.
    pub thread_id: ThreadId,
}

/// Parameters of `threads.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadCreateParams {
    /// Its first message.
    #[serde(deserialize_with = "crate::object::required")]
    pub input: UserMessageInput,
}

/// Parameters of `threads.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadListParams {
    /// At most so many; the server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Newest first when absent.
    #[serde(default)]
    pub order: Order,
    /// Cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Parameters of `threads.add_user_message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddUserMessageParams {
    /// The message.
    #[serde(deserialize_with = "crate::object::required")]
    pub input: UserMessageInput,
    /// The thread.
    pub thread_id: ThreadId,
}

/// Parameters of `threads.add_client_tool_output`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddClientToolOutputParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// What the tool gave.
    pub result: Value,
}

/// Parameters of `threads.add_structured_input`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddStructuredInputParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The item that asked.
    pub item_id: ItemId,
    /// The answers.
    #[serde(deserialize_with = "crate::object::required")]
    pub input: StructuredInputSubmission,
}

/// Parameters of `threads.custom_action` and `threads.sync_custom_action`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CustomActionParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The widget that was used, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// The action.
    #[serde(deserialize_with = "crate::object::required")]
    pub action: Action,
}

/// Parameters of `threads.retry_after_item`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryAfterItemParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The user message to answer again.
    pub item_id: ItemId,
}

/// Parameters of `items.feedback`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemFeedbackParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// What the feedback is about.
    pub item_ids: Vec<ItemId>,
    /// Up or down.
    pub kind: FeedbackKind,
}

/// Thumbs up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeedbackKind {
    /// Up.
    Positive,
    /// Down.
    Negative,
}

/// What a reader thinks of an item. Parlor's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemFeedback {
    /// Up or down.
    pub kind: FeedbackKind,
    /// When they said so.
    pub created_at: Timestamp,
}

/// Parameters of `attachments.delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttachmentDeleteParams {
    /// The attachment.
    pub attachment_id: AttachmentId,
}

/// Parameters of `input.transcribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TranscribeParams {
    /// The recording, in standard base64.
    pub audio_base64: String,
    /// Media type with parameters, such as `audio/webm;codecs=opus`.
    pub mime_type: String,
}

/// Answer to `input.transcribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TranscriptionResult {
    /// What was said.
    pub text: String,
}

/// Parameters of `items.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemsListParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// At most so many; the server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Newest first when absent.
    #[serde(default)]
    pub order: Order,
    /// Cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Parameters of `threads.update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadUpdateParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Its new title.
    pub title: String,
}

/// Parameters of `threads.delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadDeleteParams {
    /// The thread.
    pub thread_id: ThreadId,
}

/// Parameters of `threads.stop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopParams {
    /// The thread whose turn is to end.
    pub thread_id: ThreadId,
}

/// Answer to `threads.stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopResult {
    /// Whether a turn was running.
    pub stopped: bool,
}

/// Parameters of `threads.resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResumeParams {
    /// The thread whose turn to follow.
    pub thread_id: ThreadId,
    /// Number of the last event that was received; from the first event on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The turn that `after` counts in; when another one is running, it is sent from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
}

/// Answer to an operation that has nothing to say but that it is done: an empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {}

/// Answer to `threads.sync_custom_action`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncCustomActionResponse {
    /// The item as it is now, if it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_item: Option<ThreadItem>,
}
