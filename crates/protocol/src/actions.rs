//! What happens when somebody uses a widget.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::JsonMap;

/// An action as a client sends it: `{type, payload}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// Name that the integrator gave the action.
    pub r#type: String,
    /// The payload the widget was built with, with form values merged in by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// An action as a widget declares it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionConfig {
    /// Name that the integrator gives the action.
    pub r#type: String,
    /// Sent back with the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Who handles it; the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,
    /// What shows that it is running; `auto` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading_behavior: Option<LoadingBehavior>,
    /// `false` for a sync action, answered with one item update; `true` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Properties that this version does not know, kept as they came.
    #[serde(flatten)]
    pub extra: JsonMap,
}

/// Who handles an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Handler {
    /// The page's `widgets.onAction`.
    Client,
    /// The server, by `threads.custom_action` or `threads.sync_custom_action`.
    Server,
}

/// What shows that an action is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoadingBehavior {
    /// The client decides by the kind of component.
    Auto,
    /// Nothing.
    None,
    /// The component that was used.
    #[serde(rename = "self")]
    Component,
    /// The whole widget.
    Container,
}
