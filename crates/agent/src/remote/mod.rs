//! Agents elsewhere: over AG-UI, or behind a webhook.
//!
//! A [`RemoteResponder`] sends what the user said to an agent that runs somewhere else, and shows what
//! it does as any answer: text as it comes, a step for each call of a tool, its thoughts, questions
//! with two buttons, calls of tools that run in the page. The thread stays here, and everything that a
//! thread can do with it.
//!
//! What comes from the agent is bounded in size and time, and understood leniently: an event too much
//! or in the wrong place loses nothing that was said. What cannot be understood ends the answer with a
//! [`RemoteError`], and keeps the text that was there.

mod error;
mod events;
mod http;
mod input;
mod patch;
mod record;
mod responder;
mod show;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use parlor_chatkit::RequestContext;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::tools::{DeclaredTool, HeaderTemplates};

pub use error::RemoteError;
pub use events::{AgUiDecoder, AgentEvent, Interrupt, Outcome};
pub use http::{Probe, RemoteSetupError};
pub(crate) use record::Record;
pub use responder::RemoteResponder;
pub use webhook::{SIGNATURE_HEADER, WebhookDecoder, signature};

/// How an agent is talked to.
#[derive(Debug, Clone)]
pub enum RemoteProtocol {
    /// [AG-UI](https://docs.ag-ui.com) 1.0.
    AgUi,
    /// One POST, text back.
    Webhook {
        /// What requests are signed with.
        secret: Option<SecretString>,
    },
}

/// Which agent answers, and within which limits.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub url: Url,
    /// How it is talked to.
    pub protocol: RemoteProtocol,
    /// What is sent along.
    pub headers: HeaderTemplates,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the agent may be silent.
    pub idle_timeout: Duration,
    /// How long one run may take.
    pub timeout: Duration,
    /// Longest event, in bytes.
    pub max_event_bytes: usize,
    /// Longest run, in bytes.
    pub max_run_bytes: usize,
    /// How many of the thread's last items the agent is told.
    pub history_items: u32,
    /// Whether the agent's state is kept and sent back.
    pub keep_state: bool,
    /// How long users may take to answer what an agent asks.
    pub consent: Duration,
    /// Tools that run in the page.
    pub client_tools: Vec<ClientTool>,
    /// Whether pages may declare more of them, in the request's metadata.
    pub page_tools: bool,
}

impl RemoteConfig {
    /// The agent at this address, with usual limits.
    pub fn new(url: Url, protocol: RemoteProtocol) -> Self {
        Self {
            url,
            protocol,
            headers: HeaderTemplates::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            timeout: Duration::from_secs(600),
            max_event_bytes: 8 * 1024 * 1024,
            max_run_bytes: 64 * 1024 * 1024,
            history_items: 60,
            keep_state: true,
            consent: Duration::from_secs(3_600),
            client_tools: Vec::new(),
            page_tools: true,
        }
    }
}

/// A tool that runs in the page, as the agent is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTool {
    /// Its name.
    pub name: String,
    /// What it does and when to call it.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default = "no_arguments")]
    pub parameters: BTreeMap<String, Value>,
}

fn no_arguments() -> BTreeMap<String, Value> {
    BTreeMap::from([("type".to_owned(), "object".into()), ("properties".to_owned(), json!({}))])
}

impl ClientTool {
    fn declared(&self) -> Value {
        json!({"name": self.name, "description": self.description, "parameters": self.parameters})
    }

    /// Those that the page declares in its request's metadata, under `clientTools`.
    fn of_page(context: &RequestContext) -> Vec<Self> {
        let tools = DeclaredTool::of_page(context).into_iter();
        let tool = |DeclaredTool { name, description, parameters }| {
            let parameters = parameters.into_iter().collect();
            Self { name, description, parameters }
        };
        tools.map(tool).collect()
    }
}
