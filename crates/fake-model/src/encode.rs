//! Turns steps into the bytes of one of the two APIs.
//!
//! Shapes and order of the events are those that OpenAI's servers send and the official clients
//! parse (`openai.types.responses` and `openai.types.chat` of the Python package).

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Api, Asked};
use crate::behaviour::{Behaviour, ErrorShape, Ids, ImageState, Step};
use crate::image;

/// One thing the player of a stream does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    /// Send this; it is one event.
    Event(Bytes),
    /// Send this; it is no event.
    Other(Bytes),
    Delay(Duration),
    Hold(String),
    Stall,
    Cut,
}

/// An HTTP error instead of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatusError {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

/// What to send for one request.
pub(crate) enum Compiled {
    Status(StatusError),
    /// Not even headers; the wait is what it waits for.
    NeverAnswer,
    Stream(Vec<Frame>),
    /// What the waits are, and then the whole answer.
    Whole(Vec<Frame>, Result<Value, StatusError>),
}

/// The error body that OpenAI's servers send with a status.
pub(crate) fn status_error(
    status: u16,
    retry_after: Option<u64>,
    code: Option<&str>,
    message: Option<&str>,
) -> StatusError {
    let (default_message, kind, default_code) = match status {
        400 => ("Invalid request.", "invalid_request_error", None),
        401 => (
            "Incorrect API key provided. You can find your API key in your account.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        404 => ("The model does not exist.", "invalid_request_error", Some("model_not_found")),
        429 => (
            "Rate limit reached for requests. Please try again later.",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        _ => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
    };
    let error = json!({
        "message": message.unwrap_or(default_message),
        "type": kind,
        "param": null,
        "code": code.or(default_code),
    });
    StatusError { status, retry_after, body: json!({ "error": error }) }
}

/// Compiles a behaviour for a request. `delay` goes before each delta that sets none itself.
pub(crate) fn compile(behaviour: &Behaviour, asked: &Asked, delay: Duration) -> Compiled {
    match behaviour.steps.first() {
        Some(Step::Status { status, retry_after, code, message }) => {
            let error = status_error(*status, *retry_after, code.as_deref(), message.as_deref());
            return Compiled::Status(error);
        }
        Some(Step::Stall) => return Compiled::NeverAnswer,
        _ => {}
    }
    let mut encoder = Encoder::new(behaviour, asked, delay);
    encoder.run();
    if asked.stream {
        Compiled::Stream(encoder.frames)
    } else {
        let answer = match encoder.failure.take() {
            Some(error) => Err(error),
            None => Ok(encoder.whole()),
        };
        encoder.frames.retain(|frame| !matches!(frame, Frame::Event(_) | Frame::Other(_)));
        Compiled::Whole(encoder.frames, answer)
    }
}

/// A message that is being written.
struct OpenMessage {
    id: String,
    index: usize,
    /// `output_text` or `refusal`.
    part: &'static str,
    text: String,
    annotations: Vec<Value>,
}

struct Encoder<'a> {
    behaviour: &'a Behaviour,
    asked: &'a Asked,
    delay: Duration,
    frames: Vec<Frame>,
    sequence: u64,
    id: String,
    created: u64,
    /// Responses API: finished output items.
    output: Vec<Value>,
    open: Option<OpenMessage>,
    /// The image that is being made, and how often it was shown.
    open_image: Option<(String, u32)>,
    /// Chat Completions: what a response that is not streamed says.
    chat_text: String,
    chat_reasoning: String,
    chat_refusal: String,
    chat_calls: Vec<Value>,
    role_sent: bool,
    output_chars: usize,
    incomplete: Option<String>,
    failure: Option<StatusError>,
}

impl<'a> Encoder<'a> {
    fn new(behaviour: &'a Behaviour, asked: &'a Asked, delay: Duration) -> Self {
        let created = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut encoder = Self {
            behaviour,
            asked,
            delay,
            frames: Vec::new(),
            sequence: 0,
            id: String::new(),
            created,
            output: Vec::new(),
            open: None,
            open_image: None,
            chat_text: String::new(),
            chat_reasoning: String::new(),
            chat_refusal: String::new(),
            chat_calls: Vec::new(),
            role_sent: false,
            output_chars: 0,
            incomplete: None,
            failure: None,
        };
        encoder.id = encoder.new_id(match asked.api {
            Api::Responses => "resp_",
            Api::ChatCompletions => "chatcmpl-",
        });
        encoder
    }

    fn new_id(&self, prefix: &str) -> String {
        match self.behaviour.ids {
            Ids::Unique => format!("{prefix}{}", Uuid::new_v4().simple()),
            Ids::Constant => format!("{prefix}constant"),
            Ids::Missing => String::new(),
        }
    }

    fn run(&mut self) {
        if self.behaviour.bom {
            self.frames.push(Frame::Other(Bytes::from_static("\u{feff}".as_bytes())));
        }
        if self.asked.api == Api::Responses {
            for kind in ["response.created", "response.in_progress"] {
                let response = self.response("in_progress");
                self.send(kind, json!({"type": kind, "response": response}));
            }
        }
        let behaviour = self.behaviour;
        for step in &behaviour.steps {
            match step {
                Step::Text { text, chunk_chars, delay_ms } => {
                    let delay = delay_ms.map_or(self.delay, Duration::from_millis);
                    self.deltas(text, *chunk_chars, delay, "output_text");
                }
                Step::EchoInstructions => {
                    let asked = self.asked;
                    self.deltas(&asked.instructions, None, self.delay, "output_text");
                }
                Step::Refusal { text } => self.deltas(text, None, self.delay, "refusal"),
                Step::Reasoning { text } => self.reasoning(text),
                Step::ToolCall { name, arguments, call_id, whole } => {
                    self.tool_call(name, arguments, call_id.as_deref(), *whole);
                }
                Step::Image { state, prompt, base64 } => {
                    self.image(state, prompt, base64.as_deref());
                }
                Step::Annotation { url, title } => self.annotation(url, title),
                Step::UnknownEvent { kind } => {
                    self.send(kind, json!({"type": kind, "delta": "whatever", "made_up": true}));
                }
                Step::Malformed => {
                    let frame = self.frame("response.output_text.delta", "{\"type\": \"resp");
                    self.frames.push(Frame::Event(frame));
                }
                Step::Comment { text } => {
                    let eol = self.behaviour.line_ends.as_str();
                    self.frames.push(Frame::Other(format!(": {text}{eol}{eol}").into()));
                }
                Step::Raw { text } => self.frames.push(Frame::Other(text.clone().into())),
                // Only the first step can still choose the status.
                Step::Status { .. } => {}
                Step::Error { shape, code, message } => {
                    self.error(*shape, code, message);
                    return;
                }
                Step::Incomplete { reason } => self.incomplete = Some(reason.clone()),
                Step::Cut => {
                    let half = "data: {\"type\": \"response.output_te";
                    self.frames.push(Frame::Other(half.into()));
                    self.frames.push(Frame::Cut);
                    return;
                }
                Step::End => return,
                Step::Stall => {
                    self.frames.push(Frame::Stall);
                    return;
                }
                Step::Delay { ms } => self.frames.push(Frame::Delay(Duration::from_millis(*ms))),
                Step::Hold { name } => self.frames.push(Frame::Hold(name.clone())),
            }
        }
        self.finish();
    }

    /// One server-sent event. Only the Responses API names its events.
    fn frame(&self, kind: &str, data: &str) -> Bytes {
        let eol = self.behaviour.line_ends.as_str();
        let mut bytes = BytesMut::with_capacity(data.len() + kind.len() + 24);
        let colon: &[u8] = if self.behaviour.no_space { b":" } else { b": " };
        if self.asked.api == Api::Responses {
            bytes.put_slice(b"event");
            bytes.put_slice(colon);
            bytes.put_slice(kind.as_bytes());
            bytes.put_slice(eol.as_bytes());
        }
        bytes.put_slice(b"data");
        bytes.put_slice(colon);
        bytes.put_slice(data.as_bytes());
        bytes.put_slice(eol.as_bytes());
        bytes.put_slice(eol.as_bytes());
        bytes.freeze()
    }

    fn send(&mut self, kind: &str, mut data: Value) {
        if !self.asked.stream {
            return;
        }
        if self.asked.api == Api::Responses {
            data["sequence_number"] = self.sequence.into();
            self.sequence += 1;
        }
        if self.behaviour.ids == Ids::Missing {
            strip_ids(&mut data);
        }
        let frame = self.frame(kind, &data.to_string());
        self.frames.push(Frame::Event(frame));
    }

    fn deltas(
        &mut self,
        text: &str,
        chunk_chars: Option<usize>,
        delay: Duration,
        part: &'static str,
    ) {
        self.output_chars += text.chars().count();
        if self.asked.api == Api::Responses {
            self.open_message(part);
        } else {
            self.chat_role();
        }
        for delta in pieces(text, chunk_chars) {
            if !delay.is_zero() {
                self.frames.push(Frame::Delay(delay));
            }
            match self.asked.api {
                Api::Responses => self.response_delta(delta, part),
                Api::ChatCompletions if part == "refusal" => {
                    self.chat_refusal.push_str(delta);
                    self.chat_chunk(json!({"refusal": delta}), None);
                }
                Api::ChatCompletions => {
                    self.chat_text.push_str(delta);
                    self.chat_chunk(json!({"content": delta}), None);
                }
            }
        }
    }

    fn response_delta(&mut self, delta: &str, part: &'static str) {
        let Some(open) = &mut self.open else { return };
        open.text.push_str(delta);
        let kind =
            if part == "refusal" { "response.refusal.delta" } else { "response.output_text.delta" };
        let mut event = json!({
            "type": kind,
            "item_id": open.id,
            "output_index": open.index,
            "content_index": 0,
            "delta": delta,
        });
        if part == "output_text" {
            event["logprobs"] = json!([]);
        }
        self.send(kind, event);
    }

    /// Responses API: begins a message, unless one with this kind of part is already open.
    fn open_message(&mut self, part: &'static str) {
        if self.open.as_ref().is_some_and(|open| open.part == part) {
            return;
        }
        self.close_message();
        let (id, index) = (self.new_id("msg_"), self.output.len());
        self.send(
            "response.output_item.added",
            json!({
                "type": "response.output_item.added",
                "output_index": index,
                "item": {
                    "id": id, "type": "message", "status": "in_progress", "content": [],
                    "role": "assistant",
                },
            }),
        );
        let open = OpenMessage { id, index, part, text: String::new(), annotations: Vec::new() };
        self.send(
            "response.content_part.added",
            json!({
                "type": "response.content_part.added",
                "item_id": open.id,
                "output_index": index,
                "content_index": 0,
                "part": content_part(&open),
            }),
        );
        self.open = Some(open);
    }

    fn close_message(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (text_key, kind) = if open.part == "refusal" {
            ("refusal", "response.refusal.done")
        } else {
            ("text", "response.output_text.done")
        };
        let mut done = json!({
            "type": kind,
            "item_id": open.id,
            "output_index": open.index,
            "content_index": 0,
            text_key: open.text,
        });
        if open.part == "output_text" {
            done["logprobs"] = json!([]);
        }
        self.send(kind, done);
        self.send(
            "response.content_part.done",
            json!({
                "type": "response.content_part.done",
                "item_id": open.id,
                "output_index": open.index,
                "content_index": 0,
                "part": content_part(&open),
            }),
        );
        let status = if self.incomplete.is_some() { "incomplete" } else { "completed" };
        self.finish_item(
            open.index,
            json!({
                "id": open.id, "type": "message", "status": status,
                "content": [content_part(&open)], "role": "assistant",
            }),
        );
    }

    fn finish_item(&mut self, index: usize, item: Value) {
        self.send(
            "response.output_item.done",
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
        self.output.push(item);
    }

    fn reasoning(&mut self, text: &str) {
        self.output_chars += text.chars().count();
        if self.asked.api == Api::ChatCompletions {
            self.chat_role();
            self.chat_reasoning.push_str(text);
            for delta in pieces(text, None) {
                self.chat_chunk(json!({"reasoning_content": delta}), None);
            }
            return;
        }
        self.close_message();
        let (id, index) = (self.new_id("rs_"), self.output.len());
        let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index, "summary_index": 0});
        let with = |kind: &str, key: &str, value: Value| {
            let mut event = at(kind);
            event[key] = value;
            event
        };
        self.send(
            "response.output_item.added",
            json!({
                "type": "response.output_item.added",
                "output_index": index,
                "item": {"id": id, "type": "reasoning", "summary": []},
            }),
        );
        let kind = "response.reasoning_summary_part.added";
        self.send(kind, with(kind, "part", json!({"type": "summary_text", "text": ""})));
        let kind = "response.reasoning_summary_text.delta";
        for delta in pieces(text, None) {
            self.send(kind, with(kind, "delta", delta.into()));
        }
        let kind = "response.reasoning_summary_text.done";
        self.send(kind, with(kind, "text", text.into()));
        let part = json!({"type": "summary_text", "text": text});
        let kind = "response.reasoning_summary_part.done";
        self.send(kind, with(kind, "part", part.clone()));
        self.finish_item(index, json!({"id": id, "type": "reasoning", "summary": [part]}));
    }

    fn tool_call(&mut self, name: &str, arguments: &Value, call_id: Option<&str>, whole: bool) {
        let arguments = match arguments {
            Value::String(raw) => raw.clone(),
            other => other.to_string(),
        };
        self.output_chars += arguments.chars().count();
        let call_id = call_id.map_or_else(|| self.new_id("call_"), str::to_owned);
        let chunk_chars = if whole { usize::MAX } else { 8 };
        match self.asked.api {
            Api::Responses => self.response_tool_call(name, &arguments, &call_id, chunk_chars),
            Api::ChatCompletions => self.chat_tool_call(name, &arguments, &call_id, chunk_chars),
        }
    }

    fn response_tool_call(&mut self, name: &str, arguments: &str, call_id: &str, chunk: usize) {
        self.close_message();
        let (id, index) = (self.new_id("fc_"), self.output.len());
        let item = |arguments: &str, status: &str| {
            json!({
                "id": id, "type": "function_call", "status": status, "arguments": arguments,
                "call_id": call_id, "name": name,
            })
        };
        self.send(
            "response.output_item.added",
            json!({
                "type": "response.output_item.added",
                "output_index": index,
                "item": item("", "in_progress"),
            }),
        );
        let kind = "response.function_call_arguments.delta";
        for delta in pieces(arguments, Some(chunk)) {
            self.send(
                kind,
                json!({"type": kind, "item_id": id, "output_index": index, "delta": delta}),
            );
        }
        let kind = "response.function_call_arguments.done";
        self.send(
            kind,
            json!({"type": kind, "item_id": id, "output_index": index, "arguments": arguments}),
        );
        self.finish_item(index, item(arguments, "completed"));
    }

    fn chat_tool_call(&mut self, name: &str, arguments: &str, call_id: &str, chunk: usize) {
        self.chat_role();
        let index = self.chat_calls.len();
        let whole = chunk == usize::MAX;
        let first = if whole { arguments } else { "" };
        self.chat_chunk(
            json!({"tool_calls": [{
                "index": index, "id": call_id, "type": "function",
                "function": {"name": name, "arguments": first},
            }]}),
            None,
        );
        if !whole {
            for delta in pieces(arguments, Some(chunk)) {
                self.chat_chunk(
                    json!({"tool_calls": [{"index": index, "function": {"arguments": delta}}]}),
                    None,
                );
            }
        }
        self.chat_calls.push(json!({
            "id": call_id, "type": "function",
            "function": {"name": name, "arguments": arguments},
        }));
    }

    fn image(&mut self, state: &ImageState, prompt: &str, base64: Option<&str>) {
        if self.asked.api != Api::Responses {
            return;
        }
        if self.open_image.is_none() {
            self.close_message();
            let id = self.new_id("ig_");
            let item = json!({"id": id, "type": "image_generation_call", "status": "in_progress", "result": null});
            let kind = "response.output_item.added";
            let index = self.output.len();
            self.send(kind, json!({"type": kind, "output_index": index, "item": item}));
            self.open_image = Some((id, 0));
            self.image_event("in_progress", json!({}));
            self.image_event("generating", json!({}));
        }
        let Some((id, shown)) = &mut self.open_image else { return };
        let (id, index) = (id.clone(), *shown);
        let bytes = |coarse| base64.map_or_else(|| image::draw(prompt, coarse), str::to_owned);
        let item =
            |status: &str| json!({"id": id, "type": "image_generation_call", "status": status});
        let item = match state {
            ImageState::Begun => return,
            ImageState::Partial => {
                *shown += 1;
                let partial = json!({
                    "partial_image_index": index, "partial_image_b64": bytes(64 >> index.min(4)),
                    "output_format": "png", "background": "opaque",
                });
                return self.image_event("partial_image", partial);
            }
            ImageState::Done => {
                self.image_event("completed", json!({}));
                let mut item = item("completed");
                item["result"] = bytes(1).into();
                item["revised_prompt"] = prompt.into();
                item["output_format"] = "png".into();
                item
            }
            ImageState::Failed { code, categories } => {
                let mut item = item("failed");
                item["result"] = Value::Null;
                item["error"] = json!({
                    "type": "image_generation_error", "code": code, "param": null,
                    "message": "The image was not made.",
                });
                if !categories.is_empty() {
                    item["error"]["moderation_details"] =
                        json!({"categories": categories, "moderation_stage": "output"});
                }
                item
            }
        };
        self.open_image = None;
        self.finish_item(self.output.len(), item);
    }

    fn image_event(&mut self, what: &str, mut event: Value) {
        let Some((id, _)) = &self.open_image else { return };
        let kind = format!("response.image_generation_call.{what}");
        event["type"] = kind.as_str().into();
        event["item_id"] = id.as_str().into();
        event["output_index"] = self.output.len().into();
        self.send(&kind, event);
    }

    fn annotation(&mut self, url: &str, title: &str) {
        if self.asked.api != Api::Responses {
            return;
        }
        self.open_message("output_text");
        let Some(open) = &mut self.open else { return };
        let end = open.text.chars().count();
        let annotation = json!({
            "type": "url_citation", "start_index": 0, "end_index": end, "title": title,
            "url": url,
        });
        let kind = "response.output_text.annotation.added";
        let event = json!({
            "type": kind,
            "item_id": open.id,
            "output_index": open.index,
            "content_index": 0,
            "annotation_index": open.annotations.len(),
            "annotation": annotation,
        });
        open.annotations.push(annotation);
        self.send(kind, event);
    }

    fn error(&mut self, shape: ErrorShape, code: &str, message: &str) {
        self.failure = Some(status_error(500, None, Some(code), Some(message)));
        let error = json!({"type": "server_error", "code": code, "message": message});
        match shape {
            ErrorShape::Event => self.send(
                "error",
                json!({"type": "error", "code": code, "message": message, "param": null}),
            ),
            ErrorShape::Nested => self.send("error", json!({"type": "error", "error": error})),
            ErrorShape::ResponseFailed => {
                self.close_message();
                let mut response = self.response("failed");
                response["error"] = json!({"code": code, "message": message});
                self.send(
                    "response.failed",
                    json!({"type": "response.failed", "response": response}),
                );
            }
            ErrorShape::Object => self.send("error", json!({"error": error})),
        }
    }

    fn finish(&mut self) {
        match self.asked.api {
            Api::Responses => {
                self.close_message();
                let (kind, status) = match self.incomplete {
                    Some(_) => ("response.incomplete", "incomplete"),
                    None => ("response.completed", "completed"),
                };
                let response = self.response(status);
                self.send(kind, json!({"type": kind, "response": response}));
            }
            Api::ChatCompletions => {
                self.chat_role();
                let reason = self.chat_finish_reason();
                self.chat_chunk(json!({}), Some(&reason));
                if self.asked.include_usage && !self.behaviour.no_usage {
                    let mut chunk = self.chat_base("chat.completion.chunk");
                    chunk["choices"] = json!([]);
                    chunk["usage"] = self.chat_usage();
                    self.send("", chunk);
                }
                if self.asked.stream && !self.behaviour.no_done {
                    let done = self.frame("", "[DONE]");
                    self.frames.push(Frame::Other(done));
                }
            }
        }
    }

    fn tokens(&self) -> (usize, usize) {
        (self.asked.input_chars / 4 + 1, self.output_chars / 4 + 1)
    }

    /// The response object of the Responses API.
    fn response(&self, status: &str) -> Value {
        let (input, output) = self.tokens();
        let ended = status != "in_progress";
        let usage = if ended && !self.behaviour.no_usage {
            json!({
                "input_tokens": input,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": input + output,
            })
        } else {
            Value::Null
        };
        let incomplete = match &self.incomplete {
            Some(reason) if ended => json!({ "reason": reason }),
            _ => Value::Null,
        };
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": incomplete,
            "instructions": null,
            "max_output_tokens": null,
            "model": self.asked.model,
            "output": if ended { Value::Array(self.output.clone()) } else { json!([]) },
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": false,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "metadata": {},
        });
        if self.behaviour.no_usage
            && let Some(object) = response.as_object_mut()
        {
            object.shift_remove("usage");
        }
        response
    }

    fn chat_base(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.asked.model,
            "system_fingerprint": "fp_fake",
        })
    }

    fn chat_chunk(&mut self, delta: Value, finish_reason: Option<&str>) {
        if !self.asked.stream {
            return;
        }
        let mut chunk = self.chat_base("chat.completion.chunk");
        chunk["choices"] = json!([{
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason,
        }]);
        if self.asked.include_usage && !self.behaviour.no_usage {
            chunk["usage"] = Value::Null;
        }
        self.send("", chunk);
    }

    /// The first chunk of a real stream names the role.
    fn chat_role(&mut self) {
        if !self.role_sent {
            self.role_sent = true;
            self.chat_chunk(json!({"role": "assistant", "content": "", "refusal": null}), None);
        }
    }

    fn chat_finish_reason(&self) -> String {
        if let Some(reason) = &self.behaviour.finish_reason {
            return reason.clone();
        }
        let reason = match self.incomplete.as_deref() {
            Some("content_filter") => "content_filter",
            Some(_) => "length",
            None if self.chat_calls.is_empty() => "stop",
            None => "tool_calls",
        };
        reason.to_owned()
    }

    fn chat_usage(&self) -> Value {
        let (prompt, completion) = self.tokens();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        })
    }

    /// The answer to a request that did not ask for a stream.
    fn whole(&self) -> Value {
        let mut whole = match self.asked.api {
            Api::Responses => {
                let status = if self.incomplete.is_some() { "incomplete" } else { "completed" };
                self.response(status)
            }
            Api::ChatCompletions => {
                let text_or_null = |text: &str| {
                    if text.is_empty() { Value::Null } else { Value::from(text) }
                };
                let mut message = json!({
                    "role": "assistant",
                    "content": text_or_null(&self.chat_text),
                    "refusal": text_or_null(&self.chat_refusal),
                    "annotations": [],
                });
                if !self.chat_reasoning.is_empty() {
                    message["reasoning_content"] = self.chat_reasoning.clone().into();
                }
                if !self.chat_calls.is_empty() {
                    message["tool_calls"] = self.chat_calls.clone().into();
                }
                let mut completion = self.chat_base("chat.completion");
                completion["choices"] = json!([{
                    "index": 0, "message": message, "logprobs": null,
                    "finish_reason": self.chat_finish_reason(),
                }]);
                if !self.behaviour.no_usage {
                    completion["usage"] = self.chat_usage();
                }
                completion
            }
        };
        if self.behaviour.ids == Ids::Missing {
            strip_ids(&mut whole);
        }
        whole
    }
}

fn content_part(open: &OpenMessage) -> Value {
    if open.part == "refusal" {
        json!({"type": "refusal", "refusal": open.text})
    } else {
        json!({
            "type": "output_text", "annotations": open.annotations, "logprobs": [],
            "text": open.text,
        })
    }
}

/// Removes every id, at any depth.
fn strip_ids(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["id", "item_id", "call_id"] {
                object.shift_remove(key);
            }
            object.values_mut().for_each(strip_ids);
        }
        Value::Array(values) => values.iter_mut().for_each(strip_ids),
        _ => {}
    }
}

/// Cuts a text into words (each with the space after it) or into pieces of so many characters.
fn pieces(text: &str, chunk_chars: Option<usize>) -> Vec<&str> {
    let Some(chunk_chars) = chunk_chars else {
        return text.split_inclusive([' ', '\n']).collect();
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(chunk_chars.max(1)).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        let text = "Grüße,  Welt 👋🏽\nzwei";
        for chunk_chars in [None, Some(1), Some(3), Some(usize::MAX)] {
            assert_eq!(pieces(text, chunk_chars).concat(), text);
        }
        assert_eq!(pieces("abcde", Some(2)), ["ab", "cd", "e"]);
    }
}
