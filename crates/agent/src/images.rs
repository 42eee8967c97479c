//! Images that the model makes in an answer.

use std::sync::Arc;

use crate::model::ImageTool;

/// How a responder lets its model make images.
///
/// They are kept like the files that users send, so attachments must be enabled
/// ([`ChatKitBuilder::attachments`](parlor_chatkit::ChatKitBuilder::attachments)). Agents that are
/// told which tools they may call need [`IMAGE_GENERATION`](crate::model::IMAGE_GENERATION) among
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagesConfig {
    /// How they are made.
    pub tool: Arc<ImageTool>,
    /// Images in an answer, at most. Each is a call of a tool, too, for the limit of those.
    pub per_turn: u32,
    /// Bytes of an image, at most: less than 24 MB, which is all that is read of a model's answer.
    pub max_bytes: u64,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        let tool = ImageTool { partial_images: 2, ..ImageTool::default() };
        Self { tool: Arc::new(tool), per_turn: 4, max_bytes: 20 * 1024 * 1024 }
    }
}
