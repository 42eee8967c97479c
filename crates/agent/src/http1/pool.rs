//! Connections that wait for their next request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::connect::Io;

/// Connections that are kept. More are closed when their answer is over.
const MAX_IDLE: usize = 64;

/// How long one is kept.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    idle_for: Duration,
}

#[derive(Debug, Default)]
struct Idle {
    /// With the time until which each is kept, the first to go in front.
    connections: VecDeque<(Instant, Io)>,
    /// Whether a task closes those whose time is over.
    swept: bool,
}

impl Pool {
    /// A pool that keeps each connection for `idle_for`.
    pub(super) fn new(idle_for: Duration) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), idle_for })
    }

    /// A connection on which the server has neither sent anything nor hung up.
    pub(super) fn take(&self) -> Option<Io> {
        loop {
            // The one that was used last is the least likely to have been closed.
            let (until, mut io) = self.lock().connections.pop_back()?;
            let is_silent = io.read(&mut [0]).now_or_never().is_none();
            if is_silent && Instant::now() < until {
                return Some(io);
            }
        }
    }

    pub(super) fn put(self: &Arc<Self>, io: Io) {
        let mut idle = self.lock();
        let oldest = match idle.connections.len() {
            MAX_IDLE => idle.connections.pop_front(),
            _ => None,
        };
        idle.connections.push_back((Instant::now() + self.idle_for, io));
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        drop(idle);
        drop(oldest);
    }

    /// Takes out those whose time is over. The time of the next one, if there is one.
    fn expire(&self) -> (Vec<Io>, Option<Instant>) {
        let mut idle = self.lock();
        let now = Instant::now();
        let count = idle.connections.partition_point(|(until, _)| *until <= now);
        let expired = idle.connections.drain(..count).map(|(_, io)| io).collect();
        let next = idle.connections.front().map(|(until, _)| *until);
        idle.swept = next.is_some();
        (expired, next)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        let (expired, next) = pool.expire();
        drop(expired);
        drop(pool);
        let Some(next) = next else { return };
        tokio::time::sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(1_000);

    /// A connection as the pool has it, and the server's side of it.
    async fn pair() -> (Io, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Io::Plain(near), listener.accept().await.unwrap().0)
    }

    /// Waits until something can be read, or the end.
    async fn wait_for_news(io: &Io) {
        let Io::Plain(stream) = io else { return };
        stream.readable().await.unwrap();
    }

    #[tokio::test]
    async fn the_one_used_last_is_taken_first() {
        let pool = Pool::new(LONG);
        let ((first, mut far_first), (second, mut far_second)) = (pair().await, pair().await);
        pool.put(first);
        pool.put(second);
        for far in [&mut far_second, &mut far_first] {
            let Some(mut io) = pool.take() else { panic!("the pool is empty") };
            io.write_all(b"x").await.unwrap();
            assert_eq!(far.read_u8().await.unwrap(), b'x');
        }
        assert!(pool.take().is_none());
    }

    #[tokio::test]
    async fn one_that_was_closed_or_speaks_unasked_is_not_taken() {
        let pool = Pool::new(LONG);
        let ((closed, far_closed), (loud, mut far_loud)) = (pair().await, pair().await);
        drop(far_closed);
        far_loud.write_all(b"HTTP/1.1 408 Too slow").await.unwrap();
        wait_for_news(&closed).await;
        wait_for_news(&loud).await;
        pool.put(closed);
        pool.put(loud);
        assert!(pool.take().is_none());
    }

    #[tokio::test]
    async fn those_that_are_too_many_or_too_old_are_closed() {
        let pool = Pool::new(LONG);
        let mut far = Vec::new();
        for _ in 0..=MAX_IDLE {
            let (io, far_io) = pair().await;
            pool.put(io);
            far.push(far_io);
        }
        assert_eq!(far[0].read(&mut [0]).await.unwrap(), 0, "the oldest is closed");
        let kept = std::iter::from_fn(|| pool.take()).count();
        assert_eq!(kept, MAX_IDLE);

        let pool = Pool::new(Duration::from_millis(20));
        // Twice: the task that closes them ends when there are none, and begins again.
        for _ in 0..2 {
            let (io, mut far_io) = pair().await;
            pool.put(io);
            assert_eq!(far_io.read(&mut [0]).await.unwrap(), 0, "closed when its time is over");
        }
    }
}
