//! An assistant message being written.

use parlor_protocol::{
    Annotation, AssistantMessageContent, AssistantMessageItem, ContentPartAdded,
    ContentPartAnnotationAdded, ContentPartDone, ContentPartTextDelta, ItemId, Source, ThreadItem,
    ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemUpdate, ThreadItemUpdatedEvent,
};

use super::Turn;
use crate::{TurnError, ids};

/// Writes one assistant message, streamed. Text is Markdown.
///
/// Clients see the message from its first text on. What was written is kept when the turn fails
/// or is stopped; [`finish`](Self::finish) ends it properly.
pub struct MessageWriter<'turn> {
    turn: &'turn mut Turn,
    id: ItemId,
    begun: bool,
    chars: usize,
    annotations: usize,
}

impl<'turn> MessageWriter<'turn> {
    pub(super) fn new(turn: &'turn mut Turn) -> Self {
        Self { turn, id: ids::item("msg"), begun: false, chars: 0, annotations: 0 }
    }

    /// The message's id.
    pub fn id(&self) -> &ItemId {
        &self.id
    }

    /// Unicode code points written so far: where the next annotation would point.
    pub fn position(&self) -> usize {
        self.chars
    }

    /// The turn, for what is said beside the message.
    pub fn turn(&mut self) -> &mut Turn {
        self.turn
    }

    /// Appends text. Empty text does nothing.
    ///
    /// # Errors
    /// When the turn's event log is full, or the store fails.
    pub async fn push(&mut self, delta: &str) -> Result<(), TurnError> {
        if delta.is_empty() {
            return Ok(());
        }
        self.begin().await?;
        self.chars += delta.chars().count();
        self.update(ContentPartTextDelta { content_index: 0, delta: delta.to_owned() }).await
    }

    /// Refers to a source behind what was written so far.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn cite(&mut self, source: impl Into<Source>) -> Result<(), TurnError> {
        self.annotate(Annotation::at(self.chars, source)).await
    }

    /// Adds an annotation anywhere in the text.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn annotate(&mut self, annotation: Annotation) -> Result<(), TurnError> {
        self.begin().await?;
        let annotation_index = self.annotations;
        self.annotations += 1;
        self.update(ContentPartAnnotationAdded { content_index: 0, annotation_index, annotation })
            .await
    }

    /// Ends the message. A message without text is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(mut self) -> Result<(), TurnError> {
        self.end().await
    }

    /// Ends the message and begins another one behind it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_and_begin(mut self) -> Result<Self, TurnError> {
        self.finish_and_go_on().await?;
        Ok(self)
    }

    /// As [`finish_and_begin`](Self::finish_and_begin), in place.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_and_go_on(&mut self) -> Result<(), TurnError> {
        self.end().await?;
        self.id = ids::item("msg");
        (self.begun, self.chars, self.annotations) = (false, 0, 0);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), TurnError> {
        let Some(ThreadItem::AssistantMessage(message)) =
            self.turn.pending_item(&self.id, ThreadItem::clone)
        else {
            return Ok(());
        };
        if let Some(content) = message.content.first().cloned() {
            let done = ContentPartDone { content_index: 0, content };
            self.update(done).await?;
        }
        self.turn.emit(ThreadItemDoneEvent { item: message.into() }.into()).await
    }

    async fn begin(&mut self) -> Result<(), TurnError> {
        if self.begun {
            return Ok(());
        }
        let item = AssistantMessageItem {
            id: self.id.clone(),
            thread_id: self.turn.key.thread_id.clone(),
            created_at: self.turn.now(),
            content: Vec::new(),
            feedback: None,
        };
        self.turn.emit(ThreadItemAddedEvent { item: item.into() }.into()).await?;
        self.begun = true;
        let content = AssistantMessageContent::default();
        self.update(ContentPartAdded { content_index: 0, content }).await
    }

    async fn update(&mut self, update: impl Into<ThreadItemUpdate>) -> Result<(), TurnError> {
        let event = ThreadItemUpdatedEvent { item_id: self.id.clone(), update: update.into() };
        self.turn.emit(event.into()).await
    }
}
