//! The agent elsewhere: whether somebody is there, and what they say to a request without a message.

use parlor_agent::{
    ModelError,
    remote::{Probe, RemoteConfig, RemoteError, RemoteResponder},
};
use tokio::time::timeout;

use super::{Finding, PATIENCE};
use crate::config::{AgentKind, Config};

const WHAT: &str = "agent";

/// What is found of it; nothing where a model answers.
pub(super) async fn remote(config: &Config) -> Option<Finding> {
    let remote = match config.agent.elsewhere(config) {
        Ok(remote) => remote?,
        Err(error) => return Some(Finding::problem(WHAT, error, "correct [agent.remote]")),
    };
    let personal = remote.headers.are_personal();
    let kind = match config.agent.kind {
        AgentKind::Webhook => "webhook",
        _ => "AG-UI",
    };
    let unsigned = config.agent.kind == AgentKind::Webhook && config.agent.remote.secret.is_none();
    let address = shown(&remote);
    Some(match timeout(PATIENCE, RemoteResponder::probe(remote)).await {
        Err(_) => Finding::problem(
            WHAT,
            format!("{address} does not answer"),
            "check agent.remote.url, and that the agent runs",
        ),
        Ok(Ok(Probe::Answers { .. })) if unsigned => Finding::note(
            WHAT,
            format!("{kind} at {address}; requests are not signed"),
            "set agent.remote.secret and check signatures in the webhook, so that nobody else can ask it",
        ),
        Ok(Ok(Probe::Answers { status })) => Finding::ok(
            WHAT,
            format!("{kind} at {address} (status {status} to a request without a message)"),
        ),
        Ok(Ok(Probe::Refuses(error)) | Err(error)) => refused(&address, &error, personal),
    })
}

fn refused(address: &str, error: &RemoteError, personal: bool) -> Finding {
    let text = format!("{address}: {error}");
    let advice = match error {
        // Nobody was signed in to this request.
        RemoteError::Http(ModelError::Unauthorized { .. }) if personal => {
            return Finding::note(WHAT, text, "fine if it only answers users who have signed in");
        }
        RemoteError::Http(ModelError::Unauthorized { .. }) => {
            "check agent.remote.headers, or the secret that the webhook knows"
        }
        RemoteError::Http(ModelError::NotFound { .. }) => "check the path of agent.remote.url",
        RemoteError::Http(ModelError::Unreachable { .. }) => {
            "check agent.remote.url, and that the agent runs"
        }
        RemoteError::Http(ModelError::Server { .. }) => {
            return Finding::note(
                WHAT,
                text,
                "fine if it fails only without a message; otherwise see the agent's own log",
            );
        }
        _ => "check agent.remote.url, and the agent's own log",
    };
    Finding::problem(WHAT, text, advice)
}

/// The address without what may be secret in it.
fn shown(remote: &RemoteConfig) -> String {
    let mut url = remote.url.clone();
    url.set_query(None);
    url.to_string()
}
