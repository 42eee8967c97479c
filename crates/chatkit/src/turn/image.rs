//! An image being made for the user.

use parlor_protocol::{
    AttachmentId, GeneratedImage, GeneratedImageItem, GeneratedImageUpdated, ItemId, ThreadItem,
    ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemRemovedEvent, ThreadItemUpdatedEvent,
};

use super::Turn;
use crate::{AttachmentStoreError, ChatKitError, MadeFile, TurnError};

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

    /// Keeps the image's bytes as a file of the thread's: it is its owner's alone, and goes with the
    /// thread or with this item. What this gives is for [`finish_with`](Self::finish_with); clients are
    /// sent a signed link, made anew whenever they read it.
    ///
    /// Look at the bytes before: whoever opens the link gets them as an image of this type.
    ///
    /// # Errors
    /// When attachments are not enabled, when it is larger than they may be, when the thread is gone, or
    /// when a store fails. The image can be ended in another way then.
    pub async fn keep(&mut self, file: MadeFile) -> Result<GeneratedImage, ChatKitError> {
        let attachments = self.turn.shared.attachments.clone().ok_or_else(|| {
            ChatKitError::NotEnabled("attachments are not enabled, so no image can be kept".into())
        })?;
        // The item's id names its file, so that the store knows what goes with the item.
        let id = AttachmentId::new(self.id.as_str());
        let (owner, thread_id) = (self.turn.owner().clone(), self.turn.key.thread_id.clone());
        // In a task of its own: a turn that is stopped must not stop it between bytes and record.
        let kept = async move { attachments.keep_made(&owner, &thread_id, id, file).await };
        tokio::spawn(kept)
            .await
            .unwrap_or_else(|lost| Err(AttachmentStoreError::Unavailable(lost.into()).into()))?;
        Ok(self.image(String::new()))
    }

    /// Ends the image: `url` is where it is from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(self, url: impl Into<String>) -> Result<ItemId, TurnError> {
        let image = self.image(url.into());
        self.finish_with(image).await
    }

    /// Ends the image with one that was [kept](Self::keep), and with words for those who do not see it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_with(self, image: GeneratedImage) -> Result<ItemId, TurnError> {
        if let Some(ThreadItem::GeneratedImage(mut item)) =
            self.turn.pending_item(&self.id, ThreadItem::clone)
        {
            item.image = Some(image);
            self.turn.emit(ThreadItemDoneEvent { item: item.into() }.into()).await?;
        }
        Ok(self.id)
    }

    /// Takes the image back: it came to nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn discard(self) -> Result<(), TurnError> {
        self.turn.emit(ThreadItemRemovedEvent { item_id: self.id }.into()).await
    }

    /// Lets go of the turn, so that something else can be said before the image goes on.
    #[must_use = "an image that is not continued is never finished"]
    pub fn pause(self) -> PausedImage {
        PausedImage(self.id)
    }

    /// One image an item, so the item's id names it as well.
    fn image(&self, url: String) -> GeneratedImage {
        GeneratedImage { id: self.id.as_str().to_owned(), url, alt: None }
    }
}

/// An image that is not being written at the moment: [`Turn::continue_image`] goes on with it.
#[derive(Debug)]
pub struct PausedImage(ItemId);

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

    /// Goes on with an image of this turn.
    pub fn continue_image(&mut self, paused: PausedImage) -> ImageWriter<'_> {
        ImageWriter { turn: self, id: paused.0 }
    }
}
