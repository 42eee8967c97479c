//! What is remembered of an agent's run: an item of the thread that clients don't see.
//!
//! Agents know messages by their own ids, and want to see their calls and results again. So what a
//! run has said is kept as the agent said it, beside the items that people see of it.

use parlor_chatkit::protocol::{HiddenContextItem, ItemId, ThreadItem, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::events::Interrupt;
use crate::approval::{Decision, Waiting};
use crate::tools::{ToolCallRequest, titled};

/// The key under which a hidden item holds it.
const KEY: &str = "parlor.agent_run";

/// Longest record that is stored whole, in bytes of JSON.
const MAX_BYTES: usize = 256 * 1024;

/// Longest result of a tool in a record that would be longer, in characters.
const CUT_RESULT_CHARS: usize = 2_000;

/// What is remembered of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What the run added to the conversation, as messages of AG-UI.
    pub(crate) messages: Vec<Value>,
    /// The items that people see of it.
    pub(crate) items: Vec<ItemId>,
    /// The agent's state after the run, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Value>,
    /// Calls of tools of the page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) page_calls: Vec<ToolCallRequest>,
    /// What the run waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<Question>,
    /// Until when that can be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// Whether the agent was told the answers.
    #[serde(default)]
    pub(crate) told: bool,
}

/// What a run waits for, and how it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The agent's id of it.
    pub(crate) interrupt: String,
    /// What an answer looks like to the agent.
    pub(crate) form: Form,
    /// How it is shown, and what was decided.
    pub(crate) waiting: Waiting,
    /// What was written, where something is to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<String>,
}

/// What an answer looks like to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// `{"approved": true}`.
    Approved,
    /// `true`.
    Bool,
    /// `{"decisions": [{"type": "approve"}, …]}`, one for each of so many actions: LangChain's.
    Decisions(usize),
    /// A text of the user's.
    Text,
    /// One of these texts.
    Choice(Vec<String>),
}

impl Form {
    /// What this interrupt wants to be answered with.
    fn of(interrupt: &Interrupt) -> Self {
        let schema = interrupt.response_schema.as_ref().unwrap_or(&Value::Null);
        if let Some(actions) = raw(interrupt)["action_requests"].as_array() {
            return Self::Decisions(actions.len());
        }
        let options = schema["enum"].as_array().into_iter().flatten();
        let options: Vec<String> =
            options.filter_map(|option| option.as_str().map(str::to_owned)).take(20).collect();
        match schema["type"].as_str() {
            _ if !options.is_empty() => Self::Choice(options),
            Some("boolean") => Self::Bool,
            Some("string") => Self::Text,
            _ => Self::Approved,
        }
    }

    /// Whether it is answered with two buttons.
    pub(crate) fn is_consent(&self) -> bool {
        !matches!(self, Self::Text | Self::Choice(_))
    }
}

/// What LangGraph was given to interrupt with.
fn raw(interrupt: &Interrupt) -> &Value {
    let metadata = interrupt.metadata.as_ref().unwrap_or(&Value::Null);
    &metadata["langgraph"]["raw"]
}

impl Question {
    /// What to ask, given the calls of the run.
    pub(crate) fn new(interrupt: Interrupt, calls: &[ToolCallRequest], widget: ItemId) -> Self {
        let call = interrupt
            .tool_call_id
            .as_ref()
            .and_then(|id| calls.iter().find(|call| call.call_id == *id));
        let message = interrupt.message.as_deref().filter(|message| !message.trim().is_empty());
        let action = &raw(&interrupt)["action_requests"][0];
        let (name, arguments) = match call {
            Some(call) => (call.name.clone(), call.arguments.clone()),
            None => match action["name"].as_str() {
                Some(name) => {
                    let arguments = action.get("args").or_else(|| action.get("arguments"));
                    (name.to_owned(), arguments.unwrap_or(&Value::Null).to_string())
                }
                None => match &interrupt.arguments {
                    Some(arguments) => (String::new(), arguments.to_string()),
                    None => (String::new(), details(&interrupt)),
                },
            },
        };
        let title = match (name.as_str(), message) {
            ("", Some(message)) => message.chars().take(300).collect(),
            ("", None) => titled(interrupt.reason.rsplit(':').next().unwrap_or_default()),
            (name, _) => titled(name),
        };
        let call_id = interrupt.tool_call_id.clone().unwrap_or_else(|| interrupt.id.clone());
        Self {
            form: Form::of(&interrupt),
            waiting: Waiting {
                call: ToolCallRequest { call_id, name, arguments },
                title,
                widget,
                decision: Decision::Pending,
                sign_in: None,
            },
            interrupt: interrupt.id,
            answer: None,
        }
    }

    /// What the agent is told.
    pub(crate) fn resume(&self) -> Value {
        let approved = self.waiting.decision == Decision::Approved;
        let payload = match (&self.form, self.waiting.decision) {
            (_, Decision::Pending | Decision::PassedOver | Decision::Expired) => {
                return json!({"interruptId": self.interrupt, "status": "cancelled"});
            }
            (Form::Approved, _) => json!({ "approved": approved }),
            (Form::Bool, _) => approved.into(),
            (Form::Decisions(count), _) => {
                let kind = if approved { "approve" } else { "reject" };
                json!({"decisions": vec![json!({ "type": kind }); (*count).min(100)]})
            }
            (Form::Text | Form::Choice(_), _) => self.answer.clone().unwrap_or_default().into(),
        };
        json!({"interruptId": self.interrupt, "status": "resolved", "payload": payload})
    }
}

/// What LangGraph's `interrupt` was given besides what the protocol names.
fn details(interrupt: &Interrupt) -> String {
    let known = ["message", "reason", "toolCallId", "tool_call_id", "responseSchema"];
    let known = |key: &str| known.contains(&key) || key == "response_schema" || key == "expiresAt";
    let raw = raw(interrupt).as_object().into_iter().flatten();
    let details =
        raw.filter(|(key, _)| !known(key)).map(|(key, value)| (key.clone(), value.clone()));
    Value::Object(details.collect()).to_string()
}

impl Record {
    /// The record of an item that has one.
    pub(crate) fn of(item: &ThreadItem) -> Option<(HiddenContextItem, Self)> {
        let ThreadItem::HiddenContext(item) = item else { return None };
        let record = serde_json::from_value(item.content.get(KEY)?.clone()).ok()?;
        Some((item.clone(), record))
    }

    /// Whether a hidden item holds one.
    pub(crate) fn is_in(item: &HiddenContextItem) -> bool {
        item.content.get(KEY).is_some()
    }

    /// What a hidden item holds of it.
    pub(crate) fn content(&self) -> Value {
        json!({ KEY: self })
    }

    /// Not longer than is stored.
    pub(crate) fn bounded(mut self) -> Self {
        let length = |record: &Self| serde_json::to_string(record).map_or(0, |json| json.len());
        if length(&self) <= MAX_BYTES {
            return self;
        }
        for message in self.messages.iter_mut().filter(|message| message["role"] == "tool") {
            let content = super::events::text_of_parts(&message["content"]);
            if content.chars().count() > CUT_RESULT_CHARS {
                let cut: String = content.chars().take(CUT_RESULT_CHARS).collect();
                message["content"] = format!("{cut}… (cut off)").into();
            }
        }
        if length(&self) > MAX_BYTES && self.state.is_some() {
            tracing::warn!("the agent's state is too long to be kept");
            self.state = None;
        }
        if length(&self) > MAX_BYTES {
            tracing::warn!("a run is too long to be told to the agent again; its text is");
            self.messages.clear();
            self.items.clear();
        }
        self
    }

    /// Whether somebody has to answer something.
    pub(crate) fn waits(&self) -> bool {
        !self.told && !self.questions.is_empty()
    }

    /// Whether a question has no answer yet.
    pub(crate) fn has_pending(&self) -> bool {
        self.questions.iter().any(|question| question.waiting.decision == Decision::Pending)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn question(interrupt: Value, decision: Decision) -> Question {
        let interrupt = serde_json::from_value(interrupt).unwrap();
        let call = ToolCallRequest {
            call_id: "c1".into(),
            name: "cancel_order".into(),
            arguments: "{\"number\":\"A-1\"}".into(),
        };
        let mut question = Question::new(interrupt, &[call], "wdg_1".into());
        question.waiting.decision = decision;
        question
    }

    #[test]
    fn an_answer_has_the_form_that_the_agent_wants() {
        let plain = json!({"id": "i", "reason": "tool_call", "toolCallId": "c1"});
        let asked = question(plain.clone(), Decision::Approved);
        assert_eq!(asked.waiting.title, "Cancel order");
        assert!(asked.waiting.call.arguments.contains("A-1"));
        assert_eq!(
            asked.resume(),
            json!({"interruptId": "i", "status": "resolved", "payload": {"approved": true}})
        );
        let denied = question(plain.clone(), Decision::Denied).resume();
        assert_eq!(denied["payload"], json!({"approved": false}));
        let cancelled = question(plain, Decision::PassedOver).resume();
        assert_eq!(cancelled, json!({"interruptId": "i", "status": "cancelled"}));
        let bool = json!({"id": "i", "reason": "r", "responseSchema": {"type": "boolean"}});
        assert_eq!(question(bool, Decision::Denied).resume()["payload"], false);
        let actions = json!({"id": "i", "reason": "langgraph:interrupt", "metadata": {"langgraph":
            {"raw": {"action_requests": [{"name": "send_mail", "args": {"to": "x"}}]}}}});
        let asked = question(actions, Decision::Approved);
        assert_eq!(
            (asked.waiting.title.as_str(), asked.waiting.call.arguments.as_str()),
            ("Send mail", "{\"to\":\"x\"}")
        );
        assert_eq!(asked.resume()["payload"], json!({"decisions": [{"type": "approve"}]}));
    }

    #[test]
    fn what_langgraph_was_interrupted_with_is_shown() {
        let asked = question(
            json!({"id": "i", "reason": "r", "message": "Cancel it?", "metadata": {"langgraph":
                {"raw": {"message": "Cancel it?", "order": "A-1"}}}}),
            Decision::Pending,
        );
        assert_eq!(asked.waiting.title, "Cancel it?");
        assert_eq!(asked.waiting.call.arguments, "{\"order\":\"A-1\"}");
    }

    #[test]
    fn a_record_that_is_too_long_keeps_what_fits() {
        let long = "x".repeat(MAX_BYTES);
        let tool = json!({"id": "t", "role": "tool", "toolCallId": "c", "content": long});
        let record = Record { messages: vec![tool], ..Record::default() }.bounded();
        assert!(record.messages[0]["content"].as_str().unwrap().len() < 3_000);
        let record = Record { state: Some(long.clone().into()), ..Record::default() }.bounded();
        assert_eq!(record.state, None);
        let text = json!({"id": "t", "role": "assistant", "content": long});
        let items = vec![ItemId::new("msg_1")];
        let record = Record { messages: vec![text], items, ..Record::default() }.bounded();
        assert_eq!(record, Record::default(), "the item's text is told instead");
    }
}
