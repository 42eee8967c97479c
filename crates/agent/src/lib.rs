#![doc = include_str!("../README.md")]

mod approval;
pub mod citations;
mod files;
pub mod http1;
mod measure;
pub mod model;
pub mod pdf;
pub mod prompt;
pub mod quotes;
mod responder;
pub mod search_tool;
pub mod sse;
pub mod titles;
pub mod tools;
mod trace;
mod transcription;

pub use files::{FileMode, FilesConfig};
pub use measure::describe_metrics;
pub use model::{ModelApi, ModelClient, ModelConfig, ModelConfigError, ModelError};
pub use prompt::{History, PromptConfig};
pub use responder::AgentResponder;
pub use transcription::{TranscriptionClient, TranscriptionConfig, TranscriptionError};
