//! Steps of the assistant's work, alone or gathered in a workflow.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{FileSource, Icon, JsonMap, UrlSource, sources};

/// A group of tasks with an optional summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workflow {
    /// What it shows.
    pub r#type: WorkflowKind,
    /// The steps so far.
    pub tasks: Vec<Task>,
    /// Shown instead of the steps when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<WorkflowSummary>,
    /// Whether the steps are shown open.
    #[serde(default)]
    pub expanded: bool,
}

/// What a workflow shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkflowKind {
    /// Steps that the integrator defines.
    Custom,
    /// A model's reasoning.
    Reasoning,
}

/// What a finished workflow is summed up with. Told apart by its fields: a summary with a
/// `title` is custom.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WorkflowSummary {
    /// Title and icon.
    Custom(CustomSummary),
    /// How long it took.
    Duration(DurationSummary),
}

impl<'de> Deserialize<'de> for WorkflowSummary {
    /// By hand because serde's `untagged` would not say which field is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = JsonMap::deserialize(deserializer)?;
        if object.contains_key("duration") && !object.contains_key("title") {
            crate::open::payload(object).map(Self::Duration).map_err(D::Error::custom)
        } else {
            crate::open::payload(object).map(Self::Custom).map_err(D::Error::custom)
        }
    }
}

/// A workflow's title and icon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CustomSummary {
    /// Shown to the user.
    pub title: String,
    /// Icon beside the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Icon>,
}

/// How long a workflow took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DurationSummary {
    /// Whole seconds.
    pub duration: i64,
}

/// State of a task inside a workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusIndicator {
    /// No indicator.
    #[default]
    None,
    /// Running.
    Loading,
    /// Done.
    Complete,
}

open_union! {
    /// One step.
    pub enum Task {
        /// Free content.
        "custom" => Custom(CustomTask),
        /// A web search.
        "web_search" => WebSearch(SearchTask),
        /// A piece of reasoning.
        "thought" => Thought(ThoughtTask),
        /// Files that were read.
        "file" => File(FileTask),
        /// An image that was made.
        "image" => Image(ImageTask),
    }
}

/// A step with free content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CustomTask {
    /// State inside a workflow.
    #[serde(default)]
    pub status_indicator: StatusIndicator,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Icon beside the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Icon>,
    /// Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// A web search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchTask {
    /// State inside a workflow.
    #[serde(default)]
    pub status_indicator: StatusIndicator,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The query to show in the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_query: Option<String>,
    /// What was searched for.
    #[serde(default)]
    pub queries: Vec<String>,
    /// What was found.
    #[serde(default)]
    pub sources: Vec<TaggedUrlSource>,
}

/// A piece of reasoning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThoughtTask {
    /// State inside a workflow.
    #[serde(default)]
    pub status_indicator: StatusIndicator,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Markdown.
    pub content: String,
}

/// Files that were read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileTask {
    /// State inside a workflow.
    #[serde(default)]
    pub status_indicator: StatusIndicator,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The files.
    #[serde(default)]
    pub sources: Vec<TaggedFileSource>,
}

/// An image that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageTask {
    /// State inside a workflow.
    #[serde(default)]
    pub status_indicator: StatusIndicator,
    /// Shown to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Chained setters of a task's title and state.
macro_rules! task_setters {
    ($($name:ident)+) => {$(
        impl $name {
            /// What the user reads.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.title = Some(title.into());
                self
            }

            /// Shows it as running.
            #[must_use]
            pub fn loading(mut self) -> Self {
                self.status_indicator = StatusIndicator::Loading;
                self
            }

            /// Shows it as done.
            #[must_use]
            pub fn complete(mut self) -> Self {
                self.status_indicator = StatusIndicator::Complete;
                self
            }
        }
    )+};
}

task_setters! { CustomTask SearchTask ThoughtTask FileTask ImageTask }

impl CustomTask {
    /// A step with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self::default().title(title)
    }

    /// Icon beside the title.
    #[must_use]
    pub fn icon(mut self, icon: impl Into<Icon>) -> Self {
        self.icon = Some(icon.into());
        self
    }

    /// More about it, as Markdown.
    #[must_use]
    pub fn content(mut self, content: impl Into<String>) -> Self {
        self.content = Some(content.into());
        self
    }
}

impl SearchTask {
    /// A search with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self::default().title(title)
    }

    /// What was searched for.
    #[must_use]
    pub fn queries(mut self, queries: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.queries = queries.into_iter().map(Into::into).collect();
        self
    }

    /// What was found.
    #[must_use]
    pub fn sources(mut self, sources: impl IntoIterator<Item = UrlSource>) -> Self {
        self.sources = sources.into_iter().map(Into::into).collect();
        self
    }
}

impl ThoughtTask {
    /// A piece of reasoning, as Markdown.
    #[must_use]
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}

impl FileTask {
    /// Files that were read.
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = FileSource>) -> Self {
        Self { sources: sources.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

impl CustomSummary {
    /// A summary with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), icon: None }
    }

    /// Icon beside the title.
    #[must_use]
    pub fn icon(mut self, icon: impl Into<Icon>) -> Self {
        self.icon = Some(icon.into());
        self
    }
}

impl From<CustomSummary> for WorkflowSummary {
    fn from(summary: CustomSummary) -> Self {
        Self::Custom(summary)
    }
}

impl From<DurationSummary> for WorkflowSummary {
    fn from(summary: DurationSummary) -> Self {
        Self::Duration(summary)
    }
}

/// Declares a source in a list that holds one kind of source only, and carries its `type` all the
/// same.
macro_rules! tagged_source {
    ($(#[$meta:meta])* $name:ident, $source:ident, $tag:ident, $type:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        pub struct $name {
            r#type: sources::$tag,
            /// The source.
            #[serde(flatten)]
            pub source: $source,
        }

        tagged_schema!($name, $source, $type);

        impl From<$source> for $name {
            fn from(source: $source) -> Self {
                Self { r#type: sources::$tag, source }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// By hand because serde's `flatten` would lose the name of the field that is wrong.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut object = JsonMap::deserialize(deserializer)?;
                if let Some(tag) = object.shift_remove("type").filter(|tag| tag != $type) {
                    return Err(D::Error::custom(format_args!(
                        "type: invalid value `{tag}`, expected \"{}\"", $type
                    )));
                }
                crate::open::payload::<$source>(object)
                    .map(Self::from)
                    .map_err(|problem| D::Error::custom(format_args!("in {}: {problem}", $type)))
            }
        }
    };
}

tagged_source! {
    /// A [`UrlSource`] in a list that holds nothing else; carries its `type` all the same.
    TaggedUrlSource, UrlSource, UrlTag, "url"
}

tagged_source! {
    /// A [`FileSource`] in a list that holds nothing else; carries its `type` all the same.
    TaggedFileSource, FileSource, FileTag, "file"
}
