#![doc = include_str!("../README.md")]

pub mod citations;
pub mod model;
pub mod prompt;
pub mod quotes;
mod responder;
pub mod search_tool;
pub mod sse;
pub mod titles;
mod transcription;

pub use model::{ModelApi, ModelClient, ModelConfig, ModelConfigError, ModelError};
pub use prompt::{History, PromptConfig};
pub use responder::AgentResponder;
pub use transcription::{TranscriptionClient, TranscriptionConfig, TranscriptionError};
