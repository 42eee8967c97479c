#![doc = include_str!("../README.md")]

#[macro_use]
mod open;

mod actions;
mod attachments;
mod errors;
mod events;
mod icons;
mod ids;
mod items;
mod object;
mod page;
mod requests;
mod schema;
mod sources;
mod structured_input;
mod tasks;
mod threads;
mod time;
mod updates;
pub mod widgets;

pub use actions::{Action, ActionConfig, Handler, LoadingBehavior};
pub use attachments::{
    Attachment, AttachmentCreateParams, AttachmentUploadDescriptor, FileAttachment,
    ImageAttachment, UploadMethod,
};
pub use errors::{ErrorBody, ErrorEnvelope};
pub use events::{
    ClientEffectEvent, ErrorCode, ErrorEvent, NoticeEvent, NoticeLevel, ProgressUpdateEvent,
    StreamOptions, StreamOptionsEvent, ThreadCreatedEvent, ThreadItemAddedEvent,
    ThreadItemDoneEvent, ThreadItemRemovedEvent, ThreadItemReplacedEvent, ThreadItemUpdatedEvent,
    ThreadStreamEvent, ThreadUpdatedEvent,
};
pub use icons::Icon;
pub use ids::{AttachmentId, CallId, ItemId, RequestId, ThreadId, TurnId};
pub use items::{
    Annotation, AnnotationTag, AssistantMessageContent, AssistantMessageItem, ClientToolCallItem,
    ClientToolCallStatus, EndOfTurnItem, GeneratedImage, GeneratedImageItem, HiddenContextItem,
    InferenceOptions, OutputTextTag, SdkHiddenContextItem, StructuredInputItem, TaskItem,
    ThreadItem, ToolChoice, UserMessageContent, UserMessageInput, UserMessageItem,
    UserMessageTagContent, UserMessageTextContent, WidgetItem, WorkflowItem,
};
pub use open::Unknown;
pub use page::{Order, Page};
pub use requests::{
    AddClientToolOutputParams, AddStructuredInputParams, AddUserMessageParams,
    AttachmentDeleteParams, CustomActionParams, Done, FeedbackKind, ItemFeedback,
    ItemFeedbackParams, ItemsListParams, Operation, Request, RequestError, ResumeParams,
    RetryAfterItemParams, StopParams, StopResult, SyncCustomActionResponse, ThreadCreateParams,
    ThreadDeleteParams, ThreadGetByIdParams, ThreadListParams, ThreadUpdateParams,
    TranscribeParams, TranscriptionResult,
};
pub use schema::json_schema;
pub use sources::{EntitySource, FileSource, FileTag, Source, UrlSource, UrlTag};
pub use structured_input::{
    StructuredInput, StructuredInputAnswer, StructuredInputAnswerSubmission,
    StructuredInputFreeform, StructuredInputMultipleChoice, StructuredInputOption,
    StructuredInputStatus, StructuredInputSubmission, SubmissionStatus,
};
pub use tasks::{
    CustomSummary, CustomTask, DurationSummary, FileTask, ImageTask, SearchTask, StatusIndicator,
    TaggedFileSource, TaggedUrlSource, Task, ThoughtTask, Workflow, WorkflowKind, WorkflowSummary,
};
pub use threads::{Thread, ThreadMetadata, ThreadStatus};
pub use time::Timestamp;
pub use updates::{
    ContentPartAdded, ContentPartAnnotationAdded, ContentPartDone, ContentPartTextDelta,
    GeneratedImageUpdated, ThreadItemUpdate, WidgetComponentUpdated, WidgetRootUpdated,
    WidgetStreamingTextValueDelta, WorkflowTaskAdded, WorkflowTaskUpdated,
};

/// A JSON object, as the protocol's `metadata`, `data` and `arguments` fields hold.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
