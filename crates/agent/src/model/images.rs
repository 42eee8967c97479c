//! Images that a model makes: how they are asked for, and how they come (Responses API).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ModelEvent;
use super::error::shorten;

/// The name of the tool that makes images, where tools are told apart by their names.
pub const IMAGE_GENERATION: &str = "image_generation";

/// The type of its calls.
pub(super) const CALL: &str = "image_generation_call";

/// Longest description of an image that is kept, in characters.
const PROMPT_CHARS: usize = 1_000;

/// How a model is to make images. What is absent, the server decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageTool {
    /// The model that makes them, such as `gpt-image-1`.
    pub model: Option<String>,
    /// Width and height, such as `1024x1536`, or `auto`.
    pub size: Option<String>,
    /// How carefully they are made.
    pub quality: Option<ImageQuality>,
    /// What kind of file they are.
    pub format: Option<ImageFileFormat>,
    /// What is behind what they show.
    pub background: Option<ImageBackground>,
    /// How often an image is shown before it is done: 0 to 3.
    pub partial_images: u8,
}

/// How carefully an image is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageQuality {
    /// As the server sees fit.
    Auto,
    /// Fast and cheap.
    Low,
    /// In between.
    Medium,
    /// Slow and dear.
    High,
}

/// What kind of file an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFileFormat {
    /// Without loss, and large.
    Png,
    /// Small; nothing shows through.
    Jpeg,
    /// Small, and may show what is behind it.
    Webp,
}

/// What is behind what an image shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageBackground {
    /// As the server sees fit.
    Auto,
    /// Something.
    Opaque,
    /// Nothing: not for JPEG.
    Transparent,
}

impl ImageTool {
    /// As a request's list of tools has it.
    pub(super) fn spec(&self) -> Value {
        let mut spec = json!({ "type": IMAGE_GENERATION });
        let Self { model, size, quality, format, background, partial_images } = self;
        let fields = [
            ("model", model.as_ref().map(|model| json!(model))),
            ("size", size.as_ref().map(|size| json!(size))),
            ("quality", quality.map(|quality| json!(quality))),
            ("output_format", format.map(|format| json!(format))),
            ("background", background.map(|background| json!(background))),
            ("partial_images", (*partial_images > 0).then(|| json!(partial_images))),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                spec[name] = value;
            }
        }
        spec
    }
}

/// The bytes of an image, as the server gave them: nobody has looked at them. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageBytes(pub Bytes);

impl fmt::Debug for ImageBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Why an image was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageFailure {
    /// The provider's safety check refused to make it, or to show it.
    #[error("the provider's safety check refused the image (categories: {})", categories.join(", "))]
    Refused {
        /// What it was taken for, in the provider's words; may be empty.
        categories: Vec<String>,
    },
    /// Something else.
    #[error("the image was not made: {detail}")]
    Failed {
        /// What the server said.
        detail: String,
    },
}

impl ImageFailure {
    /// What to tell the person who is chatting: nothing that the server said.
    pub fn user_message(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "The image was not made: the provider’s safety check refused it. Asking for something \
                 else may help."
            }
            Self::Failed { .. } => "The image could not be made. Please try again in a moment.",
        }
    }

    /// What an error that ends a stream says of the image that was being made; `None` if it is about
    /// something else.
    pub(super) fn of_stream(event: &Value) -> Option<Self> {
        let nested = [&event["error"], &event["response"]["error"], event];
        let error = nested.into_iter().find(|error| error.is_object())?;
        let kind = error["type"].as_str().unwrap_or_default();
        let of_image = error["code"] == "moderation_blocked" || kind.starts_with(IMAGE_GENERATION);
        of_image.then(|| Self::of(error))
    }

    fn of(error: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = &error["moderation_details"];
        if error["code"] == "moderation_blocked" || details.is_object() {
            let categories = details["categories"].as_array().into_iter().flatten();
            let categories = categories.take(10).map(|category| shorten(&text(category)));
            return Self::Refused { categories: categories.collect() };
        }
        Self::Failed { detail: shorten(&text(&error["message"])) }
    }
}

/// Text that is borrowed from an event where it can be: it may be megabytes. Of its own type, as
/// `Option<Cow>` is always copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A `partial_image` event.
#[derive(Deserialize)]
struct Partial<'a> {
    #[serde(borrow, default)]
    item_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    partial_image_b64: Option<Text<'a>>,
    #[serde(default)]
    partial_image_index: u32,
}

/// An `output_item` event.
#[derive(Deserialize)]
struct ItemEvent<'a> {
    #[serde(borrow)]
    item: Item<'a>,
}

/// An item of an answer, as far as it concerns images.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    result: Option<Text<'a>>,
    #[serde(borrow, default)]
    revised_prompt: Option<Text<'a>>,
    #[serde(default)]
    error: Value,
}

/// Reads what an answer's events say of images.
#[derive(Debug, Default)]
pub(super) struct Images {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    over: bool,
}

impl Images {
    /// Reads a `partial_image` event. What is no image is passed over: another one follows.
    pub(super) fn partial(&mut self, event: &str, out: &mut VecDeque<ModelEvent>) {
        let Ok(event) = serde_json::from_str::<Partial<'_>>(event) else { return };
        let call = self.begin(event.item_id, out);
        let image = event.partial_image_b64.map(|Text(text)| decoded(&text));
        if let Some(Ok(image)) = image {
            out.push_back(ModelEvent::ImagePartial {
                call,
                index: event.partial_image_index,
                image,
            });
        }
    }

    /// Reads an `output_item` event. `false`: it is not about an image.
    pub(super) fn item(&mut self, event: &str, done: bool, out: &mut VecDeque<ModelEvent>) -> bool {
        let Ok(ItemEvent { item }) = serde_json::from_str::<ItemEvent<'_>>(event) else {
            return false;
        };
        if item.kind != CALL {
            return false;
        }
        if done {
            self.done(item, out);
        } else {
            self.begin(item.id, out);
        }
        true
    }

    /// Reads an item of an answer that is whole, unless it was streamed.
    pub(super) fn whole(&mut self, item: &Value, out: &mut VecDeque<ModelEvent>) {
        if let Ok(item) = Item::deserialize(item) {
            self.done(item, out);
        }
    }

    /// Whether an image came, or was to come.
    pub(super) fn any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The answer has ended: what has not come by now does not.
    pub(super) fn end(&mut self, why: &ImageFailure, out: &mut VecDeque<ModelEvent>) {
        for call in self.calls.iter_mut().filter(|call| !call.over) {
            call.over = true;
            out.push_back(ModelEvent::ImageFailed { call: call.id.clone(), why: why.clone() });
        }
    }

    /// The answer was ended for an image.
    pub(super) fn fail(&mut self, why: &ImageFailure, out: &mut VecDeque<ModelEvent>) {
        if self.calls.iter().all(|call| call.over) {
            self.begin(None, out);
        }
        self.end(why, out);
    }

    /// The call of this id; of none, the one that is open.
    fn begin(&mut self, id: Option<Text<'_>>, out: &mut VecDeque<ModelEvent>) -> String {
        let id = id.map(|Text(id)| id.into_owned()).filter(|id| !id.is_empty());
        let known = match &id {
            Some(id) => self.calls.iter().find(|call| call.id == *id),
            None => self.calls.iter().rev().find(|call| !call.over),
        };
        if let Some(call) = known {
            return call.id.clone();
        }
        let id = id.unwrap_or_else(|| format!("image_{}", self.calls.len() + 1));
        self.calls.push(Call { id: id.clone(), over: false });
        out.push_back(ModelEvent::ImageBegun { call: id.clone() });
        id
    }

    fn done(&mut self, item: Item<'_>, out: &mut VecDeque<ModelEvent>) {
        let id = self.begin(item.id, out);
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id && !call.over) else {
            return;
        };
        call.over = true;
        fn text(text: Option<Text<'_>>) -> Cow<'_, str> {
            text.map(|Text(text)| text).unwrap_or_default()
        }
        let result = text(item.result);
        let failed = item.error.is_object() || text(item.status) == "failed";
        if failed || result.is_empty() {
            let why = ImageFailure::of(&item.error);
            out.push_back(ModelEvent::ImageFailed { call: id, why });
            return;
        }
        out.push_back(match decoded(&result) {
            Ok(image) => {
                let prompt = text(item.revised_prompt);
                let prompt: String = prompt.trim().chars().take(PROMPT_CHARS).collect();
                let prompt = (!prompt.is_empty()).then_some(prompt);
                ModelEvent::Image { call: id, image, prompt }
            }
            Err(error) => {
                let detail = format!("its bytes are not base64: {error}");
                ModelEvent::ImageFailed { call: id, why: ImageFailure::Failed { detail } }
            }
        });
    }
}

/// Lenient about the end, and about servers that send a `data:` URL.
fn decoded(text: &str) -> Result<ImageBytes, DecodeError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = match text.split_once(',') {
        Some((head, body)) if head.starts_with("data:") => body,
        _ => text,
    };
    LENIENT.decode(text.trim()).map(|bytes| ImageBytes(bytes.into()))
}
