#![doc = include_str!("../README.md")]
#![expect(clippy::unwrap_used, reason = "a panic is how a property says that it does not hold")]

mod agent_run;
mod bytes;
mod documents;
mod engine;
mod http_response;
mod model_stream;
mod pdf;
mod request;
mod server;
mod site;
mod widget_diff;

pub use agent_run::agent_run;
pub use documents::{documents, search};
pub use engine::engine;
pub use http_response::http_response;
pub use model_stream::model_stream;
pub use pdf::pdf;
pub use request::request;
pub use server::{token, upload};
pub use site::site;
pub use widget_diff::widget_diff;

/// A property: holds for the input, or panics.
pub type Property = fn(&[u8]);

/// All of them, under the names of their fuzz targets and folders.
pub const PROPERTIES: &[(&str, Property)] = &[
    ("request", request),
    ("http_response", http_response),
    ("model_stream", model_stream),
    ("agent_run", agent_run),
    ("widget_diff", widget_diff),
    ("documents", documents),
    ("search", search),
    ("engine", engine),
    ("upload", upload),
    ("token", token),
    ("pdf", pdf),
    ("site", site),
];
