//! A hand-off to another agent, as a tool.

use parlor_chatkit::protocol::Icon;
use serde_json::json;

use super::{Shown, Tool, ToolCall, ToolError, ToolFuture, ToolSettings};
use crate::model::ToolSpec;
use crate::prompt::line;
use crate::team::{NamedAgent, TRANSFER};

/// Longest reason that is told on, in characters.
const MAX_REASON: usize = 500;

/// Hands the conversation to another agent.
pub(crate) struct HandOff {
    name: String,
    description: String,
}

impl HandOff {
    /// To this agent, whom people know by this title.
    pub(crate) fn to(agent: &NamedAgent, title: &str) -> Self {
        let description = format!(
            "Hands the conversation to {title}, who goes on with it at once. {} Call it alone, and \
             say nothing of it to the user.",
            agent.description.trim()
        );
        Self { name: Self::name(&agent.name), description }
    }

    /// What the tool for this agent is called.
    pub(crate) fn name(agent: &str) -> String {
        format!("{TRANSFER}{agent}")
    }

    /// The result that the agent is told who goes on. The reason is another model's word: it stands on
    /// one line and cannot close a tag.
    pub(crate) fn told(title: &str, arguments: &str) -> String {
        let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
        let reason = line(arguments["reason"].as_str().unwrap_or_default(), MAX_REASON);
        let reason = if reason.is_empty() { "none was given".to_owned() } else { reason };
        format!(
            "The conversation was handed to you: you are {title} now. The reason: {reason}\nGo on \
             with what the user wants, without greeting them again."
        )
    }
}

impl Tool for HandOff {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "reason": {
                        "type": "string",
                        "description": "Why, and what the user wants: the other reads it.",
                    },
                },
                "required": ["reason"],
                "additionalProperties": false,
            }),
        }
    }

    fn settings(&self) -> ToolSettings {
        // One that is made is a step; this is for one that is not.
        let shown = Shown::Progress("Looking for who can help…".to_owned());
        ToolSettings { icon: Some(Icon::from_static("agent")), shown, ..ToolSettings::default() }
    }

    /// The responder hands over by itself; what is called as any other tool cannot be done.
    fn call(&self, _call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async {
            Err(ToolError::new(
                "the conversation was not handed over: that is done once in a round, without calls \
                 that wait for the user, and a few times in a turn at most. Go on yourself.",
            ))
        })
    }
}
