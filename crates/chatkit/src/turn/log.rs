//! The numbered events of one turn, and those who follow them.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use parlor_protocol::{ItemId, ThreadStreamEvent};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::ReusableBoxFuture;

use super::frames::{self, Frames};
use crate::{Admission, TurnState};

/// How long a stream may be silent before a comment keeps it alive. Proxies cut at 30 s or 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream is written to at most so often. A model that sends a hundred words at once would
/// otherwise cost a hundred writes to the socket; the first word of a burst waits for nothing.
const PACE: Duration = Duration::from_millis(1);

/// The events of one turn, shared by everybody who reads them.
///
/// Readers never slow the turn and cost no memory beside the log itself, which is bounded by
/// [`Limits::turn_bytes`](crate::Limits::turn_bytes).
pub(crate) struct TurnLog {
    events: Mutex<Events>,
    changed: watch::Sender<()>,
    readers: AtomicUsize,
    /// The last reader has gone.
    left: Notify,
}

#[derive(Default)]
struct Events {
    frames: Frames,
    end: Option<TurnState>,
    /// The turn goes on, but not here: streams break off without an end.
    cut: bool,
}

/// The log has reached its size limit.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {0} bytes of events")]
pub(crate) struct LogFull(usize);

/// Frames that came from elsewhere do not fit behind those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Some are missing in between.
    Gap,
    /// They are no frames, or too many.
    Broken,
}

impl TurnLog {
    pub(crate) fn new() -> Arc<Self> {
        Self::behind(0)
    }

    /// A log of the events behind number `after`.
    pub(crate) fn behind(after: u64) -> Arc<Self> {
        let base = usize::try_from(after).unwrap_or(usize::MAX);
        let events = Events { frames: Frames::behind(base), ..Events::default() };
        Arc::new(Self {
            events: Mutex::new(events),
            changed: watch::Sender::new(()),
            readers: AtomicUsize::new(0),
            left: Notify::new(),
        })
    }

    /// Numbers, serialises and publishes an event.
    pub(crate) fn append(&self, event: &ThreadStreamEvent, max: usize) -> Result<(), LogFull> {
        self.lock().frames.push(event, max).ok_or(LogFull(max))?;
        self.changed.send_replace(());
        Ok(())
    }

    /// Publishes events of another process's log, as [`piece`](Self::piece) gave them there. What
    /// is there already is passed over.
    pub(crate) fn extend(&self, piece: &[u8], max: usize) -> Result<(), Misfit> {
        let fitted = {
            let mut log = self.lock();
            frames::split(piece).try_for_each(|frame| {
                let (number, data) = frame.ok_or(Misfit::Broken)?;
                match number.cmp(&(log.frames.last() + 1)) {
                    std::cmp::Ordering::Less => Ok(()),
                    std::cmp::Ordering::Equal => {
                        log.frames.push_data(data, max).ok_or(Misfit::Broken)
                    }
                    std::cmp::Ordering::Greater => Err(Misfit::Gap),
                }
            })
        };
        self.changed.send_replace(());
        fitted
    }

    /// The events behind number `after`, up to about so many bytes, the number of the last one, and
    /// the turn's end if that comes next.
    pub(crate) fn piece(&self, after: u64, enough: usize) -> (Vec<u8>, u64, Option<TurnState>) {
        let log = self.lock();
        let mut piece = Vec::new();
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let last = log.frames.write(after, enough, &mut piece);
        let end = log.end.filter(|_| last >= log.frames.last());
        (piece, last as u64, end)
    }

    /// The number before that of the first event.
    pub(crate) fn base(&self) -> u64 {
        self.lock().frames.base() as u64
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.lock().frames.last() as u64
    }

    /// Forgets what these items were: whoever follows from now on is told only that they are removed.
    pub(crate) fn forget(&self, item_ids: &[ItemId]) {
        let mut log = self.lock();
        log.frames = log.frames.without(item_ids);
    }

    /// Breaks off all streams without an end, so that their clients resume the turn elsewhere.
    pub(crate) fn cut(&self) {
        self.lock().cut = true;
        self.changed.send_replace(());
    }

    /// Is told of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Counts as somebody who follows, until it is dropped.
    pub(crate) fn join(self: &Arc<Self>) -> Reading {
        self.readers.fetch_add(1, Ordering::AcqRel);
        Reading(Arc::clone(self))
    }

    /// Publishes the end. Later calls change nothing: a turn ends in exactly one way.
    pub(crate) fn finish(&self, state: TurnState) {
        {
            let mut log = self.lock();
            if log.end.is_some() {
                return;
            }
            log.end = Some(state);
            log.frames.shrink();
        }
        self.changed.send_replace(());
    }

    pub(crate) fn end(&self) -> Option<TurnState> {
        self.lock().end
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lock().frames.bytes()
    }

    /// Whether somebody is following.
    pub(crate) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Acquire) > 0
    }

    /// Waits until nobody follows any more.
    pub(crate) async fn abandoned(&self) {
        loop {
            // Made before the look: a reader that leaves after the look is not missed. One that
            // came back meanwhile counts.
            let left = self.left.notified();
            if !self.has_readers() {
                return;
            }
            left.await;
        }
    }

    /// Waits for the end; gives its kind.
    pub(crate) async fn ended(&self) -> TurnState {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(state) = self.end() {
                return state;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Follows the log from behind event number `after`.
    pub(crate) fn follow(self: &Arc<Self>, after: u64) -> EventStream {
        EventStream {
            reading: self.join(),
            sent: usize::try_from(after).unwrap_or(usize::MAX).max(self.lock().frames.base()),
            changed: ReusableBoxFuture::new(changed(self.changed.subscribe())),
            keep_alive: Box::pin(sleep_until(Instant::now() + KEEP_ALIVE)),
            // Long enough ago for the first frame to go at once.
            last_sent: Instant::now().checked_sub(PACE).unwrap_or_else(Instant::now),
            hold: Box::pin(sleep_until(Instant::now())),
            holding: false,
            ended: false,
            _admission: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        // A panic while it was held leaves a whole frame or none.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who follows a log.
pub(crate) struct Reading(Arc<TurnLog>);

impl Drop for Reading {
    fn drop(&mut self) {
        if self.0.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

async fn changed(mut receiver: watch::Receiver<()>) -> watch::Receiver<()> {
    let _ = receiver.changed().await;
    receiver
}

/// A turn as Server-Sent Events: numbered frames, a comment every 15 s of silence, and the
/// comment `: end <state>` as the last, so that a clean end can be told from a cut. What is
/// there at once comes as one piece.
///
/// Dropping it does not touch the turn, unless the server is built with
/// [`OnDisconnect::Cancel`](crate::OnDisconnect::Cancel).
pub struct EventStream {
    reading: Reading,
    /// The number of the last event that was sent, or that the client has.
    sent: usize,
    changed: ReusableBoxFuture<'static, watch::Receiver<()>>,
    keep_alive: Pin<Box<Sleep>>,
    last_sent: Instant,
    /// Runs while `holding`.
    hold: Pin<Box<Sleep>>,
    holding: bool,
    ended: bool,
    /// Held until nobody reads any more.
    _admission: Option<Box<Admission>>,
}

impl EventStream {
    /// A stream of events that all exist already.
    ///
    /// They are numbered from behind `after`.
    pub(crate) fn replay(
        events: &[ThreadStreamEvent],
        state: TurnState,
        after: u64,
        max: usize,
    ) -> Self {
        let log = TurnLog::behind(after);
        for event in events {
            if log.append(event, max).is_err() {
                break;
            }
        }
        log.finish(state);
        log.follow(after)
    }

    /// Holds an admission for as long as it is read.
    pub(crate) fn admitted(mut self, admission: Admission) -> Self {
        self._admission = Some(Box::new(admission));
        self
    }
}

impl Stream for EventStream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if this.holding {
                std::task::ready!(this.hold.as_mut().poll(cx));
                this.holding = false;
            }
            if this.is_early() {
                this.hold.as_mut().reset(this.last_sent + PACE);
                this.holding = true;
                continue;
            }
            if let Some(piece) = this.take() {
                this.last_sent = Instant::now();
                return Poll::Ready(Some(piece));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if let Poll::Ready(receiver) = this.changed.poll(cx) {
                this.changed.set(changed(receiver));
                continue;
            }
            if this.keep_alive.as_mut().poll(cx).is_ready() {
                // Moved on only here: moving it with every event would cost more than the event.
                let due = this.last_sent + KEEP_ALIVE;
                if Instant::now() >= due {
                    this.last_sent = Instant::now();
                    this.keep_alive.as_mut().reset(this.last_sent + KEEP_ALIVE);
                    return Poll::Ready(Some(Bytes::from_static(b": keep-alive\n\n")));
                }
                this.keep_alive.as_mut().reset(due);
                continue;
            }
            return Poll::Pending;
        }
    }
}

impl EventStream {
    /// Whether there is something to send, but something was sent only just now, and more is to
    /// come: it is sent together with what comes until then.
    fn is_early(&self) -> bool {
        let log = self.reading.0.lock();
        self.sent < log.frames.last() && log.end.is_none() && self.last_sent.elapsed() < PACE
    }

    /// All frames that are there and were not sent; the end, once there are no more.
    fn take(&mut self) -> Option<Bytes> {
        let log = self.reading.0.lock();
        if self.sent < log.frames.last() {
            let mut piece = Vec::with_capacity(256);
            self.sent = log.frames.write(self.sent, usize::MAX, &mut piece);
            return Some(piece.into());
        }
        if log.cut {
            self.ended = true;
            return None;
        }
        let end = log.end?;
        self.ended = true;
        Some(Bytes::from(format!(": end {}\n\n", end.as_str())))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures::StreamExt as _;
    use parlor_protocol::{ProgressUpdateEvent, ThreadStreamEvent};

    use super::*;

    fn event(text: &str) -> ThreadStreamEvent {
        ProgressUpdateEvent { icon: None, text: text.to_owned() }.into()
    }

    async fn collect(stream: EventStream) -> String {
        let frames: Vec<_> = stream.collect().await;
        String::from_utf8(frames.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_follower_that_comes_late_gets_what_the_first_got() {
        let log = TurnLog::new();
        let early = log.follow(0);
        log.append(&event("one"), 1_000).unwrap();
        log.append(&event("two"), 1_000).unwrap();
        log.finish(TurnState::Done);
        let late = log.follow(0);
        let (early, late) = (collect(early).await, collect(late).await);
        assert_eq!(early, late);
        assert!(early.starts_with("id: 1\ndata: {\"type\":\"progress_update\""));
        assert!(early.ends_with("\n\n: end done\n\n"));
    }

    #[tokio::test]
    async fn following_from_a_number_gives_the_rest() {
        let log = TurnLog::new();
        for text in ["one", "two", "three"] {
            log.append(&event(text), 1_000).unwrap();
        }
        log.finish(TurnState::Stopped);
        let rest = collect(log.follow(2)).await;
        assert!(rest.starts_with("id: 3\n"), "{rest}");
        assert_eq!(collect(log.follow(99)).await, ": end stopped\n\n");
    }

    #[tokio::test]
    async fn a_waiting_follower_is_woken_by_the_event() {
        let log = TurnLog::new();
        let mut stream = log.follow(0);
        let reader = tokio::spawn(async move { stream.next().await });
        log.append(&event("hello"), 1_000).unwrap();
        let frame = reader.await.unwrap().unwrap();
        assert!(frame.starts_with(b"id: 1\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments() {
        let log = TurnLog::new();
        let mut stream = log.follow(0);
        assert_eq!(stream.next().await.unwrap(), ": keep-alive\n\n");
        assert_eq!(stream.next().await.unwrap(), ": keep-alive\n\n");
    }

    #[tokio::test]
    async fn a_log_is_abandoned_once_its_last_follower_has_gone() {
        let log = TurnLog::new();
        let (first, second) = (log.follow(0), log.follow(0));
        let mut abandoned = Box::pin(log.abandoned());
        assert!(futures::poll!(&mut abandoned).is_pending());
        drop(first);
        assert!(futures::poll!(&mut abandoned).is_pending(), "one is still there");
        drop(second);
        let resumed = log.follow(0);
        assert!(futures::poll!(&mut abandoned).is_pending(), "somebody came back in time");
        drop(resumed);
        abandoned.await;
    }

    #[test]
    fn the_log_is_bounded() {
        let log = TurnLog::new();
        assert!(log.append(&event(&"x".repeat(100)), 100).is_err());
        assert!(log.append(&event("x"), 100).is_ok());
    }

    #[tokio::test]
    async fn a_turn_ends_in_exactly_one_way() {
        let log = TurnLog::new();
        log.finish(TurnState::Stopped);
        log.finish(TurnState::Done);
        assert_eq!(log.end(), Some(TurnState::Stopped));
    }
}
