//! Events of ChatKit as events of AG-UI.
//!
//! AG-UI holds its producers to an order: what has begun must end before the run does, nothing goes
//! on that has not begun, and nothing follows the end. The translation keeps that order whatever
//! comes in.

use std::collections::{HashMap, HashSet};

use parlor_chatkit::protocol::{
    AssistantMessageItem, ClientToolCallItem, ClientToolCallStatus, ItemId, Task, ThreadItem,
    ThreadItemUpdate, ThreadStreamEvent, WorkflowKind,
};
use serde_json::{Value, json};

use super::{
    events::{Event, Interrupt, Outcome, PROTOCOL_VERSION},
    history::{IMAGE, WORKFLOW, activity, interrupt, thought_id},
};

/// A run as it is told to its client.
pub(crate) struct Translator {
    thread_id: String,
    run_id: String,
    /// What the assistant is said to be doing.
    step: Option<String>,
    /// Texts that grow, each with the part it is at.
    texts: HashMap<ItemId, usize>,
    /// The model's thoughts.
    reasoning: HashMap<ItemId, Reasoning>,
    /// Calls that the page is to make.
    calls: Vec<(ItemId, String)>,
    /// What was told of, so that it is not told again.
    told: HashSet<ItemId>,
    interrupts: Vec<Interrupt>,
    removed: bool,
    ended: bool,
}

/// A workflow of thoughts.
#[derive(Default)]
struct Reasoning {
    /// The thought that is being told, and how much of it was, in bytes.
    open: Option<(usize, usize)>,
    /// Thoughts that are over.
    over: HashSet<usize>,
}

impl Translator {
    /// A run of this conversation, by the client's ids.
    pub(crate) fn new(thread_id: &str, run_id: &str) -> Self {
        Self {
            thread_id: thread_id.to_owned(),
            run_id: run_id.to_owned(),
            step: None,
            texts: HashMap::new(),
            reasoning: HashMap::new(),
            calls: Vec::new(),
            told: HashSet::new(),
            interrupts: Vec::new(),
            removed: false,
            ended: false,
        }
    }

    /// The first event.
    pub(crate) fn begin(&self) -> Event {
        Event::RunStarted {
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            protocol_version: PROTOCOL_VERSION,
        }
    }

    /// Whether nothing may follow.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the client shows what is no more: it needs the whole conversation.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.removed && !self.ended
    }

    /// Something that waits from before this run.
    pub(crate) fn waits(&mut self, item: &ThreadItem) {
        match item {
            ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending => {
                self.calls.push((call.id.clone(), call.call_id.to_string()));
            }
            item => self.interrupts.extend(interrupt(item)),
        }
    }

    /// The last events of a run that did not fail.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        let outcome = match std::mem::take(&mut self.interrupts) {
            none if none.is_empty() => {
                let calls = std::mem::take(&mut self.calls).into_iter();
                Outcome::Success { pending_tool_call_ids: calls.map(|(_, call)| call).collect() }
            }
            interrupts => Outcome::Interrupt { interrupts },
        };
        self.end(outcome, out);
    }

    /// The last events of a run that somebody has stopped.
    pub(crate) fn cancelled(&mut self, out: &mut Vec<Event>) {
        self.end(Outcome::Cancelled, out);
    }

    /// The last events of a run of which the end is not known.
    pub(crate) fn cut_off(&mut self, out: &mut Vec<Event>) {
        let message = "The answer was interrupted. Please try again.";
        self.fail(message.to_owned(), Some("interrupted".to_owned()), Value::Null, out);
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        self.close(out);
        self.ended = true;
        let (thread_id, run_id) = (self.thread_id.clone(), self.run_id.clone());
        out.push(Event::RunFinished { thread_id, run_id, outcome });
    }

    fn fail(
        &mut self,
        message: String,
        code: Option<String>,
        metadata: Value,
        out: &mut Vec<Event>,
    ) {
        if self.ended {
            return;
        }
        self.close(out);
        self.ended = true;
        out.push(Event::RunError { message, code, metadata });
    }

    /// Ends what has begun.
    pub(crate) fn close(&mut self, out: &mut Vec<Event>) {
        self.end_step(out);
        let texts = std::mem::take(&mut self.texts).into_keys();
        out.extend(texts.map(|id| Event::TextMessageEnd { message_id: id.to_string() }));
        for (id, reasoning) in std::mem::take(&mut self.reasoning) {
            end_reasoning(&id, reasoning, out);
        }
    }

    fn end_step(&mut self, out: &mut Vec<Event>) {
        out.extend(self.step.take().map(|step_name| Event::StepFinished { step_name }));
    }

    /// Translates one event.
    pub(crate) fn event(&mut self, event: ThreadStreamEvent, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        match event {
            ThreadStreamEvent::ThreadCreated(event) => out.push(thread(json!(event.thread))),
            ThreadStreamEvent::ThreadUpdated(event) => out.push(thread(json!(event.thread))),
            ThreadStreamEvent::ItemAdded(event) => self.item(&event.item, false, out),
            ThreadStreamEvent::ItemDone(event) => self.item(&event.item, true, out),
            ThreadStreamEvent::ItemReplaced(event) => self.replaced(&event.item, out),
            ThreadStreamEvent::ItemUpdated(event) => self.update(&event.item_id, event.update, out),
            ThreadStreamEvent::ItemRemoved(event) => self.remove(&event.item_id, out),
            ThreadStreamEvent::ProgressUpdate(event) => {
                if self.step.as_ref() != Some(&event.text) {
                    self.end_step(out);
                    self.step = Some(event.text.clone());
                    out.push(Event::StepStarted { step_name: event.text });
                }
            }
            ThreadStreamEvent::ClientEffect(event) => {
                out.push(Event::Custom { name: event.name, value: event.data.into() });
            }
            ThreadStreamEvent::Notice(event) => {
                out.push(Event::Custom { name: "parlor.notice".to_owned(), value: json!(event) });
            }
            ThreadStreamEvent::Error(event) => {
                let message = event.message.unwrap_or_else(|| "The answer has failed.".to_owned());
                let metadata = json!({ "parlor": {
                    "allowRetry": event.allow_retry,
                    "requestId": event.request_id,
                    "retryAfter": event.retry_after,
                } });
                self.fail(message, event.reason, metadata, out);
            }
            // Not about the conversation, or not known here.
            ThreadStreamEvent::StreamOptions(_) | ThreadStreamEvent::Unknown(_) => {}
        }
    }

    /// An item that begins, or is whole.
    fn item(&mut self, item: &ThreadItem, done: bool, out: &mut Vec<Event>) {
        match item {
            ThreadItem::AssistantMessage(message) => self.text(message, done, out),
            ThreadItem::ClientToolCall(call) => self.call(call, out),
            ThreadItem::Workflow(item) if item.workflow.r#type == WorkflowKind::Reasoning => {
                if self.told.contains(&item.id) {
                    return;
                }
                self.end_step(out);
                self.reasoning(&item.id, out);
                for (at, task) in item.workflow.tasks.iter().enumerate() {
                    self.thought(&item.id, at, task, out);
                }
                if done && let Some(reasoning) = self.reasoning.remove(&item.id) {
                    self.told.insert(item.id.clone());
                    end_reasoning(&item.id, reasoning, out);
                }
            }
            item => {
                let Some((id, activity_type, content)) = activity(item) else { return };
                self.end_step(out);
                let message_id = id.to_string();
                out.push(Event::ActivitySnapshot { message_id, activity_type, content });
                if done {
                    self.interrupts.retain(|asked| asked.id != id.as_str());
                    self.interrupts.extend(interrupt(item));
                }
            }
        }
    }

    /// Text that begins, or is whole.
    fn text(&mut self, message: &AssistantMessageItem, done: bool, out: &mut Vec<Event>) {
        self.end_step(out);
        let message_id = message.id.to_string();
        if !self.texts.contains_key(&message.id) {
            if !self.told.insert(message.id.clone()) {
                return;
            }
            self.texts.insert(message.id.clone(), 0);
            let id = message_id.clone();
            out.push(Event::TextMessageStart { message_id: id, role: "assistant" });
            let delta = message.text();
            if !delta.is_empty() {
                out.push(Event::TextMessageContent { message_id: message_id.clone(), delta });
            }
        }
        if done {
            self.texts.remove(&message.id);
            out.push(Event::TextMessageEnd { message_id });
        }
    }

    /// A call that the page is to make.
    fn call(&mut self, call: &ClientToolCallItem, out: &mut Vec<Event>) {
        self.end_step(out);
        if call.status != ClientToolCallStatus::Pending {
            self.calls.retain(|(id, _)| *id != call.id);
            return;
        }
        if !self.told.insert(call.id.clone()) {
            return;
        }
        let tool_call_id = call.call_id.to_string();
        self.calls.push((call.id.clone(), tool_call_id.clone()));
        out.extend([
            Event::ToolCallStart {
                tool_call_id: tool_call_id.clone(),
                tool_call_name: call.name.clone(),
            },
            Event::ToolCallArgs {
                tool_call_id: tool_call_id.clone(),
                delta: Value::Object(call.arguments.clone()).to_string(),
            },
            Event::ToolCallEnd { tool_call_id },
        ]);
    }

    /// An item that is another one now.
    fn replaced(&mut self, item: &ThreadItem, out: &mut Vec<Event>) {
        match item {
            ThreadItem::AssistantMessage(_) | ThreadItem::UserMessage(_) => self.removed = true,
            item => self.item(item, true, out),
        }
    }

    fn remove(&mut self, id: &ItemId, out: &mut Vec<Event>) {
        self.removed = true;
        if self.texts.remove(id).is_some() {
            out.push(Event::TextMessageEnd { message_id: id.to_string() });
        }
        if let Some(reasoning) = self.reasoning.remove(id) {
            self.told.insert(id.clone());
            end_reasoning(id, reasoning, out);
        }
        self.calls.retain(|(call, _)| call != id);
        self.interrupts.retain(|asked| asked.id != id.as_str());
    }

    fn update(&mut self, id: &ItemId, update: ThreadItemUpdate, out: &mut Vec<Event>) {
        let message_id = || id.to_string();
        match update {
            ThreadItemUpdate::ContentPartAdded(part) => {
                self.grow(id, part.content_index, part.content.text, out);
            }
            ThreadItemUpdate::TextDelta(part) => {
                self.grow(id, part.content_index, part.delta, out);
            }
            ThreadItemUpdate::AnnotationAdded(part) => out.push(Event::Custom {
                name: "parlor.annotation".to_owned(),
                value: json!({
                    "messageId": id,
                    "contentIndex": part.content_index,
                    "annotation": part.annotation,
                }),
            }),
            ThreadItemUpdate::WidgetRootUpdated(update) => {
                let (message_id, activity_type) = (message_id(), super::history::WIDGET);
                let content = json!({ "widget": update.widget, "copyText": null });
                out.push(Event::ActivitySnapshot { message_id, activity_type, content });
            }
            ThreadItemUpdate::WorkflowTaskAdded(update) => {
                if self.reasoning.contains_key(id) {
                    return self.thought(id, update.task_index, &update.task, out);
                }
                let patch = json!([{ "op": "add", "path": "/tasks/-", "value": update.task }]);
                out.push(Event::ActivityDelta {
                    message_id: message_id(),
                    activity_type: WORKFLOW,
                    patch,
                });
            }
            ThreadItemUpdate::WorkflowTaskUpdated(update) => {
                if self.reasoning.contains_key(id) {
                    return self.thought(id, update.task_index, &update.task, out);
                }
                let path = format!("/tasks/{}", update.task_index);
                let patch = json!([{ "op": "replace", "path": path, "value": update.task }]);
                out.push(Event::ActivityDelta {
                    message_id: message_id(),
                    activity_type: WORKFLOW,
                    patch,
                });
            }
            ThreadItemUpdate::GeneratedImageUpdated(update) => {
                let content = json!({ "image": update.image, "progress": update.progress });
                out.push(Event::ActivitySnapshot {
                    message_id: message_id(),
                    activity_type: IMAGE,
                    content,
                });
            }
            // What they say comes with the whole item.
            ThreadItemUpdate::ContentPartDone(_)
            | ThreadItemUpdate::WidgetTextDelta(_)
            | ThreadItemUpdate::WidgetComponentUpdated(_)
            | ThreadItemUpdate::Unknown(_) => {}
        }
    }

    /// More of a text. Parts are paragraphs of one.
    fn grow(&mut self, id: &ItemId, part: usize, delta: String, out: &mut Vec<Event>) {
        let Some(at) = self.texts.get_mut(id) else { return };
        let message_id = id.to_string();
        if std::mem::replace(at, part) != part {
            let delta = "\n\n".to_owned();
            out.push(Event::TextMessageContent { message_id: message_id.clone(), delta });
        }
        if !delta.is_empty() {
            out.push(Event::TextMessageContent { message_id, delta });
        }
    }

    /// The thoughts of a workflow, begun if they were not.
    fn reasoning(&mut self, id: &ItemId, out: &mut Vec<Event>) -> &mut Reasoning {
        self.reasoning.entry(id.clone()).or_insert_with(|| {
            out.push(Event::ReasoningStart { message_id: id.to_string() });
            Reasoning::default()
        })
    }

    /// As much of a thought as there is.
    fn thought(&mut self, id: &ItemId, at: usize, task: &Task, out: &mut Vec<Event>) {
        let Task::Thought(thought) = task else { return };
        let reasoning = self.reasoning(id, out);
        if reasoning.over.contains(&at) {
            return;
        }
        let message_id = thought_id(id, at);
        let said = match reasoning.open {
            Some((open, said)) if open == at => said,
            open => {
                if let Some((before, _)) = open {
                    reasoning.over.insert(before);
                    out.push(Event::ReasoningMessageEnd { message_id: thought_id(id, before) });
                }
                let message_id = message_id.clone();
                out.push(Event::ReasoningMessageStart { message_id, role: "reasoning" });
                0
            }
        };
        // A thought that was written anew cannot be told as more of the old one.
        let delta = thought.content.get(said..).unwrap_or_default();
        reasoning.open = Some((at, said + delta.len()));
        if !delta.is_empty() {
            out.push(Event::ReasoningMessageContent { message_id, delta: delta.to_owned() });
        }
    }
}

fn end_reasoning(id: &ItemId, reasoning: Reasoning, out: &mut Vec<Event>) {
    if let Some((at, _)) = reasoning.open {
        out.push(Event::ReasoningMessageEnd { message_id: thought_id(id, at) });
    }
    out.push(Event::ReasoningEnd { message_id: id.to_string() });
}

fn thread(thread: Value) -> Event {
    let value = json!({
        "id": thread["id"], "title": thread["title"], "status": thread["status"],
    });
    Event::Custom { name: "parlor.thread".to_owned(), value }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// An event about one of three items, of any kind.
    fn any_event() -> impl Strategy<Value = ThreadStreamEvent> {
        let what = (0usize..16, 0u8..3, "[a-z ]{0,6}", 0usize..3);
        what.prop_map(|(kind, item, text, at)| {
            let id = format!("itm_{item}");
            let item = |kind: &str, fields: Value| {
                let mut item = json!({
                    "id": id, "thread_id": "thr_1", "created_at": "2026-11-23T10:00:00Z", "type": kind,
                });
                item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                item
            };
            let said = json!({"content": [{"type": "output_text", "text": text, "annotations": []}]});
            let thought = json!({"type": "thought", "content": text});
            let workflow =
                |kind: &str| json!({"workflow": {"type": kind, "tasks": [thought.clone()]}});
            let call = |status: &str| {
                json!({"call_id": id, "name": "tool", "arguments": {}, "status": status})
            };
            let update = |kind: &str, fields: Value| {
                let mut update = json!({"type": kind});
                update.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                json!({"type": "thread.item.updated", "item_id": id, "update": update})
            };
            let task = json!({"task_index": at, "task": thought});
            let event = |kind: &str, item: Value| json!({"type": kind, "item": item});
            serde_json::from_value(match kind {
                0 => event("thread.item.added", item("assistant_message", json!({"content": []}))),
                1 => event("thread.item.done", item("assistant_message", said)),
                2 => event("thread.item.replaced", item("assistant_message", said)),
                3 => event("thread.item.added", item("workflow", workflow("reasoning"))),
                4 => event("thread.item.done", item("workflow", workflow("reasoning"))),
                5 => event("thread.item.done", item("workflow", workflow("custom"))),
                6 => event("thread.item.done", item("client_tool_call", call("pending"))),
                7 => event("thread.item.replaced", item("client_tool_call", call("completed"))),
                8 => update("workflow.task.added", task),
                9 => update("workflow.task.updated", task),
                10 => update(
                    "assistant_message.content_part.text_delta",
                    json!({"content_index": at, "delta": text}),
                ),
                11 => json!({"type": "progress_update", "text": text}),
                12 => json!({"type": "thread.item.removed", "item_id": id}),
                13 => json!({"type": "notice", "level": "info", "message": text}),
                14 => json!({"type": "something.new", "text": text}),
                _ => json!({"type": "error", "code": "custom", "message": text}),
            })
            .unwrap()
        })
    }

    /// Holds events to the order that AG-UI's client demands of them.
    fn check(events: &[Event]) -> Result<(), TestCaseError> {
        let mut open = BTreeSet::new();
        let mut began = BTreeSet::new();
        let events: Vec<Value> = events.iter().map(|event| json!(event)).collect();
        for (at, event) in events.iter().enumerate() {
            let kind = event["type"].as_str().unwrap();
            let id =
                ["messageId", "toolCallId", "stepName"].iter().find_map(|id| event[id].as_str());
            let what = kind.rsplit_once('_').map_or(kind, |(what, _)| what);
            let key = (what, id.unwrap_or_default().to_owned());
            match kind {
                "RUN_STARTED" => prop_assert_eq!(at, 0),
                "RUN_FINISHED" | "RUN_ERROR" => prop_assert_eq!(at, events.len() - 1),
                _ if kind.ends_with("_START") || kind == "STEP_STARTED" => {
                    prop_assert!(open.insert(key.clone()), "{:?} is open", key);
                    let again = began.insert(key.clone());
                    prop_assert!(again || what == "STEP", "{:?} began before", key);
                }
                "TEXT_MESSAGE_CONTENT" | "REASONING_MESSAGE_CONTENT" | "TOOL_CALL_ARGS" => {
                    prop_assert!(open.contains(&key), "{:?} is not open", key);
                }
                _ if kind.ends_with("_END") || kind == "STEP_FINISHED" => {
                    prop_assert!(open.remove(&key), "{:?} is not open", key);
                }
                _ => {}
            }
        }
        prop_assert!(open.is_empty(), "{:?} never ended", open);
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_begins_ends_and_nothing_follows_the_end(
            events in prop::collection::vec(any_event(), 0..40),
        ) {
            let mut translator = Translator::new("t", "r");
            let mut told = vec![translator.begin()];
            for event in events {
                translator.event(event, &mut told);
            }
            translator.finish(&mut told);
            check(&told)?;
            prop_assert!(translator.has_ended());
        }
    }
}
