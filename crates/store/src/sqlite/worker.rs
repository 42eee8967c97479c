//! Connections on threads of their own.
//!
//! A unit of work crosses to the connection's thread once and comes back once, however many
//! statements it has. The writing thread takes whatever waits in its queue into one transaction:
//! under load several turns share a sync of the disk.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use parlor_chatkit::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use super::rows::failed;

/// Units of work that may wait for a thread; more wait outside.
const QUEUE: usize = 256;
/// Units of work in one transaction, at most: nobody waits long for the others.
const BATCH: usize = 64;
/// How long to wait for another process that writes, such as `parlor ingest`.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared for each connection.
const STATEMENTS: usize = 64;

/// Work on a connection, or on none when its transaction could not begin. Gives what answers its
/// caller once it is known whether it was committed.
type Work = Box<dyn FnOnce(Option<&Connection>) -> Answer + Send>;

/// What waits in a thread's queue.
enum Message {
    Work(Work),
    Close,
}

/// Whether the work itself went well, and how to tell its caller what became of it.
struct Answer {
    ok: bool,
    tell: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// A thread with a connection, reached through a queue.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    queue: mpsc::Sender<Message>,
    ended: Arc<tokio::sync::Mutex<Option<oneshot::Receiver<()>>>>,
}

/// The thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("the database connection is closed")]
struct Closed;

impl Worker {
    pub(super) fn writer(path: &Path) -> rusqlite::Result<Self> {
        Self::start(path, "parlor-writer", write_batches)
    }

    pub(super) fn reader(path: &Path) -> rusqlite::Result<Self> {
        Self::start(path, "parlor-reader", |connection, mut queue| {
            while let Some(Message::Work(work)) = queue.blocking_recv() {
                if let Some(answer) = guarded(work, connection) {
                    (answer.tell)(Ok(()));
                }
            }
        })
    }

    fn start(
        path: &Path,
        name: &str,
        run: impl FnOnce(&Connection, mpsc::Receiver<Message>) + Send + 'static,
    ) -> rusqlite::Result<Self> {
        let connection = connect(path)?;
        let (queue, work) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned());
        let started = thread.spawn(move || {
            run(&connection, work);
            // Closing the last connection writes the log back into the file.
            drop(connection);
            let _ = end.send(());
        });
        started.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self { queue, ended: Arc::new(tokio::sync::Mutex::new(Some(ended))) })
    }

    /// Runs work on the connection. Once it is in the queue it is done also when its caller
    /// goes away; its writes are all there or none.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let result = connection.map(work);
            let ok = !matches!(result, Some(Err(_)));
            let tell = Box::new(move |committed: Result<(), StoreError>| {
                let result = match (result, committed) {
                    // Its own error says more than that nothing was committed.
                    (Some(Err(error)), _) | (_, Err(error)) => Err(error),
                    (Some(done), Ok(())) => done,
                    (None, Ok(())) => Err(StoreError::Unavailable(Box::new(Closed))),
                };
                let _ = sender.send(result);
            });
            Answer { ok, tell }
        });
        let closed = || StoreError::Unavailable(Box::new(Closed));
        self.queue.send(Message::Work(work)).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    /// Waits until the thread has done what waits and closed its connection.
    pub(super) async fn close(&self) {
        let _ = self.queue.send(Message::Close).await;
        if let Some(ended) = self.ended.lock().await.take() {
            let _ = ended.await;
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         -- Small caches: the operating system's does the work, and idle memory stays low.
         PRAGMA cache_size = -1024;
         -- What is deleted is overwritten where the page is written anyway.
         PRAGMA secure_delete = FAST;",
    )?;
    Ok(connection)
}

/// Takes what waits into one transaction, again and again.
fn write_batches(connection: &Connection, mut queue: mpsc::Receiver<Message>) {
    while let Some(Message::Work(first)) = queue.blocking_recv() {
        let mut batch = vec![first];
        let mut last = false;
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            match next {
                Message::Work(work) => batch.push(work),
                Message::Close => {
                    last = true;
                    break;
                }
            }
        }
        write_batch(connection, batch);
        if last {
            break;
        }
    }
}

fn write_batch(connection: &Connection, batch: Vec<Work>) {
    let alone = batch.len() == 1;
    let mut answers = Vec::with_capacity(batch.len());
    // Immediate: a transaction that reads first and writes later must not find that another
    // process has written in between.
    let mut outcome = execute(connection, "BEGIN IMMEDIATE");
    for work in batch {
        if outcome.is_ok() && !alone {
            outcome = execute(connection, "SAVEPOINT unit");
        }
        if outcome.is_err() {
            answers.push(work(None));
            continue;
        }
        let answer = guarded(work, connection);
        let ok = answer.as_ref().is_some_and(|answer| answer.ok);
        if connection.is_autocommit() {
            // On a full disk SQLite rolls back by itself: what came before is gone, too.
            outcome = Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
                Some("the transaction was rolled back".to_owned()),
            ));
        } else if alone {
            if !ok {
                let _ = execute(connection, "ROLLBACK");
            }
        } else {
            if !ok {
                outcome = execute(connection, "ROLLBACK TO unit");
            }
            outcome = outcome.and_then(|()| execute(connection, "RELEASE unit"));
        }
        answers.extend(answer);
    }
    if outcome.is_ok() && !connection.is_autocommit() {
        outcome = execute(connection, "COMMIT");
    }
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK");
    }
    let error = outcome.err();
    for answer in answers {
        (answer.tell)(match &error {
            None => Ok(()),
            Some(error) => Err(failed(again(error))),
        });
    }
}

/// Runs work. One that panics takes neither the thread nor the others with it: its caller finds
/// its channel closed.
fn guarded(work: Work, connection: &Connection) -> Option<Answer> {
    panic::catch_unwind(AssertUnwindSafe(|| work(Some(connection)))).ok()
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// The same error for another caller: the driver's type cannot be cloned.
fn again(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
            Some(other.to_string()),
        ),
    }
}

/// What is there once the file could be opened. Cloning shares it.
#[derive(Debug)]
pub(super) struct Late<T>(Arc<OnceLock<T>>);

impl<T> Clone for Late<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Not opened yet.
#[derive(Debug, thiserror::Error)]
#[error("the database file could not be opened yet")]
struct NotOpen;

impl<T> Late<T> {
    /// Gives the value; the first one stays.
    pub(super) fn set(&self, value: T) {
        let _ = self.0.set(value);
    }

    /// Something that goes when nobody has this any more.
    pub(super) fn downgrade(&self) -> Weak<OnceLock<T>> {
        Arc::downgrade(&self.0)
    }

    fn get(&self) -> Result<&T, StoreError> {
        self.0.get().ok_or_else(|| StoreError::Unavailable(Box::new(NotOpen)))
    }
}

impl<T> From<Arc<OnceLock<T>>> for Late<T> {
    fn from(shared: Arc<OnceLock<T>>) -> Self {
        Self(shared)
    }
}

impl Late<Worker> {
    /// As [`Worker::run`]; unavailable as long as the file is not open.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.get()?.run(work).await
    }

    pub(super) async fn close(&self) {
        if let Ok(worker) = self.get() {
            worker.close().await;
        }
    }
}

impl Late<Readers> {
    /// As [`Readers::run`]; unavailable as long as the file is not open.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.get()?.run(work).await
    }

    pub(super) async fn close(&self) {
        if let Ok(readers) = self.get() {
            readers.close().await;
        }
    }
}

/// Several readers; each unit of work goes to the next.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    workers: Vec<Worker>,
    next: Arc<AtomicUsize>,
}

impl Readers {
    pub(super) fn start(path: &Path, count: usize) -> rusqlite::Result<Self> {
        let workers = (0..count).map(|_| Worker::reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { workers, next: Arc::default() })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len();
        self.workers[at].run(work).await
    }

    pub(super) async fn close(&self) {
        for worker in &self.workers {
            worker.close().await;
        }
    }
}
