//! PostgreSQL.
//!
//! An operation is one statement that calls a function of the schema
//! (`migrations/postgres/0002_functions.sql`): one round trip, one transaction, and the function's
//! first act is to become the owner, which is what row-level security compares with.

mod attachments;
mod grants;
mod limits;
mod logins;
mod operator;
mod peers;
mod pool;
mod rows;
mod schema;
#[cfg(test)]
mod upgrades;
mod usage;
mod warm;

use std::{
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt as _;
use parlor_chatkit::{
    AttachmentRecord, BeginOutcome, BeginTurn, DeleteAttachmentOutcome, Delivery, DoomedAttachment,
    ErrorChain, FeedbackQuery, FeedbackRecord, HeldTurn, ItemState, ItemWrite, Owner, PageQuery,
    Peers, RecordedTurn, ReplaceOutcome, SignedLink, Store, StoreError, ThreadTitle, TurnKey,
    TurnState, TurnThread, UnsentQuota, UploadedFile, Visibility,
    protocol::{
        AttachmentId, ClientToolCallStatus, FeedbackKind, ItemId, Order, Page, ThreadId,
        ThreadItem, ThreadMetadata, ThreadStatus, Timestamp, TurnId,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    Connection as _, PgConnection,
    migrate::MigrateError,
    postgres::{PgArguments, PgConnectOptions, PgRow},
};

use crate::record::{ItemRow, ThreadRow, attachments_of, kind_name, page};
use attachments::ATTACHMENT_COLUMNS;
use grants::GRANT_COLUMNS;
use logins::LOGIN_COLUMNS;
use peers::PostgresPeers;
pub use pool::describe_metrics;
use pool::{Patience, Pool, Repeatable};
use rows::{THREAD_COLUMNS, column, feedback, item, json, required, text, thread};
use schema::{Schema, State};
use warm::warm_up;

/// The arguments of a statement.
macro_rules! arguments {
    () => {
        Ok::<_, StoreError>(PgArguments::default())
    };
    ($($value:expr),+ $(,)?) => {{
        let mut arguments = PgArguments::default();
        let added: Result<(), sqlx::error::BoxDynError> = (|| {
            $(sqlx::Arguments::add(&mut arguments, $value)?;)+
            Ok(())
        })();
        added.map(|()| arguments).map_err(StoreError::Failed)
    }};
}
use arguments;

/// How long a process holds its turns without saying that it lives.
const LEASE: Duration = Duration::from_secs(10);
/// Connections that are made and tried out before the store says that it is up.
const WARM: u32 = 2;
/// How long to wait before the database is looked for again, at first and at most.
const SEARCH: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// How long a notification may take in a check.
const NOTIFICATION: Duration = Duration::from_secs(3);
/// How often a turn's beginning is tried with what has to be settled first.
const SETTLE_ATTEMPTS: usize = 5;

/// Threads in PostgreSQL. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Arc<Pool>,
    statements: Statements,
    schema: Schema,
    auto_migrate: bool,
    warm: u32,
    /// How the connection is made that listens.
    listen: PgConnectOptions,
    connect_timeout: Duration,
    address: String,
    /// The schema has been found up to date, and connections are there.
    up: AtomicBool,
}

/// How a PostgreSQL database is used.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// The schema that holds the tables. Made by the migrations.
    pub schema: String,
    /// Connections, at most.
    pub connections: u32,
    /// Whether opening the store brings the schema up to date.
    pub auto_migrate: bool,
    /// How long a new connection, or a free one, may take.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Another URL of the same database for the connection that listens to the other servers: one
    /// without a pooler in between that gives a connection away after each transaction.
    pub listen_url: Option<SecretString>,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            schema: "parlor".to_owned(),
            connections: 10,
            auto_migrate: true,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            listen_url: None,
        }
    }
}

/// Whether row-level security binds the role that the store connects as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The role.
    pub role: String,
    /// It is a superuser or has BYPASSRLS: the second wall between users is not there.
    pub bypasses_row_security: bool,
    /// The server's version, such as `15.14`.
    pub server_version: String,
}

/// Why a PostgreSQL database cannot be used: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL is none of PostgreSQL's. It is not repeated here: it may hold a password.
    #[error(
        "the database URL is no PostgreSQL URL; write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url(#[source] sqlx::Error),
    /// The URL for listening is none of PostgreSQL's.
    #[error(
        "database.listen_url is no PostgreSQL URL; write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    ListenUrl(#[source] sqlx::Error),
    /// The name of the schema would need quoting.
    #[error(
        "`{0}` is no name for a schema; use small letters, digits and `_`, at most 63, and begin with a letter other than pg_"
    )]
    Schema(String),
    /// The database cannot be reached, or does not take connections for now.
    #[error("PostgreSQL at {address} is not there; start it, or correct the database URL")]
    Unreachable {
        /// Host, port and database.
        address: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// The server does not let us in.
    #[error(
        "PostgreSQL at {address} refuses the connection; correct user, password and database in the database URL"
    )]
    Refused {
        /// Host, port and database.
        address: String,
        /// What the server says.
        #[source]
        source: sqlx::Error,
    },
    /// The schema was written by a newer version of this program.
    #[error(
        "schema `{schema}` was written by a newer version (migration {version}); run that version or choose another schema with database.schema"
    )]
    TooNew {
        /// The schema.
        schema: String,
        /// The first migration in it that is not known here.
        version: i64,
    },
    /// The schema is not up to date, and is not to be brought up to date at start.
    #[error(
        "schema `{0}` is not up to date and database.auto_migrate is off; run `parlor migrate` first"
    )]
    Behind(String),
    /// The role may not migrate.
    #[error(
        "schema `{schema}` is not up to date and the role may not change it; run `parlor migrate` as a role that may, and grant this one its rights"
    )]
    MayNotMigrate {
        /// The schema.
        schema: String,
        /// What the server says.
        #[source]
        source: MigrateError,
    },
    /// The role may not use the schema.
    #[error("the role has no rights in schema `{schema}`; grant them as the documentation says")]
    NotGranted {
        /// The schema.
        schema: String,
        /// What the server says.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be looked at.
    #[error("schema `{schema}` cannot be read")]
    Look {
        /// The schema.
        schema: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("schema `{schema}` cannot be brought up to date")]
    Migrate {
        /// The schema.
        schema: String,
        /// What the driver says.
        #[source]
        source: MigrateError,
    },
    /// The functions of the schema cannot be called.
    #[error("schema `{schema}` cannot be used")]
    Use {
        /// The schema.
        schema: String,
        /// What the store says.
        #[source]
        source: StoreError,
    },
}

impl PostgresError {
    /// Whether the database may be back by itself.
    pub fn is_passing(&self) -> bool {
        let passing = |error: &sqlx::Error| match error {
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| rows::is_passing(&code))
            }
            sqlx::Error::Configuration(_) => false,
            _ => true,
        };
        match self {
            Self::Unreachable { .. } => true,
            Self::Look { source, .. } => passing(source),
            Self::Migrate {
                source: MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
                ..
            } => passing(error),
            Self::Use { source, .. } => matches!(source, StoreError::Unavailable(_)),
            _ => false,
        }
    }
}

impl PostgresStore {
    /// Opens a database and brings its schema up to date, unless that is turned off.
    ///
    /// A database that is away is no error: the store says so to whoever asks it, looks for the
    /// database about once a second, and works when it is there. Connections that are lost later
    /// are made again when they are needed.
    ///
    /// # Errors
    /// A [`PostgresError`] says what to do about what does not pass by itself.
    pub async fn open(url: &str, settings: &PostgresSettings) -> Result<Self, PostgresError> {
        let inner = Inner::new(url, settings)?;
        match inner.bring_up().await {
            Ok(()) => {}
            Err(error) if error.is_passing() => {
                tracing::warn!(address = %inner.address, error = %ErrorChain(&error), "waiting for the database");
                tokio::spawn(look_for(Arc::downgrade(&inner)));
            }
            Err(error) => return Err(error),
        }
        Ok(Self { inner })
    }

    /// The same for who does not want to wait: a database that is away is an error.
    ///
    /// # Errors
    /// A [`PostgresError`] says what to do.
    pub async fn open_now(url: &str, settings: &PostgresSettings) -> Result<Self, PostgresError> {
        let inner = Inner::new(url, settings)?;
        inner.bring_up().await?;
        Ok(Self { inner })
    }

    /// Brings a schema up to date, and makes it if there is none, whatever `auto_migrate` says.
    ///
    /// # Errors
    /// A [`PostgresError`] says what to do.
    pub async fn migrate(url: &str, settings: &PostgresSettings) -> Result<(), PostgresError> {
        let inner = Inner::new(url, settings)?;
        let mut connection = inner.connect().await?;
        if inner.schema.state(&mut connection).await? == State::Behind {
            inner.schema.migrate(&mut connection).await?;
        }
        let _ = connection.close().await;
        Ok(())
    }

    /// Host, port and database, without user and password.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Whether row-level security binds the role of this store's connections.
    ///
    /// # Errors
    /// When the database does not say.
    pub async fn rights(&self) -> Result<Rights, StoreError> {
        let found = self.inner.run(&self.inner.statements.rights, arguments![], Repeatable::Yes);
        let found = found.await?;
        let row = one(&found)?;
        Ok(Rights {
            role: required(row, "role")?.to_owned(),
            bypasses_row_security: column(row, "bypasses")?,
            server_version: required(row, "version")?.to_owned(),
        })
    }

    /// Whether notifications sent over one connection reach another one, as several servers on one
    /// database need it. Waits a few seconds for one.
    ///
    /// # Errors
    /// When none can be sent.
    pub async fn hears_notifications(&self) -> Result<bool, StoreError> {
        let (peers, name) = (self.listener(), peers::random_name()?);
        let mut deliveries = peers.join(&name).await;
        peers.send(&name, Bytes::from_static(b"heard")).await?;
        let heard = tokio::time::timeout(NOTIFICATION, deliveries.next()).await;
        Ok(matches!(heard, Ok(Some(Delivery::Message(_)))))
    }

    fn listener(&self) -> PostgresPeers {
        let Inner { listen, connect_timeout, .. } = &*self.inner;
        PostgresPeers::new(self.clone(), listen.clone(), *connect_timeout)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }
}

/// Looks for a database that is away until it is there, or nobody needs it any more.
async fn look_for(inner: std::sync::Weak<Inner>) {
    let mut pause = SEARCH[0];
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SEARCH[1]);
        let Some(inner) = inner.upgrade() else { return };
        match inner.bring_up().await {
            Ok(()) => {
                tracing::info!(address = %inner.address, "the database is there");
                return;
            }
            Err(error) if error.is_passing() => {
                tracing::debug!(address = %inner.address, error = %ErrorChain(&error), "still no database");
            }
            // It came back another one. The operator sees to it, and we look again.
            Err(error) => {
                tracing::error!(address = %inner.address, error = %ErrorChain(&error), "the database cannot be used");
            }
        }
    }
}

/// Not up yet.
#[derive(Debug, thiserror::Error)]
#[error("the database has not been reached yet")]
struct NotUp;

impl Inner {
    fn new(url: &str, settings: &PostgresSettings) -> Result<Arc<Self>, PostgresError> {
        let schema = Schema::new(&settings.schema)?;
        let millis = |duration: Duration| duration.as_millis().max(1).to_string();
        let options = PgConnectOptions::from_str(url).map_err(PostgresError::Url)?;
        let address = format!(
            "{}:{}/{}",
            options.get_socket().map_or(options.get_host().to_owned(), |p| p.display().to_string()),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        );
        let options = sqlx::ConnectOptions::disable_statement_logging(
            options.application_name("parlor").options([
                ("statement_timeout", millis(settings.statement_timeout)),
                ("lock_timeout", millis(settings.lock_timeout)),
            ]),
        );
        let listen = match &settings.listen_url {
            Some(url) => {
                let url = url.expose_secret();
                PgConnectOptions::from_str(url).map_err(PostgresError::ListenUrl)?
            }
            None => options.clone(),
        };
        let patience = Patience {
            connect: settings.connect_timeout,
            // The server's own time-outs come first and keep the connection.
            operation: settings.statement_timeout + Duration::from_secs(2),
        };
        Ok(Arc::new(Self {
            listen: sqlx::ConnectOptions::disable_statement_logging(listen),
            connect_timeout: settings.connect_timeout,
            pool: Pool::new(options, settings.connections, patience),
            statements: Statements::new(&schema),
            schema,
            auto_migrate: settings.auto_migrate,
            warm: WARM.min(settings.connections),
            address,
            up: AtomicBool::new(false),
        }))
    }

    async fn connect(&self) -> Result<PgConnection, PostgresError> {
        self.pool.connect().await.map_err(|source| {
            let address = self.address.clone();
            // Wrong user, password or database; all else may pass.
            let refused = match &source {
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    code.starts_with("28") || code == "3D000" || code == "42501"
                }),
                sqlx::Error::Configuration(_) => true,
                _ => false,
            };
            if refused {
                PostgresError::Refused { address, source }
            } else {
                PostgresError::Unreachable { address, source }
            }
        })
    }

    /// Connects, sees to the schema, and makes the first connections so warm that the first
    /// request is as fast as the next.
    async fn bring_up(self: &Arc<Self>) -> Result<(), PostgresError> {
        let mut connection = self.connect().await?;
        if self.schema.state(&mut connection).await? == State::Behind {
            if !self.auto_migrate {
                return Err(PostgresError::Behind(self.schema.as_str().to_owned()));
            }
            self.schema.migrate(&mut connection).await?;
        }
        let unusable =
            |source| PostgresError::Use { schema: self.schema.as_str().to_owned(), source };
        warm_up(&self.statements, &mut connection).await.map_err(unusable)?;
        self.pool.add(connection);
        for _ in 1..self.warm {
            let mut connection = self.connect().await?;
            warm_up(&self.statements, &mut connection).await.map_err(unusable)?;
            self.pool.add(connection);
        }
        self.up.store(true, Ordering::Release);
        let store = PostgresStore { inner: Arc::clone(self) };
        let rights = store.rights().await.map_err(unusable)?;
        if rights.bypasses_row_security {
            tracing::warn!(
                role = rights.role,
                "row-level security does not bind this role; connect as one that is no superuser"
            );
        }
        Ok(())
    }

    async fn run(
        &self,
        statement: &Arc<str>,
        arguments: Result<PgArguments, StoreError>,
        repeatable: Repeatable,
    ) -> Result<Vec<PgRow>, StoreError> {
        if !self.up.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable(Box::new(NotUp)));
        }
        self.pool.run(statement, arguments?, repeatable).await
    }

    /// Runs a statement that only reads.
    async fn read(
        &self,
        statement: &Arc<str>,
        arguments: Result<PgArguments, StoreError>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement, arguments, Repeatable::Yes).await
    }

    /// Runs a statement that writes.
    async fn write(
        &self,
        statement: &Arc<str>,
        arguments: Result<PgArguments, StoreError>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement, arguments, Repeatable::No).await
    }
}

/// The statements, with the schema's name in them.
macro_rules! statements {
    ($($name:ident: $sql:expr;)*) => {
        #[derive(Debug)]
        struct Statements {
            $($name: Arc<str>,)*
        }

        impl Statements {
            fn new(schema: &Schema) -> Self {
                Self { $($name: $sql.replace("{}", schema.as_str()).into(),)* }
            }
        }
    };
}

statements! {
    get_thread: concat!("SELECT ", THREAD_COLUMNS!(), " FROM {}.get_thread($1, $2, $3)");
    list_threads: concat!(
        "SELECT ", THREAD_COLUMNS!(), " FROM {}.list_threads($1, $2, $3, $4, $5)"
    );
    rename_thread: concat!(
        "SELECT ", THREAD_COLUMNS!(), " FROM {}.rename_thread($1, $2, $3, $4)"
    );
    title_thread: concat!(
        "SELECT ", THREAD_COLUMNS!(), " FROM {}.title_thread($1, $2, $3, $4, $5)"
    );
    delete_thread: "SELECT {}.delete_thread($1, $2, $3) AS done";
    get_item: "SELECT body FROM {}.get_item($1, $2, $3, $4) AS body";
    list_items: "SELECT body FROM {}.list_items($1, $2, $3, $4, $5, $6, $7) AS body";
    list_turn_items: "SELECT body FROM {}.list_turn_items($1, $2, $3, $4) AS body";
    set_feedback: "SELECT {}.set_feedback($1, $2, $3, $4, $5, $6) AS done";
    replace_item: "SELECT outcome, status FROM {}.replace_item($1, $2, $3, $4, $5, $6, $7)";
    turn_by_key: "SELECT turn, thread, state FROM {}.turn_by_key($1, $2, $3)";
    begin_turn: concat!(
        "SELECT outcome, next_seq, turn, holder, state, bodies, ", THREAD_COLUMNS!(),
        " FROM {}.begin_turn($1, $2, $3, $4, $5, $6 * interval '1 ms', $7, $8, $9, $10, $11, $12, \
         $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)"
    );
    write_turn: "SELECT {}.write_turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
                 $14, $15, $16, $17, $18) AS done";
    create_attachment: "SELECT {}.create_attachment($1, $2, $3, $4, $5, $6, $7, $8, $9::text::numeric) AS done";
    get_attachments: concat!(
        "SELECT ", ATTACHMENT_COLUMNS!(), " FROM {}.get_attachments($1, $2, $3)"
    );
    complete_attachment: concat!(
        "SELECT ", ATTACHMENT_COLUMNS!(), " FROM {}.complete_attachment($1, $2, $3, $4, $5, $6)"
    );
    keep_attachment: "SELECT {}.keep_attachment($1, $2, $3, $4) AS done";
    delete_attachment: "SELECT {}.delete_attachment($1, $2, $3) AS outcome";
    forget_attachment: "SELECT {}.forget_attachment($1, $2, $3)";
    attachment_owner: "SELECT tenant, usr FROM {}.attachment_owner($1)";
    expire_attachments: "SELECT {}.expire_attachments($1) AS count";
    doomed_attachments: "SELECT tenant, usr, id, stored_for FROM {}.doomed_attachments($1, $2)";
    list_feedback: "SELECT tenant, usr, thread, item, kind, given_at, body, question FROM \
                    {}.list_feedback($1, $2, $3)";
    get_thread_and_turn: concat!(
        "SELECT ", THREAD_COLUMNS!(), ", turn, state, holder, alive FROM \
         {}.get_thread_and_turn($1, $2, $3, $4 * interval '1 ms')"
    );
    held_turn: "SELECT turn, state, holder, alive FROM \
                {}.held_turn($1, $2, $3, $4, $5 * interval '1 ms')";
    notify: "SELECT pg_notify(channel, part) FROM unnest($1, $2) AS parts (channel, part)";
    keep_alive: "SELECT {}.keep_alive($1, $2 * interval '1 ms')";
    interrupt_orphans: "SELECT {}.interrupt_orphans($1, $2 * interval '1 ms', $3) AS count";
    begin_login: "SELECT {}.begin_login($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    get_login: concat!("SELECT ", LOGIN_COLUMNS!(), " FROM {}.get_login($1, $2)");
    extend_login: "SELECT {}.extend_login($1, $2)";
    claim_refresh: "SELECT {}.claim_refresh($1, $2, $3) AS done";
    refresh_login: "SELECT {}.refresh_login($1, $2, $3, $4) AS done";
    end_login: concat!("SELECT ", LOGIN_COLUMNS!(), " FROM {}.end_login($1)");
    sweep_logins: "SELECT {}.sweep_logins($1, $2) AS count";
    list_files: concat!("SELECT ", ATTACHMENT_COLUMNS!(), " FROM {}.list_files($1, $2, $3, $4)");
    list_thread_feedback: "SELECT item, kind, given_at FROM {}.list_thread_feedback($1, $2, $3)";
    list_logins: concat!("SELECT ", LOGIN_COLUMNS!(), " FROM {}.list_logins($1, $2, $3, $4)");
    count_holdings: "SELECT threads, files, logins, doomed FROM {}.count_holdings($1, $2)";
    erase_owner: "SELECT threads, turns, items, feedback, files, logins, others, more FROM \
                  {}.erase_owner($1, $2, $3, $4, $5, $6)";
    doomed_of_owner: "SELECT tenant, usr, id, stored_for FROM {}.doomed_of_owner($1, $2, $3, $4)";
    list_tenants: "SELECT tenant FROM {}.list_tenants($1, $2) AS tenant";
    count_aged: "SELECT threads, oldest_thread, files, oldest_file, bytes FROM \
                 {}.count_aged($1, $2, $3)";
    expire_threads: "SELECT looked_at, threads, files FROM {}.expire_threads($1, $2, $3, $4)";
    expire_sent_files: "SELECT {}.expire_sent_files($1, $2, $3) AS count";
    add_audit: "SELECT {}.add_audit($1, $2, $3, $4, $5, $6)";
    list_audit: "SELECT id, at, act, actor, subject, tenant, counts FROM \
                 {}.list_audit($1, $2, $3, $4)";
    move_visitor: "SELECT outcome, threads, files, remaining FROM \
                   {}.move_visitor($1, $2, $3, $4, $5)";
    visitor_has_moved: "SELECT {}.visitor_has_moved($1, $2) AS done";
    unfinished_moves: "SELECT tenant, visitor, usr FROM {}.unfinished_moves($1, $2)";
    charge: "SELECT refused, place, remaining, warn, second FROM {}.charge($1, $2, $3, $4, $5, $6, \
             $7, $8, $9 * interval '1 ms', $10, $11, $12)";
    settle: "SELECT {}.settle($1, $2, $3, $4, $5, $6)";
    tally: "SELECT newest, counts FROM {}.tally($1, $2, $3, $4, $5)";
    sweep_limits: "SELECT {}.sweep_limits($1, $2 * interval '1 ms', $3, $4) AS count";
    add_usage: "SELECT {}.add_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    list_usage: "SELECT tenant, usr, model, turns, requests, input, cached, output, cost, unpriced \
                 FROM {}.list_usage($1, $2, $3, $4, $5, $6, $7)";
    expire_usage: "SELECT {}.expire_usage($1, $2) AS count";
    keep_grant: "SELECT {}.keep_grant($1, $2, $3, $4, $5, $6, $7, $8)";
    get_grant: concat!("SELECT ", GRANT_COLUMNS!(), " FROM {}.get_grant($1, $2, $3)");
    list_grants: concat!("SELECT ", GRANT_COLUMNS!(), " FROM {}.list_grants($1, $2)");
    claim_grant: "SELECT {}.claim_grant($1, $2, $3, $4, $5, $6) AS done";
    refresh_grant: "SELECT {}.refresh_grant($1, $2, $3, $4, $5, $6, $7) AS done";
    end_grant: "SELECT {}.end_grant($1, $2, $3, $4) AS done";
    begin_attempt: "SELECT {}.begin_attempt($1, $2, $3, $4, $5)";
    get_attempt: "SELECT id, tenant_id, user_id, sealed, good_until FROM {}.get_attempt($1, $2)";
    take_attempt: "SELECT id, tenant_id, user_id, sealed, good_until FROM {}.take_attempt($1)";
    sweep_attempts: "SELECT {}.sweep_attempts($1, $2) AS count";
    keep_client: "SELECT {}.keep_client($1, $2, $3)";
    get_client: "SELECT sealed FROM {}.get_client($1, $2)";
    keep_secret: "SELECT {}.keep_secret($1, $2) AS value";
    check: "SELECT current_setting('transaction_read_only') = 'on' AS read_only";
    rights: "SELECT current_user::text AS role, current_setting('server_version') AS version, \
             rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user";
}

fn get_thread_arguments(owner: &Owner, thread_id: &ThreadId) -> Result<PgArguments, StoreError> {
    arguments![owner.tenant().as_str(), owner.user().as_str(), known(thread_id.as_str())]
}

fn thread_and_turn_arguments(
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<PgArguments, StoreError> {
    arguments![owner.tenant().as_str(), owner.user().as_str(), known(thread_id.as_str()), lease()]
}

fn list_threads_arguments(owner: &Owner, query: &PageQuery) -> Result<PgArguments, StoreError> {
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        query.after.as_deref().map(known),
        query.order == Order::Asc,
        i64::from(query.limit) + 1,
    ]
}

fn list_items_arguments(
    owner: &Owner,
    thread_id: &ThreadId,
    query: &PageQuery,
    visibility: Visibility,
) -> Result<PgArguments, StoreError> {
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        known(thread_id.as_str()),
        query.after.as_deref().map(known),
        query.order == Order::Asc,
        visibility == Visibility::All,
        i64::from(query.limit) + 1,
    ]
}

fn turn_by_key_arguments(owner: &Owner, key: &str) -> Result<PgArguments, StoreError> {
    arguments![owner.tenant().as_str(), owner.user().as_str(), known(key)]
}

fn begin_arguments(
    owner: &Owner,
    begin: &BeginTurn<'_>,
    settled: &[ThreadItem],
) -> Result<PgArguments, StoreError> {
    let opening = ItemRow::all(begin.opening)?;
    let mut changed = ItemRow::all(begin.changed)?;
    changed.extend(ItemRow::all(settled)?);
    let says_something =
        begin.opening.iter().any(|item| matches!(item, ThreadItem::UserMessage(_)));
    let (thread_id, created_at, new) = match &begin.thread {
        TurnThread::New(thread) => {
            (&thread.id, Some(thread.created_at.as_datetime()), Some(ThreadRow::new(thread)?))
        }
        TurnThread::Existing(thread_id) => (thread_id, None, None),
    };
    let (opening, changed) = (ItemColumns::new(&opening), ItemColumns::new(&changed));
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        known(thread_id.as_str()),
        begin.turn_id.as_str(),
        begin.holder,
        lease(),
        begin.idempotency_key,
        begin.now.as_datetime(),
        says_something,
        new.as_ref().and_then(|thread| thread.title.as_deref()).map(storable),
        created_at,
        new.as_ref().map(|thread| thread.active),
        new.as_ref().map(|thread| thread.status.as_str()),
        new.as_ref().and_then(|thread| thread.allowed_image_domains.as_deref()),
        new.as_ref().map(|thread| thread.metadata.as_str()),
        opening.ids,
        opening.hidden,
        opening.waiting,
        opening.bodies,
        changed.ids,
        changed.hidden,
        changed.waiting,
        changed.bodies,
        attachments_of(begin.opening).into_iter().map(known).collect::<Vec<_>>(),
    ]
}

fn write_arguments(
    owner: &Owner,
    turn: &TurnKey,
    end: Option<(TurnState, Timestamp)>,
    writes: &[ItemWrite],
) -> Result<PgArguments, StoreError> {
    let (mut kinds, mut seqs, mut pending, mut items) = (vec![], vec![], vec![], vec![]);
    // Each says all of the thread: the last one wins.
    let mut thread = None;
    for write in writes {
        let (kind, seq, is_pending, item) = match write {
            ItemWrite::Put { seq, item, state } => {
                ("put", *seq, *state == ItemState::Pending, ItemRow::new(item)?)
            }
            ItemWrite::Replace(item) => ("replace", 0, false, ItemRow::new(item)?),
            ItemWrite::Remove(item_id) => {
                let id = item_id.clone();
                (
                    "remove",
                    0,
                    false,
                    ItemRow { id, hidden: false, waiting: false, body: String::new() },
                )
            }
            ItemWrite::Thread(row) => {
                thread = Some(ThreadRow::new(row)?);
                continue;
            }
        };
        kinds.push(kind);
        seqs.push(seq);
        pending.push(is_pending);
        items.push(item);
    }
    let items = ItemColumns::new(&items);
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        known(turn.thread_id.as_str()),
        known(turn.turn_id.as_str()),
        end.map(|(state, _)| state.as_str()),
        end.map(|(_, now)| now.as_datetime()),
        kinds,
        seqs,
        items.ids,
        items.hidden,
        pending,
        items.waiting,
        items.bodies,
        thread.as_ref().and_then(|thread| thread.title.as_deref()).map(storable),
        thread.as_ref().map(|thread| thread.active),
        thread.as_ref().map(|thread| thread.status.as_str()),
        thread.as_ref().and_then(|thread| thread.allowed_image_domains.as_deref()),
        thread.as_ref().map(|thread| thread.metadata.as_str()),
    ]
}

/// Items as the arrays that a function takes.
struct ItemColumns<'a> {
    ids: Vec<&'a str>,
    hidden: Vec<bool>,
    waiting: Vec<bool>,
    bodies: Vec<&'a str>,
}

impl<'a> ItemColumns<'a> {
    fn new(items: &'a [ItemRow]) -> Self {
        Self {
            ids: items.iter().map(|item| known(item.id.as_str())).collect(),
            hidden: items.iter().map(|item| item.hidden).collect(),
            waiting: items.iter().map(|item| item.waiting).collect(),
            bodies: items.iter().map(|item| item.body.as_str()).collect(),
        }
    }
}

/// An id to look for. PostgreSQL has no text with U+0000 in it, so there is none with such an id,
/// nor one with this.
fn known(id: &str) -> &str {
    if id.contains('\0') { "\u{FFFD}" } else { id }
}

/// Text for people, without what PostgreSQL cannot hold.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// In milliseconds.
fn lease() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

/// The row of a function that always gives one.
fn one(rows: &[PgRow]) -> Result<&PgRow, StoreError> {
    rows.first().ok_or_else(|| StoreError::Failed(Box::new(sqlx::Error::RowNotFound)))
}

/// The turn in a row; `None` for a row without one.
fn held(row: &PgRow) -> Result<Option<HeldTurn>, StoreError> {
    let Some(turn_id) = text(row, "turn")? else { return Ok(None) };
    Ok(Some(HeldTurn {
        turn_id: TurnId::new(turn_id),
        state: TurnState::from_name(required(row, "state")?).unwrap_or(TurnState::Interrupted),
        holder: required(row, "holder")?.to_owned(),
        holder_is_alive: column(row, "alive")?,
    }))
}

/// What a function that says whether it was done has said.
fn done(rows: &[PgRow]) -> Result<bool, StoreError> {
    column(one(rows)?, "done")
}

/// How many a function has counted.
fn count(rows: &[PgRow]) -> Result<u64, StoreError> {
    let count: i64 = column(one(rows)?, "count")?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn first_thread(rows: &[PgRow]) -> Result<Option<ThreadMetadata>, StoreError> {
    Ok(rows.first().map(thread).transpose()?.flatten())
}

fn recorded(row: &PgRow, columns: [&str; 3]) -> Result<RecordedTurn, StoreError> {
    let [turn, thread, state] = columns;
    Ok(RecordedTurn {
        turn_id: TurnId::new(required(row, turn)?),
        thread_id: ThreadId::new(required(row, thread)?),
        state: TurnState::from_name(required(row, state)?).unwrap_or(TurnState::Interrupted),
    })
}

#[async_trait]
impl Store for PostgresStore {
    async fn thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let arguments = get_thread_arguments(owner, thread_id);
        let found = self.inner.read(&self.inner.statements.get_thread, arguments).await?;
        first_thread(&found)
    }

    async fn threads(
        &self,
        owner: &Owner,
        query: &PageQuery,
    ) -> Result<Option<Page<ThreadMetadata>>, StoreError> {
        let arguments = list_threads_arguments(owner, query);
        let found = self.inner.read(&self.inner.statements.list_threads, arguments).await?;
        // The first row says that there is such a list; it has no thread.
        if found.is_empty() {
            return Ok(None);
        }
        let data =
            found.iter().filter_map(|row| thread(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Some(page(data, query.limit as usize, |thread: &ThreadMetadata| {
            Some(thread.id.to_string())
        })))
    }

    async fn rename_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: &str,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            storable(title),
        ];
        let found = self.inner.write(&self.inner.statements.rename_thread, arguments).await?;
        first_thread(&found)
    }

    async fn title_thread(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        title: ThreadTitle<'_>,
    ) -> Result<Option<ThreadMetadata>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            storable(title.title),
            title.instead_of.map(storable),
        ];
        let found = self.inner.write(&self.inner.statements.title_thread, arguments).await?;
        first_thread(&found)
    }

    async fn delete_thread(&self, owner: &Owner, thread_id: &ThreadId) -> Result<bool, StoreError> {
        let arguments = get_thread_arguments(owner, thread_id);
        done(&self.inner.write(&self.inner.statements.delete_thread, arguments).await?)
    }

    async fn item(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_id: &ItemId,
    ) -> Result<Option<ThreadItem>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            known(item_id.as_str()),
        ];
        let found = self.inner.read(&self.inner.statements.get_item, arguments).await?;
        Ok(found.first().map(item).transpose()?.flatten())
    }

    async fn items(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        query: &PageQuery,
        visibility: Visibility,
    ) -> Result<Option<Page<ThreadItem>>, StoreError> {
        let arguments = list_items_arguments(owner, thread_id, query, visibility);
        let found = self.inner.read(&self.inner.statements.list_items, arguments).await?;
        // As with threads: the first row has no item.
        if found.is_empty() {
            return Ok(None);
        }
        let data =
            found.iter().filter_map(|row| item(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Some(page(data, query.limit as usize, |item: &ThreadItem| {
            item.id().map(|id| id.to_string())
        })))
    }

    async fn turn_items(
        &self,
        owner: &Owner,
        turn: &TurnKey,
    ) -> Result<Vec<ThreadItem>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(turn.thread_id.as_str()),
            known(turn.turn_id.as_str()),
        ];
        let found = self.inner.read(&self.inner.statements.list_turn_items, arguments).await?;
        found.iter().filter_map(|row| item(row).transpose()).collect()
    }

    async fn set_feedback(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        item_ids: &[ItemId],
        kind: FeedbackKind,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let wanted: std::collections::BTreeSet<&str> =
            item_ids.iter().map(|id| known(id.as_str())).collect();
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            Vec::from_iter(wanted),
            kind_name(kind),
            now.as_datetime(),
        ];
        done(&self.inner.write(&self.inner.statements.set_feedback, arguments).await?)
    }

    async fn feedback(&self, query: &FeedbackQuery) -> Result<Vec<FeedbackRecord>, StoreError> {
        let (after, item_id) = match &query.after {
            Some(cursor) => (cursor.given_at.as_datetime(), known(cursor.item_id.as_str())),
            // Before every item of that time.
            None => (query.since.map_or(DateTime::UNIX_EPOCH, Timestamp::as_datetime), ""),
        };
        let arguments = arguments![after, item_id, i64::from(query.limit)];
        let found = self.inner.read(&self.inner.statements.list_feedback, arguments).await?;
        found.iter().map(feedback).collect()
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
        let item = ItemRow::new(item)?;
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            known(item.id.as_str()),
            item.hidden,
            item.waiting,
            item.body.as_str(),
        ];
        let found = self.inner.write(&self.inner.statements.replace_item, arguments).await?;
        let row = one(&found)?;
        Ok(match required(row, "outcome")? {
            "replaced" => ReplaceOutcome::Replaced,
            "not_active" => ReplaceOutcome::NotActive(json(row, "status", "thread status")?),
            _ => ReplaceOutcome::NotFound,
        })
    }

    async fn turn_by_key(
        &self,
        owner: &Owner,
        idempotency_key: &str,
    ) -> Result<Option<RecordedTurn>, StoreError> {
        let arguments = turn_by_key_arguments(owner, idempotency_key);
        let found = self.inner.read(&self.inner.statements.turn_by_key, arguments).await?;
        found.first().map(|row| recorded(row, ["turn", "thread", "state"])).transpose()
    }

    async fn begin_turn(
        &self,
        owner: &Owner,
        begin: BeginTurn<'_>,
    ) -> Result<BeginOutcome, StoreError> {
        let mut settled = Vec::new();
        for _ in 0..SETTLE_ATTEMPTS {
            let arguments = begin_arguments(owner, &begin, &settled);
            let found = self.inner.write(&self.inner.statements.begin_turn, arguments).await?;
            let row = one(&found)?;
            return Ok(match required(row, "outcome")? {
                "begun" => {
                    let thread = thread(row)?;
                    let thread = thread
                        .ok_or_else(|| StoreError::Failed(Box::new(sqlx::Error::RowNotFound)))?;
                    BeginOutcome::Begun { thread, next_seq: column(row, "next_seq")?, settled }
                }
                "attachment_lost" => BeginOutcome::AttachmentLost,
                "repeated" => BeginOutcome::Repeated(recorded(row, ["turn", "holder", "state"])?),
                "not_active" => {
                    BeginOutcome::NotActive(json::<ThreadStatus>(row, "status", "thread status")?)
                }
                "busy" => BeginOutcome::Busy {
                    turn_id: TurnId::new(required(row, "turn")?),
                    holder: required(row, "holder")?.to_owned(),
                },
                "settle" => {
                    let bodies: Vec<String> = column(row, "bodies")?;
                    for body in bodies {
                        let waiting = crate::record::parse("thread item", &body)?;
                        if let ThreadItem::ClientToolCall(mut call) = waiting {
                            call.status = ClientToolCallStatus::Completed;
                            settled.push(ThreadItem::ClientToolCall(call));
                        }
                    }
                    continue;
                }
                _ => BeginOutcome::NotFound,
            });
        }
        Err(StoreError::Unavailable(Box::new(sqlx::Error::RowNotFound)))
    }

    async fn write(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        writes: &[ItemWrite],
    ) -> Result<(), StoreError> {
        let arguments = write_arguments(owner, turn, None, writes);
        let found = self.inner.write(&self.inner.statements.write_turn, arguments).await?;
        if done(&found)? { Ok(()) } else { Err(StoreError::TurnLost(turn.turn_id.clone())) }
    }

    async fn end_turn(
        &self,
        owner: &Owner,
        turn: &TurnKey,
        state: TurnState,
        writes: &[ItemWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let arguments = write_arguments(owner, turn, Some((state, now)), writes);
        let found = self.inner.write(&self.inner.statements.write_turn, arguments).await?;
        if done(&found)? { Ok(()) } else { Err(StoreError::TurnLost(turn.turn_id.clone())) }
    }

    fn lease(&self) -> Option<Duration> {
        Some(LEASE)
    }

    async fn keep_alive(&self, holder: &str) -> Result<(), StoreError> {
        let arguments = arguments![holder, lease()];
        self.inner.write(&self.inner.statements.keep_alive, arguments).await.map(drop)
    }

    fn peers(&self) -> Option<Arc<dyn Peers>> {
        Some(Arc::new(self.listener()))
    }

    async fn held_turn(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        turn_id: Option<&TurnId>,
    ) -> Result<Option<HeldTurn>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            known(thread_id.as_str()),
            turn_id.map(|turn_id| known(turn_id.as_str())),
            lease(),
        ];
        let found = self.inner.read(&self.inner.statements.held_turn, arguments).await?;
        Ok(found.first().map(held).transpose()?.flatten())
    }

    async fn thread_and_turn(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<(ThreadMetadata, Option<HeldTurn>)>, StoreError> {
        let arguments = thread_and_turn_arguments(owner, thread_id);
        let found = self.inner.read(&self.inner.statements.get_thread_and_turn, arguments).await?;
        let Some(row) = found.first() else { return Ok(None) };
        Ok(thread(row)?.map(|thread| held(row).map(|held| (thread, held))).transpose()?)
    }

    async fn interrupt_orphans(&self, holder: &str, now: Timestamp) -> Result<u64, StoreError> {
        let arguments = arguments![holder, lease(), now.as_datetime()];
        let found = self.inner.write(&self.inner.statements.interrupt_orphans, arguments).await?;
        count(&found)
    }

    async fn create_attachment(
        &self,
        owner: &Owner,
        record: &AttachmentRecord,
        quota: UnsentQuota,
    ) -> Result<bool, StoreError> {
        let arguments = attachments::create_arguments(owner, record, quota);
        done(&self.inner.write(&self.inner.statements.create_attachment, arguments).await?)
    }

    async fn attachments(
        &self,
        owner: &Owner,
        ids: &[AttachmentId],
    ) -> Result<Vec<AttachmentRecord>, StoreError> {
        let ids: Vec<&str> = ids.iter().map(|id| known(id.as_str())).collect();
        let arguments = arguments![owner.tenant().as_str(), owner.user().as_str(), ids];
        let found = self.inner.read(&self.inner.statements.get_attachments, arguments).await?;
        found.iter().map(attachments::record).collect()
    }

    async fn complete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
        uploaded: &UploadedFile,
    ) -> Result<Option<AttachmentRecord>, StoreError> {
        let arguments = attachments::complete_arguments(owner, id, uploaded);
        let found = self.inner.write(&self.inner.statements.complete_attachment, arguments).await?;
        found.first().map(attachments::record).transpose()
    }

    async fn keep_attachment(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        id: &AttachmentId,
    ) -> Result<bool, StoreError> {
        let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
        let arguments = arguments![tenant, user, known(thread_id.as_str()), known(id.as_str())];
        done(&self.inner.write(&self.inner.statements.keep_attachment, arguments).await?)
    }

    async fn delete_attachment(
        &self,
        owner: &Owner,
        id: &AttachmentId,
    ) -> Result<DeleteAttachmentOutcome, StoreError> {
        let arguments = attachments::arguments_of(owner, id);
        let found = self.inner.write(&self.inner.statements.delete_attachment, arguments).await?;
        Ok(match required(one(&found)?, "outcome")? {
            "deleted" => DeleteAttachmentOutcome::Deleted,
            "sent" => DeleteAttachmentOutcome::Sent,
            _ => DeleteAttachmentOutcome::NotFound,
        })
    }

    async fn attachment_owner(&self, link: &SignedLink) -> Result<Option<Owner>, StoreError> {
        let arguments = arguments![known(link.attachment_id().as_str())];
        let found = self.inner.read(&self.inner.statements.attachment_owner, arguments).await?;
        found.first().map(attachments::owner).transpose()
    }

    async fn expire_attachments(&self, before: Timestamp) -> Result<u64, StoreError> {
        let arguments = arguments![before.as_datetime()];
        let found = self.inner.write(&self.inner.statements.expire_attachments, arguments).await?;
        count(&found)
    }

    async fn doomed_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError> {
        let arguments = arguments![after.map_or("", AttachmentId::as_str), i64::from(limit)];
        let found = self.inner.read(&self.inner.statements.doomed_attachments, arguments).await?;
        found.iter().map(attachments::doomed).collect()
    }

    async fn forget_attachment(&self, owner: &Owner, id: &AttachmentId) -> Result<(), StoreError> {
        let arguments = attachments::arguments_of(owner, id);
        self.inner.write(&self.inner.statements.forget_attachment, arguments).await.map(drop)
    }

    async fn secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let arguments = arguments![name, fresh];
        let found = self.inner.write(&self.inner.statements.keep_secret, arguments).await?;
        column(one(&found)?, "value")
    }

    async fn check(&self) -> Result<(), StoreError> {
        let found = self.inner.read(&self.inner.statements.check, arguments![]).await?;
        if column(one(&found)?, "read_only")? {
            return Err(StoreError::Unavailable("the database is read-only".into()));
        }
        Ok(())
    }
}
