//! SQLite.

mod rows;

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use async_trait::async_trait;
use parlor_chatkit::{
    BeginOutcome, BeginTurn, ItemState, ItemWrite, Owner, PageQuery, RecordedTurn, ReplaceOutcome,
    Store, StoreError, TurnKey, TurnState, TurnThread, Visibility,
    protocol::{
        ClientToolCallStatus, FeedbackKind, ItemId, Order, Page, ThreadId, ThreadItem,
        ThreadMetadata, ThreadStatus, Timestamp, TurnId,
    },
};
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, Sqlite, SqliteConnection, SqlitePool,
    Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

use rows::{THREAD_COLUMNS, failed, item, items_page, json, thread};

/// Threads in a SQLite file. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer at a time, and waiting in our queue is fairer and
    /// cheaper than waiting for its lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none of SQLite's.
    #[error("`{url}` is no SQLite URL; write sqlite://FILE")]
    Url {
        /// The URL as given.
        url: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// A database in memory is one of its own for each connection.
    #[error("`{0}` keeps nothing; name a file, such as sqlite://parlor.db")]
    InMemory(String),
    /// The path is that of a folder.
    #[error("`{}` is a folder; name a file in it, such as `{}`", .0.display(), .0.join("parlor.db").display())]
    IsFolder(PathBuf),
    /// The file is something else.
    #[error("`{}` is not a SQLite database; choose another database path", .0.display())]
    NotADatabase(PathBuf),
    /// The file was written by a newer version of this program.
    #[error("database `{}` was written by a newer version (schema {version}); run that version or choose another database path", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The first migration in it that is not known here.
        version: i64,
    },
    /// The folder for the file does not exist.
    #[error("folder `{}` does not exist; create it or choose another database path", .0.display())]
    NoFolder(PathBuf),
    /// The file cannot be opened.
    #[error("cannot open database `{}`; check that the folder and the file can be written", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of database `{}` up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What the driver says.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

/// The migrations, in order. An applied one is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "threads", include_str!("../../migrations/sqlite/0001_threads.sql")),
    (2, "waiting items", include_str!("../../migrations/sqlite/0002_waiting_items.sql")),
];

impl SqliteStore {
    /// Opens a database, makes it if there is none, and brings its schema up to date.
    ///
    /// `url` is a path or a URL such as `sqlite://parlor.db`.
    ///
    /// # Errors
    /// An [`OpenError`] names the file and what to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = if url.starts_with("sqlite:") {
            SqliteConnectOptions::from_str(url)
                .map_err(|source| OpenError::Url { url: url.to_owned(), source })?
        } else {
            SqliteConnectOptions::new().filename(url)
        };
        let path = options.get_filename().to_owned();
        // Each connection would have a database of its own.
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(OpenError::InMemory(url.to_owned()));
        }
        if path.is_dir() {
            return Err(OpenError::IsFolder(path));
        }
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            return Err(OpenError::NoFolder(folder.to_owned()));
        }
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            // Small caches: the operating system's does the work, and idle memory stays low.
            .pragma("cache_size", "-1024")
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1));

        let open_error = |source: sqlx::Error| {
            if is_no_database(&source) {
                return OpenError::NotADatabase(path.clone());
            }
            OpenError::Open { path: path.clone(), source }
        };
        let mut first = SqliteConnection::connect_with(&options).await.map_err(open_error)?;
        migrator().run(&mut first).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => {
                OpenError::TooNew { path: path.clone(), version }
            }
            MigrateError::Execute(source) if is_no_database(&source) => {
                OpenError::NotADatabase(path.clone())
            }
            source => OpenError::Migrate { path: path.clone(), source },
        })?;
        first.close().await.map_err(open_error)?;

        // Connections to a file do not go stale: testing them costs a round trip a query.
        let pool = || {
            SqlitePoolOptions::new()
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(Duration::from_secs(5))
        };
        let writer =
            pool().max_connections(1).connect_with(options.clone()).await.map_err(open_error)?;
        let readers = pool().max_connections(4).connect_with(options).await.map_err(open_error)?;
        Ok(Self { writer, readers })
    }

    /// Closes all connections, which writes the log back into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Writes one item in one statement, which is what most writes are: a statement by itself is
    /// a transaction, and four trips to the connection's thread become one. `false`: it wrote
    /// nothing, and the longer way knows why.
    async fn put_alone(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        seq: i64,
        item: &ThreadItem,
        state: ItemState,
    ) -> Result<bool, StoreError> {
        let id = item.id().unwrap_or_else(|| ItemId::new(""));
        let written = sqlx::query(
            "INSERT INTO items (thread_id, seq, id, turn_id, hidden, pending, waiting, body) \
             SELECT ?4, ?5, ?6, ?3, ?7, ?8, ?9, ?10 WHERE EXISTS (SELECT 1 FROM turns WHERE id = \
             ?3 AND thread_id = ?4 AND state = 'running' AND tenant_id = ?1 AND user_id = ?2) ON \
             CONFLICT (thread_id, seq) DO UPDATE SET hidden = excluded.hidden, pending = \
             excluded.pending, waiting = excluded.waiting, body = excluded.body WHERE items.id = \
             excluded.id AND items.turn_id = excluded.turn_id",
        )
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(turn.turn_id.as_str())
        .bind(turn.thread_id.as_str())
        .bind(seq)
        .bind(id.as_str())
        .bind(i64::from(item.is_hidden()))
        .bind(i64::from(state == ItemState::Pending))
        .bind(i64::from(is_waiting(item)))
        .bind(json(item)?)
        .execute(&self.writer)
        .await;
        match written {
            Ok(written) => Ok(written.rows_affected() > 0),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StoreError::DuplicateItem(id))
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // Immediate: a transaction that reads first and writes later must not find that
        // another process has written in between.
        const BEGIN: &str = "BEGIN IMMEDIATE";
        match self.writer.begin_with(BEGIN).await {
            // On a full disk SQLite rolls back by itself, and the driver (sqlx 0.9) goes on
            // believing that it is in a transaction, for ever: a new connection knows better.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await.map_err(failed)?.close().await.map_err(failed)?;
                self.writer.begin_with(BEGIN).await.map_err(failed)
            }
            begun => begun.map_err(failed),
        }
    }
}

/// SQLite's result code 26, NOTADB.
fn is_no_database(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "26")
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, description, sql)| {
            Migration::new(
                *version,
                (*description).into(),
                MigrationType::Simple,
                sqlx::SqlStr::from_static(sql),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// `AND` the owner's, for statements that name a thread. The owner is always ?1 and ?2.
macro_rules! of_owner {
    ($sql:literal) => {
        concat!($sql, " AND tenant_id = ?1 AND user_id = ?2")
    };
}

#[async_trait]
impl Store for SqliteStore {
    async fn thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        read_thread(&mut connection, owner, thread_id).await
    }

    async fn threads(
        &self,
        owner: &Owner,
        query: &PageQuery,
    ) -> Result<Option<Page<ThreadMetadata>>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        let edge = match (&query.after, query.order) {
            (Some(after), _) => {
                let row = sqlx::query(of_owner!("SELECT position FROM threads WHERE id = ?3"))
                    .bind(owner.tenant().as_str())
                    .bind(owner.user().as_str())
                    .bind(after)
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(failed)?;
                let Some(row) = row else { return Ok(None) };
                row.get::<i64, _>(0)
            }
            (None, Order::Asc) => i64::MIN,
            (None, Order::Desc) => i64::MAX,
        };
        let sql = match query.order {
            Order::Asc => {
                concat!(
                    "SELECT ",
                    THREAD_COLUMNS!(),
                    " FROM threads WHERE tenant_id = ?1 AND \
                     user_id = ?2 AND position > ?3 ORDER BY position LIMIT ?4"
                )
            }
            Order::Desc => {
                concat!(
                    "SELECT ",
                    THREAD_COLUMNS!(),
                    " FROM threads WHERE tenant_id = ?1 AND \
                     user_id = ?2 AND position < ?3 ORDER BY position DESC LIMIT ?4"
                )
            }
        };
        let rows = sqlx::query(sql)
            .bind(owner.tenant().as_str())
            .bind(owner.user().as_str())
            .bind(edge)
            .bind(i64::from(query.limit) + 1)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
        let has_more = rows.len() > query.limit as usize;
        let data =
            rows.iter().take(query.limit as usize).map(thread).collect::<Result<Vec<_>, _>>()?;
        let after = has_more.then(|| data.last().map(|thread| thread.id.to_string())).flatten();
        Ok(Some(Page { data, has_more, after }))
    }

    async fn rename_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: &str,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let row = sqlx::query(concat!(
            "UPDATE threads SET title = ?4, titled_by_user = 1 WHERE id = ?3 AND tenant_id = ?1 \
             AND user_id = ?2 RETURNING ",
            THREAD_COLUMNS!()
        ))
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(thread_id.as_str())
        .bind(title)
        .fetch_optional(&self.writer)
        .await
        .map_err(failed)?;
        row.as_ref().map(thread).transpose()
    }

    async fn delete_thread(&self, owner: &Owner, thread_id: &ThreadId) -> Result<bool, StoreError> {
        let deleted = sqlx::query(of_owner!("DELETE FROM threads WHERE id = ?3"))
            .bind(owner.tenant().as_str())
            .bind(owner.user().as_str())
            .bind(thread_id.as_str())
            .execute(&self.writer)
            .await
            .map_err(failed)?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_id: &ItemId,
    ) -> Result<Option<ThreadItem>, StoreError> {
        let row = sqlx::query(
            "SELECT items.body FROM items JOIN threads ON threads.id = items.thread_id WHERE \
             tenant_id = ?1 AND user_id = ?2 AND items.thread_id = ?3 AND items.id = ?4 AND \
             pending = 0",
        )
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(thread_id.as_str())
        .bind(item_id.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        row.as_ref().map(item).transpose()
    }

    async fn items(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        query: &PageQuery,
        visibility: Visibility,
    ) -> Result<Option<Page<ThreadItem>>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        // Whose thread it is and where the cursor stands, in one look.
        let row = sqlx::query(of_owner!(
            "SELECT (SELECT seq FROM items WHERE items.thread_id = threads.id AND items.id = ?4 \
             AND pending = 0) FROM threads WHERE id = ?3"
        ))
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(thread_id.as_str())
        .bind(query.after.as_deref())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let edge = match (&query.after, row.get::<Option<i64>, _>(0), query.order) {
            (Some(_), None, _) => return Ok(None),
            (Some(_), Some(seq), _) => seq,
            (None, _, Order::Asc) => i64::MIN,
            (None, _, Order::Desc) => i64::MAX,
        };
        let sql = match query.order {
            Order::Asc => {
                "SELECT body FROM items WHERE thread_id = ?1 AND seq > ?2 AND pending = 0 AND \
                 hidden <= ?3 ORDER BY seq LIMIT ?4"
            }
            Order::Desc => {
                "SELECT body FROM items WHERE thread_id = ?1 AND seq < ?2 AND pending = 0 AND \
                 hidden <= ?3 ORDER BY seq DESC LIMIT ?4"
            }
        };
        let rows = sqlx::query(sql)
            .bind(thread_id.as_str())
            .bind(edge)
            .bind(i64::from(visibility == Visibility::All))
            .bind(i64::from(query.limit) + 1)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
        items_page(&rows, query.limit as usize).map(Some)
    }

    async fn turn_items(
        &self,
        owner: &Owner,
        turn: &TurnKey,
    ) -> Result<Vec<ThreadItem>, StoreError> {
        let rows = sqlx::query(
            "SELECT items.body FROM items JOIN threads ON threads.id = items.thread_id WHERE \
             tenant_id = ?1 AND user_id = ?2 AND items.thread_id = ?3 AND turn_id = ?4 AND \
             pending = 0 AND hidden = 0 ORDER BY seq",
        )
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(turn.thread_id.as_str())
        .bind(turn.turn_id.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter().map(item).collect()
    }

    async fn set_feedback(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_ids: &[ItemId],
        kind: FeedbackKind,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let kind = match kind {
            FeedbackKind::Positive => "positive",
            FeedbackKind::Negative => "negative",
        };
        let wanted: std::collections::BTreeSet<&str> =
            item_ids.iter().map(ItemId::as_str).collect();
        let mut transaction = self.begin().await?;
        if read_thread(&mut transaction, owner, thread_id).await?.is_none() {
            return Ok(false);
        }
        let kept = sqlx::query(
            "INSERT INTO feedback (item_id, thread_id, kind, created_at) SELECT items.id, \
             thread_id, ?3, ?4 FROM items WHERE thread_id = ?1 AND pending = 0 AND hidden = 0 AND \
             items.id IN (SELECT value FROM json_each(?2)) ON CONFLICT (item_id) DO UPDATE SET \
             kind = excluded.kind, created_at = excluded.created_at",
        )
        .bind(thread_id.as_str())
        .bind(json(&wanted)?)
        .bind(kind)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if kept.rows_affected() != wanted.len() as u64 {
            return Ok(false);
        }
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn replace_item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item: &ThreadItem,
    ) -> Result<ReplaceOutcome, StoreError> {
        let Some(item_id) = item.id() else { return Ok(ReplaceOutcome::NotFound) };
        let mut transaction = self.begin().await?;
        match read_thread(&mut transaction, owner, thread_id).await? {
            None => return Ok(ReplaceOutcome::NotFound),
            Some(thread) if thread.status != ThreadStatus::Active => {
                return Ok(ReplaceOutcome::NotActive(thread.status));
            }
            Some(_) => {}
        }
        let replaced = sqlx::query(
            "UPDATE items SET body = ?3, hidden = ?4, waiting = ?5 WHERE thread_id = ?1 AND \
             id = ?2 AND pending = 0",
        )
        .bind(thread_id.as_str())
        .bind(item_id.as_str())
        .bind(json(item)?)
        .bind(i64::from(item.is_hidden()))
        .bind(i64::from(is_waiting(item)))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if replaced.rows_affected() == 0 {
            return Ok(ReplaceOutcome::NotFound);
        }
        transaction.commit().await.map_err(failed)?;
        Ok(ReplaceOutcome::Replaced)
    }

    async fn turn_by_key(
        &self,
        owner: &Owner,
        idempotency_key: &str,
    ) -> Result<Option<RecordedTurn>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        read_turn_by_key(&mut connection, owner, idempotency_key).await
    }

    async fn begin_turn(
        &self,
        owner: &Owner,
        begin: BeginTurn<'_>,
    ) -> Result<BeginOutcome, StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(key) = begin.idempotency_key
            && let Some(recorded) = read_turn_by_key(&mut transaction, owner, key).await?
        {
            return Ok(BeginOutcome::Repeated(recorded));
        }
        let (thread, last_seq, waiting) = match begin.thread {
            TurnThread::New(thread) => {
                insert_thread(&mut transaction, owner, &thread).await?;
                (thread, 0, false)
            }
            TurnThread::Existing(thread_id) => {
                // All that decides, in one look.
                let row = sqlx::query(concat!(
                    "SELECT ",
                    THREAD_COLUMNS!(),
                    ", (SELECT MAX(seq) FROM items WHERE items.thread_id = threads.id) AS last_seq, \
                     EXISTS (SELECT 1 FROM items WHERE items.thread_id = threads.id AND waiting = \
                     1) AS waiting, (SELECT turns.id || ' ' || holder FROM turns WHERE \
                     turns.thread_id = threads.id AND state = 'running') AS running FROM threads \
                     WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2"
                ))
                .bind(owner.tenant().as_str())
                .bind(owner.user().as_str())
                .bind(thread_id.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed)?;
                let Some(row) = row else { return Ok(BeginOutcome::NotFound) };
                let thread = thread(&row)?;
                if thread.status != ThreadStatus::Active {
                    return Ok(BeginOutcome::NotActive(thread.status));
                }
                // Neither id has a space in it: both are made by the server.
                if let Some(running) = row.get::<Option<&str>, _>("running") {
                    let (turn_id, holder) = running.split_once(' ').unwrap_or((running, ""));
                    return Ok(BeginOutcome::Busy {
                        turn_id: TurnId::new(turn_id),
                        holder: holder.to_owned(),
                    });
                }
                (thread, row.get::<Option<i64>, _>("last_seq").unwrap_or(0), row.get("waiting"))
            }
        };
        sqlx::query(
            "INSERT INTO turns (id, thread_id, tenant_id, user_id, state, holder, \
             idempotency_key, started_at) VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6, ?7)",
        )
        .bind(begin.turn_id.as_str())
        .bind(thread.id.as_str())
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(begin.holder)
        .bind(begin.idempotency_key)
        .bind(begin.now.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;

        let turn = TurnKey { turn_id: begin.turn_id, thread_id: thread.id.clone() };
        let mut next_seq = last_seq + 1;
        for item in begin.opening {
            put_item(&mut transaction, &turn, next_seq, item, ItemState::Done).await?;
            next_seq += 1;
        }
        for item in begin.changed {
            replace_item(&mut transaction, &turn, item).await?;
        }
        let says_something =
            begin.opening.iter().any(|item| matches!(item, ThreadItem::UserMessage(_)));
        let settled = if waiting && says_something {
            settle_waiting(&mut transaction, &turn).await?
        } else {
            Vec::new()
        };
        transaction.commit().await.map_err(failed)?;
        Ok(BeginOutcome::Begun { thread, next_seq, settled })
    }

    async fn write(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        writes: &[ItemWrite],
    ) -> Result<(), StoreError> {
        if let [ItemWrite::Put { seq, item, state }] = writes
            && self.put_alone(owner, turn, *seq, item, *state).await?
        {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        check_running(&mut transaction, owner, turn).await?;
        apply(&mut transaction, owner, turn, writes).await?;
        transaction.commit().await.map_err(failed)
    }

    async fn end_turn(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        state: TurnState,
        writes: &[ItemWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let ended = sqlx::query(
            "UPDATE turns SET state = ?5, ended_at = ?6 WHERE id = ?3 AND thread_id = ?4 AND \
             state = 'running' AND tenant_id = ?1 AND user_id = ?2",
        )
        .bind(owner.tenant().as_str())
        .bind(owner.user().as_str())
        .bind(turn.turn_id.as_str())
        .bind(turn.thread_id.as_str())
        .bind(state.as_str())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if ended.rows_affected() == 0 {
            return Err(StoreError::TurnLost(turn.turn_id.clone()));
        }
        apply(&mut transaction, owner, turn, writes).await?;
        sqlx::query("UPDATE items SET pending = 0 WHERE turn_id = ?1 AND pending = 1")
            .bind(turn.turn_id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn interrupt_orphans(&self, holder: &str, now: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE items SET pending = 0 WHERE pending = 1 AND turn_id IN (SELECT id FROM turns \
             WHERE state = 'running' AND holder <> ?1)",
        )
        .bind(holder)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let interrupted = sqlx::query(
            "UPDATE turns SET state = 'interrupted', ended_at = ?2 WHERE state = 'running' AND \
             holder <> ?1",
        )
        .bind(holder)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(interrupted.rows_affected())
    }

    async fn secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        sqlx::query("INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(fresh)
            .execute(&self.writer)
            .await
            .map_err(failed)?;
        sqlx::query("SELECT value FROM secrets WHERE name = ?1")
            .bind(name)
            .fetch_one(&self.readers)
            .await
            .map(|row| row.get(0))
            .map_err(failed)
    }

    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM threads LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .map(drop)
            .map_err(failed)
    }
}

async fn read_thread(
    connection: &mut SqliteConnection,
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<Option<ThreadMetadata>, StoreError> {
    let row: Option<SqliteRow> = sqlx::query(concat!(
        "SELECT ",
        THREAD_COLUMNS!(),
        " FROM threads WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2"
    ))
    .bind(owner.tenant().as_str())
    .bind(owner.user().as_str())
    .bind(thread_id.as_str())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(thread).transpose()
}

async fn read_turn_by_key(
    connection: &mut SqliteConnection,
    owner: &Owner,
    idempotency_key: &str,
) -> Result<Option<RecordedTurn>, StoreError> {
    let row =
        sqlx::query(of_owner!("SELECT id, thread_id, state FROM turns WHERE idempotency_key = ?3"))
            .bind(owner.tenant().as_str())
            .bind(owner.user().as_str())
            .bind(idempotency_key)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
    Ok(row.map(|row| RecordedTurn {
        turn_id: TurnId::new(row.get::<String, _>(0)),
        thread_id: ThreadId::new(row.get::<String, _>(1)),
        state: TurnState::from_name(row.get::<&str, _>(2)).unwrap_or(TurnState::Interrupted),
    }))
}

async fn insert_thread(
    transaction: &mut SqliteConnection,
    owner: &Owner,
    thread: &ThreadMetadata,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO threads (id, tenant_id, user_id, title, created_at, status, \
         allowed_image_domains, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(thread.id.as_str())
    .bind(owner.tenant().as_str())
    .bind(owner.user().as_str())
    .bind(thread.title.as_deref())
    .bind(thread.created_at.as_micros())
    .bind(json(&thread.status)?)
    .bind(thread.allowed_image_domains.as_ref().map(json).transpose()?)
    .bind(json(&thread.metadata)?)
    .execute(transaction)
    .await
    .map(drop)
    .map_err(failed)
}

/// A turn that no longer holds its thread must not write: the thread may be another's by now.
async fn check_running(
    transaction: &mut SqliteConnection,
    owner: &Owner,
    turn: &TurnKey,
) -> Result<(), StoreError> {
    let running = sqlx::query(
        "SELECT 1 FROM turns WHERE id = ?3 AND thread_id = ?4 AND state = 'running' AND \
         tenant_id = ?1 AND user_id = ?2",
    )
    .bind(owner.tenant().as_str())
    .bind(owner.user().as_str())
    .bind(turn.turn_id.as_str())
    .bind(turn.thread_id.as_str())
    .fetch_optional(transaction)
    .await
    .map_err(failed)?;
    running.map(drop).ok_or_else(|| StoreError::TurnLost(turn.turn_id.clone()))
}

async fn apply(
    transaction: &mut SqliteConnection,
    owner: &Owner,
    turn: &TurnKey,
    writes: &[ItemWrite],
) -> Result<(), StoreError> {
    for write in writes {
        match write {
            ItemWrite::Put { seq, item, state } => {
                put_item(transaction, turn, *seq, item, *state).await?;
            }
            ItemWrite::Replace(item) => replace_item(transaction, turn, item).await?,
            ItemWrite::Remove(item_id) => {
                sqlx::query("DELETE FROM items WHERE thread_id = ?1 AND id = ?2")
                    .bind(turn.thread_id.as_str())
                    .bind(item_id.as_str())
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
            ItemWrite::Thread(thread) => {
                sqlx::query(
                    "UPDATE threads SET title = CASE WHEN titled_by_user = 1 THEN title ELSE ?4 \
                     END, status = ?5, allowed_image_domains = ?6, metadata = ?7 WHERE id = ?3 \
                     AND tenant_id = ?1 AND user_id = ?2",
                )
                .bind(owner.tenant().as_str())
                .bind(owner.user().as_str())
                .bind(turn.thread_id.as_str())
                .bind(thread.title.as_deref())
                .bind(json(&thread.status)?)
                .bind(thread.allowed_image_domains.as_ref().map(json).transpose()?)
                .bind(json(&thread.metadata)?)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            }
        }
    }
    Ok(())
}

async fn put_item(
    transaction: &mut SqliteConnection,
    turn: &TurnKey,
    seq: i64,
    item: &ThreadItem,
    state: ItemState,
) -> Result<(), StoreError> {
    let id = item.id().unwrap_or_else(|| ItemId::new(""));
    let written = sqlx::query(
        "INSERT INTO items (thread_id, seq, id, turn_id, hidden, pending, waiting, body) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (thread_id, seq) DO UPDATE SET hidden = \
         excluded.hidden, pending = excluded.pending, waiting = excluded.waiting, body = \
         excluded.body WHERE items.id = excluded.id AND items.turn_id = excluded.turn_id",
    )
    .bind(turn.thread_id.as_str())
    .bind(seq)
    .bind(id.as_str())
    .bind(turn.turn_id.as_str())
    .bind(i64::from(item.is_hidden()))
    .bind(i64::from(state == ItemState::Pending))
    .bind(i64::from(is_waiting(item)))
    .bind(json(item)?)
    .execute(transaction)
    .await;
    match written {
        Ok(written) if written.rows_affected() == 0 => Err(StoreError::DuplicateItem(id)),
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(StoreError::DuplicateItem(id))
        }
        Err(error) => Err(failed(error)),
    }
}

async fn replace_item(
    transaction: &mut SqliteConnection,
    turn: &TurnKey,
    item: &ThreadItem,
) -> Result<(), StoreError> {
    let id = item.id().unwrap_or_else(|| ItemId::new(""));
    sqlx::query(
        "UPDATE items SET body = ?3, hidden = ?4, waiting = ?5, pending = 0 WHERE thread_id = ?1 \
         AND id = ?2",
    )
    .bind(turn.thread_id.as_str())
    .bind(id.as_str())
    .bind(json(item)?)
    .bind(i64::from(item.is_hidden()))
    .bind(i64::from(is_waiting(item)))
    .execute(transaction)
    .await
    .map(drop)
    .map_err(failed)
}

fn is_waiting(item: &ThreadItem) -> bool {
    matches!(item, ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending)
}

/// Settles the client tool calls that no output will come for any more.
async fn settle_waiting(
    transaction: &mut SqliteConnection,
    turn: &TurnKey,
) -> Result<Vec<ThreadItem>, StoreError> {
    let rows =
        sqlx::query("SELECT body FROM items WHERE thread_id = ?1 AND waiting = 1 ORDER BY seq")
            .bind(turn.thread_id.as_str())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
    let mut settled = Vec::with_capacity(rows.len());
    for row in &rows {
        if let ThreadItem::ClientToolCall(mut call) = item(row)? {
            call.status = ClientToolCallStatus::Completed;
            let call = ThreadItem::ClientToolCall(call);
            replace_item(transaction, turn, &call).await?;
            settled.push(call);
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests;
