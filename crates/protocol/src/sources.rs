//! What an answer refers to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Icon, JsonMap};

open_union! {
    /// Something an answer refers to.
    pub enum Source {
        /// A web page.
        "url" => Url(UrlSource),
        /// A file by name.
        "file" => File(FileSource),
        /// A thing of the integrator's.
        "entity" => Entity(EntitySource),
    }
}

constant_tag! {
    /// The `type` of a [`UrlSource`] where the protocol fixes it: always `url`.
    pub struct UrlTag = "url";
}
constant_tag! {
    /// The `type` of a [`FileSource`] where the protocol fixes it: always `file`.
    pub struct FileTag = "file";
}

/// A web page as a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UrlSource {
    /// Shown to the user.
    pub title: String,
    /// A line about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made or read, as text for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Heading to group sources under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where it is; absolute, or relative to the page that shows it.
    pub url: String,
    /// Who published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
}

/// A file as a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileSource {
    /// Shown to the user.
    pub title: String,
    /// A line about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made or read, as text for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Heading to group sources under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The file's name.
    pub filename: String,
}

/// A thing of the integrator's (a person, a ticket, a product) as a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntitySource {
    /// Shown to the user.
    pub title: String,
    /// A line about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made or read, as text for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Heading to group sources under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The integrator's id of it.
    pub id: String,
    /// Icon beside the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Icon>,
    /// Label in the default hover header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Label in the running text; the icon when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline_label: Option<String>,
    /// Whether a click calls the page's entity handlers.
    #[serde(default)]
    pub interactive: bool,
    /// Passed to the page's entity handlers.
    #[serde(default)]
    pub data: JsonMap,
    /// Deprecated upstream and ignored; kept so that nothing is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

impl UrlSource {
    /// A web page: what it is called, and where it is.
    #[must_use]
    pub fn new(title: impl Into<String>, url: impl Into<String>) -> Self {
        Self { title: title.into(), url: url.into(), ..Self::default() }
    }
}

impl FileSource {
    /// A file: what it is called, and its name.
    #[must_use]
    pub fn new(title: impl Into<String>, filename: impl Into<String>) -> Self {
        Self { title: title.into(), filename: filename.into(), ..Self::default() }
    }
}

impl EntitySource {
    /// A thing of yours: your id of it, and what it is called.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), ..Self::default() }
    }
}
