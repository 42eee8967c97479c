//! Files that belong to messages.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::{AttachmentId, JsonMap, ThreadId};

open_union! {
    /// A file that belongs to a message.
    pub enum Attachment {
        /// Any file.
        "file" => File(FileAttachment),
        /// An image with a preview.
        "image" => Image(ImageAttachment),
    }
}

impl Attachment {
    /// The file, whichever kind it is. `None` for a kind that is not known here.
    pub fn file(&self) -> Option<&FileAttachment> {
        match self {
            Self::File(file) => Some(file),
            Self::Image(image) => Some(&image.file),
            Self::Unknown(_) => None,
        }
    }

    /// Its id.
    pub fn id(&self) -> Option<&AttachmentId> {
        self.file().map(|file| &file.id)
    }
}

/// Any file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileAttachment {
    /// Its id.
    pub id: AttachmentId,
    /// The file's name as the user's machine has it.
    pub name: String,
    /// Media type.
    pub mime_type: String,
    /// Where to send the bytes; absent once they have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_descriptor: Option<AttachmentUploadDescriptor>,
    /// Where the bytes can be fetched for a while, as an absolute URL. Parlor's own; clients that
    /// do not know it ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_url: Option<String>,
    /// The thread of the message it was sent with; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// The integrator's own; never sent to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// An image with a preview.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ImageAttachment {
    /// The file.
    #[serde(flatten)]
    pub file: FileAttachment,
    /// Where a client loads the preview from.
    pub preview_url: String,
}

impl<'de> Deserialize<'de> for ImageAttachment {
    /// By hand because serde's `flatten` would lose the name of the field that is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = JsonMap::deserialize(deserializer)?;
        match object.shift_remove("preview_url") {
            Some(Value::String(preview_url)) => {
                let file = crate::open::payload(object).map_err(D::Error::custom)?;
                Ok(Self { file, preview_url })
            }
            Some(other) => Err(D::Error::custom(format_args!(
                "preview_url: invalid value `{other}`, expected a string"
            ))),
            None => Err(D::Error::missing_field("preview_url")),
        }
    }
}

/// Where and how to send a file's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttachmentUploadDescriptor {
    /// Absolute URL.
    pub url: String,
    /// HTTP method.
    pub method: UploadMethod,
    /// Headers to send along.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// HTTP method of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum UploadMethod {
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// What a client says of a file before it sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttachmentCreateParams {
    /// The file's name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Media type.
    pub mime_type: String,
}
