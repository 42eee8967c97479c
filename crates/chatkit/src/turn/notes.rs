//! What happens in a turn, for people who develop: who looks on is told, and nobody else pays.

use std::{fmt, sync::Arc};

use parlor_protocol::{ThreadId, TurnId};
use serde_json::Value;

/// Looks on while turns run. What it is told holds what users write, prompts and results of tools, so
/// it is for the operator and for development. No key and no header is ever among it.
pub trait Observer: Send + Sync + 'static {
    /// Something happened. Called from within the turn: it must not take long.
    fn noted(&self, turn: &Noted<'_>, kind: &'static str, data: Value);
}

/// The turn in which something happened.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// Its id.
    pub turn_id: &'a TurnId,
    /// The thread it is in.
    pub thread_id: &'a ThreadId,
}

struct Inner {
    observer: Arc<dyn Observer>,
    turn_id: TurnId,
    thread_id: ThreadId,
}

/// Where what happens in a turn is noted, if anybody looks on. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<Inner>>);

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notes").field(&self.0.is_some()).finish()
    }
}

impl Notes {
    pub(super) fn new(
        observer: Option<&Arc<dyn Observer>>,
        turn_id: &TurnId,
        thread_id: &ThreadId,
    ) -> Self {
        Self(observer.map(|observer| {
            Arc::new(Inner {
                observer: Arc::clone(observer),
                turn_id: turn_id.clone(),
                thread_id: thread_id.clone(),
            })
        }))
    }

    /// Whether anybody looks on.
    pub fn are_read(&self) -> bool {
        self.0.is_some()
    }

    /// Notes something, which is made only if anybody looks on.
    pub fn add(&self, kind: &'static str, data: impl FnOnce() -> Value) {
        if let Some(inner) = &self.0 {
            let turn = Noted { turn_id: &inner.turn_id, thread_id: &inner.thread_id };
            inner.observer.noted(&turn, kind, data());
        }
    }
}
