//! A conversation's items as messages of AG-UI.

use parlor_chatkit::protocol::{
    Attachment, ClientToolCallItem, ClientToolCallStatus, ItemId, StructuredInputItem,
    StructuredInputStatus, Task, ThreadItem, UserMessageItem, WidgetItem, WorkflowItem,
    WorkflowKind,
};
use serde_json::{Value, json};

use super::events::Interrupt;

/// The activity of steps.
pub(crate) const WORKFLOW: &str = "parlor.workflow";
/// The activity of a single step.
pub(crate) const TASK: &str = "parlor.task";
/// The activity of a widget.
pub(crate) const WIDGET: &str = "parlor.widget";
/// The activity of a generated image.
pub(crate) const IMAGE: &str = "parlor.image";
/// The activity of questions to the user.
pub(crate) const QUESTIONS: &str = "parlor.questions";

/// The messages that an item is, in their order.
pub(crate) fn messages(item: &ThreadItem) -> Vec<Value> {
    match item {
        ThreadItem::UserMessage(message) => vec![user(message)],
        ThreadItem::AssistantMessage(message) => {
            let annotations: Vec<_> =
                message.content.iter().flat_map(|part| &part.annotations).collect();
            let mut said =
                json!({ "id": message.id, "role": "assistant", "content": message.text() });
            if !annotations.is_empty() {
                said["metadata"] = json!({ "parlor": { "annotations": annotations } });
            }
            vec![said]
        }
        ThreadItem::ClientToolCall(call) => called(call),
        ThreadItem::Workflow(item) if item.workflow.r#type == WorkflowKind::Reasoning => {
            thoughts(item)
        }
        item => activity(item)
            .map(|(id, kind, content)| {
                json!({ "id": id, "role": "activity", "activityType": kind, "content": content })
            })
            .into_iter()
            .collect(),
    }
}

/// What is no text: the item's id, what kind of activity it is, and its content.
pub(crate) fn activity(item: &ThreadItem) -> Option<(ItemId, &'static str, Value)> {
    Some(match item {
        ThreadItem::Workflow(item) => (item.id.clone(), WORKFLOW, json!(item.workflow)),
        ThreadItem::Task(item) => (item.id.clone(), TASK, json!({ "task": item.task })),
        ThreadItem::Widget(item) => {
            let content = json!({ "widget": item.widget, "copyText": item.copy_text });
            (item.id.clone(), WIDGET, content)
        }
        ThreadItem::GeneratedImage(item) => {
            (item.id.clone(), IMAGE, json!({ "image": item.image }))
        }
        ThreadItem::StructuredInput(item) => {
            let content = json!({ "inputs": item.inputs, "status": item.status });
            (item.id.clone(), QUESTIONS, content)
        }
        _ => return None,
    })
}

/// What the user is to decide before the conversation goes on.
pub(crate) fn interrupt(item: &ThreadItem) -> Option<Interrupt> {
    match item {
        ThreadItem::Widget(item) => consent(item),
        ThreadItem::StructuredInput(item) if item.status == StructuredInputStatus::Pending => {
            Some(questions(item))
        }
        _ => None,
    }
}

/// Whether a call of a tool may be made.
fn consent(item: &WidgetItem) -> Option<Interrupt> {
    let widget = json!(item.widget);
    // A card that was answered has no buttons.
    if widget["confirm"]["action"]["type"] != parlor_agent::APPROVAL_ACTION {
        return None;
    }
    Some(Interrupt {
        id: item.id.to_string(),
        reason: "approval",
        message: title(&widget).unwrap_or_default().to_owned(),
        response_schema: json!({
            "type": "object",
            "properties": { "approve": { "type": "boolean" } },
            "required": ["approve"],
        }),
        metadata: json!({ "parlor": { "widget": widget } }),
    })
}

/// The first title in a widget.
fn title(node: &Value) -> Option<&str> {
    if node["type"] == "Title" {
        return node["value"].as_str();
    }
    node["children"].as_array()?.iter().find_map(title)
}

fn questions(item: &StructuredInputItem) -> Interrupt {
    let inputs = json!(item.inputs);
    let asked = inputs.as_array().into_iter().flatten();
    let asked: Vec<&str> = asked.filter_map(|input| input["question"].as_str()).collect();
    Interrupt {
        id: item.id.to_string(),
        reason: "questions",
        message: asked.join("\n"),
        response_schema: json!({
            "type": "object",
            "description": "The chosen or written texts of each question, by its id.",
            "additionalProperties": { "type": "array", "items": { "type": "string" } },
        }),
        metadata: json!({ "parlor": { "inputs": inputs } }),
    }
}

fn user(message: &UserMessageItem) -> Value {
    let text = message.text();
    if message.attachments.is_empty() {
        return json!({ "id": message.id, "role": "user", "content": text });
    }
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(json!({ "type": "text", "text": text }));
    }
    parts.extend(message.attachments.iter().filter_map(|attachment| {
        let file = attachment.file()?;
        let kind = match attachment {
            Attachment::Image(_) => "image",
            _ => "document",
        };
        Some(json!({
            "type": kind,
            "source": { "type": "url", "value": file.download_url, "mimeType": file.mime_type },
            "metadata": { "filename": file.name },
        }))
        .filter(|part| part["source"]["value"].is_string())
    }));
    json!({ "id": message.id, "role": "user", "content": parts })
}

fn called(call: &ClientToolCallItem) -> Vec<Value> {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    let mut messages = vec![json!({
        "id": call.id,
        "role": "assistant",
        "toolCalls": [{
            "id": call.call_id,
            "type": "function",
            "function": { "name": call.name, "arguments": arguments },
        }],
    })];
    if call.status == ClientToolCallStatus::Completed {
        let mut result = json!({
            "id": format!("{}_result", call.id),
            "role": "tool",
            "toolCallId": call.call_id,
            "content": match &call.output {
                Some(Value::String(text)) => text.clone(),
                Some(output) => output.to_string(),
                None => String::new(),
            },
        });
        if call.output.is_none() {
            result["error"] = json!("The user wrote another message before there was a result.");
        }
        messages.push(result);
    }
    messages
}

fn thoughts(item: &WorkflowItem) -> Vec<Value> {
    let tasks = item.workflow.tasks.iter().enumerate();
    let thoughts = tasks.filter_map(|(at, task)| match task {
        Task::Thought(thought) => {
            let id = thought_id(&item.id, at);
            Some(json!({ "id": id, "role": "reasoning", "content": thought.content }))
        }
        _ => None,
    });
    thoughts.collect()
}

/// The message of a workflow's thought.
pub(crate) fn thought_id(workflow: &ItemId, at: usize) -> String {
    format!("{workflow}_{at}")
}
