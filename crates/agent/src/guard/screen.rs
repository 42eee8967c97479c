//! The screen before a turn's answer: checks what is said, while it is said and when it is whole.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use parlor_chatkit::{
    Screen, TurnError, Verdict,
    protocol::{ItemId, Task, ThreadItem, ThreadItemUpdate, ThreadStreamEvent},
};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::{Asker, Check, Guardrail, Guards, InputCheck, Side, Tripped, taken_back};
use crate::measure;

/// How much of what was checked before is shown again with what is new, in characters: what is
/// wrong may begin in one window and end in the next.
const OVERLAP_CHARS: usize = 500;

/// A text that people see: a message, or a thought of a workflow.
struct Part {
    item: ItemId,
    /// The step, for a workflow.
    step: usize,
    text: String,
    /// How much of it the rules have seen, in bytes.
    seen: usize,
}

/// Somebody who is asked about the answer while it is said.
struct Asked {
    guardrail: Guardrail,
    /// How many characters there were when it was asked last.
    at: usize,
    asking: Option<JoinHandle<Option<Tripped>>>,
}

pub(super) struct GuardScreen {
    guards: Guards,
    input: Vec<InputCheck>,
    asker: Asker,
    parts: Vec<Part>,
    chars: usize,
    asked: Vec<Asked>,
    tripped: Option<Tripped>,
}

impl GuardScreen {
    pub(super) fn new(guards: Guards, input: Vec<InputCheck>, asker: Asker) -> Self {
        let asked = guards.on(Side::Output).filter(|guardrail| guardrail.asks());
        let asked: Vec<Asked> = asked
            .map(|guardrail| Asked { guardrail: guardrail.clone(), at: 0, asking: None })
            .collect();
        Self { guards, input, asker, parts: Vec::new(), chars: 0, asked, tripped: None }
    }

    fn part(&mut self, item: &ItemId, step: usize) -> &mut Part {
        let known = self.parts.iter().position(|part| part.item == *item && part.step == step);
        let at = known.unwrap_or_else(|| {
            let (item, text) = (item.clone(), String::new());
            self.parts.push(Part { item, step, text, seen: 0 });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    fn said(&mut self, item: &ItemId, delta: &str) {
        self.chars += delta.chars().count();
        self.part(item, 0).text.push_str(delta);
    }

    /// A text as a whole, in the place of what was there.
    fn is(&mut self, item: &ItemId, step: usize, text: &str) {
        let part = self.part(item, step);
        if part.text == text {
            return;
        }
        if !text.starts_with(&part.text) {
            part.seen = 0;
        }
        let before = part.text.chars().count();
        text.clone_into(&mut part.text);
        self.chars = self.chars - before + text.chars().count();
    }

    fn task(&mut self, item: &ItemId, step: usize, task: &Task) {
        if let Task::Thought(thought) = task {
            self.is(item, step, &thought.content);
        }
    }

    /// Takes in what an event says. Whether it says something.
    fn take(&mut self, event: &ThreadStreamEvent) -> bool {
        match event {
            ThreadStreamEvent::ItemUpdated(event) => {
                let item = &event.item_id;
                match &event.update {
                    ThreadItemUpdate::TextDelta(update) => self.said(item, &update.delta),
                    ThreadItemUpdate::WorkflowTaskAdded(update) => {
                        self.task(item, update.task_index, &update.task);
                    }
                    ThreadItemUpdate::WorkflowTaskUpdated(update) => {
                        self.task(item, update.task_index, &update.task);
                    }
                    _ => return false,
                }
                true
            }
            ThreadStreamEvent::ItemAdded(event) => self.take_item(&event.item),
            ThreadStreamEvent::ItemDone(event) => self.take_item(&event.item),
            ThreadStreamEvent::ItemReplaced(event) => self.take_item(&event.item),
            _ => false,
        }
    }

    fn take_item(&mut self, item: &ThreadItem) -> bool {
        match item {
            ThreadItem::AssistantMessage(message) => self.is(&message.id, 0, &message.text()),
            ThreadItem::Workflow(item) => {
                for (step, task) in item.workflow.tasks.iter().enumerate() {
                    self.task(&item.id, step, task);
                }
            }
            _ => return false,
        }
        true
    }

    /// What the rules find.
    fn by_rules(&mut self, is_whole: bool) -> Option<Tripped> {
        let tripped = self.guards.on(Side::Output).find_map(|guardrail| {
            let Check::Rules(rules) = &guardrail.check else { return None };
            let new = self.parts.iter().filter(|part| is_whole || part.seen < part.text.len());
            let found = new
                .filter_map(|part| rules.find(&part.text, part.seen, is_whole))
                .map(super::rules::Found::name)
                .next();
            if is_whole || found.is_some() {
                let outcome = if found.is_some() { "tripped" } else { "passed" };
                measure::guardrail(&guardrail.config.name, "output", outcome, None);
                guardrail.note(&self.asker.notes, Side::Output, outcome, found.as_deref(), None);
            }
            Some(guardrail.tripped(Side::Output, &found?))
        });
        for part in &mut self.parts {
            part.seen = part.text.len();
        }
        tripped
    }

    /// Asks whoever is to be asked about what is new, and hears who has answered.
    fn ask(&mut self) -> Option<Tripped> {
        let chars = self.chars;
        let mut due = Vec::new();
        for (n, asked) in self.asked.iter_mut().enumerate() {
            if let Some(asking) = &mut asked.asking {
                let Some(answered) = asking.now_or_never() else { continue };
                asked.asking = None;
                // A check that panicked is made again with the next window, and in the end.
                if let Ok(Some(tripped)) = answered {
                    return Some(tripped);
                }
            }
            let window = asked.guardrail.config.window_chars.unwrap_or(usize::MAX);
            if chars - asked.at.min(chars) >= window {
                due.push((n, chars - asked.at + OVERLAP_CHARS));
                asked.at = chars;
            }
        }
        for (n, length) in due {
            let text = tail(&self.text(), length);
            let (guardrail, asker) = (self.asked[n].guardrail.clone(), self.asker.clone());
            let work = async move { guardrail.ask(Side::Output, &text, &asker).await };
            self.asked[n].asking = Some(tokio::spawn(work.in_current_span()));
        }
        None
    }

    /// All that people see.
    fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().map(|part| part.text.as_str()).collect();
        texts.join("\n\n")
    }
}

/// The last characters of a text.
fn tail(text: &str, chars: usize) -> Arc<str> {
    let from = text.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    text[from..].into()
}

impl Screen for GuardScreen {
    fn see(&mut self, event: &ThreadStreamEvent) -> Result<(), TurnError> {
        if self.take(event) && self.tripped.is_none() {
            self.tripped = self.by_rules(false);
            if self.tripped.is_none() && !self.asked.is_empty() {
                self.tripped = self.ask();
            }
        }
        match self.tripped {
            Some(_) => Err(taken_back()),
            None => Ok(()),
        }
    }

    fn verdict(mut self: Box<Self>) -> BoxFuture<'static, Verdict> {
        Box::pin(async move {
            for check in &self.input {
                if let Some(tripped) = check.clone().await {
                    return Verdict::Refuse(tripped.message.to_string());
                }
            }
            if self.tripped.is_none() {
                self.tripped = self.by_rules(true);
            }
            if self.tripped.is_none() && self.parts.iter().any(|part| !part.text.trim().is_empty())
            {
                self.tripped = self.ask_about_all().await;
            }
            match &self.tripped {
                Some(tripped) => Verdict::TakeBack(tripped.message.to_string()),
                None => Verdict::Keep,
            }
        })
    }
}

impl GuardScreen {
    /// Asks everybody about the whole answer.
    async fn ask_about_all(&mut self) -> Option<Tripped> {
        let text = self.text();
        for asked in &mut self.asked {
            // What it would say of a part, it says of the whole.
            if let Some(asking) = asked.asking.take() {
                asking.abort();
            }
        }
        let asking =
            self.asked.iter().map(|asked| asked.guardrail.ask(Side::Output, &text, &self.asker));
        futures::future::join_all(asking).await.into_iter().flatten().next()
    }
}

impl Drop for GuardScreen {
    fn drop(&mut self) {
        for asked in &self.asked {
            if let Some(asking) = &asked.asking {
                asking.abort();
            }
        }
    }
}
