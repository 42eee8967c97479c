//! The events of a run, and how AG-UI writes them: bytes in, events out. No I/O.
//!
//! The names and fields are those of AG-UI 1.0; those of its predecessors that agents still send
//! (`THINKING_*`) are read as well. Lenient where nothing is lost by it: an unknown event is left out, as
//! are the fields that nobody here reads, of which some are long.

use std::collections::VecDeque;

use parlor_chatkit::protocol::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::RemoteError;
use super::error::shortened;
use crate::sse::{SseDecoder, SseError};

/// What an agent does in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEvent {
    /// A message of the assistant begins.
    TextStart {
        /// Its id, as the agent calls it.
        message: String,
    },
    /// More of a message.
    Text {
        /// Which; empty for the one that is being written.
        message: String,
        /// The text.
        delta: String,
    },
    /// A message is whole.
    TextEnd {
        /// Which.
        message: String,
    },
    /// A tool is called.
    ToolStart {
        /// The call's id.
        call: String,
        /// The tool.
        name: String,
    },
    /// Calls of this tool are the page's to make.
    PageTool {
        /// The tool.
        name: String,
    },
    /// More of a call's arguments.
    ToolArguments {
        /// The call; empty for the last one.
        call: String,
        /// A piece of JSON.
        delta: String,
    },
    /// A call's arguments are whole.
    ToolEnd {
        /// The call.
        call: String,
    },
    /// What a tool gave back.
    ToolResult {
        /// The call.
        call: String,
        /// The id of the tool's message.
        message: String,
        /// The text of it.
        content: String,
        /// Whether the agent says that the tool failed.
        failed: bool,
    },
    /// More of what the agent thinks, as far as it is shown.
    Thought {
        /// The text.
        delta: String,
    },
    /// A thought is whole.
    ThoughtEnd,
    /// A step of the agent's work begins.
    Step {
        /// What it is called.
        name: String,
    },
    /// Another agent works for this one.
    SubagentStart {
        /// That piece of work.
        id: String,
        /// What the other one is called.
        name: String,
    },
    /// Another agent has done its work.
    SubagentEnd {
        /// That piece of work.
        id: String,
        /// Whether it could not.
        failed: bool,
    },
    /// The agent's state is this.
    State(Value),
    /// The agent's state changes: a JSON Patch.
    StatePatch(Value),
    /// The conversation as the agent knows it.
    Messages(Vec<Value>),
    /// The run is over.
    Finished {
        /// How.
        outcome: Outcome,
        /// Tokens of question and answer, if the agent says so.
        tokens: Option<u64>,
    },
}

/// How a run has ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is complete.
    Success,
    /// It goes on when these are answered.
    Interrupted(Vec<Interrupt>),
    /// Somebody stopped it at the agent's side.
    Cancelled,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interrupt {
    /// Its id, by which it is answered.
    pub id: String,
    /// Why, in a word.
    #[serde(default)]
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: Option<String>,
    /// The call that waits, if it is one.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// What an answer looks like: JSON Schema.
    #[serde(default)]
    pub response_schema: Option<Value>,
    /// Until when it can be answered. What is no time is none.
    #[serde(default, deserialize_with = "time_if_it_is_one")]
    pub expires_at: Option<Timestamp>,
    /// What else the agent says about it.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// What is to be shown with it, where that is not a call's arguments. Not of AG-UI.
    #[serde(skip)]
    pub arguments: Option<Value>,
}

fn time_if_it_is_one<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Value::deserialize(deserializer).map(|value| Timestamp::deserialize(value).ok())
}

/// Every field of every event that is read. Those of other types than expected are as if they were
/// not there.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    r#type: Value,
    message_id: Value,
    role: Value,
    delta: Value,
    tool_call_id: Value,
    tool_call_name: Value,
    content: Value,
    error: Value,
    step_name: Value,
    subagent_run_id: Value,
    name: Value,
    snapshot: Value,
    messages: Value,
    outcome: Value,
    usage: Value,
    message: Value,
    code: Value,
}

/// Decodes the server-sent events of an AG-UI run.
///
/// What comes out does not depend on how the bytes are cut into chunks.
#[derive(Debug)]
pub struct AgUiDecoder {
    sse: SseDecoder,
    reader: Reader,
}

/// What reading an event changes.
#[derive(Debug, Default)]
struct Reader {
    events: VecDeque<AgentEvent>,
    failure: Option<RemoteError>,
    over: bool,
    /// The message or call that chunks without an id belong to.
    chunk_message: String,
    chunk_call: String,
}

impl AgUiDecoder {
    /// A decoder that takes events of at most `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { sse: SseDecoder::new(limit_bytes), reader: Reader::default() }
    }

    /// Takes the next bytes. Those after the run's end are not looked at.
    pub fn push(&mut self, chunk: &[u8]) {
        let Self { sse, reader } = self;
        if reader.is_over() {
            return;
        }
        if let Err(error) = sse.push(chunk, |event| reader.read(event.data)) {
            reader.fail(error.into());
        }
    }

    /// Says that the bytes have ended, properly.
    pub fn end(&mut self) {
        let Self { sse, reader } = self;
        if let Err(error) = sse.finish(|event| reader.read(event.data)) {
            reader.fail(error.into());
        }
        self.fail(RemoteError::Cut { detail: "the stream ended before the run did".to_owned() });
    }

    /// Says that no more bytes come, and why.
    pub fn fail(&mut self, error: RemoteError) {
        self.reader.fail(error);
    }

    /// The next event, if the bytes so far hold one. Nothing comes after [`AgentEvent::Finished`]
    /// or an error.
    pub fn next_event(&mut self) -> Option<Result<AgentEvent, RemoteError>> {
        let reader = &mut self.reader;
        if let Some(event) = reader.events.pop_front() {
            return Some(Ok(event));
        }
        let error = reader.failure.take()?;
        reader.over = true;
        Some(Err(error))
    }

    /// Whether the run is over, well or not. Events may wait to be taken.
    pub fn is_over(&self) -> bool {
        self.reader.is_over()
    }
}

impl From<SseError> for RemoteError {
    fn from(error: SseError) -> Self {
        Self::Malformed { detail: error.to_string() }
    }
}

impl Reader {
    fn is_over(&self) -> bool {
        self.over || self.failure.is_some()
    }

    /// Nothing comes after the end of a run, and no error either.
    fn fail(&mut self, error: RemoteError) {
        if !self.is_over() {
            self.failure = Some(error);
        }
    }

    fn read(&mut self, data: &str) {
        if self.is_over() || data.trim().is_empty() {
            return;
        }
        let wire = match serde_json::from_str::<Wire>(data) {
            Ok(wire) if wire.r#type.is_string() => wire,
            // Words may be missing from here on: an answer with a hole must not pass for whole.
            _ => {
                let detail = format!("an event of {} bytes is no event of AG-UI", data.len());
                return self.fail(RemoteError::Malformed { detail });
            }
        };
        self.event(wire);
    }

    fn event(&mut self, wire: Wire) {
        let kind = text(&wire.r#type);
        // What is said to another agent is none of the answer; that it works is shown.
        let is_subagents = wire.subagent_run_id.is_string();
        let is_assistants = wire.role.as_str().is_none_or(|role| role == "assistant");
        if kind != "TEXT_MESSAGE_CHUNK" {
            self.chunk_message.clear();
        }
        if kind != "TOOL_CALL_CHUNK" {
            self.chunk_call.clear();
        }
        let message = text(&wire.message_id);
        let call = text(&wire.tool_call_id);
        let event = match kind.as_str() {
            "TEXT_MESSAGE_START" if !is_subagents && is_assistants => {
                AgentEvent::TextStart { message }
            }
            "TEXT_MESSAGE_CONTENT" if !is_subagents => {
                AgentEvent::Text { message, delta: text(&wire.delta) }
            }
            "TEXT_MESSAGE_END" if !is_subagents => AgentEvent::TextEnd { message },
            "TEXT_MESSAGE_CHUNK" if !is_subagents && is_assistants => {
                if !message.is_empty() && message != self.chunk_message {
                    self.chunk_message.clone_from(&message);
                    self.events.push_back(AgentEvent::TextStart { message });
                }
                let message = self.chunk_message.clone();
                AgentEvent::Text { message, delta: text(&wire.delta) }
            }
            "TOOL_CALL_START" => AgentEvent::ToolStart { call, name: text(&wire.tool_call_name) },
            "TOOL_CALL_ARGS" => AgentEvent::ToolArguments { call, delta: text(&wire.delta) },
            "TOOL_CALL_END" => AgentEvent::ToolEnd { call },
            "TOOL_CALL_CHUNK" => {
                if !call.is_empty() && call != self.chunk_call {
                    self.chunk_call.clone_from(&call);
                    let name = text(&wire.tool_call_name);
                    self.events.push_back(AgentEvent::ToolStart { call, name });
                }
                let call = self.chunk_call.clone();
                AgentEvent::ToolArguments { call, delta: text(&wire.delta) }
            }
            "TOOL_CALL_RESULT" => AgentEvent::ToolResult {
                call,
                message,
                content: text_of_parts(&wire.content),
                failed: wire.error.is_string(),
            },
            "REASONING_MESSAGE_CONTENT"
            | "REASONING_MESSAGE_CHUNK"
            | "THINKING_TEXT_MESSAGE_CONTENT"
                if !is_subagents =>
            {
                AgentEvent::Thought { delta: text(&wire.delta) }
            }
            "REASONING_MESSAGE_END"
            | "REASONING_END"
            | "THINKING_TEXT_MESSAGE_END"
            | "THINKING_END" => AgentEvent::ThoughtEnd,
            "STEP_STARTED" => AgentEvent::Step { name: text(&wire.step_name) },
            "SUBAGENT_STARTED" => AgentEvent::SubagentStart {
                id: text(&wire.subagent_run_id),
                name: text(&wire.name),
            },
            "SUBAGENT_FINISHED" | "SUBAGENT_ERROR" => AgentEvent::SubagentEnd {
                id: text(&wire.subagent_run_id),
                failed: kind == "SUBAGENT_ERROR",
            },
            // Another agent's state is a part of this one's, or none of it.
            "STATE_SNAPSHOT" if !is_subagents => AgentEvent::State(wire.snapshot),
            "STATE_DELTA" if !is_subagents => AgentEvent::StatePatch(wire.delta),
            "MESSAGES_SNAPSHOT" => match wire.messages {
                Value::Array(messages) => AgentEvent::Messages(messages),
                _ => return,
            },
            "RUN_FINISHED" => {
                self.over = true;
                AgentEvent::Finished {
                    outcome: Outcome::read(&wire.outcome),
                    tokens: tokens(&wire.usage),
                }
            }
            "RUN_ERROR" => {
                return self.fail(RemoteError::Failed {
                    code: shortened(&text(&wire.code)),
                    detail: shortened(&text(&wire.message)),
                });
            }
            _ => return,
        };
        self.events.push_back(event);
    }
}

impl Outcome {
    fn read(outcome: &Value) -> Self {
        match outcome["type"].as_str() {
            Some("interrupt") => {
                let interrupts = outcome["interrupts"].as_array().into_iter().flatten();
                let read = |interrupt| Interrupt::deserialize(interrupt).ok();
                Self::Interrupted(interrupts.filter_map(read).collect())
            }
            Some("cancelled") => Self::Cancelled,
            // An outcome that nobody here knows is none, as the protocol says.
            _ => Self::Success,
        }
    }
}

/// All tokens of a run that used any number of models.
fn tokens(usage: &Value) -> Option<u64> {
    let of = |entry: &Value| {
        entry["totalTokens"].as_u64().or_else(|| {
            Some(entry["inputTokens"].as_u64()?.saturating_add(entry["outputTokens"].as_u64()?))
        })
    };
    let counts: Vec<u64> = usage.as_array()?.iter().filter_map(of).collect();
    counts.into_iter().reduce(u64::saturating_add)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The text of a message's content, which is one text or a list of parts.
pub(crate) fn text_of_parts(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut decoder = AgUiDecoder::new(1_000_000);
        let mut events = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            events.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        decoder.end();
        events.extend(std::iter::from_fn(|| decoder.next_event()));
        events.into_iter().map(|event| format!("{event:?}")).collect()
    }

    fn stream(events: &[Value]) -> String {
        events.iter().map(|event| format!("data: {event}\n\n")).collect()
    }

    fn events(events: &[Value]) -> Vec<Result<AgentEvent, RemoteError>> {
        let mut decoder = AgUiDecoder::new(1_000_000);
        decoder.push(stream(events).as_bytes());
        decoder.end();
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    #[test]
    fn chunks_are_starts_and_deltas() {
        let read = events(&[
            json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "m1", "delta": "He"}),
            json!({"type": "TEXT_MESSAGE_CHUNK", "delta": "llo"}),
            json!({"type": "TOOL_CALL_CHUNK", "toolCallId": "c1", "toolCallName": "f", "delta": "{"}),
            json!({"type": "TOOL_CALL_CHUNK", "delta": "}"}),
            json!({"type": "RUN_FINISHED"}),
        ]);
        let delta = |delta: &str| AgentEvent::Text { message: "m1".into(), delta: delta.into() };
        let arguments =
            |delta: &str| AgentEvent::ToolArguments { call: "c1".into(), delta: delta.into() };
        let expected = [
            AgentEvent::TextStart { message: "m1".into() },
            delta("He"),
            delta("llo"),
            AgentEvent::ToolStart { call: "c1".into(), name: "f".into() },
            arguments("{"),
            arguments("}"),
            AgentEvent::Finished { outcome: Outcome::Success, tokens: None },
        ];
        assert_eq!(read, expected.map(Ok));
    }

    #[test]
    fn what_is_unknown_is_left_out_and_what_is_broken_is_an_error() {
        let read = events(&[
            json!({"type": "RAW", "event": {"content": [1, 2]}, "content": 5}),
            json!({"type": "SOMETHING_NEW", "messageId": 7}),
            json!({"type": "TEXT_MESSAGE_START", "messageId": "u", "role": "user"}),
            json!({"type": "RUN_FINISHED", "outcome": {"type": "new"}, "usage": [
                {"inputTokens": 3, "outputTokens": 4}, {"totalTokens": 5}]}),
            json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "after the end"}),
        ]);
        let done = AgentEvent::Finished { outcome: Outcome::Success, tokens: Some(12) };
        assert_eq!(read, [Ok(done)]);
        for broken in ["data: {\n\n", "data: []\n\n", "data: {\"type\": 5}\n\n", "data: x"] {
            let read = decode([broken.as_bytes()]);
            assert!(read.len() == 1 && read[0].contains("Malformed"), "{broken:?}: {read:?}");
        }
        assert!(decode([&b""[..]])[0].contains("Cut"));
    }

    #[test]
    fn interrupts_are_read() {
        let read = events(&[json!({"type": "RUN_FINISHED", "outcome": {"type": "interrupt",
            "interrupts": [{"id": "i1", "reason": "tool_call", "toolCallId": "c1"}, 5]}})]);
        let Ok(AgentEvent::Finished { outcome: Outcome::Interrupted(interrupts), .. }) = &read[0]
        else {
            panic!("{read:?}");
        };
        assert_eq!(interrupts.len(), 1);
        assert_eq!(interrupts[0].tool_call_id.as_deref(), Some("c1"));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "data: {\"type\":\"TEXT_MESSAGE_START\",\"messageId\":\"é\"}\n\n",
                    "data: {\"type\":\"TEXT_MESSAGE_CONTENT\",\"messageId\":\"é\",\"delta\":\"👋\"}\n\n",
                    "data: {\"type\":\"TEXT_MESSAGE_CHUNK\",\"delta\":\"x\"}\r\n\r\n",
                    "data: {\"type\":\"TOOL_CALL_CHUNK\",\"toolCallId\":\"c\"}\n\n",
                    "data: {\"type\":\"RUN_FINISHED\"}\n\n",
                    "data: {\"type\":\"RUN_ERROR\",\"message\":\"no\"}\n\n",
                    "data: {\"type\":", "\"X\"}\n\n", ": hello\n\n", "\n", "data: ", "{", "\r", "é",
                ]),
                0..30,
            ),
            cuts in prop::collection::vec(0usize..1_000, 0..20),
        ) {
            let stream = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let (mut chunks, mut from) = (Vec::new(), 0);
            for cut in cuts {
                chunks.push(&stream[from..cut]);
                from = cut;
            }
            chunks.push(&stream[from..]);
            prop_assert_eq!(decode(chunks), decode([stream.as_slice()]));
        }
    }
}
