#![doc = include_str!("README.md")]

mod diff;
mod template;
mod writer;

pub use diff::diff_widget;
pub use template::{WidgetTemplate, WidgetTemplateError};
pub use writer::WidgetWriter;
