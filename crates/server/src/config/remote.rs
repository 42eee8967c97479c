//! `[agent.remote]`: an agent elsewhere.

use std::{collections::BTreeMap, time::Duration};

use parlor_agent::remote::{ClientTool, RemoteConfig, RemoteProtocol, RemoteResponder};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Agent, Config, Headers, sections::hidden};
use crate::tools::check_headers;

/// What answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// A language model, with what the other sections say.
    #[default]
    Model,
    /// An agent elsewhere, over AG-UI.
    AgUi,
    /// An agent elsewhere, behind a webhook.
    Webhook,
}

/// An agent elsewhere: where it is, and within which limits it answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remote {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What requests to a webhook are signed with.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretString>,
    /// What is sent along.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Seconds that connecting may take.
    pub connect_seconds: u64,
    /// Seconds without a sign of life after which it is given up.
    pub idle_timeout_seconds: u64,
    /// Seconds that a run may take.
    pub timeout_seconds: u64,
    /// Bytes of the longest run.
    pub max_bytes: usize,
    /// Items of the thread that it is told.
    pub history_items: u32,
    /// Whether its state is kept and sent back.
    pub state: bool,
    /// Whether pages may declare tools that run in them.
    pub page_tools: bool,
    /// Tools that run in the page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ClientTool>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            headers: Headers::default(),
            connect_seconds: 10,
            idle_timeout_seconds: 120,
            timeout_seconds: 600,
            max_bytes: 64 * 1024 * 1024,
            history_items: 60,
            state: true,
            page_tools: true,
            tools: Vec::new(),
        }
    }
}

impl Remote {
    /// Puts the values of environment variables into the headers.
    pub(super) fn read_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let read = self.headers.read_environment(environment);
        read.map_err(|message| format!("agent.remote.headers: {message}"))
    }
}

impl Agent {
    /// The agent elsewhere, if it is one that answers.
    ///
    /// # Errors
    /// What is wrong with its settings, in one line that names them.
    pub(crate) fn elsewhere(&self, config: &Config) -> Result<Option<RemoteConfig>, String> {
        let remote = &self.remote;
        let protocol = match self.kind {
            AgentKind::Model => return Ok(None),
            AgentKind::AgUi => RemoteProtocol::AgUi,
            AgentKind::Webhook => RemoteProtocol::Webhook { secret: remote.secret.clone() },
        };
        let Some(url) = remote.url.clone() else {
            return Err("agent.kind needs an address: set agent.remote.url, such as http://127.0.0.1:9000/agent".to_owned());
        };
        for (name, seconds) in [
            ("connect_seconds", remote.connect_seconds),
            ("idle_timeout_seconds", remote.idle_timeout_seconds),
            ("timeout_seconds", remote.timeout_seconds),
        ] {
            if seconds == 0 {
                return Err(format!("agent.remote.{name} is 0; use at least 1"));
            }
        }
        if remote.history_items > 500 {
            return Err(format!(
                "agent.remote.history_items is {}; use at most 500",
                remote.history_items
            ));
        }
        let at = |message: String| format!("agent.remote.headers: {message}");
        let headers = remote.headers.templates().map_err(at)?;
        check_headers(&headers, config.auth.mode()).map_err(at)?;
        let mut names = BTreeMap::new();
        for tool in &remote.tools {
            if tool.name.is_empty() || names.insert(tool.name.as_str(), ()).is_some() {
                return Err(format!(
                    "agent.remote.tools: “{}” is there twice or has no name; give each tool a name of its own",
                    tool.name
                ));
            }
        }
        Ok(Some(RemoteConfig {
            headers,
            connect_timeout: Duration::from_secs(remote.connect_seconds),
            idle_timeout: Duration::from_secs(remote.idle_timeout_seconds),
            timeout: Duration::from_secs(remote.timeout_seconds),
            max_run_bytes: remote.max_bytes,
            history_items: remote.history_items,
            keep_state: remote.state,
            consent: Duration::from_secs(self.consent_seconds),
            client_tools: remote.tools.clone(),
            page_tools: remote.page_tools,
            ..RemoteConfig::new(url, protocol)
        }))
    }

    /// Settings of an agent elsewhere that make no sense, in one line.
    pub(super) fn check_remote(&self, config: &Config) -> Result<(), String> {
        match self.elsewhere(config)? {
            Some(remote) => {
                RemoteResponder::check(remote).map_err(|error| format!("agent.remote: {error}"))
            }
            None => Ok(()),
        }
    }
}
