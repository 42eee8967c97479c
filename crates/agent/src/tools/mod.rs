//! Tools: functions that the model may call while it answers.
//!
//! A [`Tool`] says what it is called, what it is for and what arguments it takes, and does one thing
//! when it is called. Everything else is the base's work: arguments are checked against the schema
//! before the tool sees them, calls of one round run beside each other, each has its time and its
//! length, a tool that hangs or crashes is one failed call, and people see a step in the chat for
//! each. What goes wrong is told to the model, which can do something about it, and not to the user.
//!
//! [`FunctionTool`] makes a tool of an async function with typed arguments.

mod declared;
mod function;
mod hand_off;
mod headers;
mod http;
mod mcp;
mod openapi;
mod output;
mod page;
mod run;
mod search;
mod sign_in;
mod step;
mod toolbox;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use parlor_chatkit::{RequestContext, protocol::Icon};
use serde_json::Value;

use crate::model::ToolSpec;

pub(crate) use declared::{DeclaredTool, declared_by_page, declares_tools};
pub use declared::{DeclaredToolError, check_declared_tools};
pub use function::FunctionTool;
pub(crate) use hand_off::HandOff;
pub use headers::{CallerToken, HeaderTemplateError, HeaderTemplates};
pub use http::{HttpTool, HttpToolClient, HttpToolError, Parameter, Place};
pub use mcp::{McpConfig, McpError, McpServer, McpTransport};
pub use openapi::{OpenApiError, OpenApiImport};
pub use output::{ToolError, ToolOutput};
pub use page::PageTool;
pub use run::ToolLimits;
#[cfg(test)]
pub(crate) use run::tool_result as told_of_tool;
pub(crate) use run::{Left, ToolCallRequest, run_calls, tool_result};
pub(crate) use search::{SEARCHING, SearchDocuments};
pub use sign_in::{CardPlace, SignIn, SignInUnavailable};
pub(crate) use sign_in::{Connect, connect_tool};
pub(crate) use step::Steps;
pub(crate) use toolbox::titled;
pub use toolbox::{Offer, ToolSource, Toolbox, ToolboxError};

/// What a tool gives back, in the making.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send + 'a>>;

/// A function that the model may call.
///
/// [`FunctionTool`] is one for an async function; implement the trait for tools that are made from
/// something else, a description of an API say.
pub trait Tool: Send + Sync + 'static {
    /// Its name, what it does, and the JSON Schema of its arguments. Asked once, when it is put into
    /// a [`Toolbox`].
    fn spec(&self) -> ToolSpec;

    /// How it is shown, and what it may take. Asked once, too.
    fn settings(&self) -> ToolSettings {
        ToolSettings::default()
    }

    /// Reads the arguments as the model wrote them. By default they are a JSON object, and nothing
    /// is an empty one. What it gives is checked against the schema.
    ///
    /// # Errors
    ///
    /// What to tell the model.
    fn read_arguments(&self, written: &str) -> Result<Value, String> {
        read_object(written)
    }

    /// What the user signs in to when this is called. Then they are shown a card, and
    /// [`call`](Self::call) is not what answers.
    fn sign_in(&self) -> Option<Arc<dyn SignIn>> {
        None
    }

    /// Does it. The arguments fit the schema.
    ///
    /// It runs in a task of its own, beside other calls, and must not block its thread. When its time
    /// is over or the turn is stopped, the future is dropped.
    fn call(&self, call: ToolCall) -> ToolFuture<'_>;
}

/// Reads arguments as a JSON object.
fn read_object(written: &str) -> Result<Value, String> {
    let written = written.trim();
    if written.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(written) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("Error: the arguments must be a JSON object. Call the tool again.".to_owned()),
        Err(error) => Err(format!(
            "Error: the arguments are not JSON ({error}). Call the tool again with a JSON object."
        )),
    }
}

/// One call of a tool.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The arguments, which fit the tool's schema.
    pub arguments: Value,
    /// On whose behalf, and from where.
    pub context: ToolContext,
}

/// On whose behalf a tool is called. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToolContext(Arc<RequestContext>);

impl ToolContext {
    /// The context of calls that are made for this request.
    pub fn new(request: RequestContext) -> Self {
        Self(Arc::new(request))
    }

    /// The request that is being answered: the user as authentication knows them, the page they are
    /// on, and what the HTTP layer sent along ([`RequestContext::extension`]).
    pub fn request(&self) -> &RequestContext {
        &self.0
    }
}

/// How a tool is shown, and what it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSettings {
    /// What people read while it runs. Made of its name by default: `get_weather` is “Get weather”.
    pub title: Option<String>,
    /// Icon beside the title.
    pub icon: Option<Icon>,
    /// How long a call may take. 30 s by default.
    pub timeout: Duration,
    /// Longest result that the model is given, in characters; the rest is cut off, and the model is
    /// told so. 20 000 by default.
    pub max_result_chars: usize,
    /// How calls are shown in the chat.
    pub shown: Shown,
    /// Whether the user must consent to each call.
    pub approval: Approval,
    /// Whether it runs in the user's page, as [`PageTool`]s do: then [`Tool::call`] is not what calls
    /// it, and consent is the page's own matter.
    pub in_page: bool,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            title: None,
            icon: None,
            timeout: Duration::from_secs(30),
            max_result_chars: 20_000,
            shown: Shown::Step,
            approval: Approval::Never,
            in_page: false,
        }
    }
}

/// Whether the user must consent to a call before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// No.
    #[default]
    Never,
    /// To each, with its arguments before them.
    Always,
}

/// Which of several tools need the user's consent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum NeedsConsent {
    /// All or none.
    Each(Approval),
    /// Those of these names.
    Only(Vec<String>),
}

impl Default for NeedsConsent {
    fn default() -> Self {
        Self::Each(Approval::Never)
    }
}

impl NeedsConsent {
    /// Whether calls of this tool do.
    pub fn to(&self, name: &str) -> Approval {
        match self {
            Self::Each(approval) => *approval,
            Self::Only(names) if names.iter().any(|known| known == name) => Approval::Always,
            Self::Only(_) => Approval::Never,
        }
    }
}

/// How calls of a tool are shown in the chat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shown {
    /// As a step of the assistant's work, which stays in the conversation with its sources.
    #[default]
    Step,
    /// As a line that goes when the next thing is shown. Costs nothing to keep.
    Progress(String),
}

impl fmt::Debug for dyn Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tool({})", self.spec().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_nothing() {
        assert_eq!(read_object(" "), Ok(serde_json::json!({})));
        assert_eq!(read_object("{\"a\": 1}"), Ok(serde_json::json!({"a": 1})));
        for wrong in ["{", "[]", "3", "null"] {
            assert!(read_object(wrong).is_err_and(|text| text.starts_with("Error: ")), "{wrong}");
        }
    }
}
