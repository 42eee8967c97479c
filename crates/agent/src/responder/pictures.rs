//! Images that the model makes: shown while they grow, kept when they are done, and given back to the
//! model with the next message.

use parlor_chatkit::protocol::{AttachmentId, GeneratedImage, NoticeLevel, ThreadItem};
use parlor_chatkit::{MadeFile, MessageWriter, PausedImage, Turn, TurnError};
use serde_json::{Value, json};

use super::{AgentResponder, writing::Answer};
use crate::files::{FileReader, Given};
use crate::images::ImagesConfig;
use crate::model::{IMAGE_GENERATION, ImageBytes, ModelApi, ModelEvent};
use crate::prompt;

/// Images of the conversation that the model is given again, the latest ones. Each costs as much as a
/// page of text.
const GIVEN_BACK: usize = 2;

/// The images of an answer, over all its rounds.
pub(super) struct Pictures {
    config: ImagesConfig,
    files: FileReader,
    /// How many were begun.
    pub(super) begun: u32,
    /// How many can be seen.
    shown: u32,
    /// Those that are being made, by the model's ids.
    open: Vec<(String, PausedImage)>,
    /// What the model is told of this round's.
    told: Vec<String>,
    /// What people were told of the last one that came to nothing.
    failed: Option<&'static str>,
}

/// Why an image that came is not shown.
const NOT_KEPT: &str = "The image was made, but it could not be kept.";
const TOO_MANY: &str = "No more images are made for one message.";
const BROKEN: &str = "The image that was made is damaged or too large to be shown.";

impl Pictures {
    /// Whether there is something to see.
    pub(super) fn any(&self) -> bool {
        self.shown > 0
    }

    /// What to say where nothing else is said: the last image came to nothing.
    pub(super) fn failed(&self) -> Option<&'static str> {
        self.failed
    }

    /// What the model is told of those of this round.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Shows an empty frame, if there is room for the image.
    async fn begin(&mut self, call: String, turn: &mut Turn) -> Result<(), TurnError> {
        self.begun += 1;
        if self.begun > self.config.per_turn {
            if self.begun == self.config.per_turn + 1 {
                turn.notice(NoticeLevel::Info, TOO_MANY).await?;
            }
            return Ok(());
        }
        let paused = turn.generated_image().await?.pause();
        self.open.push((call, paused));
        Ok(())
    }

    fn take(&mut self, call: &str) -> Option<PausedImage> {
        let at = self.open.iter().position(|(open, _)| open == call)?;
        Some(self.open.swap_remove(at).1)
    }

    /// Shows an image as it is so far: small, as part of the event. It is gone in a moment, so it is
    /// nothing to keep in a storage and to sweep there; and its original, in base64, would be
    /// megabytes for everybody who follows.
    async fn grow(
        &mut self,
        call: &str,
        index: u32,
        image: ImageBytes,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        if self.too_large(&image) {
            return Ok(());
        }
        let Some(paused) = self.take(call) else { return Ok(()) };
        let mut writer = turn.continue_image(paused);
        // What cannot be read yet may be whole the next time.
        if let Some(url) = self.files.sketch(image.0).await {
            let steps = f64::from(self.config.tool.partial_images.max(1)) + 1.0;
            let progress = (f64::from(index.min(1_000)) + 1.0) / steps;
            writer.preview(&*url, Some(progress.min(1.0))).await?;
        }
        self.open.push((call.to_owned(), writer.pause()));
        Ok(())
    }

    fn too_large(&self, image: &ImageBytes) -> bool {
        image.0.len() as u64 > self.config.max_bytes
    }

    /// Keeps an image that is done, and shows it.
    async fn finish(
        &mut self,
        call: &str,
        image: ImageBytes,
        prompt: Option<String>,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        let Some(paused) = self.take(call) else { return Ok(()) };
        let size = image.0.len();
        let seen = match self.too_large(&image) {
            true => None,
            false => self.files.picture(image.0.clone()).await,
        };
        let mut writer = turn.continue_image(paused);
        let Some(picture) = seen else {
            tracing::warn!(bytes = size, "an image that the model made is damaged or too large");
            writer.discard().await?;
            return self.say_failed(BROKEN, turn).await;
        };
        let extension = picture.mime_type.strip_prefix("image/").unwrap_or_default();
        let file = MadeFile {
            name: format!("{}.{extension}", named(prompt.as_deref())),
            mime_type: picture.mime_type.to_owned(),
            bytes: image.0,
            preview: Some(picture.preview),
        };
        match writer.keep(file).await {
            Ok(kept) => {
                self.told.push(match &prompt {
                    Some(prompt) => format!("An image was made and shown to the user: {prompt}"),
                    None => "An image was made and shown to the user.".to_owned(),
                });
                writer.finish_with(GeneratedImage { alt: prompt, ..kept }).await?;
                self.shown += 1;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, bytes = size, "an image that the model made was not kept");
                writer.discard().await?;
                self.say_failed(NOT_KEPT, turn).await
            }
        }
    }

    /// Tells people, and the model if it goes on, that an image came to nothing.
    async fn say_failed(&mut self, why: &'static str, turn: &mut Turn) -> Result<(), TurnError> {
        self.failed = Some(why);
        self.told.push(why.to_owned());
        turn.notice(NoticeLevel::Warning, why).await
    }
}

/// A file's name, by what the image shows.
fn named(prompt: Option<&str>) -> String {
    let words = prompt.unwrap_or_default().split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(6).collect();
    let name: String = words.join(" ").chars().take(60).collect();
    if name.is_empty() { "image".to_owned() } else { name }
}

impl Answer {
    /// Shows what the model says of an image. The text before it stays before it.
    pub(super) async fn picture(
        &mut self,
        event: ModelEvent,
        writer: &mut MessageWriter<'_>,
    ) -> Result<(), TurnError> {
        if self.pictures.is_none() {
            // Nobody has asked for any: a server that makes them all the same.
            return Ok(());
        }
        if matches!(event, ModelEvent::ImageBegun { .. }) {
            self.end_thoughts(writer.turn()).await?;
            self.steps.finish(writer.turn()).await?;
            self.end(writer).await?;
            if writer.position() > 0 {
                writer.finish_and_go_on().await?;
            }
            self.another_message();
        }
        let Some(pictures) = &mut self.pictures else { return Ok(()) };
        let turn = writer.turn();
        match event {
            ModelEvent::ImageBegun { call } => pictures.begin(call, turn).await,
            ModelEvent::ImagePartial { call, index, image } => {
                pictures.grow(&call, index, image, turn).await
            }
            ModelEvent::Image { call, image, prompt } => {
                pictures.finish(&call, image, prompt, turn).await
            }
            ModelEvent::ImageFailed { call, why } => {
                let Some(paused) = pictures.take(&call) else { return Ok(()) };
                tracing::warn!(%why, "the model did not make an image");
                turn.continue_image(paused).discard().await?;
                pictures.say_failed(why.user_message(), turn).await
            }
            _ => Ok(()),
        }
    }
}

/// Notes what a model says of an image, for people who look on.
pub(super) fn noted(event: &ModelEvent) -> Value {
    match event {
        ModelEvent::ImageBegun { call } => json!({ "call": call, "state": "begun" }),
        ModelEvent::ImagePartial { call, index, image } => {
            json!({ "call": call, "state": "partial", "index": index, "bytes": image.0.len() })
        }
        ModelEvent::Image { call, image, prompt } => {
            json!({ "call": call, "state": "done", "bytes": image.0.len(), "prompt": prompt })
        }
        ModelEvent::ImageFailed { call, why } => {
            json!({ "call": call, "state": "failed", "why": why.to_string() })
        }
        _ => Value::Null,
    }
}

impl AgentResponder {
    /// Lets the model make images, where it speaks the Responses API. It does not by default.
    #[must_use]
    pub fn images(mut self, config: ImagesConfig) -> Self {
        self.images = Some(config);
        self
    }

    /// How this agent makes images, if it may.
    pub(super) fn images_of(&self, agent: usize) -> Option<&ImagesConfig> {
        let config = self.images.as_ref()?;
        let speaks = self.model_of(agent).is_some_and(|model| model.api() == ModelApi::Responses);
        (speaks && self.members[agent].may_call(IMAGE_GENERATION)).then_some(config)
    }

    /// The images of an answer that is about to be made, if there may be some.
    pub(super) fn pictures(&self) -> Option<Box<Pictures>> {
        let config = self.images.clone()?;
        Some(Box::new(Pictures {
            config,
            files: self.files.clone(),
            begun: 0,
            shown: 0,
            open: Vec::new(),
            told: Vec::new(),
            failed: None,
        }))
    }

    /// Gives the model the last images that were made in the conversation, so that it can be asked to
    /// change them. As images of the user's: that needs nothing that the provider would have to keep.
    pub(super) async fn give_back(&self, turn: &Turn, ids: &[AttachmentId], given: &mut Given) {
        let mut count = 0;
        for id in ids {
            if let Some(image) = self.files.read_made(turn, id).await {
                given.files.push(image);
                count += 1;
            }
        }
        prompt::made_images(&mut given.text, count);
    }
}

/// The last images that were made in a conversation, oldest first: those that the server has kept.
pub(super) fn last_made(items: &[ThreadItem]) -> Vec<AttachmentId> {
    let made = items.iter().rev().filter_map(|item| match item {
        ThreadItem::GeneratedImage(item) => item.image.as_ref(),
        _ => None,
    });
    let kept = made.filter(|image| image.url.is_empty()).take(GIVEN_BACK);
    let mut ids: Vec<_> = kept.map(|image| AttachmentId::new(image.id.as_str())).collect();
    ids.reverse();
    ids
}
