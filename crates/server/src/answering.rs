//! What answers: a model with tools, or an agent elsewhere.

use bytes::Bytes;
use futures::future::Either;
use parlor_agent::{
    AgentResponder,
    remote::{RemoteConfig, RemoteResponder, RemoteSetupError},
};
use parlor_chatkit::{
    ActionSender, RequestContext, Responder, Turn, TurnError,
    protocol::{ThreadMetadata, TranscriptionResult, UserMessageItem},
};

/// The responder of a tenant.
pub(crate) enum Answering {
    Model(Box<AgentResponder>),
    Remote(Box<RemoteResponder>),
}

impl Answering {
    /// The agent elsewhere if there is one, with this responder for what it does not do.
    ///
    /// # Errors
    /// When the agent could never be asked.
    pub(crate) fn new(
        remote: Option<RemoteConfig>,
        local: AgentResponder,
    ) -> Result<Self, RemoteSetupError> {
        Ok(match remote {
            None => Self::Model(Box::new(local)),
            Some(remote) => Self::Remote(Box::new(RemoteResponder::new(remote, local)?)),
        })
    }

    /// Waits with `other` for the same places where files are read.
    pub(crate) fn reading_files_with(self, other: &Self) -> Self {
        match self {
            Self::Model(own) => Self::Model(Box::new(own.reading_files_with(other.local()))),
            Self::Remote(own) => Self::Remote(Box::new(own.reading_files_with(other.local()))),
        }
    }

    fn local(&self) -> &AgentResponder {
        match self {
            Self::Model(responder) => responder,
            Self::Remote(responder) => responder.local(),
        }
    }
}

/// The model's futures are those of its responder itself: who waits for thousands of them pays for
/// none of this.
impl Responder for Answering {
    fn respond(&self, turn: &mut Turn) -> impl Future<Output = Result<(), TurnError>> + Send {
        match self {
            Self::Model(responder) => Either::Left(responder.respond(turn)),
            Self::Remote(responder) => Either::Right(Box::pin(responder.respond(turn))),
        }
    }

    fn action(
        &self,
        turn: &mut Turn,
        action: ActionSender,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        match self {
            Self::Model(responder) => Either::Left(responder.action(turn, action)),
            Self::Remote(responder) => Either::Right(Box::pin(responder.action(turn, action))),
        }
    }

    fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> impl Future<Output = Option<String>> + Send {
        self.local().title(context, thread, message)
    }

    fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> impl Future<Output = Result<Option<TranscriptionResult>, TurnError>> + Send {
        self.local().transcribe(context, audio, mime_type)
    }
}
