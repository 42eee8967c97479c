//! `[image_generation]`: images that the model makes for users.

use std::sync::Arc;

use parlor_agent::{
    ImagesConfig,
    model::{IMAGE_GENERATION, ImageBackground, ImageFileFormat, ImageQuality, ImageTool},
};
use serde::{Deserialize, Serialize};

use super::{Config, Model, ModelApi};

/// Images that the model makes for users.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageGeneration {
    /// Whether it may.
    pub enabled: bool,
    /// The model that makes them; the provider decides when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Width and height, such as `1024x1536`, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `auto`, `low`, `medium` or `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<ImageQuality>,
    /// `png`, `jpeg` or `webp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFileFormat>,
    /// `auto`, `opaque` or `transparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<ImageBackground>,
    /// How often an image is shown before it is done.
    pub partial_images: u8,
    /// Images in an answer.
    pub per_turn: u32,
    /// Bytes of an image; no more than files may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// Most of an image that fits an event of a model's answer, in base64 and with what stands around it.
const MOST_BYTES: u64 = 23 * 1024 * 1024;

/// Most images in an answer.
const MOST_IMAGES: u32 = 20;

impl Default for ImageGeneration {
    fn default() -> Self {
        let ImagesConfig { tool, per_turn, .. } = ImagesConfig::default();
        Self {
            enabled: false,
            model: None,
            size: None,
            quality: None,
            format: None,
            background: None,
            partial_images: tool.partial_images,
            per_turn,
            max_bytes: None,
        }
    }
}

impl ImageGeneration {
    /// For the agent, if the model may make images. Files may have so many bytes.
    pub(crate) fn for_agent(&self, file_bytes: u64) -> Option<ImagesConfig> {
        let Self { model, size, quality, format, background, partial_images, .. } = self.clone();
        let tool = ImageTool { model, size, quality, format, background, partial_images };
        let most = ImagesConfig::default().max_bytes.min(file_bytes);
        let max_bytes = self.max_bytes.unwrap_or(most);
        self.enabled.then(|| ImagesConfig {
            tool: Arc::new(tool),
            per_turn: self.per_turn,
            max_bytes,
        })
    }

    fn check_values(&self, file_bytes: u64) -> Result<(), String> {
        if self.partial_images > 3 {
            return Err(format!(
                "image_generation.partial_images is {}; the API takes 0 to 3",
                self.partial_images
            ));
        }
        if !(1..=MOST_IMAGES).contains(&self.per_turn) {
            return Err(format!(
                "image_generation.per_turn is {}; use 1 to {MOST_IMAGES}, or image_generation.enabled = false",
                self.per_turn
            ));
        }
        if let Some(bytes) = self.max_bytes
            && !(1..=MOST_BYTES.min(file_bytes)).contains(&bytes)
        {
            return Err(format!(
                "image_generation.max_bytes is {bytes}; use 1 to {}, as no file may be larger than files.max_bytes and no image is read that is larger than {MOST_BYTES}",
                MOST_BYTES.min(file_bytes)
            ));
        }
        let is_size = |size: &str| {
            let part = |part: &str| {
                !part.starts_with('0') && part.parse::<u32>().is_ok_and(|part| part <= 16_384)
            };
            size == "auto" || size.split_once('x').is_some_and(|(w, h)| part(w) && part(h))
        };
        if let Some(size) = self.size.as_ref().filter(|size| !is_size(size)) {
            return Err(format!(
                "image_generation.size is `{size}`; write width and height in pixels, such as 1024x1536, or auto"
            ));
        }
        if self.model.as_ref().is_some_and(|model| model.trim().is_empty()) {
            return Err(
                "image_generation.model is empty; name a model such as gpt-image-1, or remove it"
                    .to_owned(),
            );
        }
        let transparent = self.background == Some(ImageBackground::Transparent);
        if transparent && self.format == Some(ImageFileFormat::Jpeg) {
            return Err("image_generation.background is `transparent` and image_generation.format is `jpeg`, which has no transparency; use png or webp".to_owned());
        }
        Ok(())
    }
}

impl Config {
    /// Settings of images that cannot be meant, or that something is missing for.
    pub(super) fn check_images(&self) -> Result<(), String> {
        let images = &self.image_generation;
        images.check_values(self.files.max_bytes)?;
        if !images.enabled {
            return Ok(());
        }
        if !self.files.enabled {
            return Err("image_generation.enabled is true and files.enabled is false, and images are kept like files: turn files on, or image_generation.enabled off".to_owned());
        }
        let speaks = |model: &Model| model.api == ModelApi::Responses;
        if self.agents.is_empty() && !speaks(&self.model) {
            return Err("image_generation.enabled is true, and model.api is \"chat_completions\", which has no images: use model.api = \"responses\" with a server that has it, or turn image_generation.enabled off".to_owned());
        }
        let mut makes_some = self.agents.is_empty();
        for agent in &self.agents {
            let model = agent.model(&self.model).unwrap_or_else(|| self.model.clone());
            let named = agent
                .tools
                .as_ref()
                .is_some_and(|tools| tools.iter().any(|t| t == IMAGE_GENERATION));
            if named && !speaks(&model) {
                return Err(format!(
                    "[[agents]] “{}” has `{IMAGE_GENERATION}` among its tools, and its model's api is \"chat_completions\", which has no images: use api = \"responses\", or remove it",
                    agent.name
                ));
            }
            makes_some |= speaks(&model) && agent.named().may_call(IMAGE_GENERATION);
        }
        if !makes_some {
            return Err(format!(
                "image_generation.enabled is true, and none of the [[agents]] can make images: one needs a model with api = \"responses\", and `{IMAGE_GENERATION}` among its tools if it names any"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::load_file as load;

    #[test]
    fn images_are_off_until_they_are_turned_on() {
        let images = |file: &str| {
            let config = load(file).unwrap();
            config.image_generation.for_agent(config.files.max_bytes)
        };
        assert_eq!(images("[model]\napi_key = \"k\""), None);
        let made = images(
            "[image_generation]\nenabled = true\nmodel = \"gpt-image-1\"\nsize = \"1024x1536\"\n\
             quality = \"low\"\nformat = \"webp\"\npartial_images = 0\nper_turn = 2\n\
             [files]\nmax_bytes = 1000\n",
        );
        let made = made.unwrap();
        assert_eq!((made.per_turn, made.max_bytes, made.tool.partial_images), (2, 1_000, 0));
        assert_eq!(made.tool.size.as_deref(), Some("1024x1536"));
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_with_what_to_do() {
        const ON: &str = "[image_generation]\nenabled = true\n";
        let chat = "[model]\napi = \"chat_completions\"\napi_key = \"k\"\n";
        for (file, hints) in [
            (format!("{ON}{chat}"), ["chat_completions", "\"responses\""]),
            (format!("{ON}[files]\nenabled = false"), ["files.enabled", "turn files on"]),
            (format!("{ON}partial_images = 4"), ["partial_images is 4", "0 to 3"]),
            (format!("{ON}per_turn = 0"), ["per_turn is 0", "1 to 20"]),
            (format!("{ON}max_bytes = 99000000"), ["99000000", "files.max_bytes"]),
            (format!("{ON}size = \"large\""), ["`large`", "1024x1536"]),
            (format!("{ON}size = \"0x10\""), ["`0x10`", "auto"]),
            (format!("{ON}model = \" \""), ["image_generation.model", "gpt-image-1"]),
            (format!("{ON}quality = \"best\""), ["best", "`high`"]),
            (
                format!("{ON}background = \"transparent\"\nformat = \"jpeg\""),
                ["transparent", "webp"],
            ),
            (
                format!("{ON}{chat}[[agents]]\nname = \"a\"\ntools = [\"image_generation\"]"),
                ["“a”", "chat_completions"],
            ),
            (
                format!("{ON}[model]\napi_key = \"k\"\n[[agents]]\nname = \"a\"\ntools = [\"x\"]"),
                ["none of the [[agents]]", "`image_generation`"],
            ),
            (
                format!(
                    "{ON}[model]\napi_key = \"k\"\n[auth.trusted_header]\ntenant = \"x-t\"\n[auth]\nmode = \"trusted-header\"\n\
                     [tenants.acme.model]\napi = \"chat_completions\""
                ),
                ["acme", "chat_completions"],
            ),
        ] {
            let error = load(&file).unwrap_err();
            for hint in hints {
                assert!(error.contains(hint), "{file}: {error}");
            }
        }
        let off = format!(
            "{ON}[model]\napi_key = \"k\"\n[auth.trusted_header]\ntenant = \"x-t\"\n[auth]\nmode = \"trusted-header\"\n\
             [tenants.acme.model]\napi = \"chat_completions\"\n[tenants.acme.image_generation]\nenabled = false"
        );
        assert!(load(&off).is_ok(), "{off}");
    }
}
