//! Events in, effects out: what an event does to the items of a turn.
//!
//! A pure state machine. The turn's driver persists the effects and sends the events; nothing
//! else changes an item.

use parlor_protocol::{
    AssistantMessageContent, ItemId, ThreadItem, ThreadItemUpdate, ThreadStreamEvent,
    widgets::WidgetRoot,
};
use serde_json::Value;

/// An event that makes no sense where it comes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// An item with this id was begun already.
    #[error("item `{0}` was added already")]
    AddedTwice(ItemId),
    /// An item without an id.
    #[error("an item needs an id")]
    NoId,
    /// An update for an item that was not begun, or is done.
    #[error("item `{0}` is not being made")]
    NotPending(ItemId),
    /// An update for another kind of item.
    #[error("`{update}` does not apply to item `{item}` of type `{kind}`")]
    WrongKind {
        /// The item.
        item: ItemId,
        /// Its type.
        kind: String,
        /// The update's type.
        update: String,
    },
    /// A part, step or component that does not exist.
    #[error("item `{item}` has no {what}")]
    NoSuchPart {
        /// The item.
        item: ItemId,
        /// What was looked for.
        what: String,
    },
}

/// What is to be done about an event, besides sending it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nothing to store now.
    None,
    /// An item has begun; it is stored when it is done.
    Began,
    /// An item is whole and to be stored at this place of the thread.
    Put {
        /// Its sequence number.
        seq: i64,
        /// The item.
        item: ThreadItem,
    },
    /// A stored item is to be replaced.
    Replace(ThreadItem),
    /// A stored item is to be removed.
    Remove(ItemId),
}

/// An item that is still being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its place in the thread.
    pub seq: i64,
    /// The item so far.
    pub item: ThreadItem,
    id: ItemId,
}

/// The items of a running turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnItems {
    next_seq: i64,
    // A turn makes a handful of items at a time: a list beats a map.
    pending: Vec<Pending>,
    whole: Vec<Whole>,
}

/// An item that is whole.
#[derive(Debug, Clone, PartialEq)]
struct Whole {
    seq: i64,
    id: ItemId,
    hidden: bool,
}

/// How far a client may pad the parts of a message with a single update.
const MAX_PARTS: usize = 256;

impl TurnItems {
    /// No items yet; the first will get `next_seq`.
    pub fn new(next_seq: i64) -> Self {
        Self { next_seq, pending: Vec::new(), whole: Vec::new() }
    }

    /// Items that are still being made, in their order.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The item that is being made under this id.
    pub fn get(&self, id: &ItemId) -> Option<&ThreadItem> {
        self.pending.iter().find(|pending| pending.id == *id).map(|pending| &pending.item)
    }

    /// Whether anything was begun or stored.
    pub fn is_untouched(&self) -> bool {
        self.pending.is_empty() && self.whole.is_empty()
    }

    /// The items that this turn has made, begun or whole, latest first, and whether each is hidden.
    pub fn made(&self) -> Vec<(ItemId, bool)> {
        let pending =
            self.pending.iter().map(|pending| (pending.seq, &pending.id, pending.item.is_hidden()));
        let whole = self.whole.iter().map(|whole| (whole.seq, &whole.id, whole.hidden));
        let mut made: Vec<_> = pending.chain(whole).collect();
        made.sort_by_key(|(seq, ..)| std::cmp::Reverse(*seq));
        made.into_iter().map(|(_, id, hidden)| (id.clone(), hidden)).collect()
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &ThreadStreamEvent) -> Result<Effect, ApplyError> {
        match event {
            ThreadStreamEvent::ItemAdded(event) => {
                let id = event.item.id().ok_or(ApplyError::NoId)?;
                if self.position(&id).is_some() || self.whole.iter().any(|whole| whole.id == id) {
                    return Err(ApplyError::AddedTwice(id));
                }
                let seq = self.take_seq();
                // Nearly always the only one, and a list would make room for four.
                self.pending.reserve_exact(1);
                self.pending.push(Pending { seq, item: event.item.clone(), id });
                Ok(Effect::Began)
            }
            ThreadStreamEvent::ItemUpdated(event) => {
                let Some(at) = self.position(&event.item_id) else {
                    return Err(ApplyError::NotPending(event.item_id.clone()));
                };
                update_item(&mut self.pending[at].item, &event.item_id, &event.update)?;
                Ok(Effect::None)
            }
            ThreadStreamEvent::ItemDone(event) => {
                let id = event.item.id().ok_or(ApplyError::NoId)?;
                let seq = if let Some(at) = self.position(&id) {
                    self.pending.remove(at).seq
                } else if let Some(whole) = self.whole.iter().find(|whole| whole.id == id) {
                    // Done again: the reference's helpers do that when a late change comes.
                    return Ok(Effect::Put { seq: whole.seq, item: event.item.clone() });
                } else {
                    self.take_seq()
                };
                self.whole.push(Whole { seq, id, hidden: event.item.is_hidden() });
                Ok(Effect::Put { seq, item: event.item.clone() })
            }
            ThreadStreamEvent::ItemRemoved(event) => {
                if let Some(at) = self.position(&event.item_id) {
                    self.pending.remove(at);
                }
                self.whole.retain(|whole| whole.id != event.item_id);
                // Also for an item that was only pending: a checkpoint of it may be stored.
                Ok(Effect::Remove(event.item_id.clone()))
            }
            ThreadStreamEvent::ItemReplaced(event) => {
                let id = event.item.id().ok_or(ApplyError::NoId)?;
                if let Some(at) = self.position(&id) {
                    let seq = self.pending.remove(at).seq;
                    self.whole.push(Whole { seq, id, hidden: event.item.is_hidden() });
                    return Ok(Effect::Put { seq, item: event.item.clone() });
                }
                Ok(Effect::Replace(event.item.clone()))
            }
            _ => Ok(Effect::None),
        }
    }

    fn position(&self, id: &ItemId) -> Option<usize> {
        self.pending.iter().position(|pending| pending.id == *id)
    }

    fn take_seq(&mut self) -> i64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }
}

fn update_item(
    item: &mut ThreadItem,
    id: &ItemId,
    update: &ThreadItemUpdate,
) -> Result<(), ApplyError> {
    let wrong_kind = |item: &ThreadItem| ApplyError::WrongKind {
        item: id.clone(),
        kind: item.tag().to_owned(),
        update: update.tag().to_owned(),
    };
    let no_such = |what: String| ApplyError::NoSuchPart { item: id.clone(), what };
    match (item, update) {
        // What a newer peer knows, we pass on and don't apply.
        (_, ThreadItemUpdate::Unknown(_)) | (ThreadItem::Unknown(_), _) => Ok(()),
        (ThreadItem::AssistantMessage(message), update) => {
            let index = match update {
                ThreadItemUpdate::ContentPartAdded(update) => update.content_index,
                ThreadItemUpdate::TextDelta(update) => update.content_index,
                ThreadItemUpdate::AnnotationAdded(update) => update.content_index,
                ThreadItemUpdate::ContentPartDone(update) => update.content_index,
                _ => return Err(wrong_kind(&ThreadItem::AssistantMessage(message.clone()))),
            };
            if index >= MAX_PARTS {
                return Err(no_such(format!("content part {index}")));
            }
            // As in the reference: an update for a part that was not announced makes it.
            while message.content.len() <= index {
                message.content.push(AssistantMessageContent::default());
            }
            let part = &mut message.content[index];
            match update {
                ThreadItemUpdate::ContentPartAdded(update) => *part = update.content.clone(),
                ThreadItemUpdate::TextDelta(update) => part.text.push_str(&update.delta),
                ThreadItemUpdate::AnnotationAdded(update) => {
                    let at = update.annotation_index.min(part.annotations.len());
                    part.annotations.insert(at, update.annotation.clone());
                }
                ThreadItemUpdate::ContentPartDone(update) => *part = update.content.clone(),
                _ => {}
            }
            Ok(())
        }
        (ThreadItem::Workflow(item), ThreadItemUpdate::WorkflowTaskAdded(update)) => {
            let at = update.task_index.min(item.workflow.tasks.len());
            item.workflow.tasks.insert(at, update.task.clone());
            Ok(())
        }
        (ThreadItem::Workflow(item), ThreadItemUpdate::WorkflowTaskUpdated(update)) => {
            let task = item
                .workflow
                .tasks
                .get_mut(update.task_index)
                .ok_or_else(|| no_such(format!("task {}", update.task_index)))?;
            *task = update.task.clone();
            Ok(())
        }
        (ThreadItem::GeneratedImage(item), ThreadItemUpdate::GeneratedImageUpdated(update)) => {
            item.image = Some(update.image.clone());
            Ok(())
        }
        (ThreadItem::Widget(item), ThreadItemUpdate::WidgetRootUpdated(update)) => {
            item.widget = update.widget.clone();
            Ok(())
        }
        (ThreadItem::Widget(item), ThreadItemUpdate::WidgetComponentUpdated(update)) => {
            let component = serde_json::to_value(&update.component).unwrap_or_default();
            edit_component(&mut item.widget, &update.component_id, |target| *target = component)
                .ok_or_else(|| no_such(format!("component `{}`", update.component_id)))
        }
        (ThreadItem::Widget(item), ThreadItemUpdate::WidgetTextDelta(update)) => {
            let found = item.widget.append_text(&update.component_id, &update.delta);
            found
                .then_some(())
                .ok_or_else(|| no_such(format!("component `{}`", update.component_id)))
        }
        (item, _) => Err(wrong_kind(item)),
    }
}

/// Edits the component with this `id`, wherever it is in the widget.
///
/// On JSON, not on the typed tree: a component of a newer type may hold the one that is meant.
fn edit_component(
    widget: &mut WidgetRoot,
    component_id: &str,
    edit: impl FnOnce(&mut Value),
) -> Option<()> {
    fn find<'a>(value: &'a mut Value, id: &str) -> Option<&'a mut Value> {
        if value.get("id").and_then(Value::as_str) == Some(id) {
            return Some(value);
        }
        match value {
            Value::Object(object) => match object.get_mut("children") {
                Some(Value::Array(children)) => {
                    children.iter_mut().find_map(|child| find(child, id))
                }
                Some(child) => find(child, id),
                None => None,
            },
            _ => None,
        }
    }
    let mut tree = serde_json::to_value(&*widget).ok()?;
    edit(find(&mut tree, component_id)?);
    *widget = serde_json::from_value(tree).ok()?;
    Some(())
}

#[cfg(test)]
mod tests;
