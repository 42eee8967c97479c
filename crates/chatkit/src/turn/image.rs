//! An image being made for the user.

use parlor_protocol::{
    GeneratedImage, GeneratedImageItem, GeneratedImageUpdated, ItemId, ThreadItem,
    ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemUpdatedEvent,
};

use super::Turn;
use crate::TurnError;

/// Shows an image while it is being made.
///
/// Clients show an empty frame at once. The last preview is kept when the turn fails or is
/// stopped; without one, the image goes.
pub struct ImageWriter<'turn> {
    turn: &'turn mut Turn,
    id: ItemId,
}

impl<'turn> ImageWriter<'turn> {
    /// The image's item.
    pub fn id(&self) -> &ItemId {
        &self.id
    }

    /// The turn, for what is said beside the image.
    pub fn turn(&mut self) -> &mut Turn {
        self.turn
    }

    /// Shows the image so far. `url` is a `data:` URL or one that browsers can load; `progress`
    /// goes from 0 to 1.
    ///
    /// # Errors
    /// When the turn's event log is full, which large `data:` URLs fill soon.
    pub async fn preview(
        &mut self,
        url: impl Into<String>,
        progress: Option<f64>,
    ) -> Result<(), TurnError> {
        let image = self.image(url.into());
        let update = GeneratedImageUpdated { image, progress };
        let event = ThreadItemUpdatedEvent { item_id: self.id.clone(), update: update.into() };
        self.turn.emit(event.into()).await
    }

    /// Ends the image: `url` is where it is from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(self, url: impl Into<String>) -> Result<ItemId, TurnError> {
        let image = self.image(url.into());
        if let Some(ThreadItem::GeneratedImage(mut item)) =
            self.turn.pending_item(&self.id, ThreadItem::clone)
        {
            item.image = Some(image);
            self.turn.emit(ThreadItemDoneEvent { item: item.into() }.into()).await?;
        }
        Ok(self.id)
    }

    /// One image an item, so the item's id names it as well.
    fn image(&self, url: String) -> GeneratedImage {
        GeneratedImage { id: self.id.as_str().to_owned(), url }
    }
}

impl Turn {
    /// Begins an image.
    ///
    /// # Errors
    /// When the turn's event log is full.
    pub async fn generated_image(&mut self) -> Result<ImageWriter<'_>, TurnError> {
        let (id, thread_id, created_at) = self.new_item("img");
        let item = GeneratedImageItem { id: id.clone(), thread_id, created_at, image: None };
        self.emit(ThreadItemAddedEvent { item: item.into() }.into()).await?;
        Ok(ImageWriter { turn: self, id })
    }
}
