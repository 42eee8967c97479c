//! A widget being shown.

use futures::{Stream, StreamExt as _};
use parlor_protocol::{
    ItemId, ThreadItem, ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemUpdate,
    ThreadItemUpdatedEvent, WidgetComponentUpdated, WidgetItem, WidgetStreamingTextValueDelta,
    widgets::{WidgetComponent, WidgetRoot},
};

use super::diff_widget;
use crate::{Turn, TurnError};

/// Shows one widget while it changes.
///
/// Clients see each version at once. The last one is kept when the turn fails or is stopped;
/// [`finish`](Self::finish) ends it properly.
pub struct WidgetWriter<'turn> {
    turn: &'turn mut Turn,
    id: ItemId,
}

impl<'turn> WidgetWriter<'turn> {
    /// The widget's item.
    pub fn id(&self) -> &ItemId {
        &self.id
    }

    /// The widget as it is now: a copy.
    pub fn widget(&self) -> Option<WidgetRoot> {
        self.read(WidgetRoot::clone)
    }

    fn read<T>(&self, read: impl FnOnce(&WidgetRoot) -> T) -> Option<T> {
        let read = |item: &ThreadItem| match item {
            ThreadItem::Widget(item) => Some(read(&item.widget)),
            _ => None,
        };
        self.turn.pending_item(&self.id, read).flatten()
    }

    /// The turn, for what is said beside the widget.
    pub fn turn(&mut self) -> &mut Turn {
        self.turn
    }

    /// Shows the next version: what [`diff_widget`] finds is sent, and nothing when it is the
    /// same.
    ///
    /// # Errors
    /// When the turn's event log is full, or the item is gone.
    pub async fn update(&mut self, next: impl Into<WidgetRoot>) -> Result<(), TurnError> {
        let next = next.into();
        let updates = self.read(|widget| diff_widget(widget, &next)).unwrap_or_default();
        for update in updates {
            self.send(update).await?;
        }
        Ok(())
    }

    /// Appends to the text of the [`Text`](parlor_protocol::widgets::Text) or
    /// [`Markdown`](parlor_protocol::widgets::Markdown) component with this `id`. Cheaper than
    /// [`update`](Self::update), which compares the whole widget. Empty text does nothing.
    ///
    /// # Errors
    /// When the widget has no such text, or as [`update`](Self::update).
    pub async fn append(&mut self, id: &str, delta: &str) -> Result<(), TurnError> {
        let streaming = self.read(|widget| widget.streaming_text(id)).flatten();
        let Some(streaming) = streaming else { return Err(NoSuchText(id.to_owned()).into()) };
        if delta.is_empty() {
            return Ok(());
        }
        self.send(WidgetStreamingTextValueDelta {
            component_id: id.to_owned(),
            delta: delta.to_owned(),
            done: !streaming,
        })
        .await
    }

    /// Puts another component in the place of the one with this `id`: a smaller change than a new
    /// version of the whole widget, where much stays as it is. [`diff_widget`], like the official
    /// one, never finds it by itself.
    ///
    /// # Errors
    /// When the widget has no component with this `id`, or as [`update`](Self::update).
    pub async fn replace_component(
        &mut self,
        id: &str,
        component: impl Into<WidgetComponent>,
    ) -> Result<(), TurnError> {
        let component = component.into();
        self.send(WidgetComponentUpdated { component_id: id.to_owned(), component }).await
    }

    /// Ends the widget as it is now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(self) -> Result<ItemId, TurnError> {
        if let Some(item) = self.turn.pending_item(&self.id, ThreadItem::clone) {
            self.turn.emit(ThreadItemDoneEvent { item }.into()).await?;
        }
        Ok(self.id)
    }

    async fn send(&mut self, update: impl Into<ThreadItemUpdate>) -> Result<(), TurnError> {
        let event = ThreadItemUpdatedEvent { item_id: self.id.clone(), update: update.into() };
        self.turn.emit(event.into()).await
    }
}

/// A responder's mistake: text for a component that takes none.
#[derive(Debug, thiserror::Error)]
#[error(
    "the widget has no Text or Markdown component with the id `{0}`; only these grow, all else \
     takes a new version of the widget"
)]
struct NoSuchText(String);

impl Turn {
    /// Begins a widget that will change. `copy_text` is what the user gets who copies it.
    ///
    /// # Errors
    /// When the turn's event log is full, or the store fails.
    pub async fn begin_widget(
        &mut self,
        widget: impl Into<WidgetRoot>,
        copy_text: Option<String>,
    ) -> Result<WidgetWriter<'_>, TurnError> {
        let (id, thread_id, created_at) = self.new_item("wdg");
        let widget = widget.into();
        let item = WidgetItem { id: id.clone(), thread_id, created_at, widget, copy_text };
        self.emit(ThreadItemAddedEvent { item: item.into() }.into()).await?;
        Ok(WidgetWriter { turn: self, id })
    }

    /// Shows the versions of a widget as they come, as `stream_widget` of the official SDK does.
    /// `None`: there was none.
    ///
    /// # Errors
    /// As [`begin_widget`](Self::begin_widget).
    pub async fn stream_widget(
        &mut self,
        versions: impl Stream<Item = WidgetRoot> + Send,
        copy_text: Option<String>,
    ) -> Result<Option<ItemId>, TurnError> {
        let mut versions = std::pin::pin!(versions);
        let Some(first) = versions.next().await else { return Ok(None) };
        let mut widget = self.begin_widget(first, copy_text).await?;
        while let Some(next) = versions.next().await {
            widget.update(next).await?;
        }
        widget.finish().await.map(Some)
    }

    /// Puts a new version in the place of a stored item, such as the widget whose action is
    /// being answered. Clients are told of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replace_item(&mut self, item: impl Into<ThreadItem>) -> Result<(), TurnError> {
        self.emit(parlor_protocol::ThreadItemReplacedEvent { item: item.into() }.into()).await
    }
}
