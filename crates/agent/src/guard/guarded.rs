//! A responder with guardrails before it.

use bytes::Bytes;
use futures::future::Either;
use parlor_chatkit::{
    ActionSender, Feedback, RequestContext, Responder, Turn, TurnError,
    protocol::{
        StreamOptions, SyncCustomActionResponse, ThreadMetadata, TranscriptionResult,
        UserMessageItem,
    },
};

use super::Guards;

/// Any responder, with guardrails before its turns. Where there are none, it is the responder itself.
#[derive(Debug)]
pub struct Guarded<R> {
    responder: R,
    guards: Guards,
}

impl<R: Responder> Guarded<R> {
    /// This responder with these guardrails.
    pub fn new(responder: R, guards: Guards) -> Self {
        Self { responder, guards }
    }
}

impl Guards {
    /// Has a responder answer a turn that these are before.
    pub fn respond<R: Responder>(
        &self,
        responder: &R,
        turn: &mut Turn,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        if self.is_empty() {
            return Either::Left(responder.respond(turn));
        }
        // Boxed: those who have none pay nothing for it.
        Either::Right(Box::pin(async move {
            let begun = self.begin(turn).await?;
            begun.race(responder.respond(turn)).await
        }))
    }

    /// Has a responder go on after an action, in a turn that these are before.
    pub fn act<R: Responder>(
        &self,
        responder: &R,
        turn: &mut Turn,
        action: ActionSender,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        if self.is_empty() {
            return Either::Left(responder.action(turn, action));
        }
        Either::Right(Box::pin(async move {
            let begun = self.begin(turn).await?;
            begun.race(responder.action(turn, action)).await
        }))
    }
}

impl<R: Responder> Responder for Guarded<R> {
    fn respond(&self, turn: &mut Turn) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.guards.respond(&self.responder, turn)
    }

    fn action(
        &self,
        turn: &mut Turn,
        action: ActionSender,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.guards.act(&self.responder, turn, action)
    }

    fn sync_action(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        action: ActionSender,
    ) -> impl Future<Output = Result<SyncCustomActionResponse, TurnError>> + Send {
        self.responder.sync_action(context, thread, action)
    }

    fn add_feedback(
        &self,
        context: &RequestContext,
        feedback: Feedback<'_>,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.responder.add_feedback(context, feedback)
    }

    fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> impl Future<Output = Option<String>> + Send {
        self.responder.title(context, thread, message)
    }

    fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> impl Future<Output = Result<Option<TranscriptionResult>, TurnError>> + Send {
        self.responder.transcribe(context, audio, mime_type)
    }

    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions {
        self.responder.stream_options(context, thread)
    }

    fn on_cancelled(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
    ) -> impl Future<Output = ()> + Send {
        self.responder.on_cancelled(context, thread)
    }
}
