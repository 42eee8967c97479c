//! A run as people see it: what an agent does, as items of the thread.
//!
//! Agents differ in how strictly they keep to the order of events. Nothing that was said is lost by
//! an event too much or too few: a message begins with its first text, and ends with whatever comes
//! next.

use std::collections::HashSet;

use parlor_chatkit::protocol::{CustomSummary, CustomTask, Icon, ItemId, ThoughtTask};
use parlor_chatkit::{MessageWriter, PausedWorkflow, Turn, TurnError};
use serde_json::{Value, json};

use super::events::AgentEvent;
use super::patch;
use crate::tools::{ToolCallRequest, titled};

/// Calls that are shown, and kept, of one run.
const MAX_CALLS: usize = 200;

/// Longest thoughts that are shown of one run, in bytes.
const MAX_THOUGHTS: usize = 64 * 1024;

/// Largest state that is kept, in bytes of JSON.
const MAX_STATE: usize = 128 * 1024;

/// Parts of a state that requests have places of their own for.
const SAID_ELSEWHERE: [&str; 2] = ["messages", "tools"];

/// A run being shown.
pub(super) struct Shown<'turn> {
    writer: MessageWriter<'turn>,
    /// The message that is being written, as the agent calls it.
    current: Option<String>,
    /// Those that have ended.
    ended: HashSet<String>,
    /// What came of messages that had ended.
    late: Vec<(String, String)>,
    steps: Steps,
    thoughts: Thoughts,
    /// Names of the tools that run in the page.
    page_tools: HashSet<String>,
    /// What is remembered.
    pub(super) run: Run,
}

/// What a run has said and done.
#[derive(Debug, Default)]
pub(super) struct Run {
    said: Vec<Said>,
    /// Calls of earlier runs that this one may give results of.
    earlier: Vec<ToolCallRequest>,
    /// The messages of the run, as the agent says at last.
    snapshot: Option<Vec<Value>>,
    pub(super) items: Vec<ItemId>,
    pub(super) state: Option<Value>,
    pub(super) state_changed: bool,
    /// Whether people have seen anything of it.
    pub(super) visible: bool,
}

#[derive(Debug)]
enum Said {
    Text { id: String, text: String },
    Call { call: ToolCallRequest, answered: bool },
    Result { id: String, call: String, content: String },
}

impl<'turn> Shown<'turn> {
    pub(super) fn new(
        writer: MessageWriter<'turn>,
        page_tools: impl IntoIterator<Item = String>,
        state: Option<Value>,
    ) -> Self {
        Self {
            writer,
            current: None,
            ended: HashSet::new(),
            late: Vec::new(),
            steps: Steps::default(),
            thoughts: Thoughts::default(),
            page_tools: page_tools.into_iter().collect(),
            run: Run { state, ..Run::default() },
        }
    }

    /// The turn, when all is shown.
    pub(super) fn turn(&mut self) -> &mut Turn {
        self.writer.turn()
    }

    /// Shows an event. `last_user_message` is the message that is answered.
    pub(super) async fn event(
        &mut self,
        event: AgentEvent,
        last_user_message: &str,
    ) -> Result<(), TurnError> {
        match event {
            AgentEvent::TextStart { message } => {
                if self.current.as_ref().is_some_and(|current| *current != message) {
                    self.end_text().await?;
                }
                self.ended.remove(&message);
                self.current = Some(message);
            }
            AgentEvent::Text { message, delta } => self.text(message, &delta).await?,
            AgentEvent::TextEnd { message } => {
                if message.is_empty() || self.current.as_ref() == Some(&message) {
                    self.end_text().await?;
                }
                if self.current.is_none() {
                    self.say_late(Some(&message)).await?;
                }
            }
            AgentEvent::ToolStart { call, name } => self.call(call, name).await?,
            AgentEvent::PageTool { name } => {
                self.page_tools.insert(name);
            }
            AgentEvent::ToolArguments { call, delta } => self.run.arguments(&call, &delta),
            AgentEvent::ToolEnd { .. } => {}
            AgentEvent::ToolResult { call, message, content, failed } => {
                let state = if failed { State::Failed } else { State::Done };
                if !self.steps.end(self.writer.turn(), &call, state).await? {
                    // A call of an earlier run, which waited for an answer.
                    let name = self.run.name_of(&call).unwrap_or_default().to_owned();
                    if !name.is_empty() && !self.page_tools.contains(&name) {
                        self.step(&call, &titled(&name), state).await?;
                    }
                }
                self.run.result(call, message, content);
            }
            AgentEvent::Thought { delta } => {
                self.pause_text().await?;
                self.run.visible = true;
                self.thoughts.think(self.writer.turn(), &delta).await?;
            }
            AgentEvent::ThoughtEnd => self.thoughts.end_one(self.writer.turn()).await?,
            AgentEvent::Step { name } => {
                // Where something is being shown already, a line would hide it.
                if self.writer.position() == 0 && !self.steps.are_running() && !name.is_empty() {
                    let line: String = titled(&name).chars().take(100).collect();
                    let icon = Icon::from_static("sparkle");
                    self.writer.turn().progress(icon, format!("{line}…")).await?;
                }
            }
            AgentEvent::SubagentStart { id, name } => {
                let title: String = titled(&name).chars().take(200).collect();
                self.step(&id, &title, State::Running).await?;
            }
            AgentEvent::SubagentEnd { id, failed } => {
                let state = if failed { State::Failed } else { State::Done };
                self.steps.end(self.writer.turn(), &id, state).await?;
            }
            AgentEvent::State(state) => self.run.set_state(state),
            AgentEvent::StatePatch(patch) => self.run.patch_state(&patch),
            AgentEvent::Messages(messages) => self.snapshot(messages, last_user_message).await?,
            AgentEvent::Finished { .. } => {}
        }
        Ok(())
    }

    /// Calls that the page is to make.
    pub(super) fn page_calls(&self) -> Vec<ToolCallRequest> {
        let calls = self.run.open_calls().filter(|call| self.page_tools.contains(&call.name));
        calls.cloned().collect()
    }

    /// All is said. Steps that nobody ended are shown like this.
    pub(super) async fn finish(&mut self, left: State) -> Result<(), TurnError> {
        self.end_text().await?;
        self.say_late(None).await?;
        let turn = self.writer.turn();
        self.thoughts.finish(turn).await?;
        self.steps.finish(turn, left).await
    }

    async fn text(&mut self, message: String, delta: &str) -> Result<(), TurnError> {
        if delta.is_empty() {
            return Ok(());
        }
        let message = match message.as_str() {
            "" => self.current.clone().unwrap_or_default(),
            _ => message,
        };
        if self.ended.contains(&message) {
            self.run.say(&message, delta);
            match self.late.iter_mut().find(|(known, _)| *known == message) {
                Some((_, text)) => text.push_str(delta),
                None => self.late.push((message, delta.to_owned())),
            }
            return Ok(());
        }
        if self.current.as_ref().is_some_and(|current| *current != message) {
            self.end_text().await?;
        }
        self.run.say(&message, delta);
        self.current = Some(message);
        self.push(delta).await
    }

    async fn push(&mut self, delta: &str) -> Result<(), TurnError> {
        if self.writer.position() == 0 {
            self.thoughts.finish(self.writer.turn()).await?;
            self.steps.finish_if_done(self.writer.turn()).await?;
            self.run.items.push(self.writer.id().clone());
            self.run.visible = true;
        }
        self.writer.push(delta).await
    }

    /// The message that is being written is whole.
    async fn end_text(&mut self) -> Result<(), TurnError> {
        if let Some(current) = self.current.take() {
            self.ended.insert(current);
        }
        self.writer.finish_and_go_on().await
    }

    /// Something is shown behind what was written; more of the message may follow.
    async fn pause_text(&mut self) -> Result<(), TurnError> {
        if self.writer.position() > 0 {
            self.writer.finish_and_go_on().await?;
        }
        Ok(())
    }

    /// Says what came of a message after its end; of all for `None`.
    async fn say_late(&mut self, message: Option<&str>) -> Result<(), TurnError> {
        let (now, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(known, _)| message.is_none_or(|message| known == message));
        self.late = later;
        let now: Vec<(String, String)> = now;
        for (_, text) in now {
            self.push(&text).await?;
            self.writer.finish_and_go_on().await?;
        }
        Ok(())
    }

    async fn call(&mut self, call: String, name: String) -> Result<(), TurnError> {
        if name.is_empty() || !self.run.call(&call, &name) {
            return Ok(());
        }
        // The page shows its own.
        if self.page_tools.contains(&name) {
            return Ok(());
        }
        let title: String = titled(&name).chars().take(200).collect();
        self.step(&call, &title, State::Running).await
    }

    async fn step(&mut self, id: &str, title: &str, state: State) -> Result<(), TurnError> {
        self.pause_text().await?;
        self.run.visible = true;
        let turn = self.writer.turn();
        self.thoughts.finish(turn).await?;
        self.steps.begin(turn, id, title, state).await
    }

    /// The conversation as the agent knows it. What it has not streamed is said now.
    async fn snapshot(
        &mut self,
        messages: Vec<Value>,
        last_user_message: &str,
    ) -> Result<(), TurnError> {
        let asked = messages
            .iter()
            .rposition(|message| message["id"] == last_user_message)
            .or_else(|| messages.iter().rposition(|message| message["role"] == "user"));
        let own: Vec<Value> = messages
            .into_iter()
            .skip(asked.map_or(0, |at| at + 1))
            .filter(|message| {
                matches!(message["role"].as_str(), Some("assistant" | "tool" | "reasoning"))
            })
            .take(MAX_CALLS * 2)
            .collect();
        let streamed = self.run.said.iter().any(|said| matches!(said, Said::Text { .. }));
        if !streamed {
            let texts: Vec<String> = own
                .iter()
                .filter(|message| message["role"] == "assistant")
                .filter_map(|message| message["content"].as_str().map(str::to_owned))
                .filter(|text| !text.trim().is_empty())
                .collect();
            // Several are those of steps before the answer, whose last is the answer.
            if let Some(text) = texts.last().filter(|_| self.run.items.is_empty()) {
                self.push(text).await?;
                self.writer.finish_and_go_on().await?;
            }
        }
        self.run.snapshot = Some(own);
        Ok(())
    }
}

impl Run {
    /// Knows calls of earlier runs by name.
    pub(super) fn knows(&mut self, call: &ToolCallRequest) {
        self.earlier.push(call.clone());
    }

    fn say(&mut self, message: &str, delta: &str) {
        let known = self.said.iter_mut().rev().find_map(|said| match said {
            Said::Text { id, text } if id == message => Some(text),
            _ => None,
        });
        match known {
            Some(text) => text.push_str(delta),
            None => {
                self.said.push(Said::Text { id: message.to_owned(), text: delta.to_owned() });
            }
        }
    }

    /// A call has begun. `false`: it is known, or there are too many.
    fn call(&mut self, id: &str, name: &str) -> bool {
        let known = self.calls().any(|(call, _)| call.call_id == id);
        if known || self.calls().count() >= MAX_CALLS {
            return false;
        }
        let call = ToolCallRequest {
            call_id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
        };
        self.said.push(Said::Call { call, answered: false });
        true
    }

    fn arguments(&mut self, id: &str, delta: &str) {
        let call = self.said.iter_mut().rev().find_map(|said| match said {
            Said::Call { call, answered: false } if id.is_empty() || call.call_id == id => {
                Some(call)
            }
            _ => None,
        });
        if let Some(call) = call {
            call.arguments.push_str(delta);
        }
    }

    fn result(&mut self, call: String, message: String, content: String) {
        for said in &mut self.said {
            if let Said::Call { call: known, answered } = said
                && known.call_id == call
            {
                *answered = true;
            }
        }
        let id = if message.is_empty() { format!("{call}-result") } else { message };
        if !call.is_empty() && self.said.len() < MAX_CALLS * 4 {
            self.said.push(Said::Result { id, call, content });
        }
    }

    fn calls(&self) -> impl Iterator<Item = (&ToolCallRequest, bool)> {
        self.said.iter().filter_map(|said| match said {
            Said::Call { call, answered } => Some((call, *answered)),
            _ => None,
        })
    }

    /// All calls of the run, as they were made.
    pub(super) fn all_calls(&self) -> Vec<ToolCallRequest> {
        self.calls().map(|(call, _)| call.clone()).collect()
    }

    /// Calls without a result.
    fn open_calls(&self) -> impl Iterator<Item = &ToolCallRequest> {
        self.calls().filter(|(_, answered)| !answered).map(|(call, _)| call)
    }

    fn name_of(&self, id: &str) -> Option<&str> {
        let calls = self.calls().map(|(call, _)| call).chain(&self.earlier);
        calls.into_iter().find(|call| call.call_id == id).map(|call| call.name.as_str())
    }

    fn set_state(&mut self, mut state: Value) {
        // Some agents' states hold the whole conversation, which is told anyway: kept with each run, it
        // would grow with the square of its length.
        if let Some(state) = state.as_object_mut() {
            state.retain(|key, _| !SAID_ELSEWHERE.contains(&key.as_str()));
        }
        if self.state.as_ref() == Some(&state) {
            return;
        }
        if state.to_string().len() > MAX_STATE {
            tracing::warn!(limit_bytes = MAX_STATE, "the agent's state is too long to be kept");
            return;
        }
        self.state = Some(state);
        self.state_changed = true;
    }

    fn patch_state(&mut self, change: &Value) {
        let mut state = self.state.clone().unwrap_or_else(|| json!({}));
        match patch::apply(&mut state, change) {
            Ok(()) => self.set_state(state),
            Err(error) => tracing::warn!(error, "a change of the agent's state was left out"),
        }
    }

    /// What the run has added to the conversation, as messages of AG-UI.
    pub(super) fn messages(&mut self) -> Vec<Value> {
        if let Some(snapshot) = self.snapshot.take() {
            return snapshot;
        }
        let mut messages: Vec<Value> = Vec::new();
        for said in self.said.drain(..) {
            match said {
                Said::Text { id, text } => {
                    messages.push(json!({"id": id, "role": "assistant", "content": text}));
                }
                Said::Call { call, .. } => {
                    let id = call.call_id.clone();
                    let made = json!({
                        "id": call.call_id, "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments},
                    });
                    match messages.last_mut().filter(|message| message["role"] == "assistant") {
                        Some(message) => match message["toolCalls"].as_array_mut() {
                            Some(calls) => calls.push(made),
                            None => message["toolCalls"] = json!([made]),
                        },
                        None => messages.push(json!({
                            "id": format!("{id}-call"), "role": "assistant", "toolCalls": [made],
                        })),
                    }
                }
                Said::Result { id, call, content } => messages.push(json!({
                    "id": id, "role": "tool", "toolCallId": call, "content": content,
                })),
            }
        }
        messages
    }
}

/// What has become of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Done,
    Failed,
    /// It goes on when somebody has answered.
    Waiting,
}

/// Calls and other agents' work, from one stretch of text to the next.
#[derive(Default)]
struct Steps {
    workflow: Option<Box<PausedWorkflow>>,
    shown: Vec<(String, String, State)>,
}

impl Steps {
    async fn begin(
        &mut self,
        turn: &mut Turn,
        id: &str,
        title: &str,
        state: State,
    ) -> Result<(), TurnError> {
        if self.shown.len() >= MAX_CALLS || self.shown.iter().any(|(known, ..)| known == id) {
            return Ok(());
        }
        let mut workflow = match self.workflow.take() {
            Some(paused) => turn.continue_workflow(*paused),
            None => turn.workflow(),
        };
        let added = workflow.add(task(title, state)).await;
        self.workflow = Some(Box::new(workflow.pause()));
        self.shown.push((id.to_owned(), title.to_owned(), state));
        added.map(drop)
    }

    /// Whether there is such a step.
    async fn end(&mut self, turn: &mut Turn, id: &str, to: State) -> Result<bool, TurnError> {
        let Some(at) = self.shown.iter().position(|(known, ..)| known == id) else {
            return Ok(false);
        };
        let (_, title, state) = &mut self.shown[at];
        if *state == to {
            return Ok(true);
        }
        *state = to;
        let changed = task(title, to);
        if let Some(paused) = self.workflow.take() {
            let mut workflow = turn.continue_workflow(*paused);
            let updated = workflow.update(at, changed).await;
            self.workflow = Some(Box::new(workflow.pause()));
            updated?;
        }
        Ok(true)
    }

    fn are_running(&self) -> bool {
        self.shown.iter().any(|(.., state)| *state == State::Running)
    }

    async fn finish_if_done(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        match self.are_running() {
            true => Ok(()),
            false => self.finish(turn, State::Done).await,
        }
    }

    async fn finish(&mut self, turn: &mut Turn, left: State) -> Result<(), TurnError> {
        let running = |(id, _, state): &(String, String, State)| {
            (*state == State::Running).then(|| id.clone())
        };
        let running: Vec<String> = self.shown.iter().filter_map(running).collect();
        for id in running {
            self.end(turn, &id, left).await?;
        }
        let shown = std::mem::take(&mut self.shown);
        let Some(paused) = self.workflow.take() else { return Ok(()) };
        let title = match shown.as_slice() {
            [(_, only, _)] => only.clone(),
            shown => format!("{} steps", shown.len()),
        };
        let summary = CustomSummary::new(title).icon("check-circle");
        turn.continue_workflow(*paused).finish_as(summary).await
    }
}

fn task(title: &str, state: State) -> CustomTask {
    let task = CustomTask::new(title);
    match state {
        State::Running => task.loading(),
        State::Done => task.complete(),
        State::Failed => task.content("This did not work."),
        State::Waiting => task,
    }
}

/// What an agent thinks, where it says so.
#[derive(Default)]
struct Thoughts {
    workflow: Option<Box<PausedWorkflow>>,
    /// The thought that is being written.
    task: Option<usize>,
    text: String,
    /// How much of it is shown.
    shown: usize,
    /// Of all thoughts.
    bytes: usize,
}

impl Thoughts {
    async fn think(&mut self, turn: &mut Turn, delta: &str) -> Result<(), TurnError> {
        if delta.is_empty() || self.bytes >= MAX_THOUGHTS {
            return Ok(());
        }
        self.bytes += delta.len();
        self.text.push_str(delta);
        // Each update repeats the thought: it must grow by some part of itself.
        if self.task.is_some() && self.text.len() < self.shown + self.shown / 4 + 40 {
            return Ok(());
        }
        self.show(turn, ThoughtTask::new(self.text.clone()).loading()).await
    }

    async fn show(&mut self, turn: &mut Turn, thought: ThoughtTask) -> Result<(), TurnError> {
        self.shown = self.text.len();
        let mut workflow = match self.workflow.take() {
            Some(paused) => turn.continue_workflow(*paused),
            None => turn.reasoning(),
        };
        let shown = match self.task {
            Some(task) => workflow.update(task, thought).await,
            None => workflow.add(thought).await.map(|task| self.task = Some(task)),
        };
        self.workflow = Some(Box::new(workflow.pause()));
        shown
    }

    async fn end_one(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        if self.task.is_some() {
            self.show(turn, ThoughtTask::new(self.text.clone()).complete()).await?;
        }
        self.task = None;
        self.text.clear();
        self.shown = 0;
        Ok(())
    }

    async fn finish(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        if self.workflow.is_none() {
            return Ok(());
        }
        self.end_one(turn).await?;
        match self.workflow.take() {
            Some(paused) => turn.continue_workflow(*paused).finish().await,
            None => Ok(()),
        }
    }
}
