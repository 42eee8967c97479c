#![doc = include_str!("../README.md")]

mod agui;
mod answering;
mod app;
mod attachments;
mod audit;
mod auth;
mod body;
pub mod commands;
pub mod config;
mod connect;
mod connection;
mod crawl;
mod error;
mod files;
mod guardrails;
mod inspector;
mod late;
mod limits;
mod metrics;
mod openapi;
mod pdfs;
mod reload;
mod retention;
mod routes;
mod search;
mod server;
mod sources;
mod telemetry;
mod tenants;
mod tools;
mod usage;

pub use app::{PROTOCOL_HEADER, TURN_HEADER};
pub use attachments::FileLinks;
pub use auth::{JwtConfigError, ProviderConfigError};
pub use reload::ConfigSource;
pub use server::{Server, StartError, serve, stop_signal};
pub use tools::ToolsError;

/// The code in the guide to the SDK is compiled, and run where it can be. Here, because this crate
/// depends on all the others.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../docs/sdk.md")]
    struct Sdk;
    #[doc = include_str!("../../../docs/sdk-turn.md")]
    struct Turn;
    #[doc = include_str!("../../../docs/sdk-widgets.md")]
    struct Widgets;
    #[doc = include_str!("../../../docs/sdk-stores.md")]
    struct Stores;
    #[doc = include_str!("../../../docs/agents.md")]
    struct Agents;
    #[doc = include_str!("../../../docs/attachments.md")]
    struct Attachments;
    #[doc = include_str!("../../../docs/sdk-from-python.md")]
    struct FromPython;
}
