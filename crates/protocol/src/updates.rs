//! Changes to an item that is still being made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Annotation, AssistantMessageContent, GeneratedImage, Task,
    widgets::{WidgetComponent, WidgetRoot},
};

open_union! {
    /// A change to an item that is still being made.
    #[expect(
        clippy::large_enum_variant,
        reason = "updates pass through one at a time; a box would only add an allocation"
    )]
    pub enum ThreadItemUpdate {
        /// A part begins.
        "assistant_message.content_part.added" => ContentPartAdded(ContentPartAdded),
        /// Text grows.
        "assistant_message.content_part.text_delta" => TextDelta(ContentPartTextDelta),
        /// A reference.
        "assistant_message.content_part.annotation_added" => AnnotationAdded(ContentPartAnnotationAdded),
        /// A part is done.
        "assistant_message.content_part.done" => ContentPartDone(ContentPartDone),
        /// A widget's text grows.
        "widget.streaming_text.value_delta" => WidgetTextDelta(WidgetStreamingTextValueDelta),
        /// A component of a widget is replaced.
        "widget.component.updated" => WidgetComponentUpdated(WidgetComponentUpdated),
        /// A whole widget is replaced.
        "widget.root.updated" => WidgetRootUpdated(WidgetRootUpdated),
        /// A workflow gets a step.
        "workflow.task.added" => WorkflowTaskAdded(WorkflowTaskAdded),
        /// A workflow's step is replaced.
        "workflow.task.updated" => WorkflowTaskUpdated(WorkflowTaskUpdated),
        /// An image has progressed.
        "generated_image.updated" => GeneratedImageUpdated(GeneratedImageUpdated),
    }
}

/// A part of an assistant message begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContentPartAdded {
    /// Which part.
    pub content_index: usize,
    /// The part so far.
    pub content: AssistantMessageContent,
}

/// Text of a part grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContentPartTextDelta {
    /// Which part.
    pub content_index: usize,
    /// Text to append.
    pub delta: String,
}

/// A part gets a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContentPartAnnotationAdded {
    /// Which part.
    pub content_index: usize,
    /// Its place among the part's annotations.
    pub annotation_index: usize,
    /// The reference.
    pub annotation: Annotation,
}

/// A part is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContentPartDone {
    /// Which part.
    pub content_index: usize,
    /// The whole part.
    pub content: AssistantMessageContent,
}

/// Text of a widget's component grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WidgetStreamingTextValueDelta {
    /// The component's `id`.
    pub component_id: String,
    /// Text to append.
    pub delta: String,
    /// Whether this was the last of it.
    pub done: bool,
}

/// A whole widget is replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WidgetRootUpdated {
    /// The new widget.
    pub widget: WidgetRoot,
}

/// A component of a widget is replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WidgetComponentUpdated {
    /// The component's `id`.
    pub component_id: String,
    /// The new component.
    pub component: WidgetComponent,
}

/// A workflow gets a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowTaskAdded {
    /// Its place among the steps.
    pub task_index: usize,
    /// The step.
    pub task: Task,
}

/// A workflow's step is replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowTaskUpdated {
    /// Which step.
    pub task_index: usize,
    /// The new step.
    pub task: Task,
}

/// An image has progressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedImageUpdated {
    /// The image so far.
    pub image: GeneratedImage,
    /// From 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
}
