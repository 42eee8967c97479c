//! Agents behind a webhook: one signed POST for each message, text back. No I/O.
//!
//! The format is described in `docs/bring-your-agent.md`.

use std::collections::VecDeque;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_chatkit::RequestContext;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::RemoteError;
use super::error::shortened;
use super::events::{AgentEvent, Interrupt, Outcome};
use super::input::{Past, facts};
use super::record::{Form, Question};
use crate::approval::Decision;
use crate::files::Given;
use crate::model::InputFile;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "parlor-signature";

/// The signature of a body: `t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of the seconds, a full
/// stop and the body, with the secret as key.
pub fn signature(secret: &SecretString, unix_seconds: i64, body: &[u8]) -> String {
    let mut signed = format!("t={unix_seconds},v1=");
    // Any length is a key to HMAC.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) {
        mac.update(format!("{unix_seconds}.").as_bytes());
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            signed.push_str(&format!("{byte:02x}"));
        }
    }
    signed
}

/// What is sent.
pub(super) struct Call<'a> {
    pub(super) run_id: &'a str,
    pub(super) thread_id: &'a str,
    pub(super) title: Option<&'a str>,
    /// Id, text and files of the message to answer.
    pub(super) message: Option<(&'a str, &'a str, &'a Given)>,
    pub(super) past: &'a Past,
    pub(super) state: Option<&'a Value>,
    pub(super) decided: &'a [Question],
    /// What the page can do, as AG-UI declares it.
    pub(super) tools: &'a [Value],
}

/// The body of a request.
pub(super) fn body(context: &RequestContext, call: &Call<'_>) -> Value {
    let kind = match (call.message, call.decided, &call.past.output) {
        (Some(_), ..) => "message",
        (None, [_, ..], _) => "decision",
        (None, [], Some(_)) => "tool_output",
        (None, [], None) => "continue",
    };
    let message = call.message.map(|(id, text, given)| {
        let files = given.files.iter().map(|file| match file {
            InputFile::Image { data_url } => json!({"name": null, "data_url": data_url}),
            InputFile::File { name, data_url } => json!({"name": name, "data_url": data_url}),
        });
        json!({
            "id": id,
            "text": format!("{text}{}", given.text),
            "files": files.collect::<Vec<_>>(),
        })
    });
    let mut body = json!({
        "type": kind,
        "run_id": call.run_id,
        "thread": {"id": call.thread_id, "title": call.title},
        "message": message,
        "history": call.past.said,
        "client_tools": call.tools,
        "state": call.state,
    });
    let facts = facts(context);
    for (key, value) in facts.as_object().into_iter().flatten() {
        let key = if key == "requestId" { "request_id" } else { key };
        body[key] = value.clone();
    }
    if !call.decided.is_empty() {
        body["decisions"] = call.decided.iter().map(decided).collect();
    }
    if let (None, Some((tool, output))) = (call.message, &call.past.output) {
        let arguments = serde_json::from_str(&tool.arguments).unwrap_or(Value::Null);
        body["tool_output"] = json!({
            "id": tool.call_id, "name": tool.name, "arguments": arguments, "output": output,
        });
    }
    body
}

fn decided(question: &Question) -> Value {
    let decision = match question.waiting.decision {
        Decision::Approved => "approved",
        Decision::Denied => "denied",
        Decision::Pending | Decision::Expired | Decision::PassedOver => "cancelled",
    };
    let call = &question.waiting.call;
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or(Value::Null);
    let mut told = json!({"id": question.interrupt, "decision": decision, "arguments": arguments});
    if !matches!(question.form, Form::Approved) {
        told["answer"] = question.answer.clone().into();
    }
    told
}

/// Reads an answer in any of its three forms.
#[derive(Debug)]
pub struct WebhookDecoder {
    form: Answer,
    limit_bytes: usize,
    events: VecDeque<AgentEvent>,
    failure: Option<RemoteError>,
    over: bool,
    interrupts: Vec<Interrupt>,
    calls: usize,
}

#[derive(Debug)]
enum Answer {
    /// One document.
    Json(Vec<u8>),
    /// Plain text; the bytes are those of an unfinished character.
    Text(Vec<u8>),
    Events(crate::sse::SseDecoder),
}

/// The id of the one message that a webhook's answer is.
const MESSAGE: &str = "answer";

impl WebhookDecoder {
    /// A decoder of answers of this content type; events are at most `limit_bytes` long.
    ///
    /// # Errors
    ///
    /// When answers have another form, such as an HTML page.
    pub fn new(content_type: Option<&str>, limit_bytes: usize) -> Result<Self, RemoteError> {
        let kind = content_type.unwrap_or("no content type").to_ascii_lowercase();
        let form = match kind.split(';').next().unwrap_or_default().trim() {
            "application/json" => Answer::Json(Vec::new()),
            "text/plain" | "text/markdown" => Answer::Text(Vec::new()),
            "text/event-stream" => Answer::Events(crate::sse::SseDecoder::new(limit_bytes)),
            _ => return Err(RemoteError::ContentType { content_type: shortened(&kind) }),
        };
        Ok(Self {
            form,
            limit_bytes,
            events: VecDeque::new(),
            failure: None,
            over: false,
            interrupts: Vec::new(),
            calls: 0,
        })
    }

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.is_over() {
            return;
        }
        match &mut self.form {
            Answer::Json(bytes) if bytes.len() + chunk.len() > self.limit_bytes => {
                let limit_bytes = self.limit_bytes;
                self.fail(RemoteError::TooLong { limit_bytes });
            }
            Answer::Json(bytes) => bytes.extend_from_slice(chunk),
            Answer::Text(bytes) => {
                bytes.extend_from_slice(chunk);
                let delta = take_text(bytes);
                self.say(delta);
            }
            Answer::Events(sse) => {
                let mut read = Vec::new();
                let pushed = sse.push(chunk, |event| {
                    read.push((event.name == "error", event.data.to_owned()));
                });
                for (is_error, data) in read {
                    self.event(is_error, &data);
                }
                if let Err(error) = pushed {
                    self.fail(error.into());
                }
            }
        }
    }

    /// Says that the bytes have ended, properly: the answer is whole.
    pub fn end(&mut self) {
        if self.is_over() {
            return;
        }
        match &mut self.form {
            Answer::Json(bytes) => {
                let bytes = std::mem::take(bytes);
                match serde_json::from_slice::<Value>(&bytes) {
                    Ok(answer) if answer.is_object() => self.part(answer),
                    _ => self.fail(RemoteError::Malformed {
                        detail: format!("{} bytes that are no JSON object", bytes.len()),
                    }),
                }
            }
            Answer::Text(bytes) => {
                let rest = String::from_utf8_lossy(bytes).into_owned();
                self.say(rest);
            }
            Answer::Events(sse) => {
                let mut read = Vec::new();
                // The only error is a length that `push` has checked.
                let _ = sse.finish(|event| {
                    read.push((event.name == "error", event.data.to_owned()));
                });
                for (is_error, data) in read {
                    self.event(is_error, &data);
                }
            }
        }
        if self.is_over() {
            return;
        }
        self.over = true;
        let outcome = match std::mem::take(&mut self.interrupts) {
            interrupts if interrupts.is_empty() => Outcome::Success,
            interrupts => Outcome::Interrupted(interrupts),
        };
        self.events.push_back(AgentEvent::TextEnd { message: MESSAGE.to_owned() });
        self.events.push_back(AgentEvent::Finished { outcome, tokens: None });
    }

    /// Says that no more bytes come, and why.
    pub fn fail(&mut self, error: RemoteError) {
        if !self.is_over() {
            self.failure = Some(error);
        }
    }

    /// The next event, if the bytes so far hold one. Nothing comes after [`AgentEvent::Finished`]
    /// or an error.
    pub fn next_event(&mut self) -> Option<Result<AgentEvent, RemoteError>> {
        if let Some(event) = self.events.pop_front() {
            return Some(Ok(event));
        }
        let error = self.failure.take()?;
        self.over = true;
        Some(Err(error))
    }

    /// Whether the answer is over, well or not. Events may wait to be taken.
    pub fn is_over(&self) -> bool {
        self.over || self.failure.is_some()
    }

    fn event(&mut self, is_error: bool, data: &str) {
        // The end of a stream of OpenAI's, which some frameworks send by habit.
        if self.is_over() || data.trim().is_empty() || data.trim() == "[DONE]" {
            return;
        }
        match serde_json::from_str::<Value>(data) {
            _ if is_error => {
                self.fail(RemoteError::Failed { code: String::new(), detail: shortened(data) });
            }
            Ok(part) if part.is_object() => self.part(part),
            _ => self.fail(RemoteError::Malformed {
                detail: format!("an event of {} bytes is no JSON object", data.len()),
            }),
        }
    }

    fn say(&mut self, delta: String) {
        if !delta.is_empty() {
            self.events.push_back(AgentEvent::Text { message: MESSAGE.to_owned(), delta });
        }
    }

    /// One part of an answer: any of its fields may be there.
    fn part(&mut self, mut part: Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(thought) = part["thought"].as_str() {
            self.events.push_back(AgentEvent::Thought { delta: thought.to_owned() });
        }
        if let Some(name) = part["step"].as_str() {
            self.events.push_back(AgentEvent::Step { name: name.to_owned() });
        }
        let tool = part["tool"].take();
        if tool.is_object() {
            self.calls += 1;
            let call = match text(&tool["id"]) {
                id if id.is_empty() => text(&tool["name"]),
                id => id,
            };
            let name = text(&tool["name"]);
            self.events.push_back(AgentEvent::ToolStart { call: call.clone(), name });
            if let status @ ("done" | "failed") = tool["status"].as_str().unwrap_or("done") {
                self.events.push_back(AgentEvent::ToolResult {
                    call,
                    message: String::new(),
                    content: String::new(),
                    failed: status == "failed",
                });
            }
        }
        self.say(text(&part["text"]));
        if let Some(state) = part.get_mut("state").filter(|state| !state.is_null()) {
            self.events.push_back(AgentEvent::State(state.take()));
        }
        let approval = part["approval"].take();
        if approval.is_object() {
            let message = text(&approval["title"]);
            self.interrupts.push(Interrupt {
                id: text(&approval["id"]),
                reason: "approval".to_owned(),
                message: Some(message),
                response_schema: approval.get("answer").cloned(),
                arguments: approval.get("arguments").cloned(),
                ..Interrupt::default()
            });
        }
        let call = part["client_tool"].take();
        if call.is_object() {
            self.calls += 1;
            let id = match text(&call["id"]) {
                id if id.is_empty() => format!("call-{}", self.calls),
                id => id,
            };
            let delta = match &call["arguments"] {
                Value::Null => "{}".to_owned(),
                arguments => arguments.to_string(),
            };
            self.events.extend([
                AgentEvent::PageTool { name: text(&call["name"]) },
                AgentEvent::ToolStart { call: id.clone(), name: text(&call["name"]) },
                AgentEvent::ToolArguments { call: id, delta },
            ]);
        }
        if let Some(detail) = part["error"].as_str() {
            self.fail(RemoteError::Failed { code: String::new(), detail: shortened(detail) });
        }
    }
}

/// The whole characters of these bytes; those of an unfinished one stay.
fn take_text(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut done = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        done += chunk.valid().len();
        let broken = chunk.invalid();
        if broken.is_empty() {
            continue;
        }
        let is_last = done + broken.len() == bytes.len();
        // What can still become a character is waited for; anything else is none.
        if is_last && std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none()) {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        done += broken.len();
    }
    bytes.drain(..done);
    text
}

/// The signed request's bytes and its signature.
pub(super) fn signed(
    secret: Option<&SecretString>,
    now: i64,
    body: &Value,
) -> (Bytes, Option<String>) {
    let bytes = Bytes::from(body.to_string());
    let signature = secret.map(|secret| signature(secret, now, &bytes));
    (bytes, signature)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(kind: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, Vec<String>) {
        let mut decoder = WebhookDecoder::new(Some(kind), 1_000_000).unwrap();
        let (mut said, mut events) = (String::new(), Vec::new());
        let mut take = |decoder: &mut WebhookDecoder| {
            while let Some(event) = decoder.next_event() {
                match event {
                    Ok(AgentEvent::Text { delta, .. }) => said.push_str(&delta),
                    event => events.push(format!("{event:?}")),
                }
            }
        };
        for chunk in chunks {
            decoder.push(chunk);
            take(&mut decoder);
        }
        decoder.end();
        take(&mut decoder);
        (said, events)
    }

    #[test]
    fn the_three_forms_say_the_same() {
        for (kind, answer) in [
            ("application/json; charset=utf-8", r#"{"text": "Grüezi 👋"}"#),
            ("text/plain", "Grüezi 👋"),
            (
                "text/event-stream",
                "data: {\"text\": \"Grüezi\"}\n\ndata: {\"text\":\" 👋\"}\n\ndata: [DONE]\n\n",
            ),
        ] {
            let (said, events) = decode(kind, [answer.as_bytes()]);
            assert_eq!(said, "Grüezi 👋", "{kind}");
            assert!(events.last().unwrap().contains("Finished"), "{events:?}");
        }
        assert!(WebhookDecoder::new(Some("text/html"), 1).is_err());
        assert!(WebhookDecoder::new(None, 1).is_err());
    }

    #[test]
    fn broken_answers_are_errors() {
        for (kind, answer) in [
            ("application/json", "{"),
            ("application/json", "\"text\""),
            ("text/event-stream", "data: {\"text\": \n\n"),
            ("text/event-stream", "event: error\ndata: it broke\n\n"),
            ("application/json", r#"{"error": "it broke"}"#),
        ] {
            let (_, events) = decode(kind, [answer.as_bytes()]);
            assert!(events.last().unwrap().starts_with("Err("), "{answer}: {events:?}");
        }
    }

    #[test]
    fn a_signature_is_that_of_time_and_body() {
        // As `openssl dgst -sha256 -hmac key` says of `1700000000.{}`.
        let signed = signature(&"key".into(), 1_700_000_000, b"{}");
        let hex = signed.strip_prefix("t=1700000000,v1=").unwrap();
        assert_eq!(hex, "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_gives_the_same(
            bytes in prop::collection::vec(prop::sample::select("aé👋\u{0}".as_bytes().to_vec()), 0..40),
            size in 1usize..7,
        ) {
            prop_assert_eq!(
                decode("text/plain", bytes.chunks(size)),
                decode("text/plain", [bytes.as_slice()])
            );
            prop_assert_eq!(decode("text/plain", bytes.chunks(size)).0, String::from_utf8_lossy(&bytes));
        }
    }
}
