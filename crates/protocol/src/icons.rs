//! Names of icons.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of an icon: one of the built-in names (`sparkle`, `document`, …), `lucide:<name>` or
/// `vendor:<name>`.
///
/// Kept as text: the list grows with the clients, and a server has no use for the difference.
/// [`Icon::BUILT_IN`] lists the names that the official Python models accept. The default is an
/// empty name, to be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    rename = "IconName",
    description = "Name of an icon: one of the built-in names (`sparkle`, `document`, …), \
        `lucide:<name>` or `vendor:<name>`. The list grows with the clients."
)]
pub struct Icon(Cow<'static, str>);

impl Icon {
    /// An icon by a name that is known when compiling.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// An icon by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether official clients and models accept the name.
    pub fn is_known(&self) -> bool {
        self.0.starts_with("lucide:")
            || self.0.starts_with("vendor:")
            || Self::BUILT_IN.contains(&self.as_str())
    }

    /// The built-in names, from `chatkit/icons.py` of openai-chatkit 1.6.5.
    pub const BUILT_IN: &'static [&'static str] = &[
        "agent",
        "analytics",
        "atom",
        "batch",
        "bolt",
        "book-open",
        "book-closed",
        "book-clock",
        "bug",
        "calendar",
        "chart",
        "check",
        "check-circle",
        "check-circle-filled",
        "chevron-left",
        "chevron-right",
        "circle-question",
        "clock",
        "compass",
        "confetti",
        "cube",
        "desktop",
        "document",
        "dot",
        "dots-horizontal",
        "dots-vertical",
        "empty-circle",
        "external-link",
        "globe",
        "keys",
        "lab",
        "images",
        "info",
        "lifesaver",
        "lightbulb",
        "mail",
        "map-pin",
        "maps",
        "mobile",
        "name",
        "notebook",
        "notebook-pencil",
        "page-blank",
        "phone",
        "play",
        "plus",
        "profile",
        "profile-card",
        "reload",
        "star",
        "star-filled",
        "search",
        "sparkle",
        "sparkle-double",
        "square-code",
        "square-image",
        "square-text",
        "suitcase",
        "settings-slider",
        "user",
        "wreath",
        "write",
        "write-alt",
        "write-alt2",
    ];
}

impl From<&str> for Icon {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}
