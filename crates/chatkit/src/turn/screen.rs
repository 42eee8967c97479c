//! What stands between an answer and those who read it: a gate that opens late, and a screen that
//! sees what is said and may take it back.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
};

use futures::{FutureExt as _, future::BoxFuture};
use parlor_protocol::{
    AssistantMessageContent, AssistantMessageItem, HiddenContextItem, ItemId, ThreadItem,
    ThreadItemDoneEvent, ThreadItemRemovedEvent, ThreadStreamEvent, UserMessageContent,
    UserMessageItem,
};
use serde_json::json;

use super::{Turn, apply::Effect};
use crate::{ItemState, ItemWrite, TurnError};

/// The key under which a hidden item says that a message is not for the model.
const REFUSED: &str = "parlor.refused";

/// Looks at an answer while it is made, and decides in the end whether it stays.
///
/// [`Turn::screen`] puts one before an answer. Guardrails are made of it; whoever makes the answer
/// need not know.
pub trait Screen: Send + 'static {
    /// Something is about to be stored and sent. Called for each event of the answer, so it must not
    /// take long: what takes long is begun here and asked for in [`verdict`](Self::verdict).
    ///
    /// # Errors
    /// When the answer must not go on. The event is not sent, and the responder is given the error,
    /// which it should pass on.
    fn see(&mut self, event: &ThreadStreamEvent) -> Result<(), TurnError>;

    /// The answer is over: whole, stopped or failed. Nothing is sent after it before this is decided.
    fn verdict(self: Box<Self>) -> BoxFuture<'static, Verdict>;
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is taken back, and this is said in its place.
    TakeBack(String),
    /// The message was not to be answered: what was shown is taken back, this is said in its place,
    /// and the message is in no [`history`](Turn::history) from now on. It stays in the conversation.
    Refuse(String),
}

/// What stands before a turn's answer. Behind a lock that is never taken: turns are shared between
/// threads, and what is in here need not be.
#[derive(Default)]
pub(super) struct Before(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    gate: Option<BoxFuture<'static, Result<(), TurnError>>>,
    screen: Option<Box<dyn Screen>>,
    reading: Option<Reading>,
}

/// What a text of a user is read as; `None` for as it is.
type Reading = Box<dyn Fn(&str) -> Option<String> + Send>;

impl Before {
    fn parts(&mut self) -> &mut Parts {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Lets nothing of the answer out until this is done: neither stored nor sent. The responder can
    /// work meanwhile, and waits when it says something.
    ///
    /// If it gives an error, the responder is given that in the place of each thing that it says.
    pub fn hold_until(&mut self, gate: BoxFuture<'static, Result<(), TurnError>>) {
        self.before.get_or_insert_default().parts().gate = Some(gate);
    }

    /// Puts a screen before the answer. There is one at a time; a new one takes the place of the old.
    pub fn screen(&mut self, screen: Box<dyn Screen>) {
        self.before.get_or_insert_default().parts().screen = Some(screen);
    }

    /// Has the responder read what users wrote in another way, such as without what is to be kept from
    /// a model: the message to answer, and those of the [`history`](Self::history). What is stored and
    /// shown stays as it was written. `None` leaves a text as it is.
    pub fn read_as(&mut self, reading: impl Fn(&str) -> Option<String> + Send + 'static) {
        if let Some(input) = &mut self.input {
            read(input, &reading);
        }
        self.before.get_or_insert_default().parts().reading = Some(Box::new(reading));
    }

    /// Reads the history as it is to be read.
    pub(super) fn read_history(&self, items: &mut Vec<ThreadItem>) {
        without_refused(items);
        let Some(before) = &self.before else { return };
        let parts = before.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reading) = &parts.reading else { return };
        for item in items {
            if let ThreadItem::UserMessage(message) = item {
                read(message, reading);
            }
        }
    }

    /// Waits at the gate, and shows an event to the screen.
    pub(super) async fn pass(&mut self, event: &ThreadStreamEvent) -> Result<(), TurnError> {
        let Some(before) = &mut self.before else { return Ok(()) };
        let before = before.parts();
        if let Some(gate) = &mut before.gate {
            gate.as_mut().await?;
            before.gate = None;
        }
        match &mut before.screen {
            Some(screen) => screen.see(event),
            None => Ok(()),
        }
    }

    /// Asks the screen whether the answer stays, and does what it says. Whether it was taken back.
    pub(super) async fn judge(&mut self) -> bool {
        let Some(screen) = self.before.take().and_then(|mut before| before.parts().screen.take())
        else {
            return false;
        };
        let verdict = AssertUnwindSafe(screen.verdict()).catch_unwind().await;
        let done = match verdict {
            Ok(Verdict::Keep) => return false,
            Ok(Verdict::TakeBack(instead)) => self.take_back(instead).await,
            Ok(Verdict::Refuse(instead)) => self.refuse(instead).await,
            Err(_) => {
                tracing::error!(turn_id = %self.key.turn_id, "a screen panicked");
                return false;
            }
        };
        if let Err(error) = done {
            // What could not be written is tried again when the turn ends.
            tracing::warn!(turn_id = %self.key.turn_id, ?error, "not taken back at once");
        }
        true
    }

    /// Takes back all that this turn has made, finished or not, hidden items included, and says
    /// something in its place, in one transaction.
    ///
    /// Whoever follows is told of each item that it is removed, whoever begins to follow now is told no
    /// more than that, and the conversation is as if it had never been said: the next turn's
    /// [`history`](Self::history) has no word of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_back(&mut self, instead: impl Into<String>) -> Result<(), TurnError> {
        let (id, ..) = self.new_item("msg");
        self.say_instead(id, instead.into(), None).await
    }

    /// All in one transaction, with a record that only the server reads.
    async fn say_instead(
        &mut self,
        id: ItemId,
        text: String,
        record: Option<HiddenContextItem>,
    ) -> Result<(), TurnError> {
        let mut shown = Vec::new();
        for (item_id, is_hidden) in self.items.made() {
            let event = ThreadItemRemovedEvent { item_id: item_id.clone() }.into();
            self.items.apply(&event)?;
            self.unsaved.writes.push(ItemWrite::Remove(item_id.clone()));
            if !is_hidden {
                self.unsaved.events.push(event);
                shown.push(item_id);
            }
        }
        if let Some(record) = record {
            let event = ThreadItemDoneEvent { item: record.into() }.into();
            if let Effect::Put { seq, item } = self.items.apply(&event)? {
                self.unsaved.writes.push(ItemWrite::Put { seq, item, state: ItemState::Done });
            }
        }
        let (_, thread_id, created_at) = self.new_item("msg");
        let content = vec![AssistantMessageContent { text, ..AssistantMessageContent::default() }];
        let feedback = None;
        self.put(AssistantMessageItem { id, thread_id, created_at, content, feedback }).await?;
        if !shown.is_empty() {
            self.log.forget(&shown);
        }
        Ok(())
    }

    /// As [`take_back`](Self::take_back), and the message to answer is in no history from now on, nor
    /// is what is said here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refuse(&mut self, instead: impl Into<String>) -> Result<(), TurnError> {
        // A model that is asked for a title would be told the message.
        self.titling.give_up();
        let (instead_id, ..) = self.new_item("msg");
        let refused = self.input.as_ref().map(|input| {
            let (id, thread_id, created_at) = self.new_item("hc");
            let content = json!({ REFUSED: { "message": input.id, "instead": instead_id } });
            HiddenContextItem { id, thread_id, created_at, content }
        });
        self.say_instead(instead_id, instead.into(), refused).await
    }
}

/// Reads the texts of a message in another way.
fn read(message: &mut UserMessageItem, reading: impl Fn(&str) -> Option<String>) {
    for part in &mut message.content {
        let text = match part {
            UserMessageContent::Text(part) => &mut part.text,
            UserMessageContent::Tag(part) => &mut part.text,
            UserMessageContent::Unknown(_) => continue,
        };
        if let Some(other) = reading(text) {
            *text = other;
        }
    }
    if let Some(quoted) = &mut message.quoted_text
        && let Some(other) = reading(quoted)
    {
        *quoted = other;
    }
}

/// Leaves out the messages that were refused, what was said in the place of their answers, and what
/// says so.
fn without_refused(items: &mut Vec<ThreadItem>) {
    let refused = items.iter().filter_map(|item| {
        let (ThreadItem::HiddenContext(record), id) = (item, item.id()) else { return None };
        let refused = record.content.get(REFUSED)?;
        let id_of = |key| Some(ItemId::from(refused.get(key)?.as_str()?));
        Some([id, id_of("message"), id_of("instead")])
    });
    let refused: Vec<ItemId> = refused.flatten().flatten().collect();
    if !refused.is_empty() {
        items.retain(|item| item.id().is_none_or(|id| !refused.contains(&id)));
    }
}
