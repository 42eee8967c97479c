//! A server that runs: built, bound, served, shut down.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use parlor_chatkit::{
    AttachmentReadError, Attachments, ChatKit, ChatKitError, Clock as _, ErrorChain, StoreError,
    SystemClock,
};
use parlor_store::{
    FileStore, GrantStore, LimitStore, LoginStore, OpenError, OpenFilesError, OperatorStore,
    PostgresStore, SqliteStore, UsageStore,
};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    app::{self, App, DemoOffers},
    attachments::{FileLinks, Files},
    auth::{AuthKeys, Authenticator, ProviderConfigError, SessionParts, Visitors},
    body::BodyLimits,
    config::{self, AuthMode, Config, Site},
    connect::SignIns,
    connection,
    inspector::Inspector,
    late::{Late, LateIndex},
    limits::Limits,
    metrics::Metrics,
    reload::{ConfigSource, Reloading},
    retention::{DAY, Pace, Retention, jitter},
    routes,
    search::SearchSetup,
    sources::Refresher,
    tenants::{Responders, Shared, TenantResponder},
    usage::UsageLedger,
};

/// How long after the start what is of no more use is deleted for the first time.
const FIRST_SWEEP: Duration = Duration::from_secs(2);

/// How often files that nobody needs are deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How soon a sweep that failed is tried again, at first.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked what is left of visitors who signed in while an answer was under way.
const MOVE_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long after its start a server first deletes what is old, at most.
const RETENTION_JITTER: Duration = Duration::from_secs(5);
/// How often a database that was away at start is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// A server, bound to its address and ready to run.
pub struct Server {
    listener: TcpListener,
    router: Router,
    chatkit: ChatKit,
    metrics: Option<Metrics>,
    /// Where logins are kept, in the mode that has some.
    logins: Option<Arc<dyn LoginStore>>,
    /// Visitors, in the modes in which they may become accounts.
    visitors: Option<Visitors>,
    /// How long things are kept, where that is limited, and who deletes them.
    retention: Option<(Retention, Arc<dyn OperatorStore>)>,
    limits: Option<Limits>,
    /// Servers of tools that users sign in to, where the configuration may name some.
    sign_ins: Option<Arc<SignIns>>,
    /// Who answers, where the configuration says so.
    responders: Option<Arc<Responders>>,
    /// Records what answers took.
    usage: Option<Arc<UsageLedger>>,
    /// How many days such records are kept, where that is limited, and where.
    keep_usage: Option<(u32, Arc<dyn UsageStore>)>,
    /// Looks after the configuration's file.
    reloading: Option<Reloading>,
    /// Keeps documents fresh, where the configuration names sources of some.
    refresher: Option<Refresher>,
    /// Whether AG-UI is spoken, too.
    ag_ui: Arc<AtomicBool>,
    /// Waits for a database that was away at start.
    waiting: Option<Waiting>,
}

/// The store that the configuration names.
enum Opened {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// A task that ends with its owner.
struct Waiting(AbortHandle);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a server could not start: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken.
    #[error(
        "{0} is in use; stop the program that uses it, or choose another address with --listen"
    )]
    AddressInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] parlor_store::OpenError),
    /// The PostgreSQL database cannot be used.
    #[error(transparent)]
    Postgres(#[from] parlor_store::PostgresError),
    /// Turns of an earlier process could not be closed, or the server's own keys not read.
    #[error("the database does not answer")]
    Recover(#[from] ChatKitError),
    /// The agent elsewhere cannot be asked like this.
    #[error("{0}")]
    Agent(String),
    /// The agent elsewhere could never be asked.
    #[error("agent.remote: {0}")]
    AgentSetup(#[from] parlor_agent::remote::RemoteSetupError),
    /// Files cannot be kept.
    #[error("{}", ErrorChain(.0))]
    Files(#[from] OpenFilesError),
    /// The settings for tokens make no sense.
    #[error(transparent)]
    Jwt(#[from] crate::auth::JwtConfigError),
    /// The settings for signing in make no sense.
    #[error(transparent)]
    Session(#[from] crate::auth::ProviderConfigError),
    /// The model's settings make no sense.
    #[error("the model cannot be used: {0}")]
    Model(#[from] parlor_agent::ModelConfigError),
    /// The settings of tools make no sense.
    #[error(transparent)]
    Tools(#[from] crate::tools::ToolsError),
}

impl Server {
    /// Builds the server that the configuration describes.
    ///
    /// # Errors
    /// A [`StartError`] says what to do.
    pub async fn from_config(config: &Config) -> Result<Self, StartError> {
        // The address first: it is the commonest mistake, and nothing is left behind.
        let listener = bind(config.listen).await?;
        // Before the index, which is usually in the same file and has less to say about it.
        let store = if config.is_postgres() {
            let settings = (&config.database).into();
            Opened::Postgres(PostgresStore::open(&config.database_url, &settings).await?)
        } else {
            Opened::Sqlite(SqliteStore::open_patiently(&config.database_url).await?)
        };
        let index = match config.search.enabled {
            true => Some(LateIndex::open(SearchSetup::new(config)?).await),
            false => None,
        };
        let books: Arc<dyn UsageStore> = match &store {
            Opened::Sqlite(store) => Arc::new(store.clone()),
            Opened::Postgres(store) => Arc::new(store.clone()),
        };
        let usage = config
            .usage
            .enabled
            .then(|| Arc::new(UsageLedger::start(Arc::clone(&books), Arc::new(SystemClock))));
        let grants: Arc<dyn GrantStore> = match &store {
            Opened::Sqlite(store) => Arc::new(store.clone()),
            Opened::Postgres(store) => Arc::new(store.clone()),
        };
        let sign_ins = SignIns::new(grants, Arc::new(SystemClock), config.encryption_key());
        let sign_ins = sign_ins.map_err(|_| ProviderConfigError::Encryption)?;
        let shared = Shared {
            search: index.map(|index| Arc::new(index) as _),
            usage_to: usage.clone().map(|ledger| ledger as _),
            sign_ins: Some(Arc::clone(&sign_ins)),
        };
        let responders = Arc::new(Responders::new(config, shared)?);
        let responder = TenantResponder::new(Arc::clone(&responders));
        let mut files = None;
        let storage = match config.files.enabled {
            true => {
                let links = FileLinks::late(config.files.link_lifetime());
                files = Some(Files::new(links.clone()));
                Some((open_files(config, &beside(config)?).await?, links))
            }
            false => None,
        };
        let logins: Arc<dyn LoginStore> = match &store {
            Opened::Sqlite(store) => Arc::new(store.clone()),
            Opened::Postgres(store) => Arc::new(store.clone()),
        };
        let operator: Arc<dyn OperatorStore> = match &store {
            Opened::Sqlite(store) => Arc::new(store.clone()),
            Opened::Postgres(store) => Arc::new(store.clone()),
        };
        let counters: Arc<dyn LimitStore> = match &store {
            Opened::Sqlite(store) => Arc::new(store.clone()),
            Opened::Postgres(store) => Arc::new(store.clone()),
        };
        let builder = match store {
            Opened::Sqlite(store) => ChatKit::builder(store, responder),
            Opened::Postgres(store) => ChatKit::builder(store, responder),
        };
        let inspector = Inspector::new(&config.inspector);
        let builder = match &inspector {
            Some(inspector) => builder.observer(Arc::clone(inspector) as _),
            None => builder,
        };
        let mut chatkit = builder
            .limits((&config.limits).into())
            .on_disconnect(config.turns.on_disconnect.into());
        if let Some((bytes, links)) = storage {
            chatkit = chatkit.attachments(bytes, links, (&config.files).into());
        }
        let chatkit = chatkit.build();
        let visitors =
            |may_ask| Visitors::new(Arc::clone(&operator), Arc::new(SystemClock), may_ask);
        let auth = match config.auth.mode() {
            AuthMode::TrustedHeader => {
                Authenticator::TrustedHeader(config.auth.trusted_header.clone().unwrap_or_default())
            }
            AuthMode::Jwt => {
                let settings = config.auth.jwt.clone().unwrap_or_default();
                let visitors = visitors(settings.anonymous);
                Authenticator::jwt(&settings, visitors)?
            }
            AuthMode::Session => {
                let settings = config.auth.session.clone().unwrap_or_default();
                let parts = SessionParts {
                    logins,
                    clock: Arc::new(SystemClock),
                    public_url: config.server.public_url.clone(),
                    origins: config.site.cors_origins.clone(),
                    visitors: visitors(settings.anonymous),
                };
                Authenticator::session(&settings, parts)?
            }
            AuthMode::Anonymous => {
                Authenticator::Anonymous { key: Late::default(), personas: config.site.demo }
            }
        };
        let app = App {
            chatkit,
            auth,
            bodies: BodyLimits::new(&config.limits),
            site: config.site.clone(),
            public_url: config.server.public_url.clone(),
            limits: Limits::new(config, counters, Arc::new(SystemClock)),
            files,
            demo: DemoOffers {
                dictation: config.dictation.is_enabled(),
                files: config
                    .files
                    .enabled
                    .then_some((config.files.max_per_message, config.files.max_bytes)),
            },
            ag_ui: Arc::new(AtomicBool::new(config.ag_ui.enabled)),
            metrics: Metrics::new(&config.metrics),
            responders: Some(Arc::clone(&responders)),
            sign_ins: Some(sign_ins),
        };
        let mut server = Self::new(listener, app).await?;
        server.responders = Some(responders);
        if let Some(inspector) = inspector {
            tracing::warn!("the inspector is on: it shows what users write at /inspector");
            let pages = routes::inspector::router(inspector, config.inspector.token.clone());
            server.router = server.router.merge(pages);
        }
        server.usage = usage;
        server.keep_usage = (config.usage.keep_days > 0).then_some((config.usage.keep_days, books));
        let retention = Retention::new(config);
        server.retention = retention.is_set().then_some((retention, operator));
        server.refresher = Refresher::new(config, SearchSetup::new(config)?);
        Ok(server)
    }

    /// Binds a ChatKit of your own to an address, for anonymous visitors and without the demo
    /// page. Port 0 takes a free one, which [`local_addr`](Self::local_addr) tells.
    ///
    /// `pages` are routes of your own on the same port, such as the page that shows the chat:
    ///
    /// ```no_run
    /// # async fn example(chatkit: parlor_chatkit::ChatKit) -> anyhow::Result<()> {
    /// use axum::{Router, response::Html, routing::get};
    /// use parlor_server::{Server, stop_signal};
    ///
    /// let pages = Router::new().route("/", get(async || Html("<h1>My page</h1>")));
    /// let server = Server::bind(chatkit, "127.0.0.1:8000", pages).await?;
    /// server.run(stop_signal()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A [`StartError`] says what to do.
    ///
    /// # Panics
    /// When a page has the path of one of the server's own routes, such as `/chatkit`.
    pub async fn bind(chatkit: ChatKit, address: &str, pages: Router) -> Result<Self, StartError> {
        let listener = match address.parse() {
            Ok(address) => bind(address).await?,
            Err(_) => TcpListener::bind(address)
                .await
                .map_err(|source| StartError::Listen { address: address.to_owned(), source })?,
        };
        let auth = Authenticator::Anonymous { key: Late::default(), personas: false };
        let site = Site { demo: false, ..Site::default() };
        let limits = config::Limits {
            audio_bytes: chatkit.limits().audio_bytes,
            ..config::Limits::default()
        };
        let lifetime = config::Files::default().link_lifetime();
        let files = chatkit.attachments().map(|_| Files::new(FileLinks::late(lifetime)));
        let bodies = BodyLimits::new(&limits);
        let demo = DemoOffers::default();
        let app = App {
            chatkit,
            auth,
            bodies,
            site,
            public_url: None,
            limits: None,
            files,
            demo,
            ag_ui: Arc::default(),
            metrics: None,
            responders: None,
            sign_ins: None,
        };
        let mut server = Self::new(listener, app).await?;
        server.router = server.router.merge(pages);
        Ok(server)
    }

    async fn new(listener: TcpListener, app: App) -> Result<Self, StartError> {
        let chatkit = app.chatkit.clone();
        let keys = app.auth.keys();
        let logins = app.auth.sessions().map(|sessions| Arc::clone(sessions.logins()));
        let visitors = app.auth.visitors().cloned();
        let links = app.files.as_ref().map(|files| files.links.clone());
        let limits = app.limits.clone();
        let sign_ins = app.sign_ins.clone();
        let needs = Needs { keys, links, limits: limits.clone(), sign_ins: sign_ins.clone() };
        let waiting = match needs.prepare(&chatkit).await {
            Ok(()) => None,
            // Everything but chat is served in the meantime.
            Err(ChatKitError::Store(StoreError::Unavailable(_))) => {
                let chatkit = chatkit.clone();
                let task = tokio::spawn(async move {
                    while let Err(error) = needs.prepare(&chatkit).await {
                        tracing::debug!(error = %ErrorChain(&error), "not ready yet");
                        tokio::time::sleep(RETRY).await;
                    }
                    tracing::info!("chat is available");
                });
                Some(Waiting(task.abort_handle()))
            }
            Err(error) => return Err(error.into()),
        };
        let metrics = app.metrics.clone();
        let ag_ui = Arc::clone(&app.ag_ui);
        let router = app::router(app);
        let retention = None;
        Ok(Self {
            listener,
            router,
            chatkit,
            metrics,
            logins,
            visitors,
            retention,
            limits,
            sign_ins,
            responders: None,
            usage: None,
            keep_usage: None,
            reloading: None,
            refresher: None,
            ag_ui,
            waiting,
        })
    }

    /// Takes over what the source says anew while the server runs: whenever its file changes, and on
    /// SIGHUP. `config` is what it said when the server was made.
    ///
    /// Models, prompts, agents and tools are taken over; turns under way end with what they began
    /// with. Settings that need a restart are named in the log.
    #[must_use]
    pub fn reloading_from(mut self, source: ConfigSource, config: &Config) -> Self {
        let responders = self.responders.clone();
        self.reloading = responders.map(|responders| Reloading::new(source, config, responders));
        self
    }

    /// Offers the same conversations over AG-UI as well, at `/agui`.
    #[must_use]
    pub fn offer_ag_ui(self) -> Self {
        self.ag_ui.store(true, Ordering::Relaxed);
        self
    }

    /// The address in use; the port is the real one when 0 was asked for.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` completes; then running turns are ended, keeping their partial
    /// text, and open requests are answered.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let _waiting = self.waiting;
        let chatkit = self.chatkit;
        let tasks = [
            chatkit.attachments().cloned().map(|files| {
                tokio::spawn(keep_sweeping("files that nobody needs", move || {
                    let files = files.clone();
                    async move { files.sweep().await }
                }))
            }),
            self.logins.map(|logins| {
                tokio::spawn(keep_sweeping("logins that have ended", move || {
                    let logins = Arc::clone(&logins);
                    async move {
                        let now = SystemClock.now();
                        in_batches(|batch| logins.sweep_logins(now, batch)).await
                    }
                }))
            }),
            self.visitors.map(|visitors| tokio::spawn(keep_moving(visitors))),
            self.retention.map(|(retention, store)| {
                let files = chatkit.attachments().cloned();
                tokio::spawn(async move {
                    // Servers that were started together don't begin together.
                    tokio::time::sleep(jitter(RETENTION_JITTER)).await;
                    keep_sweeping("conversations and files that are old", move || {
                        let (retention, store, files) =
                            (retention.clone(), Arc::clone(&store), files.clone());
                        async move { delete_old(&retention, &*store, files.as_ref()).await }
                    })
                    .await;
                })
            }),
            self.limits.clone().map(|limits| {
                let chatkit = chatkit.clone();
                tokio::spawn(keep_sweeping("counters that count nothing", move || {
                    let (limits, chatkit) = (limits.clone(), chatkit.clone());
                    async move { limits.sweep(chatkit.process()).await }
                }))
            }),
            self.sign_ins.map(|sign_ins| {
                tokio::spawn(keep_sweeping("sign-ins elsewhere that are over", move || {
                    let sign_ins = Arc::clone(&sign_ins);
                    async move { in_batches(|batch| sign_ins.sweep(batch)).await }
                }))
            }),
            self.metrics.map(|metrics| tokio::spawn(metrics.upkeep())),
            self.reloading.map(|reloading| tokio::spawn(reloading.run())),
            self.refresher.map(|refresher| tokio::spawn(refresher.run())),
            self.keep_usage.map(|(days, store)| {
                tokio::spawn(keep_sweeping("records of usage that are old", move || {
                    let store = Arc::clone(&store);
                    async move {
                        let before = SystemClock.now().saturating_sub(DAY * days);
                        in_batches(|batch| store.expire_usage(before, batch)).await
                    }
                }))
            }),
        ];
        let (limits, usage) = (self.limits, self.usage);
        let shutdown = async move {
            shutdown.await;
            chatkit.shut_down().await;
            if let Some(limits) = limits {
                // What the last answers took.
                limits.settled().await;
            }
            if let Some(usage) = usage {
                usage.settle().await;
            }
        };
        connection::serve(self.listener, self.router, shutdown).await;
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
        Ok(())
    }
}

/// Deletes what is of no more use, a moment after the start and then every hour; soon again when the
/// database or the storage is away. `what` completes "deleted …" in the log.
async fn keep_sweeping<S, E>(what: &'static str, mut sweep: impl FnMut() -> S)
where
    S: Future<Output = Result<u64, E>>,
    E: std::error::Error + 'static,
{
    // Those who were waiting for the server come first.
    tokio::time::sleep(FIRST_SWEEP).await;
    let mut failures = 0;
    loop {
        let wait = match sweep().await {
            Ok(deleted) => {
                if deleted > 0 {
                    tracing::info!(deleted, "deleted {what}");
                }
                failures = 0;
                SWEEP_EVERY
            }
            Err(error) => {
                let wait = sweep_again(failures);
                failures += 1;
                let seconds = wait.as_secs();
                tracing::warn!(error = %ErrorChain(&error), seconds, "could not delete {what}; tried again");
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait after a sweep that failed, as so many did before it: about as long as it has
/// been failing for.
fn sweep_again(failures: u32) -> Duration {
    SWEEP_AGAIN.saturating_mul(1 << failures.min(20)).min(SWEEP_EVERY)
}

/// Deletes so many at a time that the database has time for others in between, until there are no
/// more. How many there were.
async fn in_batches<D>(delete: impl Fn(u32) -> D) -> Result<u64, StoreError>
where
    D: Future<Output = Result<u64, StoreError>>,
{
    const BATCH: u32 = 500;
    let mut all = 0;
    loop {
        let deleted = delete(BATCH).await?;
        all += deleted;
        if deleted < u64::from(BATCH) {
            return Ok(all);
        }
    }
}

/// Moves what could not be moved when a visitor signed in.
async fn keep_moving(visitors: Visitors) {
    loop {
        tokio::time::sleep(MOVE_EVERY).await;
        if let Err(error) = visitors.finish().await {
            tracing::warn!(error = %ErrorChain(&error), "visitors' conversations could not be moved; tried again");
        }
    }
}

/// Deletes what is older than it may be, and the bytes of its files. How much it was.
async fn delete_old(
    retention: &Retention,
    store: &dyn OperatorStore,
    files: Option<&Attachments>,
) -> Result<u64, AttachmentReadError> {
    let gone = retention.apply(store, SystemClock.now(), "server", Pace::Aside).await?;
    if let Some(files) = files.filter(|_| gone.files > 0) {
        files.sweep().await?;
    }
    Ok(gone.threads + gone.files)
}

/// What the folder of files is named after: the file of the database, or one that PostgreSQL
/// would have in the current folder.
pub(crate) fn beside(config: &Config) -> Result<PathBuf, OpenError> {
    if config.is_postgres() {
        return Ok(PathBuf::from("parlor.db"));
    }
    SqliteStore::file_of(&config.database_url)
}

/// The storage that the configuration names, beside a database in this file.
pub(crate) async fn open_files(
    config: &Config,
    database: &Path,
) -> Result<FileStore, OpenFilesError> {
    match &config.files.s3 {
        Some(s3) => FileStore::in_bucket(&s3.into()),
        None => FileStore::in_folder(config.files.folder(database)).await,
    }
}

/// The same for a command that works while a server may be running.
pub(crate) async fn open_files_beside_a_server(
    config: &Config,
    database: &Path,
) -> Result<FileStore, OpenFilesError> {
    match &config.files.s3 {
        Some(s3) => FileStore::in_bucket(&s3.into()),
        None => FileStore::in_folder_beside_a_server(config.files.folder(database)).await,
    }
}

/// Serves a ChatKit of your own on `address`, to anonymous visitors, until the process is asked
/// to stop. The demo page is off. [`Server::bind`] takes pages of your own as well.
///
/// # Errors
/// A [`StartError`] when it cannot start; an I/O error when accepting connections fails.
pub async fn serve(chatkit: ChatKit, address: &str) -> anyhow::Result<()> {
    Server::bind(chatkit, address, Router::new()).await?.run(stop_signal()).await?;
    Ok(())
}

/// Completes when the process is asked to stop: by ctrl-c or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse(address),
        _ => StartError::Listen { address: address.to_string(), source },
    })
}

/// What the database is needed for before the first request: the server's own keys, and the turns
/// that an earlier process left running.
struct Needs {
    keys: AuthKeys,
    links: Option<FileLinks>,
    limits: Option<Limits>,
    sign_ins: Option<Arc<SignIns>>,
}

impl Needs {
    async fn prepare(&self, chatkit: &ChatKit) -> Result<(), ChatKitError> {
        let store = &**chatkit.store();
        self.keys.load(store).await?;
        if let Some(limits) = &self.limits {
            limits.load(store).await?;
        }
        if let Some(links) = &self.links {
            links.load(store).await?;
        }
        if let Some(sign_ins) = &self.sign_ins {
            sign_ins.load(store).await?;
        }
        let interrupted = chatkit.recover().await?;
        if interrupted > 0 {
            tracing::warn!(
                turns = interrupted,
                "closed turns that an earlier process left running"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sweep_that_failed_is_tried_again_soon_and_then_more_rarely() {
        let begin = Instant::now();
        let mut swept = Vec::new();
        let sweeping = keep_sweeping("what the test has", || {
            swept.push(begin.elapsed().as_secs());
            let count = swept.len();
            async move {
                match count {
                    1..=3 | 5..=20 => Err(StoreError::Unavailable("away".into())),
                    _ => Ok(1),
                }
            }
        });
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(tokio::time::timeout(day, sweeping).await.is_err(), "it never ends");
        let waits: Vec<_> = swept.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(waits[..7], [1, 2, 4, 3600, 1, 2, 4]);
        assert_eq!(waits[18..21], [3600, 3600, 3600]);
    }
}
