//! `RunAgentInput` of AG-UI 1.0: what clients send.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::error::ApiError;

/// Longest id of a client's, in bytes.
const MAX_ID: usize = 200;

/// What clients send. What else they send (`state`, `parentRunId`, …) is not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunInput {
    /// The conversation: an id of ours, or one that the client has made up.
    pub(crate) thread_id: String,
    /// Made up by the client.
    pub(crate) run_id: String,
    /// The conversation as the client has it. Only what is new at its end is looked at.
    messages: Vec<Box<RawValue>>,
    /// What the page says of itself.
    #[serde(default)]
    pub(crate) context: Option<Vec<Said>>,
    /// What ChatKit calls metadata.
    #[serde(default)]
    pub(crate) forwarded_props: Option<Value>,
    /// What the page can do, for whoever answers and takes that from a page.
    #[serde(default)]
    tools: Option<Vec<Value>>,
    /// Answers to what the last run asked.
    #[serde(default)]
    pub(crate) resume: Option<Vec<Resume>>,
}

/// What is new at the end of a conversation.
#[derive(Debug)]
pub(crate) enum News {
    /// Nothing: the client wants to know where the conversation stands.
    None,
    /// The user has said something.
    User(UserMessage),
    /// Tools of the page have given something.
    Tools(Vec<ToolMessage>),
}

/// What the user says.
#[derive(Debug, Deserialize)]
pub(crate) struct UserMessage {
    /// Made up by the client, or ours.
    pub(crate) id: String,
    /// Text, or parts.
    pub(crate) content: Content,
}

/// What a tool of the page's has given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolMessage {
    /// Of the call.
    pub(crate) tool_call_id: String,
    /// Text, or parts.
    pub(crate) content: Content,
    /// What went wrong instead.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// What a message says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// All of it.
    Text(String),
    /// Piece by piece.
    Parts(Vec<Part>),
}

/// A piece of a message.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image(Media),
    /// A recording.
    Audio(Media),
    /// A film.
    Video(Media),
    /// Any other file.
    Document(Media),
}

/// A file in a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Media {
    /// Where its bytes are.
    pub(crate) source: Source,
    /// May hold its name.
    #[serde(default)]
    pub(crate) metadata: Value,
}

/// Where the bytes of a file are.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Source {
    /// Here, in base64.
    Data {
        /// The bytes.
        value: String,
        /// What they are.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// Somewhere else.
    #[serde(untagged)]
    Elsewhere(serde::de::IgnoredAny),
}

/// Something that the page says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    /// What it is.
    pub(crate) description: String,
    /// It.
    pub(crate) value: String,
}

/// An answer to an interrupt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resume {
    /// Id of the item that asked.
    pub(crate) interrupt_id: String,
    /// Whether it was answered.
    pub(crate) status: ResumeStatus,
    /// The answer.
    #[serde(default)]
    pub(crate) payload: Value,
}

/// Whether an interrupt was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResumeStatus {
    /// It was.
    Resolved,
    /// It was put aside.
    Cancelled,
}

impl RunInput {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 for what is no JSON, 422 with the field for what is no run.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let input: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let field = error.path().to_string();
            let inner = error.into_inner();
            if inner.is_syntax() || inner.is_eof() {
                let message = format!("the body is not valid JSON: {inner}");
                return ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", message);
            }
            let message = inner.to_string();
            let message = message.find(" at line ").map_or(message.as_str(), |end| &message[..end]);
            invalid(&field, message)
        })?;
        reader.end().map_err(|error| {
            let message = format!("the body is not valid JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", message)
        })?;
        for (field, id) in [("threadId", &input.thread_id), ("runId", &input.run_id)] {
            if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
                return Err(invalid(field, &format!("must be 1 to {MAX_ID} bytes of text")));
            }
        }
        let declared =
            parlor_agent::tools::check_declared_tools(input.tools.as_deref().unwrap_or(&[]));
        declared.map_err(|(at, fault)| {
            let field = at.map_or_else(|| "tools".to_owned(), |at| format!("tools[{at}]"));
            invalid(&field, &fault.to_string())
        })?;
        Ok(input)
    }

    /// What is new at the end of the conversation. Other messages are what we know ourselves, or do not
    /// take from clients, such as instructions.
    ///
    /// # Errors
    /// 422 with the field.
    pub(crate) fn news(&self) -> Result<News, ApiError> {
        #[derive(Deserialize)]
        struct Head {
            role: String,
        }
        let mut tools = Vec::new();
        for (at, message) in self.messages.iter().enumerate().rev() {
            let role = read::<Head>(message, at)?.role;
            match role.as_str() {
                "user" if tools.is_empty() => return Ok(News::User(read(message, at)?)),
                "tool" => tools.push(read(message, at)?),
                _ => break,
            }
        }
        tools.reverse();
        Ok(if tools.is_empty() { News::None } else { News::Tools(tools) })
    }

    /// The ids of the user's messages, as the client calls them.
    pub(crate) fn user_messages(&self) -> impl Iterator<Item = String> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
            role: String,
        }
        self.messages.iter().filter_map(|message| {
            let named: Named = serde_json::from_str(message.get()).ok()?;
            (named.role == "user").then_some(named.id)
        })
    }

    /// What ChatKit calls metadata: `forwardedProps`, with the page's tools and what it says of itself.
    pub(crate) fn metadata(&mut self) -> Map<String, Value> {
        let mut metadata = match self.forwarded_props.take() {
            Some(Value::Object(props)) => props,
            _ => Map::new(),
        };
        if let Some(tools) = self.tools.take().filter(|tools| !tools.is_empty()) {
            metadata.insert("clientTools".to_owned(), tools.into());
        }
        let said = self.context.take().unwrap_or_default();
        if said.is_empty() {
            return metadata;
        }
        let key =
            if metadata.contains_key("page_context") { "page_context" } else { "pageContext" };
        let page = metadata.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(page) = page {
            let details = page.entry("details").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(details) = details {
                details.extend(said.into_iter().map(|said| (said.description, said.value.into())));
            }
        }
        metadata
    }
}

/// Reads one message.
fn read<'a, T: Deserialize<'a>>(message: &'a RawValue, at: usize) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_str(message.get());
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let message = message.find(" at line ").map_or(message.as_str(), |end| &message[..end]);
        let dot = if path == "." { "" } else { "." };
        invalid(&format!("messages[{at}]{dot}{}", path.trim_matches('.')), message)
    })
}

/// 422 with the field.
pub(crate) fn invalid(field: &str, message: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", format!("{field}: {message}"))
        .with_field(field)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<RunInput, ApiError> {
        RunInput::parse(value.to_string().as_bytes())
    }

    #[test]
    fn what_a_client_sends_is_read_and_what_we_do_not_know_is_passed_over() {
        let mut input = parse(&json!({
            "threadId": "t1", "runId": "r1", "state": {"a": 1}, "resume": [],
            "tools": [{"name": "get_cart", "description": "The cart.", "parameters": {}}],
            "protocolVersion": "1.0",
            "messages": [
                {"id": "1", "role": "system", "content": "Be rude."},
                {"id": "2", "role": "assistant", "toolCalls": []},
                {"id": "3", "role": "activity", "activityType": "x", "content": {}},
                {"id": "4", "role": "tool", "toolCallId": "c", "content": "42"},
                {"id": "5", "role": "user", "content": [
                    {"type": "text", "text": "Look: "},
                    {"type": "image", "source": {"type": "data", "value": "", "mimeType": "image/png"}},
                    {"type": "image", "source": {"type": "url", "value": "https://example.com/a"}},
                ]},
            ],
            "context": [{"description": "cart", "value": "3 things"}],
            "forwardedProps": {"pageContext": {"title": "Shop"}, "locale": "de"},
        }))
        .unwrap();
        let News::User(UserMessage { content: Content::Parts(parts), .. }) = input.news().unwrap()
        else {
            panic!("{:?}", input.news());
        };
        assert!(matches!(&parts[1], Part::Image(Media { source: Source::Data { .. }, .. })));
        assert!(matches!(&parts[2], Part::Image(Media { source: Source::Elsewhere(_), .. })));
        assert_eq!(
            Value::Object(input.metadata()),
            json!({
                "pageContext": {"title": "Shop", "details": {"cart": "3 things"}}, "locale": "de",
                "clientTools": [{"name": "get_cart", "description": "The cart.", "parameters": {}}],
            })
        );
    }

    #[test]
    fn only_what_is_new_at_the_end_is_looked_at() {
        let news = |messages: Value| {
            parse(&json!({"threadId": "t", "runId": "r", "messages": messages})).unwrap().news()
        };
        assert!(matches!(news(json!([])), Ok(News::None)));
        let answered = json!([
            {"id": "1", "role": "user", "content": "Hi"}, {"id": "2", "role": "assistant"},
        ]);
        assert!(matches!(news(answered), Ok(News::None)));
        let called = json!([
            {"id": "1", "role": "user", "content": 5},
            {"id": "2", "role": "assistant", "toolCalls": []},
            {"id": "3", "role": "tool", "toolCallId": "a", "content": "1"},
            {"id": "4", "role": "tool", "toolCallId": "b", "content": "", "error": "no"},
        ]);
        let Ok(News::Tools(tools)) = news(called) else { panic!() };
        let calls: Vec<_> = tools.iter().map(|tool| tool.tool_call_id.as_str()).collect();
        assert_eq!(calls, ["a", "b"]);
        let wrong = news(json!([{"id": "1", "role": "user"}])).unwrap_err();
        assert!(format!("{wrong:?}").contains("messages[0]"), "{wrong:?}");
    }

    #[test]
    fn what_is_no_run_is_refused_with_its_field() {
        for (body, field) in [
            (json!({"runId": "r", "messages": []}), "threadId"),
            (json!({"threadId": "", "runId": "r", "messages": []}), "threadId"),
            (json!({"threadId": "t", "runId": "r".repeat(201), "messages": []}), "runId"),
            (json!({"threadId": "t", "runId": "r", "messages": {}}), "messages"),
            (
                json!({"threadId": "t", "runId": "r", "messages": [],
                    "tools": [{"name": "fine"}, {"name": "not fine"}]}),
                "tools[1]: must have a name",
            ),
            (
                json!({"threadId": "t", "runId": "r", "messages": [],
                    "resume": [{"interruptId": "i", "status": "maybe"}]}),
                "resume[0].status",
            ),
        ] {
            let error = format!("{:?}", parse(&body).unwrap_err());
            assert!(error.contains(field), "{error}");
        }
        assert!(RunInput::parse(b"{").is_err());
        assert!(
            RunInput::parse(b"{\"threadId\":\"t\",\"runId\":\"r\",\"messages\":[]} x").is_err()
        );
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(input) = RunInput::parse(&body) {
                let _ = input.news();
            }
        }
    }
}
