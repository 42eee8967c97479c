//! Widgets.
use serde::{Deserialize, Serialize};
/// A widget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WidgetRoot(pub crate::JsonMap);
/// A component of a widget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WidgetComponent(pub crate::JsonMap);
