//! The Responses API: how a request is written and how its events are read.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

use super::images::{self, IMAGE_GENERATION, ImageFailure, Images};
use super::{CallIds, Finish, InputFile, InputItem, ModelError, ModelEvent, ModelRequest, Usage};

pub(super) fn body(request: &ModelRequest) -> Value {
    let input: Vec<Value> = request
        .input
        .iter()
        .map(|item| match item {
            InputItem::User(text) => json!({"role": "user", "content": text}),
            InputItem::UserWithFiles { text, files } => {
                let mut content = vec![json!({"type": "input_text", "text": text})];
                content.extend(files.iter().map(|file| match file {
                    InputFile::Image { data_url } => {
                        json!({"type": "input_image", "image_url": &**data_url, "detail": "auto"})
                    }
                    InputFile::File { name, data_url } => json!({
                        "type": "input_file", "filename": name, "file_data": &**data_url,
                    }),
                }));
                json!({"role": "user", "content": content})
            }
            InputItem::Assistant(text) => json!({"role": "assistant", "content": text}),
            InputItem::ToolCall { call_id, name, arguments } => json!({
                "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments,
            }),
            InputItem::ToolResult { call_id, output } => {
                json!({"type": "function_call_output", "call_id": call_id, "output": output})
            }
        })
        .collect();
    let mut body = json!({
        "model": request.model,
        "instructions": request.instructions,
        "input": input,
        "stream": true,
        // Threads are stored here, not there.
        "store": false,
    });
    if !request.tools.is_empty() || request.images.is_some() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": false,
            })
        });
        body["tools"] = tools.chain(request.images.iter().map(|images| images.spec())).collect();
        if let Some(name) = &request.tool_choice {
            body["tool_choice"] = match name.as_str() {
                IMAGE_GENERATION => json!({"type": IMAGE_GENERATION}),
                name => json!({"type": "function", "name": name}),
            };
        }
    }
    if let Some(summary) = request.reasoning {
        body["reasoning"] = json!({"summary": summary});
    }
    if let Some(tokens) = request.max_output_tokens {
        body["max_output_tokens"] = tokens.into();
    }
    body
}

/// The part of an event that nearly all events have. The rest is only read when it matters, since
/// an answer is hundreds of text deltas and little else.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Delta<'a>,
}

/// A delta that is usually text; other servers' and other events' deltas may be anything.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Delta<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
    #[default]
    Missing,
}

/// A function call that is being streamed.
#[derive(Debug)]
struct Call {
    output_index: Option<u64>,
    item_id: Option<String>,
    call_id: String,
    name: String,
    arguments: String,
    emitted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    calls: Vec<Call>,
    images: Images,
    text_seen: bool,
    reasoning_seen: bool,
}

impl Parser {
    /// Reads an event. `Ok(None)` means that it is not JSON.
    pub(super) fn event(
        &mut self,
        data: &str,
        ids: &CallIds,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<Option<()>, ModelError> {
        let Ok(peek) = serde_json::from_str::<Peek<'_>>(data) else {
            return self.unusual(data, ids, out);
        };
        match (peek.kind.as_ref(), peek.delta) {
            ("response.output_text.delta" | "response.refusal.delta", Delta::Text(text)) => {
                self.text_seen = true;
                out.push_back(ModelEvent::TextDelta(text.into_owned()));
                Ok(Some(()))
            }
            (
                "response.reasoning_summary_text.delta" | "response.reasoning_text.delta",
                Delta::Text(text),
            ) => {
                self.reasoning_seen = true;
                out.push_back(ModelEvent::Reasoning(text.into_owned()));
                Ok(Some(()))
            }
            // Parts of a summary are paragraphs of their own.
            ("response.reasoning_summary_part.added", _) => {
                if self.reasoning_seen {
                    out.push_back(ModelEvent::Reasoning("\n\n".to_owned()));
                }
                Ok(Some(()))
            }
            // Nothing in these that other events don't bring.
            (
                "response.created"
                | "response.in_progress"
                | "response.queued"
                | "response.content_part.added"
                | "response.content_part.done"
                | "response.output_text.done"
                | "response.refusal.done"
                | "response.reasoning_summary_part.done"
                | "response.reasoning_summary_text.done"
                | "response.reasoning_text.done"
                | "response.image_generation_call.in_progress"
                | "response.image_generation_call.generating"
                | "response.image_generation_call.completed",
                _,
            ) => Ok(Some(())),
            ("response.image_generation_call.partial_image", _) => {
                self.images.partial(data, out);
                Ok(Some(()))
            }
            // Not read as others are: an image is megabytes, which are copied once.
            (kind @ ("response.output_item.added" | "response.output_item.done"), _)
                if data.contains(images::CALL)
                    && self.images.item(data, kind == "response.output_item.done", out) =>
            {
                Ok(Some(()))
            }
            _ => self.unusual(data, ids, out),
        }
    }

    fn unusual(
        &mut self,
        data: &str,
        ids: &CallIds,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<Option<()>, ModelError> {
        let Ok(event) = serde_json::from_str::<Value>(data) else { return Ok(None) };
        match event["type"].as_str().unwrap_or_default() {
            "response.output_item.added" => self.item_added(&event),
            "response.function_call_arguments.delta" => {
                if let Some(call) = self.call_of(&event)
                    && let Some(delta) = event["delta"].as_str()
                {
                    call.arguments.push_str(delta);
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(call) = self.call_of(&event)
                    && let Some(arguments) = event["arguments"].as_str()
                {
                    arguments.clone_into(&mut call.arguments);
                }
            }
            "response.output_item.done" => {
                if event["item"]["type"] == "function_call" {
                    self.call_done(&event, ids, out);
                }
            }
            "response.output_text.annotation.added" => citation(&event["annotation"], out),
            "response.completed" | "response.incomplete" | "response.done" => {
                self.completed(&event["response"], ids, out);
            }
            "response.failed" | "response.cancelled" | "error" => self.failed(&event, out)?,
            _ if event["error"].is_object() || event["error"].is_string() => {
                self.failed(&event, out)?;
            }
            kind => tracing::debug!(kind, "skipped an unknown event of the model"),
        }
        Ok(Some(()))
    }

    /// The answer has ended in an error. One that is about an image is none of the answer's: what was
    /// said before it stays.
    fn failed(&mut self, event: &Value, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        let Some(why) = ImageFailure::of_stream(event) else {
            return Err(ModelError::from_stream(event));
        };
        self.images.fail(&why, out);
        out.push_back(ModelEvent::Done {
            usage: usage(&event["response"]["usage"]),
            finish: Finish::Stop,
        });
        Ok(())
    }

    fn item_added(&mut self, event: &Value) {
        let item = &event["item"];
        if item["type"] != "function_call" {
            return;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.calls.push(Call {
            output_index: event["output_index"].as_u64(),
            item_id: item["id"].as_str().map(str::to_owned),
            call_id: text(&item["call_id"]),
            name: text(&item["name"]),
            arguments: text(&item["arguments"]),
            emitted: false,
        });
    }

    /// The call that an event is about: by item id, else by index, else the latest.
    fn call_of(&mut self, event: &Value) -> Option<&mut Call> {
        let item_id = event["item_id"].as_str().or(event["item"]["id"].as_str());
        let index = event["output_index"].as_u64();
        let open = |call: &&Call| !call.emitted;
        let at = self
            .calls
            .iter()
            .position(|call| {
                open(&call)
                    && (index.is_some() && call.output_index == index)
                    && (item_id.is_none() || call.item_id.as_deref() == item_id)
            })
            .or_else(|| {
                let same = |call: &Call| item_id.is_some() && call.item_id.as_deref() == item_id;
                self.calls.iter().position(|call| open(&call) && same(call))
            })
            .or_else(|| {
                let known = index.is_some() || item_id.is_some();
                self.calls.iter().rposition(|call| open(&call)).filter(|_| !known)
            })?;
        self.calls.get_mut(at)
    }

    fn call_done(&mut self, event: &Value, ids: &CallIds, out: &mut VecDeque<ModelEvent>) {
        if self.call_of(event).is_none() {
            // The server did not announce it.
            self.item_added(event);
        }
        let item = &event["item"];
        let Some(call) = self.call_of(event) else { return };
        if let Some(arguments) = item["arguments"].as_str()
            && !arguments.is_empty()
        {
            arguments.clone_into(&mut call.arguments);
        }
        for (field, value) in [(&mut call.call_id, "call_id"), (&mut call.name, "name")] {
            if let Some(text) = item[value].as_str() {
                text.clone_into(field);
            }
        }
        emit(call, ids, out);
    }

    /// Ends the answer, with all that the end says and no event said before.
    fn completed(&mut self, response: &Value, ids: &CallIds, out: &mut VecDeque<ModelEvent>) {
        self.whole_output(response, ids, out);
        let finish = match response["incomplete_details"]["reason"].as_str() {
            Some("content_filter") => Finish::ContentFilter,
            Some(_) => Finish::Length,
            None if response["status"] == "incomplete" => Finish::Length,
            None if self.calls.is_empty() => Finish::Stop,
            None => Finish::ToolCalls,
        };
        let missing = ImageFailure::Failed { detail: "the answer ended without it".to_owned() };
        self.images.end(&missing, out);
        out.push_back(ModelEvent::Done { usage: usage(&response["usage"]), finish });
    }

    fn whole_output(&mut self, response: &Value, ids: &CallIds, out: &mut VecDeque<ModelEvent>) {
        let streamed_calls = !self.calls.is_empty();
        for call in &mut self.calls {
            emit(call, ids, out);
        }
        let streamed_text = self.text_seen;
        for item in response["output"].as_array().into_iter().flatten() {
            match item["type"].as_str() {
                Some("message") if !streamed_text => {
                    for part in item["content"].as_array().into_iter().flatten() {
                        if let Some(text) = part["text"].as_str().or(part["refusal"].as_str())
                            && !text.is_empty()
                        {
                            self.text_seen = true;
                            out.push_back(ModelEvent::TextDelta(text.to_owned()));
                        }
                        for annotation in part["annotations"].as_array().into_iter().flatten() {
                            citation(annotation, out);
                        }
                    }
                }
                Some(images::CALL) => self.images.whole(item, out),
                Some("function_call") if !streamed_calls => {
                    self.call_done(&json!({ "item": item }), ids, out);
                }
                _ => {}
            }
        }
    }

    /// Reads an answer that came as one JSON document.
    pub(super) fn whole(
        &mut self,
        response: &Value,
        ids: &CallIds,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ModelError> {
        if response["status"] == "failed" || response["error"].is_object() {
            return Err(ModelError::from_stream(response));
        }
        if !response["output"].is_array() {
            return Err(ModelError::Malformed { detail: "the answer has no output".into() });
        }
        self.completed(response, ids, out);
        Ok(())
    }

    /// The server says that it is done, or ends the stream, without a closing event.
    pub(super) fn closed(&mut self, said_done: bool) -> Option<ModelEvent> {
        (said_done && (self.text_seen || self.images.any()))
            .then_some(ModelEvent::Done { usage: None, finish: Finish::Stop })
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let cached = &usage["input_tokens_details"]["cached_tokens"];
    Usage::new(&usage["input_tokens"], &usage["output_tokens"], cached)
}

fn emit(call: &mut Call, ids: &CallIds, out: &mut VecDeque<ModelEvent>) {
    if std::mem::replace(&mut call.emitted, true) {
        return;
    }
    out.push_back(ModelEvent::ToolCall {
        call_id: ids.or_new(std::mem::take(&mut call.call_id)),
        name: std::mem::take(&mut call.name),
        arguments: std::mem::take(&mut call.arguments),
    });
}

fn citation(annotation: &Value, out: &mut VecDeque<ModelEvent>) {
    if annotation["type"] == "file_citation" || annotation["type"] == "container_file_citation" {
        // Without a name there is nothing to show.
        if let Some(name) = annotation["filename"].as_str().filter(|name| !name.is_empty()) {
            out.push_back(ModelEvent::FileCitation { name: name.to_owned() });
        }
        return;
    }
    if annotation["type"] != "url_citation" {
        return;
    }
    let Some(url) = annotation["url"].as_str() else { return };
    out.push_back(ModelEvent::Citation {
        url: url.to_owned(),
        title: annotation["title"].as_str().unwrap_or(url).to_owned(),
    });
}
