//! What an integrator writes.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use parlor_protocol::{
    Action, FeedbackKind, ItemId, StreamOptions, SyncCustomActionResponse, ThreadId,
    ThreadMetadata, TranscriptionResult, UserMessageItem, WidgetItem,
};

use crate::{RequestContext, Turn, TurnError};

/// Makes the answers. One method is enough; the others have defaults, one for each hook of the
/// reference.
///
/// A responder says what is to be said. Parsing, persistence, paging, streaming, cancellation
/// and hiding items is the base's work.
pub trait Responder: Send + Sync + 'static {
    /// Answers the user's message ([`Turn::input`]), or goes on after a client tool's output or
    /// an answered question, when there is no new message.
    ///
    /// When the turn is stopped the future is dropped, which closes whatever it holds: the
    /// connection to the model, say.
    fn respond(&self, turn: &mut Turn) -> impl Future<Output = Result<(), TurnError>> + Send;

    /// Somebody used a widget of the thread, or the page sent an action of its own.
    fn action(
        &self,
        turn: &mut Turn,
        action: ActionSender,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        let _ = turn;
        let name = action.action.r#type;
        async move {
            Err(TurnError::new("action.unknown", format!("Nothing here handles “{name}”.")))
        }
    }

    /// Somebody used a widget whose action is answered with one item instead of a stream.
    ///
    /// `updated_item` is the widget that was used, changed: it is stored in its place before the
    /// answer goes out. Another item there is a mistake and fails the request. Nobody is asked
    /// while the thread is locked or closed.
    fn sync_action(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        action: ActionSender,
    ) -> impl Future<Output = Result<SyncCustomActionResponse, TurnError>> + Send {
        let _ = (context, thread);
        let name = action.action.r#type;
        async move {
            Err(TurnError::new("action.unknown", format!("Nothing here handles “{name}”.")))
        }
    }

    /// The user judged items. It is stored already.
    fn add_feedback(
        &self,
        context: &RequestContext,
        feedback: Feedback<'_>,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        let _ = (context, feedback);
        async { Ok(()) }
    }

    /// A title for a thread that has none. Called once its first answer has begun, beside it; the
    /// answer waits for nothing. `None`: none, or the one of
    /// [`Turn::set_title_at_end`](crate::Turn::set_title_at_end).
    ///
    /// The title is made one line, and cut at [`Limits::title_chars`](crate::Limits::title_chars).
    /// It is announced with `thread.updated` if it comes before the stream ends or half a second
    /// after the answer, and saved silently if it comes within half a minute. A title that the user has given
    /// meanwhile stays. When the answer is stopped or fails, the future is dropped.
    fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> impl Future<Output = Option<String>> + Send {
        let _ = (context, thread, message);
        async { None }
    }

    /// Speech to text. `None`: not offered.
    ///
    /// `audio` is at most [`Limits::audio_bytes`](crate::Limits::audio_bytes) long and otherwise
    /// unchecked; `mime_type` is what the client says, such as `audio/webm;codecs=opus`. Official
    /// clients record `audio/webm`, `audio/ogg` or `audio/mp4`.
    fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> impl Future<Output = Result<Option<TranscriptionResult>, TurnError>> + Send {
        let _ = (context, audio, mime_type);
        async { Ok(None) }
    }

    /// Settings of a turn's stream. Users may stop it by default.
    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions {
        let _ = (context, thread);
        StreamOptions { allow_cancel: true }
    }

    /// A turn was stopped or interrupted, or its last reader has gone and the server cancels such
    /// turns. Its partial text is stored already.
    fn on_cancelled(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
    ) -> impl Future<Output = ()> + Send {
        let _ = (context, thread);
        async {}
    }
}

/// An action and the widget it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSender {
    /// The action.
    pub action: Action,
    /// The widget that was used; `None` for an action that the page sent by itself.
    pub widget: Option<WidgetItem>,
}

/// What a user thinks of items.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// The thread.
    pub thread_id: &'a ThreadId,
    /// The items.
    pub item_ids: &'a [ItemId],
    /// Up or down.
    pub kind: FeedbackKind,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Responder`] with boxed futures, so that one server type holds any responder.
pub(crate) trait DynResponder: Send + Sync + 'static {
    fn respond<'a>(&'a self, turn: &'a mut Turn) -> BoxFuture<'a, Result<(), TurnError>>;
    fn action<'a>(
        &'a self,
        turn: &'a mut Turn,
        action: ActionSender,
    ) -> BoxFuture<'a, Result<(), TurnError>>;
    fn sync_action<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
        action: ActionSender,
    ) -> BoxFuture<'a, Result<SyncCustomActionResponse, TurnError>>;
    fn add_feedback<'a>(
        &'a self,
        context: &'a RequestContext,
        feedback: Feedback<'a>,
    ) -> BoxFuture<'a, Result<(), TurnError>>;
    fn title<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
        message: &'a UserMessageItem,
    ) -> BoxFuture<'a, Option<String>>;
    fn transcribe<'a>(
        &'a self,
        context: &'a RequestContext,
        audio: Bytes,
        mime_type: &'a str,
    ) -> BoxFuture<'a, Result<Option<TranscriptionResult>, TurnError>>;
    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions;
    fn on_cancelled<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
    ) -> BoxFuture<'a, ()>;
}

impl<R: Responder> DynResponder for R {
    fn respond<'a>(&'a self, turn: &'a mut Turn) -> BoxFuture<'a, Result<(), TurnError>> {
        Box::pin(Responder::respond(self, turn))
    }

    fn action<'a>(
        &'a self,
        turn: &'a mut Turn,
        action: ActionSender,
    ) -> BoxFuture<'a, Result<(), TurnError>> {
        Box::pin(Responder::action(self, turn, action))
    }

    fn sync_action<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
        action: ActionSender,
    ) -> BoxFuture<'a, Result<SyncCustomActionResponse, TurnError>> {
        Box::pin(Responder::sync_action(self, context, thread, action))
    }

    fn add_feedback<'a>(
        &'a self,
        context: &'a RequestContext,
        feedback: Feedback<'a>,
    ) -> BoxFuture<'a, Result<(), TurnError>> {
        Box::pin(Responder::add_feedback(self, context, feedback))
    }

    fn title<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
        message: &'a UserMessageItem,
    ) -> BoxFuture<'a, Option<String>> {
        Box::pin(Responder::title(self, context, thread, message))
    }

    fn transcribe<'a>(
        &'a self,
        context: &'a RequestContext,
        audio: Bytes,
        mime_type: &'a str,
    ) -> BoxFuture<'a, Result<Option<TranscriptionResult>, TurnError>> {
        Box::pin(Responder::transcribe(self, context, audio, mime_type))
    }

    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions {
        Responder::stream_options(self, context, thread)
    }

    fn on_cancelled<'a>(
        &'a self,
        context: &'a RequestContext,
        thread: &'a ThreadMetadata,
    ) -> BoxFuture<'a, ()> {
        Box::pin(Responder::on_cancelled(self, context, thread))
    }
}
