//! Connections, lent one operation at a time.
//!
//! Not sqlx's pool: that one asks the server once more whenever a connection comes back, which
//! doubles the round trips of a store whose operations are one each, and it waits for its time-out
//! where a database that is away can be told at once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};
use parlor_chatkit::StoreError;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgArguments, PgConnectOptions, PgRow},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::rows::{self, Refusal};

/// A connection that was used a moment ago is taken to be there; an older one is asked.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it is there.
const PING: Duration = Duration::from_secs(2);
/// How often an operation that lost against another one is tried again.
const ATTEMPTS: usize = 5;

const IN_USE: &str = "parlor_database_connections_in_use";
const WAIT: &str = "parlor_database_wait_seconds";

/// Tells the recorder of this process what each figure of the PostgreSQL store means. Call it
/// after installing one. They are kept by the facade of the crate `metrics`.
pub fn describe_metrics() {
    describe_gauge!(IN_USE, "Connections to PostgreSQL that are at work.");
    describe_histogram!(
        WAIT,
        Unit::Seconds,
        "How long an operation waits for a connection to PostgreSQL."
    );
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a new connection, and for a free one.
    pub(super) connect: Duration,
    /// For one operation; the server itself gives up a little earlier.
    pub(super) operation: Duration,
}

#[derive(Debug, thiserror::Error)]
enum Unavailable {
    #[error("the connection pool is closed")]
    Closed,
    #[error("all connections are in use")]
    Exhausted,
    #[error("the database does not accept the connection in time")]
    Connect,
    #[error("the database does not answer in time")]
    Answer,
}

impl From<Unavailable> for StoreError {
    fn from(reason: Unavailable) -> Self {
        Self::Unavailable(Box::new(reason))
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    options: PgConnectOptions,
    patience: Patience,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// Whether an operation that met a broken connection may simply be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeatable {
    Yes,
    /// It may have been done before the connection broke.
    No,
}

impl Pool {
    pub(super) fn new(options: PgConnectOptions, size: u32, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            options,
            patience,
            permits: Arc::new(Semaphore::new(size.max(1) as usize)),
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// A connection of its own, outside of the pool.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        match timeout(self.patience.connect, self.options.connect()).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                Unavailable::Connect,
            ))),
        }
    }

    /// Adds a connection to those that wait for work.
    pub(super) fn add(&self, connection: PgConnection) {
        if !self.closed.load(Ordering::Acquire) {
            self.idle().push(Idle { connection, since: Instant::now() });
        }
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn run(
        self: &Arc<Self>,
        statement: &Arc<str>,
        arguments: PgArguments,
        repeatable: Repeatable,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut lent = self.lend().await?;
            let statement = AssertSqlSafe(Arc::clone(statement));
            let query = sqlx::query_with(statement, arguments.clone());
            let answer = timeout(self.patience.operation, query.fetch_all(lent.connection())).await;
            let error = match answer {
                Ok(Ok(found)) => {
                    lent.give_back();
                    return Ok(found);
                }
                Ok(Err(error)) => error,
                Err(_elapsed) => {
                    lent.discard();
                    return Err(Unavailable::Answer.into());
                }
            };
            let again = match rows::refusal(&error) {
                Refusal::Lost => {
                    lent.give_back();
                    attempt < ATTEMPTS
                }
                Refusal::Broken => {
                    let trusted = lent.discard();
                    // The others are as old as this one.
                    self.idle().clear();
                    trusted && repeatable == Repeatable::Yes && attempt < ATTEMPTS
                }
                Refusal::Other => {
                    lent.give_back();
                    false
                }
            };
            if !again {
                return Err(rows::failed(error));
            }
        }
    }

    async fn lend(self: &Arc<Self>) -> Result<Lent, StoreError> {
        let asked = Instant::now();
        let permit = timeout(self.patience.connect, Arc::clone(&self.permits).acquire_owned());
        let permit = permit
            .await
            .map_err(|_elapsed| Unavailable::Exhausted)?
            .map_err(|_closed| Unavailable::Closed)?;
        histogram!(WAIT).record(asked.elapsed());
        let permit = Some(Permit::new(permit));
        let mut lent = Lent { pool: Arc::clone(self), connection: None, trusted: true, permit };
        loop {
            // The last one used first: it is the likeliest to be there, and the others may age.
            let Some(Idle { mut connection, since }) = self.idle().pop() else { break };
            if since.elapsed() < TRUSTED_FOR
                || matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))
            {
                lent.connection = Some(connection);
                return Ok(lent);
            }
            // The others are older still.
            self.idle().clear();
        }
        lent.connection = Some(self.connect().await.map_err(rows::failed)?);
        lent.trusted = false;
        Ok(lent)
    }

    /// Lends no more connections, and closes those that are free.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            let _ = timeout(PING, connection.close()).await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is at work.
struct Lent {
    pool: Arc<Pool>,
    connection: Option<PgConnection>,
    /// It was there already: that it is broken may be old news.
    trusted: bool,
    permit: Option<Permit>,
}

/// Counted as a connection in use.
struct Permit {
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        gauge!(IN_USE).increment(1);
        Self { _permit: permit }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        gauge!(IN_USE).decrement(1);
    }
}

impl Lent {
    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().unwrap_or_else(|| unreachable!("it is taken at the end only"))
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.add(connection);
        }
    }

    /// Closes the connection; gives whether it was one that had been there already.
    fn discard(&mut self) -> bool {
        self.connection = None;
        self.trusted
    }
}

impl Drop for Lent {
    /// An operation whose caller went away: what the server still says to it is awaited, so that
    /// callers who come and go don't cost a connection each.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(Ok(())) = timeout(pool.patience.operation, connection.ping()).await {
                    pool.add(connection);
                }
                drop(permit);
            });
        }
    }
}
