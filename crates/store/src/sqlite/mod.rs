//! SQLite.

mod attachments;
mod grants;
mod limits;
mod logins;
mod operator;
mod rows;
mod usage;
mod worker;

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use async_trait::async_trait;
use parlor_chatkit::{
    AttachmentRecord, BeginOutcome, BeginTurn, DeleteAttachmentOutcome, DoomedAttachment,
    ErrorChain, FeedbackQuery, FeedbackRecord, ItemState, ItemWrite, Owner, PageQuery,
    RecordedTurn, ReplaceOutcome, SignedLink, Store, StoreError, TenantId, ThreadTitle, TurnKey,
    TurnState, TurnThread, UnsentQuota, UploadedFile, UserId, Visibility,
    protocol::{
        AttachmentId, ClientToolCallStatus, FeedbackKind, ItemId, Order, Page, ThreadId,
        ThreadItem, ThreadMetadata, ThreadStatus, Timestamp, TurnId,
    },
};
use rusqlite::{Connection, Params, Row, named_params, params};
use sqlx::{
    Connection as _, SqliteConnection,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::migrations::{self, migrator};
use crate::record::{ItemRow, ThreadRow, json, kind_name, page};
use attachments::Sent;
use rows::{JUDGED, THREAD_COLUMNS, failed, item, judged_item, text, thread};
use worker::{Late, Readers, Worker};

/// Connections that read. A thread each.
const READERS: usize = 2;

/// Threads in a SQLite file. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer at a time, and waiting in our queue is fairer and
    /// cheaper than waiting for its lock.
    writer: Late<Worker>,
    readers: Late<Readers>,
    path: PathBuf,
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
    /// The file cannot be opened a second time.
    #[error("cannot open database `{}` for reading and writing", path.display())]
    Connect {
        /// The file.
        path: PathBuf,
        /// What the driver says.
        #[source]
        source: rusqlite::Error,
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

impl OpenError {
    /// Whether the file may be opened later without anybody changing the settings: it is locked,
    /// or its disk is full or cannot be written.
    pub fn is_passing(&self) -> bool {
        let passing = |error: &sqlx::Error| {
            error.as_database_error().and_then(|error| error.code()).is_some_and(is_passing)
        };
        match self {
            Self::Open { source, .. } => passing(source),
            Self::Migrate {
                source: MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
                ..
            } => passing(error),
            Self::Connect { source, .. } => {
                let code = source.sqlite_error().map(|error| error.extended_code.to_string());
                code.is_some_and(|code| is_passing(code.into()))
            }
            _ => false,
        }
    }
}

/// SQLite's result codes BUSY, LOCKED, READONLY, IOERR and FULL, which are in the low byte of a
/// code. Not CANTOPEN and PERM: with those the path is wrong, or the user that the server runs as.
fn is_passing(code: std::borrow::Cow<'_, str>) -> bool {
    code.parse().is_ok_and(|code: i32| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13))
}

/// How often a file that could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A database, by its URL.
struct Source {
    options: SqliteConnectOptions,
    path: PathBuf,
    /// As the threads open it.
    file: PathBuf,
}

impl Source {
    fn new(url: &str) -> Result<Self, OpenError> {
        let options = connect_options(url)?;
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
            .busy_timeout(Duration::from_secs(5));
        // A URL with parameters is SQLite's own kind of URI but for its scheme.
        let file = match url.strip_prefix("sqlite:") {
            Some(rest) if rest.contains('?') => {
                PathBuf::from(format!("file:{}", rest.strip_prefix("//").unwrap_or(rest)))
            }
            _ => path.clone(),
        };
        Ok(Self { options, path, file })
    }
}

/// The migrations, in order. An applied one is never edited.
const MIGRATIONS: &[migrations::Source] = &[
    (1, "threads", include_str!("../../migrations/sqlite/0001_threads.sql")),
    (2, "waiting items", include_str!("../../migrations/sqlite/0002_waiting_items.sql")),
    (3, "attachments", include_str!("../../migrations/sqlite/0003_attachments.sql")),
    (4, "feedback", include_str!("../../migrations/sqlite/0004_feedback.sql")),
    (5, "logins", include_str!("../../migrations/sqlite/0005_logins.sql")),
    (6, "limits", include_str!("../../migrations/sqlite/0006_limits.sql")),
    (7, "data rights", include_str!("../../migrations/sqlite/0007_data_rights.sql")),
    (8, "usage", include_str!("../../migrations/sqlite/0008_usage.sql")),
    (9, "grants", include_str!("../../migrations/sqlite/0009_grants.sql")),
];

impl SqliteStore {
    /// Opens a database, makes it if there is none, and brings its schema up to date.
    ///
    /// `url` is a path or a URL such as `sqlite://parlor.db`.
    ///
    /// # Errors
    /// An [`OpenError`] names the file and what to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let source = Source::new(url)?;
        let store = Self::closed(&source);
        store.connect(&source).await?;
        Ok(store)
    }

    /// The same for who can wait: on a disk that is full or cannot be written for now, or while
    /// another process has the file locked, the store says so to whoever asks it, tries about once
    /// a second, and works when the file could be opened.
    ///
    /// # Errors
    /// An [`OpenError`] says what to do about what does not pass by itself.
    pub async fn open_patiently(url: &str) -> Result<Self, OpenError> {
        let source = Source::new(url)?;
        let store = Self::closed(&source);
        match store.connect(&source).await {
            Err(error) if error.is_passing() => {
                tracing::warn!(error = %ErrorChain(&error), "waiting for the database");
                let (writer, readers) = (store.writer.downgrade(), store.readers.downgrade());
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(AGAIN).await;
                        let (Some(writer), Some(readers)) = (writer.upgrade(), readers.upgrade())
                        else {
                            return;
                        };
                        let path = source.path.clone();
                        let store = Self { writer: writer.into(), readers: readers.into(), path };
                        match store.connect(&source).await {
                            Ok(()) => {
                                tracing::info!(path = %source.path.display(), "the database is there");
                                return;
                            }
                            Err(error) => {
                                tracing::debug!(error = %ErrorChain(&error), "still no database");
                            }
                        }
                    }
                });
                Ok(store)
            }
            connected => connected.map(|()| store),
        }
    }

    fn closed(source: &Source) -> Self {
        Self { writer: Late::default(), readers: Late::default(), path: source.path.clone() }
    }

    /// Brings the file up to date and starts the threads.
    async fn connect(&self, source: &Source) -> Result<(), OpenError> {
        let Source { options, path, file } = source;
        let open_error = |source: sqlx::Error| {
            if is_no_database(&source) {
                return OpenError::NotADatabase(path.clone());
            }
            OpenError::Open { path: path.clone(), source }
        };
        let mut first = SqliteConnection::connect_with(options).await.map_err(open_error)?;
        // Not `run`: its bounds make every future around it one that cannot be spawned.
        let migrated = migrator(MIGRATIONS).run_direct(None, &mut first, false).await;
        migrated.map_err(|error| match error {
            MigrateError::VersionMissing(version) => {
                OpenError::TooNew { path: path.clone(), version }
            }
            MigrateError::Execute(source) if is_no_database(&source) => {
                OpenError::NotADatabase(path.clone())
            }
            source => OpenError::Migrate { path: path.clone(), source },
        })?;
        first.close().await.map_err(open_error)?;

        let connect = |source| OpenError::Connect { path: path.clone(), source };
        let (writer, readers) = (Worker::writer(file), Readers::start(file, READERS));
        let (writer, readers) = (writer.map_err(connect)?, readers.map_err(connect)?);
        self.readers.set(readers);
        self.writer.set(writer);
        self.warm_up().await;
        Ok(())
    }

    /// Has the first message cost no more than the next: the log beside the file is made by the
    /// first commit, which waits for the disk once more than others, and reading begins cold.
    async fn warm_up(&self) {
        // What it was already, so nothing changes; SQLite writes it all the same.
        let write = |connection: &Connection| {
            let version = "SELECT user_version FROM pragma_user_version";
            let version = one(connection, version, [], |row| row.get::<_, i64>(0).map_err(failed))?;
            let sql = format!("PRAGMA user_version = {}", version.unwrap_or(0));
            connection.execute_batch(&sql).map_err(failed)
        };
        let nobody = Owner::authenticated(TenantId::new(""), UserId::new(""));
        let first = PageQuery { limit: 1, order: Order::Desc, after: None };
        let written = self.writer.run(write).await;
        let mut read = Ok(());
        for _ in 0..READERS {
            read = read.and(self.threads(&nobody, &first).await.map(drop));
        }
        if let Err(error) = written.and(read) {
            // A disk that is full, say: whoever asks for something is told.
            tracing::debug!(%error, "the database was not warmed up");
        }
    }

    /// The file that a path or URL names, whether or not it is there.
    ///
    /// # Errors
    /// When the URL is none of SQLite's.
    pub fn file_of(url: &str) -> Result<PathBuf, OpenError> {
        Ok(connect_options(url)?.get_filename().to_owned())
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the log back into the database file and empties it, so that neither holds what was
    /// deleted before. Where others read or write at the moment, what they need stays for now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.readers
            .run(|connection| {
                one(connection, "PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map(drop)
            })
            .await
    }

    /// Closes all connections, which writes the log back into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn connect_options(url: &str) -> Result<SqliteConnectOptions, OpenError> {
    if !url.starts_with("sqlite:") {
        return Ok(SqliteConnectOptions::new().filename(url));
    }
    SqliteConnectOptions::from_str(url)
        .map_err(|source| OpenError::Url { url: url.to_owned(), source })
}

/// SQLite's result code 26, NOTADB.
fn is_no_database(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "26")
}

/// One of [`ItemWrite`], ready to be written.
enum Write {
    Put { seq: i64, item: ItemRow, pending: bool },
    Replace(ItemRow),
    Remove(ItemId),
    Thread(ThreadRow),
}

impl Write {
    fn all(writes: &[ItemWrite]) -> Result<Vec<Self>, StoreError> {
        writes
            .iter()
            .map(|write| {
                Ok(match write {
                    ItemWrite::Put { seq, item, state } => Self::Put {
                        seq: *seq,
                        item: ItemRow::new(item)?,
                        pending: *state == ItemState::Pending,
                    },
                    ItemWrite::Replace(item) => Self::Replace(ItemRow::new(item)?),
                    ItemWrite::Remove(item_id) => Self::Remove(item_id.clone()),
                    ItemWrite::Thread(thread) => Self::Thread(ThreadRow::new(thread)?),
                })
            })
            .collect()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let (owner, thread_id) = (owner.clone(), thread_id.clone());
        self.readers.run(move |connection| read_thread(connection, &owner, &thread_id)).await
    }

    async fn threads(
        &self,
        owner: &Owner,
        query: &PageQuery,
    ) -> Result<Option<Page<ThreadMetadata>>, StoreError> {
        let (owner, query) = (owner.clone(), query.clone());
        self.readers
            .run(move |connection| {
                let edge = match (&query.after, query.order) {
                    (Some(after), _) => {
                        let position = one(
                            connection,
                            "SELECT position FROM threads WHERE id = ?3 AND tenant_id = ?1 AND \
                             user_id = ?2",
                            params![owner.tenant().as_str(), owner.user().as_str(), after],
                            |row| row.get::<_, i64>(0).map_err(failed),
                        )?;
                        match position {
                            Some(position) => position,
                            None => return Ok(None),
                        }
                    }
                    (None, Order::Asc) => i64::MIN,
                    (None, Order::Desc) => i64::MAX,
                };
                let sql = match query.order {
                    Order::Asc => concat!(
                        "SELECT ",
                        THREAD_COLUMNS!(),
                        " FROM threads WHERE tenant_id = ?1 AND user_id = ?2 AND position > ?3 \
                         ORDER BY position LIMIT ?4"
                    ),
                    Order::Desc => concat!(
                        "SELECT ",
                        THREAD_COLUMNS!(),
                        " FROM threads WHERE tenant_id = ?1 AND user_id = ?2 AND position < ?3 \
                         ORDER BY position DESC LIMIT ?4"
                    ),
                };
                let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
                let limit = i64::from(query.limit) + 1;
                let data = all(connection, sql, params![tenant, user, edge, limit], thread)?;
                Ok(Some(page(data, query.limit as usize, |thread| Some(thread.id.to_string()))))
            })
            .await
    }

    async fn rename_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: &str,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let (owner, thread_id, title) = (owner.clone(), thread_id.clone(), title.to_owned());
        self.writer
            .run(move |connection| {
                one(
                    connection,
                    concat!(
                        "UPDATE threads SET title = ?4, titled_by_user = 1 WHERE id = ?3 AND \
                         tenant_id = ?1 AND user_id = ?2 RETURNING ",
                        THREAD_COLUMNS!()
                    ),
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        thread_id.as_str(),
                        title
                    ],
                    thread,
                )
            })
            .await
    }

    async fn title_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: ThreadTitle<'_>,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let (owner, thread_id) = (owner.clone(), thread_id.clone());
        let instead_of = title.instead_of.map(ToOwned::to_owned);
        let title = title.title.to_owned();
        self.writer
            .run(move |connection| {
                one(
                    connection,
                    concat!(
                        "UPDATE threads SET title = ?4 WHERE id = ?3 AND tenant_id = ?1 AND \
                         user_id = ?2 AND titled_by_user = 0 AND title IS ?5 RETURNING ",
                        THREAD_COLUMNS!()
                    ),
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        thread_id.as_str(),
                        title,
                        instead_of
                    ],
                    thread,
                )
            })
            .await
    }

    async fn delete_thread(&self, owner: &Owner, thread_id: &ThreadId) -> Result<bool, StoreError> {
        let (owner, thread_id) = (owner.clone(), thread_id.clone());
        self.writer
            .run(move |connection| {
                attachments::doom_of_thread(connection, &owner, &thread_id)?;
                let deleted = execute(
                    connection,
                    "DELETE FROM threads WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2",
                    params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str()],
                )?;
                Ok(deleted > 0)
            })
            .await
    }

    async fn item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_id: &ItemId,
    ) -> Result<Option<ThreadItem>, StoreError> {
        let (owner, thread_id, item_id) = (owner.clone(), thread_id.clone(), item_id.clone());
        self.readers
            .run(move |connection| {
                one(
                    connection,
                    concat!(
                        "SELECT ",
                        JUDGED!(),
                        " JOIN threads ON threads.id = items.thread_id WHERE tenant_id = ?1 AND \
                         user_id = ?2 AND items.thread_id = ?3 AND items.id = ?4 AND pending = 0"
                    ),
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        thread_id.as_str(),
                        item_id.as_str()
                    ],
                    judged_item,
                )
            })
            .await
    }

    async fn items(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        query: &PageQuery,
        visibility: Visibility,
    ) -> Result<Option<Page<ThreadItem>>, StoreError> {
        let (owner, thread_id, query) = (owner.clone(), thread_id.clone(), query.clone());
        self.readers
            .run(move |connection| {
                // Whose thread it is and where the cursor stands, in one look.
                let cursor = one(
                    connection,
                    "SELECT (SELECT seq FROM items WHERE items.thread_id = threads.id AND \
                     items.id = ?4 AND pending = 0) FROM threads WHERE id = ?3 AND tenant_id = ?1 \
                     AND user_id = ?2",
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        thread_id.as_str(),
                        query.after
                    ],
                    |row| row.get::<_, Option<i64>>(0).map_err(failed),
                )?;
                let Some(cursor) = cursor else { return Ok(None) };
                let edge = match (&query.after, cursor, query.order) {
                    (Some(_), None, _) => return Ok(None),
                    (Some(_), Some(seq), _) => seq,
                    (None, _, Order::Asc) => i64::MIN,
                    (None, _, Order::Desc) => i64::MAX,
                };
                let sql = match query.order {
                    Order::Asc => {
                        concat!(
                            "SELECT ",
                            JUDGED!(),
                            " WHERE items.thread_id = ?1 AND seq > ?2 AND pending = 0 AND hidden \
                             <= ?3 ORDER BY seq LIMIT ?4"
                        )
                    }
                    Order::Desc => {
                        concat!(
                            "SELECT ",
                            JUDGED!(),
                            " WHERE items.thread_id = ?1 AND seq < ?2 AND pending = 0 AND hidden \
                             <= ?3 ORDER BY seq DESC LIMIT ?4"
                        )
                    }
                };
                let hidden = visibility == Visibility::All;
                let limit = i64::from(query.limit) + 1;
                let data = all(
                    connection,
                    sql,
                    params![thread_id.as_str(), edge, hidden, limit],
                    judged_item,
                )?;
                let cursor = |item: &ThreadItem| item.id().map(|id| id.to_string());
                Ok(Some(page(data, query.limit as usize, cursor)))
            })
            .await
    }

    async fn turn_items(
        &self,
        owner: &Owner,
        turn: &TurnKey,
    ) -> Result<Vec<ThreadItem>, StoreError> {
        let (owner, turn) = (owner.clone(), turn.clone());
        self.readers
            .run(move |connection| {
                all(
                    connection,
                    concat!(
                        "SELECT ",
                        JUDGED!(),
                        " JOIN threads ON threads.id = items.thread_id WHERE tenant_id = ?1 AND \
                         user_id = ?2 AND items.thread_id = ?3 AND turn_id = ?4 AND pending = 0 \
                         AND hidden = 0 ORDER BY seq"
                    ),
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        turn.thread_id.as_str(),
                        turn.turn_id.as_str()
                    ],
                    judged_item,
                )
            })
            .await
    }

    async fn set_feedback(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_ids: &[ItemId],
        kind: FeedbackKind,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        /// Takes back what was written without it being an error.
        struct NotTheirs;
        let kind = kind_name(kind);
        let wanted: std::collections::BTreeSet<&str> =
            item_ids.iter().map(ItemId::as_str).collect();
        let (count, wanted) = (wanted.len(), json(&wanted)?);
        let (owner, thread_id) = (owner.clone(), thread_id.clone());
        self.writer
            .run(move |connection| {
                if read_thread(connection, &owner, &thread_id)?.is_none() {
                    return Ok(Err(NotTheirs));
                }
                // Counted first: nothing is written unless all of it is.
                let theirs = one(
                    connection,
                    "SELECT COUNT(*) FROM items WHERE thread_id = ?1 AND pending = 0 AND hidden = \
                     0 AND id IN (SELECT value FROM json_each(?2))",
                    params![thread_id.as_str(), wanted],
                    |row| row.get::<_, i64>(0).map_err(failed),
                )?;
                if theirs.and_then(|count| usize::try_from(count).ok()) != Some(count) {
                    return Ok(Err(NotTheirs));
                }
                execute(
                    connection,
                    "INSERT INTO feedback (item_id, thread_id, kind, created_at) SELECT items.id, \
                     thread_id, ?3, ?4 FROM items WHERE thread_id = ?1 AND pending = 0 AND hidden \
                     = 0 AND items.id IN (SELECT value FROM json_each(?2)) ON CONFLICT (item_id) \
                     DO UPDATE SET kind = excluded.kind, created_at = excluded.created_at",
                    params![thread_id.as_str(), wanted, kind, now.as_micros()],
                )?;
                Ok(Ok(()))
            })
            .await
            .map(|kept| kept.is_ok())
    }

    async fn feedback(&self, query: &FeedbackQuery) -> Result<Vec<FeedbackRecord>, StoreError> {
        let (after, item_id) = match &query.after {
            Some(cursor) => (cursor.given_at.as_micros(), cursor.item_id.as_str().to_owned()),
            // Before every item of that time.
            None => (query.since.map_or(i64::MIN, Timestamp::as_micros), String::new()),
        };
        let limit = query.limit;
        self.readers
            .run(move |connection| {
                all(
                    connection,
                    // The question is found by walking back from the item, which is short.
                    "SELECT items.body, kind, feedback.created_at, feedback.item_id, \
                     feedback.thread_id, tenant_id, user_id, (SELECT asked.body FROM items asked \
                     WHERE asked.thread_id = items.thread_id AND asked.seq < items.seq AND \
                     asked.hidden = 0 AND asked.pending = 0 AND json_extract(asked.body, \
                     '$.type') = 'user_message' ORDER BY asked.seq DESC LIMIT 1) FROM feedback \
                     JOIN items ON items.id = feedback.item_id JOIN threads ON threads.id = \
                     feedback.thread_id WHERE (feedback.created_at, feedback.item_id) > (?1, ?2) \
                     ORDER BY feedback.created_at, feedback.item_id LIMIT ?3",
                    params![after, item_id, limit],
                    rows::feedback,
                )
            })
            .await
    }

    async fn replace_item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item: &ThreadItem,
    ) -> Result<ReplaceOutcome, StoreError> {
        if item.id().is_none() {
            return Ok(ReplaceOutcome::NotFound);
        }
        let (owner, thread_id, item) = (owner.clone(), thread_id.clone(), ItemRow::new(item)?);
        self.writer
            .run(move |connection| {
                match read_thread(connection, &owner, &thread_id)? {
                    None => return Ok(ReplaceOutcome::NotFound),
                    Some(thread) if thread.status != ThreadStatus::Active => {
                        return Ok(ReplaceOutcome::NotActive(thread.status));
                    }
                    Some(_) => {}
                }
                let replaced = execute(
                    connection,
                    "UPDATE items SET body = ?3, hidden = ?4, waiting = ?5 WHERE thread_id = ?1 \
                     AND id = ?2 AND pending = 0",
                    params![
                        thread_id.as_str(),
                        item.id.as_str(),
                        item.body,
                        item.hidden,
                        item.waiting
                    ],
                )?;
                Ok(match replaced {
                    0 => ReplaceOutcome::NotFound,
                    _ => ReplaceOutcome::Replaced,
                })
            })
            .await
    }

    async fn turn_by_key(
        &self,
        owner: &Owner,
        idempotency_key: &str,
    ) -> Result<Option<RecordedTurn>, StoreError> {
        let (owner, key) = (owner.clone(), idempotency_key.to_owned());
        self.readers.run(move |connection| read_turn_by_key(connection, &owner, &key)).await
    }

    async fn begin_turn(
        &self,
        owner: &Owner,
        begin: BeginTurn<'_>,
    ) -> Result<BeginOutcome, StoreError> {
        let owner = owner.clone();
        let BeginTurn { turn_id, thread, now, .. } = begin;
        let key = begin.idempotency_key.map(ToOwned::to_owned);
        let holder = begin.holder.to_owned();
        let says_something =
            begin.opening.iter().any(|item| matches!(item, ThreadItem::UserMessage(_)));
        let sent = Sent::of(begin.opening)?;
        let opening = ItemRow::all(begin.opening)?;
        let changed = ItemRow::all(begin.changed)?;
        self.writer
            .run(move |connection| {
                if let Some(key) = &key
                    && let Some(recorded) = read_turn_by_key(connection, &owner, key)?
                {
                    return Ok(BeginOutcome::Repeated(recorded));
                }
                if let Some(sent) = &sent {
                    let thread_id = match &thread {
                        TurnThread::New(thread) => &thread.id,
                        TurnThread::Existing(thread_id) => thread_id,
                    };
                    if let Some(lost) = sent.check(connection, &owner, thread_id)? {
                        return Ok(lost);
                    }
                }
                let (thread, last_seq, waiting) = match thread {
                    TurnThread::New(thread) => {
                        insert_thread(connection, &owner, &thread)?;
                        (thread, 0, false)
                    }
                    TurnThread::Existing(thread_id) => {
                        match open_thread(connection, &owner, &thread_id)? {
                            Ok(open) => open,
                            Err(refused) => return Ok(refused),
                        }
                    }
                };
                execute(
                    connection,
                    "INSERT INTO turns (id, thread_id, tenant_id, user_id, state, holder, \
                     idempotency_key, started_at) VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6, ?7)",
                    params![
                        turn_id.as_str(),
                        thread.id.as_str(),
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        holder,
                        key,
                        now.as_micros()
                    ],
                )?;
                let turn = TurnKey { turn_id, thread_id: thread.id.clone() };
                let mut next_seq = last_seq + 1;
                for item in &opening {
                    put_item(connection, &turn, next_seq, item, false)?;
                    next_seq += 1;
                }
                for item in &changed {
                    replace_item(connection, &turn, item)?;
                }
                if let Some(sent) = &sent {
                    sent.bind(connection, &owner, &turn.thread_id)?;
                }
                let settled = if waiting && says_something {
                    settle_waiting(connection, &turn)?
                } else {
                    Vec::new()
                };
                Ok(BeginOutcome::Begun { thread, next_seq, settled })
            })
            .await
    }

    async fn write(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        writes: &[ItemWrite],
    ) -> Result<(), StoreError> {
        let (owner, turn, writes) = (owner.clone(), turn.clone(), Write::all(writes)?);
        self.writer
            .run(move |connection| {
                check_running(connection, &owner, &turn)?;
                apply(connection, &owner, &turn, &writes)
            })
            .await
    }

    async fn end_turn(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        state: TurnState,
        writes: &[ItemWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (owner, turn, writes) = (owner.clone(), turn.clone(), Write::all(writes)?);
        self.writer
            .run(move |connection| {
                let ended = execute(
                    connection,
                    "UPDATE turns SET state = ?5, ended_at = ?6 WHERE id = ?3 AND thread_id = ?4 \
                     AND state = 'running' AND tenant_id = ?1 AND user_id = ?2",
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        turn.turn_id.as_str(),
                        turn.thread_id.as_str(),
                        state.as_str(),
                        now.as_micros()
                    ],
                )?;
                if ended == 0 {
                    return Err(StoreError::TurnLost(turn.turn_id.clone()));
                }
                apply(connection, &owner, &turn, &writes)?;
                execute(
                    connection,
                    "UPDATE items SET pending = 0 WHERE turn_id = ?1 AND pending = 1",
                    [turn.turn_id.as_str()],
                )?;
                Ok(())
            })
            .await
    }

    async fn interrupt_orphans(&self, holder: &str, now: Timestamp) -> Result<u64, StoreError> {
        let holder = holder.to_owned();
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    "UPDATE items SET pending = 0 WHERE pending = 1 AND turn_id IN (SELECT id \
                     FROM turns WHERE state = 'running' AND holder <> ?1)",
                    [&holder],
                )?;
                let interrupted = execute(
                    connection,
                    "UPDATE turns SET state = 'interrupted', ended_at = ?2 WHERE state = \
                     'running' AND holder <> ?1",
                    params![holder, now.as_micros()],
                )?;
                Ok(interrupted as u64)
            })
            .await
    }

    async fn create_attachment(
        &self,
        owner: &Owner,
        record: &AttachmentRecord,
        quota: UnsentQuota,
    ) -> Result<bool, StoreError> {
        let (owner, record) = (owner.clone(), record.clone());
        self.writer
            .run(move |connection| attachments::create(connection, &owner, &record, quota))
            .await
    }

    async fn attachments(
        &self,
        owner: &Owner,
        ids: &[AttachmentId],
    ) -> Result<Vec<AttachmentRecord>, StoreError> {
        let (owner, ids) = (owner.clone(), json(&ids)?);
        self.readers.run(move |connection| attachments::find(connection, &owner, &ids)).await
    }

    async fn complete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
        uploaded: &UploadedFile,
    ) -> Result<Option<AttachmentRecord>, StoreError> {
        let (owner, id, uploaded) = (owner.clone(), id.clone(), uploaded.clone());
        self.writer
            .run(move |connection| attachments::complete(connection, &owner, &id, &uploaded))
            .await
    }

    async fn keep_attachment(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        id: &AttachmentId,
    ) -> Result<bool, StoreError> {
        let (owner, thread_id, id) = (owner.clone(), thread_id.clone(), id.clone());
        self.writer
            .run(move |connection| attachments::keep(connection, &owner, &thread_id, &id))
            .await
    }

    async fn delete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
    ) -> Result<DeleteAttachmentOutcome, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.writer.run(move |connection| attachments::delete(connection, &owner, &id)).await
    }

    async fn attachment_owner(&self, link: &SignedLink) -> Result<Option<Owner>, StoreError> {
        let link = link.clone();
        self.readers.run(move |connection| attachments::owner_of(connection, &link)).await
    }

    async fn expire_attachments(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer.run(move |connection| attachments::expire(connection, before)).await
    }

    async fn doomed_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError> {
        let after = after.cloned();
        self.readers
            .run(move |connection| attachments::doomed(connection, after.as_ref(), limit))
            .await
    }

    async fn forget_attachment(&self, owner: &Owner, id: &AttachmentId) -> Result<(), StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.writer.run(move |connection| attachments::forget(connection, &owner, &id)).await
    }

    async fn secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let name = name.to_owned();
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    "INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    params![name, fresh],
                )?;
                let kept =
                    one(connection, "SELECT value FROM secrets WHERE name = ?1", [&name], |row| {
                        row.get(0).map_err(failed)
                    })?;
                Ok(kept.unwrap_or_default())
            })
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.readers
            .run(|connection| {
                one(connection, "SELECT 1 FROM threads LIMIT 1", [], |_| Ok(())).map(drop)
            })
            .await
    }
}

// Statements. Each is prepared once a connection.

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut found| found.execute(params)).map_err(failed)
}

/// The first row, if there is one.
fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    rows.next().map_err(failed)?.map(read).transpose()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read_thread(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<Option<ThreadMetadata>, StoreError> {
    one(
        connection,
        concat!(
            "SELECT ",
            THREAD_COLUMNS!(),
            " FROM threads WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2"
        ),
        params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str()],
        thread,
    )
}

fn read_turn_by_key(
    connection: &Connection,
    owner: &Owner,
    idempotency_key: &str,
) -> Result<Option<RecordedTurn>, StoreError> {
    one(
        connection,
        "SELECT id, thread_id, state FROM turns WHERE idempotency_key = ?3 AND tenant_id = ?1 AND \
         user_id = ?2",
        params![owner.tenant().as_str(), owner.user().as_str(), idempotency_key],
        |row| {
            let column = |at| text(row, at).map(Option::unwrap_or_default);
            Ok(RecordedTurn {
                turn_id: TurnId::new(column(0)?),
                thread_id: ThreadId::new(column(1)?),
                state: TurnState::from_name(column(2)?).unwrap_or(TurnState::Interrupted),
            })
        },
    )
}

/// A thread that a turn is to begin in, with its last sequence number and whether a client tool
/// call waits there; or why no turn can begin.
fn open_thread(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<Result<(ThreadMetadata, i64, bool), BeginOutcome>, StoreError> {
    // All that decides, in one look.
    let found = one(
        connection,
        concat!(
            "SELECT ",
            THREAD_COLUMNS!(),
            ", (SELECT MAX(seq) FROM items WHERE items.thread_id = threads.id), EXISTS (SELECT 1 \
             FROM items WHERE items.thread_id = threads.id AND waiting = 1), (SELECT turns.id || ' \
             ' || holder FROM turns WHERE turns.thread_id = threads.id AND state = 'running') FROM \
             threads WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2"
        ),
        params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str()],
        |row| {
            let last_seq: Option<i64> = row.get(6).map_err(failed)?;
            let waiting: bool = row.get(7).map_err(failed)?;
            let running = text(row, 8)?.map(ToOwned::to_owned);
            Ok((thread(row)?, last_seq.unwrap_or(0), waiting, running))
        },
    )?;
    let Some((thread, last_seq, waiting, running)) = found else {
        return Ok(Err(BeginOutcome::NotFound));
    };
    if thread.status != ThreadStatus::Active {
        return Ok(Err(BeginOutcome::NotActive(thread.status)));
    }
    // Neither id has a space in it: both are made by the server.
    if let Some(running) = running {
        let (turn_id, holder) = running.split_once(' ').unwrap_or((&running, ""));
        return Ok(Err(BeginOutcome::Busy {
            turn_id: TurnId::new(turn_id),
            holder: holder.to_owned(),
        }));
    }
    Ok(Ok((thread, last_seq, waiting)))
}

fn insert_thread(
    connection: &Connection,
    owner: &Owner,
    thread: &ThreadMetadata,
) -> Result<(), StoreError> {
    let row = ThreadRow::new(thread)?;
    execute(
        connection,
        "INSERT INTO threads (id, tenant_id, user_id, title, created_at, status, \
         allowed_image_domains, metadata) VALUES (:id, :tenant, :user, :title, :created_at, \
         :status, :domains, :metadata)",
        named_params! {
            ":id": thread.id.as_str(),
            ":tenant": owner.tenant().as_str(),
            ":user": owner.user().as_str(),
            ":title": row.title,
            ":created_at": thread.created_at.as_micros(),
            ":status": row.status,
            ":domains": row.allowed_image_domains,
            ":metadata": row.metadata,
        },
    )
    .map(drop)
}

/// A turn that no longer holds its thread must not write: the thread may be another's by now.
fn check_running(connection: &Connection, owner: &Owner, turn: &TurnKey) -> Result<(), StoreError> {
    one(
        connection,
        "SELECT 1 FROM turns WHERE id = ?3 AND thread_id = ?4 AND state = 'running' AND tenant_id \
         = ?1 AND user_id = ?2",
        params![
            owner.tenant().as_str(),
            owner.user().as_str(),
            turn.turn_id.as_str(),
            turn.thread_id.as_str()
        ],
        |_| Ok(()),
    )?
    .ok_or_else(|| StoreError::TurnLost(turn.turn_id.clone()))
}

fn apply(
    connection: &Connection,
    owner: &Owner,
    turn: &TurnKey,
    writes: &[Write],
) -> Result<(), StoreError> {
    for write in writes {
        match write {
            Write::Put { seq, item, pending } => {
                put_item(connection, turn, *seq, item, *pending)?;
            }
            Write::Replace(item) => replace_item(connection, turn, item)?,
            Write::Remove(item_id) => {
                execute(
                    connection,
                    "DELETE FROM items WHERE thread_id = ?1 AND id = ?2",
                    params![turn.thread_id.as_str(), item_id.as_str()],
                )?;
                attachments::doom_made(connection, owner, &turn.thread_id, item_id)?;
            }
            Write::Thread(row) => {
                execute(
                    connection,
                    "UPDATE threads SET title = CASE WHEN titled_by_user = 1 THEN title ELSE \
                     coalesce(:title, title) END, status = :status, allowed_image_domains = :domains, metadata = \
                     :metadata WHERE id = :id AND tenant_id = :tenant AND user_id = :user",
                    named_params! {
                        ":id": turn.thread_id.as_str(),
                        ":tenant": owner.tenant().as_str(),
                        ":user": owner.user().as_str(),
                        ":title": row.title,
                        ":status": row.status,
                        ":domains": row.allowed_image_domains,
                        ":metadata": row.metadata,
                    },
                )?;
            }
        }
    }
    Ok(())
}

fn put_item(
    connection: &Connection,
    turn: &TurnKey,
    seq: i64,
    item: &ItemRow,
    pending: bool,
) -> Result<(), StoreError> {
    let duplicate = || StoreError::DuplicateItem(item.id.clone());
    let written = connection
        .prepare_cached(
            "INSERT INTO items (thread_id, seq, id, turn_id, hidden, pending, waiting, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (thread_id, seq) DO UPDATE SET \
             hidden = excluded.hidden, pending = excluded.pending, waiting = excluded.waiting, \
             body = excluded.body WHERE items.id = excluded.id AND items.turn_id = \
             excluded.turn_id",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                turn.thread_id.as_str(),
                seq,
                item.id.as_str(),
                turn.turn_id.as_str(),
                item.hidden,
                pending,
                item.waiting,
                item.body
            ])
        });
    match written {
        Ok(0) => Err(duplicate()),
        Ok(_) => Ok(()),
        // SQLITE_CONSTRAINT_UNIQUE and SQLITE_CONSTRAINT_PRIMARYKEY.
        Err(error)
            if error
                .sqlite_error()
                .is_some_and(|error| matches!(error.extended_code, 2067 | 1555)) =>
        {
            Err(duplicate())
        }
        Err(error) => Err(failed(error)),
    }
}

fn replace_item(connection: &Connection, turn: &TurnKey, item: &ItemRow) -> Result<(), StoreError> {
    execute(
        connection,
        "UPDATE items SET body = ?3, hidden = ?4, waiting = ?5, pending = 0 WHERE thread_id = ?1 \
         AND id = ?2",
        params![turn.thread_id.as_str(), item.id.as_str(), item.body, item.hidden, item.waiting],
    )
    .map(drop)
}

/// Settles the client tool calls that no output will come for any more.
fn settle_waiting(connection: &Connection, turn: &TurnKey) -> Result<Vec<ThreadItem>, StoreError> {
    let waiting = all(
        connection,
        "SELECT body FROM items WHERE thread_id = ?1 AND waiting = 1 ORDER BY seq",
        [turn.thread_id.as_str()],
        item,
    )?;
    let mut settled = Vec::with_capacity(waiting.len());
    for item in waiting {
        if let ThreadItem::ClientToolCall(mut call) = item {
            call.status = ClientToolCallStatus::Completed;
            let call = ThreadItem::ClientToolCall(call);
            replace_item(connection, turn, &ItemRow::new(&call)?)?;
            settled.push(call);
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrades;
