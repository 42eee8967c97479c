//! What can go wrong with an agent elsewhere, and what to say about it.

use std::time::Duration;

use parlor_chatkit::TurnError;
use thiserror::Error;

use crate::model::ModelError;

/// An agent elsewhere has failed.
///
/// `Display` is for the operator's log and may quote what the agent said. People who chat see
/// [`RemoteError::user_message`], which names the kind of problem and nothing internal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteError {
    /// The request did not come to an answer: no connection, a refusal, an error of the server.
    #[error("{}", about_agent(.0))]
    Http(ModelError),
    /// The answer is no stream of events, such as an error page.
    #[error(
        "the agent answered with {content_type} instead of an event stream; check agent.remote.url and agent.kind"
    )]
    ContentType {
        /// What it is.
        content_type: String,
    },
    /// The connection broke, or the stream ended before the run did.
    #[error("the connection to the agent broke off: {detail}")]
    Cut {
        /// What happened.
        detail: String,
    },
    /// What came is not as the protocol says.
    #[error("the agent sent something that is not understood: {detail}")]
    Malformed {
        /// What was wrong with it.
        detail: String,
    },
    /// Nothing came for too long.
    #[error("the agent was silent for {} s", after.as_secs_f32())]
    Silent {
        /// How long was waited.
        after: Duration,
    },
    /// The run took too long.
    #[error("the agent took longer than {} s", after.as_secs_f32())]
    TooSlow {
        /// How long it may take.
        after: Duration,
    },
    /// The run is longer than allowed.
    #[error("the agent sent more than {limit_bytes} bytes in one run")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The agent says that it has failed.
    #[error("the agent failed{}: {detail}", if code.is_empty() { String::new() } else { format!(" ({code})") })]
    Failed {
        /// Its own code; may be empty.
        code: String,
        /// What it says.
        detail: String,
    },
    /// The agent's side has stopped the run.
    #[error("the run was stopped at the agent's side")]
    Cancelled,
    /// The run has ended and nothing was said or done.
    #[error("the agent's run ended without anything to show")]
    Empty,
    /// A header needs what is not known of the caller.
    #[error("a header for the agent cannot be made: {detail}")]
    Header {
        /// Why.
        detail: String,
    },
}

impl RemoteError {
    /// A stable code for machines, like `agent.cut`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Http(error) => match error {
                ModelError::Unreachable { .. } => "agent.unreachable",
                ModelError::Unauthorized { .. } => "agent.unauthorized",
                ModelError::RateLimited { .. } => "agent.rate_limited",
                ModelError::OutOfQuota { .. } => "agent.out_of_quota",
                ModelError::BadRequest { .. } => "agent.bad_request",
                ModelError::ContextTooLong { .. } => "agent.context_too_long",
                ModelError::NotFound { .. } => "agent.not_found",
                ModelError::Server { .. } => "agent.server_error",
                ModelError::Cut { .. } => "agent.cut",
                ModelError::Malformed { .. } => "agent.malformed",
                ModelError::Silent { .. } => "agent.silent",
            },
            Self::ContentType { .. } => "agent.malformed",
            Self::Cut { .. } => "agent.cut",
            Self::Malformed { .. } => "agent.malformed",
            Self::Silent { .. } => "agent.silent",
            Self::TooSlow { .. } => "agent.too_slow",
            Self::TooLong { .. } => "agent.too_long",
            Self::Failed { .. } => "agent.failed",
            Self::Cancelled => "agent.cancelled",
            Self::Empty => "agent.empty",
            Self::Header { .. } => "agent.sign_in",
        }
    }

    /// What to tell the person who is chatting. Holds no address, nothing that the agent said.
    pub fn user_message(&self) -> String {
        let about = |error: ModelError| error.message_about("agent");
        match self {
            Self::Http(error) => error.message_about("agent"),
            Self::Cut { .. } => about(ModelError::Cut { detail: String::new() }),
            Self::ContentType { .. } | Self::Malformed { .. } => {
                about(ModelError::Malformed { detail: String::new() })
            }
            Self::Silent { after } => about(ModelError::Silent { after: *after }),
            Self::TooSlow { .. } => {
                "The agent took too long, so the answer was given up.".to_owned()
            }
            Self::TooLong { .. } => {
                "The agent's answer became too long and was cut off.".to_owned()
            }
            Self::Failed { .. } => {
                about(ModelError::Server { status: None, detail: String::new() })
            }
            Self::Cancelled => "The agent stopped before the answer was complete.".to_owned(),
            Self::Empty => "The agent gave an empty answer.".to_owned(),
            Self::Header { .. } => "You need to be signed in to talk to this agent.".to_owned(),
        }
    }

    /// Whether the same request may succeed later without anybody changing the configuration.
    pub fn allow_retry(&self) -> bool {
        match self {
            Self::Http(error) => error.allow_retry(),
            Self::Cut { .. }
            | Self::Malformed { .. }
            | Self::Silent { .. }
            | Self::TooSlow { .. }
            | Self::TooLong { .. }
            | Self::Failed { .. }
            | Self::Cancelled
            | Self::Empty => true,
            Self::ContentType { .. } | Self::Header { .. } => false,
        }
    }

    /// As the user is told it.
    pub(super) fn for_user(self) -> TurnError {
        TurnError::new(self.reason(), self.user_message())
            .allow_retry(self.allow_retry())
            .retry_after(self.retry_after())
            .caused_by(self)
    }

    /// How long the agent asks to wait, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl From<ModelError> for RemoteError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cut { detail } => Self::Cut { detail },
            ModelError::Malformed { detail } => Self::Malformed { detail },
            ModelError::Silent { after } => Self::Silent { after },
            error => Self::Http(error),
        }
    }
}

/// The same words with another subject.
fn about_agent(error: &ModelError) -> String {
    let told = error.to_string();
    ["the model server", "the model or the model server's address"]
        .iter()
        .rev()
        .find_map(|subject| Some(format!("the agent's server{}", told.strip_prefix(subject)?)))
        .unwrap_or(told)
}

/// Longest quotation of what an agent says about an error, in characters.
const DETAIL_CHARS: usize = 300;

/// On one line, and not too long.
pub(super) fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_tells_users_what_the_agent_said() {
        let secret = || "s3cret at /srv/agent.py".to_owned();
        for error in [
            RemoteError::Http(ModelError::Server { status: Some(500), detail: secret() }),
            RemoteError::Http(ModelError::BadRequest { message: secret() }),
            RemoteError::Http(ModelError::NotFound { detail: secret() }),
            RemoteError::Failed { code: String::new(), detail: secret() },
            RemoteError::Malformed { detail: secret() },
            RemoteError::ContentType { content_type: secret() },
        ] {
            assert!(!error.user_message().contains("s3cret"), "{error}");
            assert!(error.to_string().contains("s3cret"), "{error}");
            assert!(!error.to_string().contains("model"), "{error}");
        }
    }
}
