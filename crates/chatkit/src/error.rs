//! What can go wrong, as clients are told it.

use std::{borrow::Cow, fmt, time::Duration};

use parlor_protocol::{ErrorCode, ErrorEvent, RequestError, RequestId};

use crate::{AttachmentStoreError, LimitReached, StoreError};

/// Reason of an error that its responder said nothing about.
const INTERNAL: &str = "internal";
/// Reason of an error of the store.
const STORAGE: &str = "storage_unavailable";
/// Seconds after which what is down for a moment is tried again.
const SOON: u64 = 2;

/// Whole seconds to wait, at least one.
fn in_seconds(after: Duration) -> u64 {
    after.as_secs().max(1)
}

/// Why a request was refused, before any stream.
#[derive(Debug, thiserror::Error)]
pub enum ChatKitError {
    /// The body is not a request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A field was understood but is not acceptable.
    #[error("{field}: {message}")]
    Invalid {
        /// Path of the field.
        field: Cow<'static, str>,
        /// What is wrong with it and what would be right.
        message: Cow<'static, str>,
    },
    /// It does not exist, or belongs to somebody else: the same answer for both.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A turn is running in the thread.
    #[error(
        "an answer is still being written in this thread; wait for it, stop it, or follow it with threads.resume"
    )]
    ThreadBusy,
    /// There is no turn to follow.
    #[error("no answer is being written in this thread; read the thread instead")]
    NoRunningTurn,
    /// The thread takes no messages.
    #[error("this thread is {state} and takes no messages{}", reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    ThreadNotActive {
        /// `locked` or `closed`.
        state: &'static str,
        /// The integrator's reason.
        reason: Option<String>,
    },
    /// A field is larger than allowed.
    #[error("{field}: is larger than {max} bytes")]
    TooLarge {
        /// Path of the field.
        field: &'static str,
        /// The limit.
        max: usize,
    },
    /// A file is of a type that is not taken, or not of the type that it was said to be.
    #[error("{0}")]
    UnsupportedType(Cow<'static, str>),
    /// The user has more files than they may that were not sent with a message.
    #[error("too many files are waiting to be sent; send or remove some of them first")]
    TooManyUnsent,
    /// The file's bytes are just coming in, over another connection.
    #[error("this file is being uploaded already; wait for that upload to end")]
    UploadRunning,
    /// The file's bytes came before.
    #[error("this file was uploaded already; announce another one with attachments.create")]
    AlreadyUploaded,
    /// The caller has used as much as they may.
    #[error("{}", .0.message)]
    LimitReached(Box<LimitReached>),
    /// The server was built or configured without it.
    #[error("{0}")]
    NotEnabled(Cow<'static, str>),
    /// The server is shutting down.
    #[error("the server is shutting down; try again in a moment")]
    ShuttingDown,
    /// The integrator's own code failed.
    #[error("{}", .0.message())]
    Responder(TurnError),
    /// The store failed.
    #[error("chat is unavailable at the moment; try again in a few seconds")]
    Store(#[from] StoreError),
    /// The bytes of a file could not be kept or read.
    #[error("files cannot be kept or read at the moment; try again in a few seconds")]
    Files(#[from] AttachmentStoreError),
}

impl ChatKitError {
    /// A field that was understood but is not acceptable.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// HTTP status and stable code.
    pub fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::Request(RequestError::MalformedJson(_)) => (400, "malformed_json"),
            Self::Request(RequestError::NotARequest(_)) => (400, "not_a_request"),
            Self::Request(RequestError::UnknownOperation(_)) => (422, "unknown_operation"),
            Self::Request(RequestError::InvalidField { .. }) | Self::Invalid { .. } => {
                (422, "invalid_field")
            }
            Self::NotFound(_) => (404, "not_found"),
            Self::NoRunningTurn => (404, "no_running_turn"),
            Self::ThreadBusy => (409, "thread_busy"),
            Self::ThreadNotActive { state: "closed", .. } => (409, "thread_closed"),
            Self::ThreadNotActive { .. } => (409, "thread_locked"),
            Self::TooLarge { .. } => (413, "too_large"),
            Self::UnsupportedType(_) => (415, "unsupported_type"),
            Self::TooManyUnsent => (422, "too_many_unsent_files"),
            Self::UploadRunning => (409, "upload_running"),
            Self::AlreadyUploaded => (409, "already_uploaded"),
            Self::LimitReached(_) => (429, "rate_limited"),
            Self::NotEnabled(_) => (422, "not_enabled"),
            Self::Responder(error) => match error.reason() {
                INTERNAL => (500, "internal"),
                STORAGE => (503, "storage_unavailable"),
                _ if error.allow_retry => (503, "unavailable"),
                _ if error.internal.is_some() => (500, "internal"),
                _ => (422, "refused"),
            },
            Self::ShuttingDown => (503, "shutting_down"),
            Self::Store(_) | Self::Files(_) => (503, "storage_unavailable"),
        }
    }

    /// The field concerned, if it is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Request(RequestError::UnknownOperation(_)) => Some("type"),
            Self::Request(RequestError::InvalidField { field, .. }) => Some(field),
            Self::Invalid { field, .. } => Some(field),
            Self::TooLarge { field, .. } => Some(field),
            _ => None,
        }
    }

    /// Seconds after which trying again makes sense.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Store(_) | Self::Files(_) | Self::ShuttingDown => Some(SOON),
            Self::LimitReached(reached) => Some(reached.retry_after.max(1)),
            Self::Responder(error) if self.status_and_code().0 == 503 => {
                Some(error.retry_after.map_or(SOON, in_seconds))
            }
            _ => None,
        }
    }

    /// The stable name of the responder's error, such as `model.rate_limited`.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Responder(error) => Some(error.reason()),
            _ => None,
        }
    }
}

/// Why a turn failed: what the user is told, and what the log is told.
///
/// Any error converts into one with `?`; the user then reads a general sentence and the log gets
/// the error. It is deliberately not a [`std::error::Error`] itself, which makes that conversion
/// possible.
pub struct TurnError {
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    allow_retry: bool,
    retry_after: Option<Duration>,
    internal: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TurnError {
    /// An error with a message for the user. `reason` is its stable name, such as
    /// `model.rate_limited`.
    pub fn new(
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            allow_retry: false,
            retry_after: None,
            internal: None,
        }
    }

    /// That a turn failed, where it is not known any more what exactly went wrong.
    pub(crate) fn not_completed() -> Self {
        Self::new("turn.failed", "The answer could not be completed.")
    }

    /// Whether clients offer to try again. They don't by default.
    #[must_use]
    pub fn allow_retry(mut self, allow: bool) -> Self {
        self.allow_retry = allow;
        self
    }

    /// After how long trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// What really happened, for the log only.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.internal = Some(error.into());
        self
    }

    /// Its stable name.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What the user is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the log is told, if there is more than the message.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.internal.as_deref()
    }

    pub(crate) fn into_event(self, request_id: RequestId) -> ErrorEvent {
        ErrorEvent {
            code: ErrorCode::Custom,
            message: Some(self.message.into_owned()),
            allow_retry: self.allow_retry,
            reason: Some(self.reason.into_owned()),
            request_id: Some(request_id),
            retry_after: self.retry_after.map(in_seconds),
        }
    }
}

impl fmt::Debug for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnError")
            .field("reason", &self.reason)
            .field("message", &self.message)
            .field("internal", &self.internal)
            .finish_non_exhaustive()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for TurnError {
    fn from(error: E) -> Self {
        let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
        let is_the_stores = error.downcast_ref::<StoreError>().is_some_and(|error| {
            // An id used twice is the responder's mistake.
            !matches!(error, StoreError::DuplicateItem(_))
        });
        if is_the_stores {
            return Self::new(
                STORAGE,
                "The conversation could not be saved. Please try again in a moment.",
            )
            .allow_retry(true)
            .caused_by(error);
        }
        Self::new(INTERNAL, "Something went wrong while answering. Please try again.")
            .allow_retry(true)
            .caused_by(error)
    }
}

/// An error with its sources, on one line: for logs, of which some formats leave the sources out,
/// and for those who start programs.
pub struct ErrorChain<'a>(pub &'a (dyn std::error::Error + 'a));

impl std::fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = String::new();
        let mut next = Some(self.0);
        while let Some(error) = next {
            let words = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            // Many libraries' errors quote their source.
            if !said.contains(&words) {
                if !said.is_empty() {
                    said.push_str(": ");
                }
                said.push_str(&words);
            }
            next = error.source();
        }
        f.write_str(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Told {
        words: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn a_chain_is_one_line_and_says_nothing_twice() {
        let disk = Told { words: "the disk is full", source: None };
        let database =
            Told { words: "database: the disk\n  is full", source: Some(Box::new(disk)) };
        let outer = Told { words: "cannot write", source: Some(Box::new(database)) };
        assert_eq!(ErrorChain(&outer).to_string(), "cannot write: database: the disk is full");
    }
}
