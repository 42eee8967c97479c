//! What the server was asked, and how each request ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// How many requests are kept; older ones are dropped, so that a server left running stays small.
const KEPT: usize = 2_000;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedRequest {
    /// 1, 2, 3… since the start or the last reset.
    pub number: u64,
    /// When it came in, in milliseconds since 1970.
    pub at_ms: u64,
    /// The HTTP method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The headers, names in lower case. `authorization` is kept: a test may want to see it.
    pub headers: serde_json::Map<String, Value>,
    /// The parsed body; null for none, a string if it was not JSON.
    pub body: Value,
    /// The text of the last user message, for the two APIs that have one.
    pub user_message: Option<String>,
    /// Events of the stream that were handed to the connection.
    pub events_sent: usize,
    /// Whether the answer was sent to its scripted end.
    pub finished: bool,
    /// Set when the client closed the connection before the answer's end: the events until then.
    pub aborted_after_events: Option<usize>,
}

#[derive(Default)]
struct Inner {
    requests: VecDeque<RecordedRequest>,
    count: u64,
    /// Counts resets, so that a stream from before one does not write into a stranger's record.
    epoch: u64,
}

/// All records, and a counter that goes up whenever one changes.
pub(crate) struct Records {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

impl Records {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), changes: watch::Sender::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().requests.len()
    }

    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        *inner = Inner { epoch: inner.epoch + 1, ..Inner::default() };
        drop(inner);
        self.changed();
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Adds a request; the ticket reports what becomes of it.
    pub(crate) fn add(self: &Arc<Self>, mut request: RecordedRequest) -> Ticket {
        let mut inner = self.lock();
        inner.count += 1;
        request.number = inner.count;
        let ticket = Ticket {
            records: Arc::clone(self),
            number: inner.count,
            epoch: inner.epoch,
            events_sent: 0,
            ended: false,
        };
        if inner.requests.len() == KEPT {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
        drop(inner);
        self.changed();
        ticket
    }
}

/// Follows one answer. Dropped before [`Ticket::finish`], it means that the client went away.
pub(crate) struct Ticket {
    records: Arc<Records>,
    number: u64,
    epoch: u64,
    events_sent: usize,
    ended: bool,
}

impl Ticket {
    pub(crate) fn event_sent(&mut self) {
        self.events_sent += 1;
    }

    pub(crate) fn finish(&mut self) {
        self.end(true);
    }

    /// Writes the number of events so far into the record.
    pub(crate) fn checkpoint(&self) {
        self.update(|request, events| request.events_sent = events);
    }

    fn end(&mut self, finished: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.update(|request, events| {
            request.events_sent = events;
            request.finished = finished;
            request.aborted_after_events = (!finished).then_some(events);
        });
    }

    fn update(&self, change: impl FnOnce(&mut RecordedRequest, usize)) {
        let mut inner = self.records.lock();
        if inner.epoch == self.epoch
            && let Some(from_the_end) = inner.count.checked_sub(self.number)
            && let Some(at) = inner.requests.len().checked_sub(1 + from_the_end as usize)
            && let Some(request) = inner.requests.get_mut(at)
        {
            change(request, self.events_sent);
        }
        drop(inner);
        self.records.changed();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(false);
    }
}
