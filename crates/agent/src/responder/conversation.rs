//! What is to be answered: the question, what was said before it, and what still waits.

use parlor_chatkit::protocol::{Attachment, AttachmentId, ItemId, ThreadItem};
use parlor_chatkit::{StoreError, Turn};

use super::{AgentResponder, consent::HeldItems, in_page::item_of, pictures::last_made};
use crate::approval::{Held, RECENT_ITEMS};
use crate::model::InputItem;
use crate::prompt::{self, Said};

/// Items that may have to do with a call of the page's: its record, the call, and the message after it.
const BEFORE_MESSAGE: u32 = 3;

/// What is to be answered.
pub(super) struct Conversation {
    pub(super) question: String,
    /// The same as the model is told it, where something is quoted: that stands between tags.
    pub(super) told: Option<String>,
    pub(super) said: Vec<Said>,
    /// What was sent along with the question.
    pub(super) files: Vec<Attachment>,
    /// The last images that were made in it, oldest first.
    pub(super) pictures: Vec<AttachmentId>,
    /// Calls that wait for the user's consent.
    pub(super) held: Option<Box<HeldItems>>,
    /// What belongs to an answer before the question.
    pub(super) before: Vec<InputItem>,
}

impl AgentResponder {
    pub(super) async fn conversation(&self, turn: &Turn) -> Result<Conversation, StoreError> {
        // The message to answer is the last item of the history, and not part of what was said
        // before.
        let mut count = self.prompt.history_items.saturating_add(1);
        if self.may_wait() {
            count = count.max(RECENT_ITEMS);
        } else if self.page_tools {
            // A page's tools are gone with its request, and what one was asked waits still: right
            // before the message to answer, or somewhere in the answer that goes on.
            let goes_on = turn.input().is_none();
            count = count.max(if goes_on { RECENT_ITEMS } else { BEFORE_MESSAGE });
        }
        let mut items = turn.history(count).await?;
        let held = Held::unfinished(&items).map(|(record, held)| {
            let of = |widget: &ItemId| items.iter().find(|item| item.id().as_ref() == Some(widget));
            let cards = held.waiting.iter().filter_map(|waiting| match of(&waiting.widget)? {
                ThreadItem::Widget(card) => Some(card.clone()),
                _ => None,
            });
            Box::new(HeldItems { cards: cards.collect(), record, held, in_page: None })
        });
        let held = held.map(|mut known| {
            known.in_page = known.held.page.as_ref().and_then(|page| item_of(page, &mut items));
            known
        });
        let question = match turn.input() {
            Some(input) => {
                items.retain(|item| item.id().as_ref() != Some(&input.id));
                Some(ThreadItem::UserMessage(input.clone()))
            }
            // The turn goes on after a tool's output or an answered question: what was asked
            // last is still to be answered.
            None => items.iter().rposition(|item| matches!(item, ThreadItem::UserMessage(_))).map(
                |at| {
                    if held.is_some() {
                        // What came after it is the answer that goes on, which is told as such.
                        items.truncate(at + 1);
                    }
                    items.remove(at)
                },
            ),
        };
        let mut question = question;
        // They stand beside the question, and need not be named in it.
        let files = match &mut question {
            Some(ThreadItem::UserMessage(message)) => std::mem::take(&mut message.attachments),
            _ => Vec::new(),
        };
        let pictures = self.images.as_ref().map(|_| last_made(&items)).unwrap_or_default();
        let excess = items.len().saturating_sub(self.prompt.history_items as usize);
        let said: Vec<Said> = items[excess..].iter().filter_map(Said::from_item).collect();
        let told = match &question {
            Some(ThreadItem::UserMessage(message)) if message.quoted_text.is_some() => {
                prompt::question(message)
            }
            _ => None,
        };
        let question = match question.as_ref().and_then(Said::from_item) {
            Some(Said::User(text)) => text,
            _ if !files.is_empty() => "(The user sent this without a text.)".to_owned(),
            _ => "Please go on.".to_owned(),
        };
        Ok(Conversation { question, told, said, files, pictures, held, before: Vec::new() })
    }
}
