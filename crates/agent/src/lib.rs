#![doc = include_str!("../README.md")]

mod approval;
pub mod citations;
mod embeddings;
mod files;
pub mod guard;
pub mod http1;
mod images;
mod measure;
pub mod model;
pub mod pdf;
pub mod prompt;
pub mod quotes;
pub mod remote;
mod rerank;
mod responder;
mod scope;
pub mod search_tool;
pub mod sse;
mod team;
pub mod titles;
pub mod tools;
mod trace;
mod transcription;
pub mod usage;

pub use approval::ACTION as APPROVAL_ACTION;
pub use embeddings::{EmbeddingsClient, EmbeddingsConfig};
pub use files::{FileMode, FilesConfig};
pub use images::ImagesConfig;
pub use measure::describe_metrics;
pub use model::{ModelApi, ModelClient, ModelConfig, ModelConfigError, ModelError};
pub use prompt::{History, PromptConfig};
pub use rerank::{RerankClient, RerankConfig};
pub use responder::AgentResponder;
pub use scope::{SearchLanguage, SearchScope};
pub use team::{NamedAgent, TeamError};
pub use transcription::{TranscriptionClient, TranscriptionConfig, TranscriptionError};
