//! What a request asks for, read alike from both APIs.

use serde_json::Value;

use crate::behaviour::Purpose;

/// The API a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Responses,
    ChatCompletions,
}

/// What matters of a request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) api: Api,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) model: String,
    pub(crate) instructions: String,
    pub(crate) user_message: String,
    /// Names of the functions on offer; empty when the request forbids calls.
    pub(crate) tools: Vec<String>,
    /// How often an image is to be shown before it is done; `None`: images are not wanted.
    pub(crate) partial_images: Option<u64>,
    /// Images that came with the user's last message.
    pub(crate) images: usize,
    /// Tool results that came after the last user message.
    pub(crate) tool_results: Vec<String>,
    pub(crate) input_chars: usize,
}

/// How the instructions for a title begin.
const TITLE: &str = "Write a title for a conversation";
/// How those for a judge's verdict begin.
const VERDICT: &str = "You decide whether a text may pass";

impl Asked {
    pub(crate) fn new(api: Api, body: &Value) -> Self {
        let mut asked = Self {
            api,
            stream: body["stream"].as_bool().unwrap_or(false),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            model: body["model"].as_str().unwrap_or("fake-model").to_owned(),
            instructions: body["instructions"].as_str().unwrap_or_default().to_owned(),
            user_message: String::new(),
            tools: Vec::new(),
            partial_images: None,
            images: 0,
            tool_results: Vec::new(),
            input_chars: 0,
        };
        let items = match api {
            Api::Responses => &body["input"],
            Api::ChatCompletions => &body["messages"],
        };
        if let Some(text) = items.as_str() {
            asked.user_message = text.to_owned();
        }
        for item in items.as_array().into_iter().flatten() {
            asked.read_item(item);
        }
        if body["tool_choice"].as_str() != Some("none") {
            asked.tools = body["tools"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|tool| tool["name"].as_str().or(tool["function"]["name"].as_str()))
                .map(str::to_owned)
                .collect();
            let mut tools = body["tools"].as_array().into_iter().flatten();
            let images = tools.find(|tool| tool["type"] == "image_generation");
            asked.partial_images = images.map(|tool| tool["partial_images"].as_u64().unwrap_or(0));
        }
        asked.input_chars +=
            asked.instructions.chars().count() + asked.user_message.chars().count();
        asked
    }

    /// What the request is for.
    pub(crate) fn purpose(&self) -> Purpose {
        if self.instructions.starts_with(TITLE) {
            Purpose::Title
        } else if self.instructions.starts_with(VERDICT) {
            Purpose::Verdict
        } else {
            Purpose::Answer
        }
    }

    fn read_item(&mut self, item: &Value) {
        match (item["type"].as_str(), item["role"].as_str()) {
            (Some("function_call_output"), _) => self.tool_results.push(text_of(&item["output"])),
            (_, Some("tool")) => self.tool_results.push(text_of(&item["content"])),
            (_, Some("user")) => {
                self.user_message = text_of(&item["content"]);
                let parts = item["content"].as_array().into_iter().flatten();
                self.images = parts.filter(|part| part["type"] == "input_image").count();
                self.tool_results.clear();
            }
            (_, Some("system" | "developer")) => {
                if !self.instructions.is_empty() {
                    self.instructions.push('\n');
                }
                self.instructions.push_str(&text_of(&item["content"]));
            }
            _ => self.input_chars += text_of(&item["content"]).chars().count(),
        }
    }
}

/// The text of a string or of a list of content parts.
fn text_of(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_apis_are_read_alike() {
        let tool = json!({"type": "function", "name": "search_documents"});
        let responses = Asked::new(
            Api::Responses,
            &json!({
                "model": "m", "instructions": "Be kind.", "tools": [tool],
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "old"}]},
                    {"type": "function_call_output", "call_id": "c0", "output": "stale"},
                    {"role": "user", "content": "new"},
                    {"type": "function_call", "call_id": "c1", "name": "x", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c1", "output": "fresh"},
                ],
            }),
        );
        let chat = Asked::new(
            Api::ChatCompletions,
            &json!({
                "model": "m", "tools": [{"type": "function", "function": tool}],
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    {"role": "user", "content": "old"},
                    {"role": "user", "content": [{"type": "text", "text": "new"}]},
                    {"role": "tool", "tool_call_id": "c1", "content": "fresh"},
                ],
            }),
        );
        for asked in [responses, chat] {
            assert_eq!(asked.instructions, "Be kind.");
            assert_eq!(asked.user_message, "new");
            assert_eq!(asked.tools, ["search_documents"]);
            assert_eq!(asked.tool_results, ["fresh"]);
        }
    }
}
