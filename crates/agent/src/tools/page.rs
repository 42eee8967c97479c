//! A tool that runs in the page of the user.

use std::time::Duration;

use serde_json::Value;

use super::{Shown, Tool, ToolCall, ToolError, ToolFuture, ToolSettings};
use crate::model::ToolSpec;

/// How long a page may take by default: it may have to ask its user.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A tool that runs in the page of the user: ChatKit's client tool.
///
/// The answer stops with the call, and goes on with what the page sends. One is called at a time.
#[derive(Debug, Clone)]
pub struct PageTool {
    spec: ToolSpec,
    settings: ToolSettings,
}

impl PageTool {
    /// A tool of this name, as the page knows it, with the JSON Schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        let shown = Shown::Progress("Asking the page…".to_owned());
        let settings =
            ToolSettings { in_page: true, timeout: TIMEOUT, shown, ..ToolSettings::default() };
        let (name, description) = (name.into(), description.into());
        Self { spec: ToolSpec { name, description, parameters }, settings }
    }

    /// How long the page may take. What it sends later is not used.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How much of what the page sends the model is given, in characters.
    #[must_use]
    pub fn max_result_chars(mut self, chars: usize) -> Self {
        self.settings.max_result_chars = chars;
        self
    }
}

impl Tool for PageTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn settings(&self) -> ToolSettings {
        self.settings.clone()
    }

    /// The responder has the page called by itself; what is called as any other tool cannot be.
    fn call(&self, _call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async {
            Err(ToolError::new(
                "the page was not asked: it does one thing at a time, and nothing while the user has \
                 to consent to something else. Call it again afterwards.",
            ))
        })
    }
}
