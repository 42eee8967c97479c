//! What tools give back.

use std::fmt;

use parlor_chatkit::protocol::UrlSource;
use parlor_search::Passage;
use serde::Serialize;

/// What a tool gives back: something for the model to read, and sources for people to see.
#[derive(Debug, Clone, Default)]
pub struct ToolOutput {
    pub(crate) content: Content,
    pub(crate) sources: Vec<UrlSource>,
    pub(crate) failed: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Text(String),
    /// Said by this server and not by somebody else: the model is given it as it is.
    Own(String),
    Passages {
        query: String,
        passages: Vec<Passage>,
    },
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl ToolOutput {
    /// A text. The model is told that it is data and holds no instructions.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), ..Self::default() }
    }

    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, ToolError> {
        Ok(Self::text(serde_json::to_string(value)?))
    }

    /// Passages of documents, which the model can cite by number; readers see the citations as
    /// links. `query` is what was looked for.
    pub fn passages(query: impl Into<String>, passages: Vec<Passage>) -> Self {
        Self { content: Content::Passages { query: query.into(), passages }, ..Self::default() }
    }

    /// With a source, shown beside the step.
    #[must_use]
    pub fn with_source(mut self, source: UrlSource) -> Self {
        self.sources.push(source);
        self
    }

    /// The tool did not succeed, and this is what it says about it: shown to people as a step that
    /// did not work.
    #[must_use]
    pub fn as_failure(mut self) -> Self {
        self.failed = true;
        self
    }

    /// What the server itself says in the place of a result.
    pub(crate) fn own(text: impl Into<String>) -> Self {
        Self { content: Content::Own(text.into()), ..Self::default() }
    }
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for ToolOutput {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// A call failed.
///
/// The model is told the message and can try something else; people are told nothing but that the
/// step did not work. Any error becomes one with `?`: then the model is told only that the tool
/// failed, and the log what the error was.
pub struct ToolError {
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    changes_offer: bool,
}

impl ToolError {
    /// An error that the model is told in these words. They must hold nothing that the user may not
    /// know: models repeat what they are told.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None, changes_offer: false }
    }

    /// With what the log is told.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With it other tools are there than before: they are looked for again.
    #[must_use]
    pub(crate) fn changing_offer(mut self) -> Self {
        self.changes_offer = true;
        self
    }

    pub(crate) fn changes_offer(&self) -> bool {
        self.changes_offer
    }

    /// What the model is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the log is told.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolError")
            .field("message", &self.message)
            .field("cause", &self.cause)
            .finish()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for ToolError {
    fn from(cause: E) -> Self {
        Self::new("The tool failed.").caused_by(cause)
    }
}
