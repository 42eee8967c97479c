//! What a thread is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Attachment, AttachmentId, CallId, ItemFeedback, ItemId, JsonMap, Source, StructuredInput,
    StructuredInputStatus, Task, ThreadId, Timestamp, Workflow, widgets::WidgetRoot,
};

open_union! {
    /// One entry of a thread.
    pub enum ThreadItem {
        /// What the user said.
        "user_message" => UserMessage(UserMessageItem),
        /// What the assistant said.
        "assistant_message" => AssistantMessage(AssistantMessageItem),
        /// A call to a tool that runs in the user's browser.
        "client_tool_call" => ClientToolCall(ClientToolCallItem),
        /// A widget.
        "widget" => Widget(WidgetItem),
        /// An image that was made for the user.
        "generated_image" => GeneratedImage(GeneratedImageItem),
        /// Questions to the user.
        "structured_input" => StructuredInput(StructuredInputItem),
        /// Steps of the assistant's work.
        "workflow" => Workflow(WorkflowItem),
        /// One step of the assistant's work.
        "task" => Task(TaskItem),
        /// For the model only; never sent to clients.
        "hidden_context_item" => HiddenContext(HiddenContextItem),
        /// Of the SDK's own; never sent to clients.
        "sdk_hidden_context" => SdkHiddenContext(SdkHiddenContextItem),
        /// The assistant has said all it had to say.
        "end_of_turn" => EndOfTurn(EndOfTurnItem),
    }
}

impl ThreadItem {
    /// Its id. `None` for an unknown item that carries none.
    pub fn id(&self) -> Option<ItemId> {
        match self {
            Self::UserMessage(item) => Some(item.id.clone()),
            Self::AssistantMessage(item) => Some(item.id.clone()),
            Self::ClientToolCall(item) => Some(item.id.clone()),
            Self::Widget(item) => Some(item.id.clone()),
            Self::GeneratedImage(item) => Some(item.id.clone()),
            Self::StructuredInput(item) => Some(item.id.clone()),
            Self::Workflow(item) => Some(item.id.clone()),
            Self::Task(item) => Some(item.id.clone()),
            Self::HiddenContext(item) => Some(item.id.clone()),
            Self::SdkHiddenContext(item) => Some(item.id.clone()),
            Self::EndOfTurn(item) => Some(item.id.clone()),
            Self::Unknown(unknown) => unknown.0.get("id").and_then(Value::as_str).map(ItemId::from),
        }
    }

    /// Whether it is kept from clients.
    pub fn is_hidden(&self) -> bool {
        matches!(self, Self::HiddenContext(_) | Self::SdkHiddenContext(_))
    }
}

/// What the user said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserMessageItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was received.
    pub created_at: Timestamp,
    /// Text and tags, in order.
    pub content: Vec<UserMessageContent>,
    /// Files sent along.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// What the user refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted_text: Option<String>,
    /// Wishes about model and tool.
    pub inference_options: InferenceOptions,
}

impl UserMessageItem {
    /// The message as plain text: text parts as they are, tags by their text.
    pub fn text(&self) -> String {
        self.content.iter().map(UserMessageContent::text).collect()
    }
}

/// What the assistant said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssistantMessageItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Parts, in order.
    pub content: Vec<AssistantMessageContent>,
    /// What its reader thinks of it, as they said last. Parlor's own, in what is read from a
    /// thread; clients that do not know it ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<ItemFeedback>,
}

impl AssistantMessageItem {
    /// The parts' texts, joined.
    pub fn text(&self) -> String {
        self.content.iter().map(|part| part.text.as_str()).collect()
    }
}

/// A call to a tool that runs in the user's browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientToolCallItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether the output has come.
    #[serde(default)]
    pub status: ClientToolCallStatus,
    /// The model's id of the call.
    pub call_id: CallId,
    /// The tool.
    pub name: String,
    /// What it is called with.
    pub arguments: JsonMap,
    /// What it gave, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// Whether a client tool's output has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientToolCallStatus {
    /// Not yet.
    #[default]
    Pending,
    /// It has, or never will.
    Completed,
}

/// A widget in a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WidgetItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was made.
    pub created_at: Timestamp,
    /// What is shown.
    pub widget: WidgetRoot,
    /// What the copy button copies; also what the model is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_text: Option<String>,
}

/// An image that was made for the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedImageItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The image, once there is something to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<GeneratedImage>,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedImage {
    /// Its id.
    pub id: String,
    /// Where it is; `data:` URLs are usual for previews. As it is stored, empty for one whose bytes the
    /// server keeps: clients are sent a fresh link.
    pub url: String,
    /// What it shows, in words. Parlor's addition: official clients ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
}

/// Questions to the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was asked.
    pub created_at: Timestamp,
    /// Whether it was answered.
    #[serde(default)]
    pub status: StructuredInputStatus,
    /// The questions.
    pub inputs: Vec<StructuredInput>,
}

impl StructuredInputItem {
    /// What the user answered to the question with this id; `None` while they have not, or when
    /// they passed it over.
    pub fn answer(&self, question_id: &str) -> Option<&[String]> {
        let input = self.inputs.iter().find(|input| input.id() == question_id)?;
        input.answer().filter(|answer| !answer.skipped).map(|answer| answer.values.as_slice())
    }
}

/// One step of the assistant's work, by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The step.
    pub task: Task,
}

/// Steps of the assistant's work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The steps.
    pub workflow: Workflow,
}

/// Marks that the assistant has said all it had to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndOfTurnItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When the turn ended.
    pub created_at: Timestamp,
}

/// For the model only; never sent to clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HiddenContextItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was added.
    pub created_at: Timestamp,
    /// Text, or anything the integrator's prompt code understands.
    pub content: Value,
}

/// Of the SDK's own; never sent to clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SdkHiddenContextItem {
    /// Its id.
    pub id: ItemId,
    /// The thread it is in.
    pub thread_id: ThreadId,
    /// When it was added.
    pub created_at: Timestamp,
    /// Text for the model.
    pub content: String,
}

constant_tag! {
    /// The `type` of an assistant message's part: always `output_text`.
    pub struct OutputTextTag = "output_text";
}

/// A part of an assistant message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssistantMessageContent {
    /// References, in the order in which they were added.
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    /// Markdown.
    pub text: String,
    /// Always `output_text`.
    #[serde(default)]
    pub r#type: OutputTextTag,
}

constant_tag! {
    /// The `type` of an annotation: always `annotation`.
    pub struct AnnotationTag = "annotation";
}

/// A reference from a place in the text to a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Annotation {
    /// Always `annotation`.
    #[serde(default)]
    pub r#type: AnnotationTag,
    /// What is referred to.
    pub source: Source,
    /// Where: the number of Unicode code points of the part's text before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<i64>,
}

impl Annotation {
    /// A reference to `source` behind `index` code points of text.
    pub fn at(index: usize, source: impl Into<Source>) -> Self {
        Self {
            r#type: AnnotationTag,
            source: source.into(),
            index: Some(i64::try_from(index).unwrap_or(i64::MAX)),
        }
    }
}

open_union! {
    /// A part of a user message.
    pub enum UserMessageContent {
        /// Text.
        "input_text" => Text(UserMessageTextContent),
        /// A tag that stands for a thing of the integrator's.
        "input_tag" => Tag(UserMessageTagContent),
    }
}

impl UserMessageContent {
    /// The part as plain text; empty for an unknown part.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(part) => &part.text,
            Self::Tag(part) => &part.text,
            Self::Unknown(_) => "",
        }
    }
}

/// Text of a user message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserMessageTextContent {
    /// Plain text.
    pub text: String,
}

/// A tag in a user message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserMessageTagContent {
    /// The integrator's id of the thing.
    pub id: String,
    /// What the tag shows.
    pub text: String,
    /// Passed along.
    pub data: JsonMap,
    /// Kind of thing, as the integrator groups them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it can be clicked.
    #[serde(default)]
    pub interactive: bool,
}

/// A user message as a client submits it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserMessageInput {
    /// Text and tags, in order.
    pub content: Vec<UserMessageContent>,
    /// Ids of files sent along. Absent is read as none: published samples leave it out.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
    /// What the user refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted_text: Option<String>,
    /// Wishes about model and tool. Absent is read as none.
    #[serde(default, deserialize_with = "crate::object::required")]
    pub inference_options: InferenceOptions,
    /// Request metadata in the place where published integration samples put it; read like the
    /// envelope's, never stored with the message.
    #[serde(default, skip_serializing_if = "JsonMap::is_empty")]
    pub metadata: JsonMap,
}

/// Wishes about model and tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InferenceOptions {
    /// A tool to use.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::object::optional"
    )]
    pub tool_choice: Option<ToolChoice>,
    /// A model to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A tool to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolChoice {
    /// The tool's id as the page's composer options name it.
    pub id: String,
}
