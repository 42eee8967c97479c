//! Tools made of Rust functions.

use std::{future::Future, marker::PhantomData, time::Duration};

use parlor_chatkit::protocol::Icon;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Approval, Tool, ToolCall, ToolContext, ToolError, ToolFuture, ToolOutput, ToolSettings,
};
use crate::model::ToolSpec;

/// A tool made of an async function with typed arguments: their schema comes from the type, and its
/// doc comments tell the model what each is.
///
/// ```
/// use parlor_agent::tools::{FunctionTool, Toolbox, ToolContext};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Stock {
///     /// The article's number, such as `A-1700`.
///     article: String,
/// }
///
/// let stock = FunctionTool::new(
///     "stock",
///     "How many of an article are in stock, and where.",
///     async |Stock { article }: Stock, context: ToolContext| {
///         let user = &context.request().user().id;
///         Ok(format!("{article}: 12 in the warehouse of {user}").into())
///     },
/// )
/// .title("Looking into the warehouse");
/// let tools = Toolbox::new([stock])?;
/// # Ok::<(), parlor_agent::tools::ToolboxError>(())
/// ```
pub struct FunctionTool<A, F> {
    spec: ToolSpec,
    settings: ToolSettings,
    function: F,
    arguments: PhantomData<fn() -> A>,
}

impl<A, F, R> FunctionTool<A, F>
where
    A: JsonSchema + DeserializeOwned + Send + 'static,
    F: Fn(A, ToolContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<ToolOutput, ToolError>> + Send,
{
    /// A tool of this name. `description` tells the model what it does and when to call it.
    pub fn new(name: impl Into<String>, description: impl Into<String>, function: F) -> Self {
        let mut parameters = Value::from(schemars::schema_for!(A));
        // Says where the schema is described, which no model needs.
        if let Some(object) = parameters.as_object_mut() {
            object.remove("$schema");
            object.remove("title");
        }
        Self {
            spec: ToolSpec { name: name.into(), description: description.into(), parameters },
            settings: ToolSettings::default(),
            function,
            arguments: PhantomData,
        }
    }
}

impl<A, F> FunctionTool<A, F> {
    /// What people read while it runs.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.settings.title = Some(title.into());
        self
    }

    /// Icon beside the title.
    #[must_use]
    pub fn icon(mut self, icon: impl Into<Icon>) -> Self {
        self.settings.icon = Some(icon.into());
        self
    }

    /// How long a call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Whether the user must consent to each call.
    #[must_use]
    pub fn approval(mut self, approval: Approval) -> Self {
        self.settings.approval = approval;
        self
    }

    /// Longest result that the model is given, in characters.
    #[must_use]
    pub fn max_result_chars(mut self, chars: usize) -> Self {
        self.settings.max_result_chars = chars;
        self
    }
}

impl<A, F, R> Tool for FunctionTool<A, F>
where
    A: JsonSchema + DeserializeOwned + Send + 'static,
    F: Fn(A, ToolContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<ToolOutput, ToolError>> + Send,
{
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn settings(&self) -> ToolSettings {
        self.settings.clone()
    }

    fn call(&self, call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async move {
            // The schema is the type's, but a type may refuse what its schema allows.
            let arguments = serde_json::from_value(call.arguments).map_err(|error| {
                ToolError::new(format!("The arguments cannot be used: {error}."))
            })?;
            (self.function)(arguments, call.context).await
        })
    }
}
