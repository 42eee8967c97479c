//! How much a caller may ask for, as somebody outside decides.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use parlor_protocol::{NoticeEvent, Timestamp};

use crate::ChatKitError;

/// What is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// A turn that the user begins: a message, a retry, an action of a widget.
    Message,
    /// A turn that an earlier one has asked for: a client tool's output, an answered question.
    Continuation,
    /// One more connection follows a turn that another one follows already.
    Following,
    /// A recording is turned into text.
    Recording,
}

/// What one request may use. [`RequestOptions::quota`](crate::RequestOptions::quota) gives it to
/// the request; without one, nothing is limited.
///
/// It is asked when everything else is known to be in order, immediately before the work begins.
/// A request repeated with the same idempotency key does not ask again.
#[async_trait]
pub trait Quota: fmt::Debug + Send + Sync + 'static {
    /// Lets the work begin, or refuses it with [`ChatKitError::LimitReached`]. `process` is what the
    /// store knows this process by ([`Store::keep_alive`](crate::Store::keep_alive)): work of one
    /// that is gone is over.
    ///
    /// # Errors
    /// When a limit is reached, or it cannot be found out.
    async fn admit(&self, work: Work, process: &str) -> Result<Admission, ChatKitError>;

    /// A model was asked, which took so many tokens, of question and answer together.
    fn used(&self, tokens: u64);
}

/// Counts the tokens that models take for one request, towards the limits of whoever asks. Cloning
/// shares it.
#[derive(Clone, Debug, Default)]
pub struct TokenMeter(pub(crate) Option<Arc<dyn Quota>>);

impl TokenMeter {
    /// A model was asked, which took so many tokens, of question and answer together.
    pub fn count(&self, tokens: u64) {
        if let Some(quota) = self.0.as_ref().filter(|_| tokens > 0) {
            quota.used(tokens);
        }
    }
}

/// What becomes of an admission once its work is over; `true` if it had begun.
type Over = Box<dyn FnOnce(bool) + Send + Sync>;

/// Work that may begin. Dropping it says that it is over.
#[derive(Default)]
pub struct Admission {
    notices: Vec<NoticeEvent>,
    begun: bool,
    over: Option<Over>,
}

impl Admission {
    /// One without conditions.
    pub fn free() -> Self {
        Self::default()
    }

    /// One whose end is told: with `true` when the work had begun, with `false` when it never did
    /// and nothing was used.
    pub fn until(over: impl FnOnce(bool) + Send + Sync + 'static) -> Self {
        Self { notices: Vec::new(), begun: false, over: Some(Box::new(over)) }
    }

    /// Has the user told something before the answer begins.
    #[must_use]
    pub fn with_notice(mut self, notice: NoticeEvent) -> Self {
        self.notices.push(notice);
        self
    }

    pub(crate) fn take_notices(&mut self) -> Vec<NoticeEvent> {
        std::mem::take(&mut self.notices)
    }

    /// The work has begun.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            over(self.begun);
        }
    }
}

/// A limit that a request has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Which one, such as `messages_per_day`.
    pub limit: &'static str,
    /// Whose: `user`, `tenant` or `address`.
    pub scope: &'static str,
    /// What the user is told.
    pub message: String,
    /// Seconds after which trying again makes sense, at least 1.
    pub retry_after: u64,
    /// When something will be free again, if that is known.
    pub reset_at: Option<Timestamp>,
}
