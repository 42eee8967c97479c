//! Chat Completions: how a request is written and how its chunks are read.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{CallIds, Finish, InputFile, InputItem, ModelError, ModelEvent, ModelRequest, Usage};

pub(super) fn body(request: &ModelRequest, openai: bool) -> Value {
    let mut messages = vec![json!({"role": "system", "content": request.instructions})];
    for item in &request.input {
        match item {
            InputItem::User(text) => messages.push(json!({"role": "user", "content": text})),
            InputItem::UserWithFiles { text, files } => {
                let mut content = vec![json!({"type": "text", "text": text})];
                content.extend(files.iter().map(|file| match file {
                    InputFile::Image { data_url } => {
                        json!({"type": "image_url", "image_url": {"url": &**data_url}})
                    }
                    InputFile::File { name, data_url } => json!({
                        "type": "file", "file": {"filename": name, "file_data": &**data_url},
                    }),
                }));
                messages.push(json!({"role": "user", "content": content}));
            }
            InputItem::Assistant(text) => {
                messages.push(json!({"role": "assistant", "content": text}));
            }
            InputItem::ToolCall { call_id, name, arguments } => {
                let call = json!({
                    "id": call_id,
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                });
                // Calls and the text before them are one message of the assistant.
                match messages.last_mut() {
                    Some(last) if last["role"] == "assistant" => {
                        match last["tool_calls"].as_array_mut() {
                            Some(calls) => calls.push(call),
                            None => last["tool_calls"] = json!([call]),
                        }
                    }
                    _ => messages.push(json!({
                        "role": "assistant", "content": null, "tool_calls": [call],
                    })),
                }
            }
            InputItem::ToolResult { call_id, output } => {
                messages.push(json!({"role": "tool", "tool_call_id": call_id, "content": output}))
            }
        }
    }
    let mut body = json!({
        "model": request.model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            })
        });
        body["tools"] = tools.collect();
        if let Some(name) = &request.tool_choice {
            body["tool_choice"] = json!({"type": "function", "function": {"name": name}});
        }
    }
    if let Some(tokens) = request.max_output_tokens {
        // OpenAI's newer models refuse the old name; compatible servers know only that one.
        let name = if openai { "max_completion_tokens" } else { "max_tokens" };
        body[name] = tokens.into();
    }
    body
}

/// A tool call that is being streamed.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    calls: Vec<Call>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    text_seen: bool,
}

impl Parser {
    /// Reads a chunk. `Ok(None)` means that it is not JSON.
    pub(super) fn event(
        &mut self,
        data: &str,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<Option<()>, ModelError> {
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { return Ok(None) };
        let failed = chunk["type"] == "error" || chunk["object"] == "error";
        if failed || chunk["error"].is_object() || chunk["error"].is_string() {
            return Err(ModelError::from_stream(&chunk));
        }
        self.read_usage(&chunk);
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        if !delta.is_object() && choice["finish_reason"].is_null() && chunk["choices"].is_null() {
            tracing::debug!("skipped an unknown chunk of the model");
        }
        self.read_message(delta, out);
        self.read_finish(choice);
        Ok(Some(()))
    }

    fn read_usage(&mut self, chunk: &Value) {
        let usage = &chunk["usage"];
        if usage.is_object() {
            self.usage = Usage::new(
                &usage["prompt_tokens"],
                &usage["completion_tokens"],
                &usage["prompt_tokens_details"]["cached_tokens"],
            );
        }
    }

    /// Reads a delta or a whole message; they have the same fields.
    fn read_message(&mut self, message: &Value, out: &mut VecDeque<ModelEvent>) {
        // Two names of the same thing: vLLM, llama.cpp and DeepSeek; OpenRouter and Ollama.
        for key in ["reasoning_content", "reasoning"] {
            if let Some(text) = message[key].as_str()
                && !text.is_empty()
            {
                out.push_back(ModelEvent::Reasoning(text.to_owned()));
                break;
            }
        }
        for key in ["content", "refusal"] {
            if let Some(text) = message[key].as_str()
                && !text.is_empty()
            {
                self.text_seen = true;
                out.push_back(ModelEvent::TextDelta(text.to_owned()));
            }
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            self.read_call(call);
        }
        for annotation in message["annotations"].as_array().into_iter().flatten() {
            let citation = &annotation["url_citation"];
            if let Some(url) = citation["url"].as_str() {
                let title = citation["title"].as_str().unwrap_or(url).to_owned();
                out.push_back(ModelEvent::Citation { url: url.to_owned(), title });
            }
        }
    }

    fn read_call(&mut self, delta: &Value) {
        let index = delta["index"].as_u64();
        let id = delta["id"].as_str().unwrap_or_default();
        let name = delta["function"]["name"].as_str().unwrap_or_default();
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None => self.calls.len().checked_sub(1),
        };
        // Some servers give every call index 0, or none: then a new id, or else a second name,
        // begins a new call.
        let same = known.filter(|&at| {
            let call = &self.calls[at];
            let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
            let second_name = id.is_empty() && !name.is_empty() && !call.name.is_empty();
            !other_id && !second_name
        });
        let at = same.unwrap_or_else(|| {
            self.calls.push(Call {
                index,
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
            });
            self.calls.len() - 1
        });
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        match &delta["function"]["arguments"] {
            Value::String(text) => call.arguments.push_str(text),
            Value::Null => {}
            // Already parsed, as Ollama's own API has it.
            other => call.arguments = other.to_string(),
        }
    }

    fn read_finish(&mut self, choice: &Value) {
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(match reason {
                "length" => Finish::Length,
                "content_filter" => Finish::ContentFilter,
                // A call may come with "stop"; what was called decides.
                _ => Finish::Stop,
            });
        }
    }

    /// Whether only usage and the end are still to come.
    pub(super) fn finishing(&self) -> bool {
        self.finish.is_some()
    }

    /// Reads an answer that came as one JSON document.
    pub(super) fn whole(
        &mut self,
        completion: &Value,
        ids: &CallIds,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ModelError> {
        if completion["error"].is_object() || completion["error"].is_string() {
            return Err(ModelError::from_stream(completion));
        }
        let choice = &completion["choices"][0];
        if !choice["message"].is_object() {
            return Err(ModelError::Malformed { detail: "the answer has no choices".into() });
        }
        self.read_usage(completion);
        self.read_message(&choice["message"], out);
        self.read_finish(choice);
        let done = self.closed(true, ids, out);
        out.extend(done);
        Ok(())
    }

    /// The stream is over, by its `[DONE]` or by its end. `None` if the answer was not.
    pub(super) fn closed(
        &mut self,
        said_done: bool,
        ids: &CallIds,
        out: &mut VecDeque<ModelEvent>,
    ) -> Option<ModelEvent> {
        let something = self.text_seen || !self.calls.is_empty();
        let finish = self.finish.or((said_done && something).then_some(Finish::Stop))?;
        let finish = if self.calls.is_empty() { finish } else { Finish::ToolCalls };
        for call in self.calls.drain(..) {
            out.push_back(ModelEvent::ToolCall {
                call_id: ids.or_new(call.id),
                name: call.name,
                arguments: call.arguments,
            });
        }
        Some(ModelEvent::Done { usage: self.usage, finish })
    }
}
