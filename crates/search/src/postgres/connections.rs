//! Connections to PostgreSQL, lent one operation at a time.
//!
//! Not sqlx's pool, for the reasons of the chat's store (decision 0006): that one asks the server once more whenever a
//! connection comes back, and waits for its time-out where a database that is away can be told at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgArguments, PgConnectOptions, PgRow},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A connection that was used a moment ago is taken to be there; an older one is asked.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it is there.
const PING: Duration = Duration::from_secs(2);
/// A connection unused for this long is closed by the next who looks.
const IDLE_FOR: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a new connection, and for a free one.
    pub(super) connect: Duration,
    /// For a statement that reads.
    pub(super) read: Duration,
}

#[derive(Debug)]
pub(super) struct Connections {
    options: PgConnectOptions,
    patience: Patience,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// A connection that is at work. Dropped without being given back, it is closed: an operation was broken off in the
/// middle.
pub(super) struct Lent {
    pub(super) connection: PgConnection,
    /// It was there already: that it is broken may be old news.
    used: bool,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions, size: usize, patience: Patience) -> Self {
        Self { options, patience, permits: Arc::new(Semaphore::new(size)), idle: Mutex::default() }
    }

    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        // Never closed.
        let permit = match timeout(self.patience.connect, permit).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(sqlx::Error::PoolTimedOut),
        };
        loop {
            // The last one used first: it is the likeliest to be there, and the others may age.
            let Some(Idle { mut connection, since }) = self.idle().pop() else { break };
            if since.elapsed() < TRUSTED_FOR
                || (since.elapsed() < IDLE_FOR
                    && matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))))
            {
                return Ok(Lent { connection, used: true, _permit: permit });
            }
            // The others are older still.
            self.idle().clear();
        }
        let connection = match timeout(self.patience.connect, self.options.connect()).await {
            Ok(connected) => connected?,
            Err(_elapsed) => {
                return Err(too_late("the database does not accept the connection in time"));
            }
        };
        Ok(Lent { connection, used: false, _permit: permit })
    }

    pub(super) fn give_back(&self, lent: Lent) {
        let mut idle = self.idle();
        idle.push(Idle { connection: lent.connection, since: Instant::now() });
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR);
    }

    /// Runs a statement that only reads; again, on a new connection, if the one that was there turns out to be broken.
    pub(super) async fn read(
        &self,
        sql: String,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let sql: Arc<str> = sql.into();
        loop {
            let mut lent = self.lend().await?;
            let query = sqlx::query_with(AssertSqlSafe(Arc::clone(&sql)), arguments.clone());
            let answer = timeout(self.patience.read, query.fetch_all(&mut lent.connection)).await;
            let Ok(answer) = answer else {
                return Err(too_late("the database does not answer in time"));
            };
            match answer {
                Ok(rows) => {
                    self.give_back(lent);
                    return Ok(rows);
                }
                Err(error) if is_broken(&error) => {
                    self.idle().clear();
                    if !lent.used {
                        return Err(error);
                    }
                }
                Err(error) => {
                    self.give_back(lent);
                    return Err(error);
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late(message: &str) -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, message).into()
}

/// Whether the connection is of no more use: it is gone, or the server is going.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        // 57P01 to 57P03: the server shuts down, has crashed, or starts.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => true,
    }
}
