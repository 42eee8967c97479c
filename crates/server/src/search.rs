//! The document search as the configuration describes it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parlor_agent::{
    EmbeddingsClient, EmbeddingsConfig, ModelConfigError, RerankClient, RerankConfig,
    SearchLanguage, SearchScope,
};
use parlor_search::{
    DocumentIndex, EmbedOptions, IndexStats, PostgresIndex, PostgresIndexSettings, Retrieval,
    SearchError, SearchFilter, SqliteIndex, VectorSearch,
};
use parlor_store::PostgresSettings;

use crate::config::{Config, Embeddings, Rerank, Search};

/// The file in which earlier versions kept the documents beside PostgreSQL.
const FORMER_FILE: &str = "parlor-index.db";

/// Where the document index is.
#[derive(Clone)]
enum IndexPlace {
    Sqlite(String),
    Postgres { url: String, settings: PostgresIndexSettings },
}

impl IndexPlace {
    fn new(config: &Config) -> Self {
        match &config.search.file {
            Some(file) => Self::Sqlite(file.display().to_string()),
            None if config.is_postgres() => {
                let settings: PostgresSettings = (&config.database).into();
                Self::Postgres {
                    url: config.database_url.clone(),
                    settings: PostgresIndexSettings {
                        schema: settings.schema,
                        auto_migrate: settings.auto_migrate,
                        connect_timeout: settings.connect_timeout,
                        statement_timeout: settings.statement_timeout,
                    },
                }
            }
            None => Self::Sqlite(config.database_url.clone()),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for IndexPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(_) => f.write_str("SQLite"),
            Self::Postgres { settings, .. } => f.debug_tuple("PostgreSQL").field(settings).finish(),
        }
    }
}

/// All that is needed to open the index and search it.
#[derive(Clone, Debug)]
pub(crate) struct SearchSetup {
    index: IndexPlace,
    settings: Search,
    embeddings: Option<EmbeddingsClient>,
    reranker: Option<RerankClient>,
}

impl SearchSetup {
    /// What the configuration says.
    ///
    /// # Errors
    /// When the settings of a model cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Self, ModelConfigError> {
        let embeddings = config.search.embeddings.as_ref();
        let rerank = config.search.rerank.as_ref();
        Ok(Self {
            index: IndexPlace::new(config),
            settings: config.search.clone(),
            embeddings: embeddings
                .map(|settings| embeddings_client(settings, config))
                .transpose()?,
            reranker: rerank.map(|settings| rerank_client(settings, config)).transpose()?,
        })
    }

    /// Opens the index.
    ///
    /// # Errors
    /// When its database cannot be used.
    pub(crate) async fn open_index(&self) -> Result<DocumentIndex, SearchError> {
        Ok(match &self.index {
            IndexPlace::Sqlite(place) => SqliteIndex::open(place).await?.into(),
            IndexPlace::Postgres { url, settings } => {
                PostgresIndex::open(url, settings).await?.into()
            }
        })
    }

    /// The file with the documents that an earlier version kept beside PostgreSQL, if there is one and it is of use:
    /// nothing was ever ingested into the database.
    pub(crate) fn former_file(&self, stats: &IndexStats) -> Option<PathBuf> {
        let file = Path::new(FORMER_FILE);
        let is_used = matches!(self.index, IndexPlace::Postgres { .. })
            && stats.last_ingest_at.is_none()
            && file.is_file();
        is_used.then(|| file.to_owned())
    }

    /// Opens the index, to search it.
    ///
    /// # Errors
    /// When its database cannot be used.
    pub(crate) async fn open(&self) -> Result<Retrieval, SearchError> {
        let index = self.open_index().await?;
        if self.embeddings.is_some()
            && let Some(missing) = missing_for_vectors(&index).await
        {
            tracing::info!("vectors are searched in this server's memory: {missing}");
        }
        Ok(self.retrieval(index))
    }

    /// The same in the file of an earlier version.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(crate) async fn open_former(&self, file: &Path) -> Result<Retrieval, SearchError> {
        Ok(self.retrieval(SqliteIndex::open(&file.display().to_string()).await?.into()))
    }

    fn retrieval(&self, index: DocumentIndex) -> Retrieval {
        let mut retrieval = Retrieval::new(index).with_neighbours(self.settings.neighbours);
        if let (Some(client), Some(settings)) = (&self.embeddings, &self.settings.embeddings) {
            let bytes = settings.max_memory_mb.saturating_mul(1024 * 1024);
            let patience = settings.patience();
            retrieval = retrieval.by_meaning(Arc::new(client.clone()), patience, bytes);
        }
        if let (Some(client), Some(settings)) = (&self.reranker, &self.settings.rerank) {
            let patience = settings.patience();
            retrieval = retrieval.reranked(Arc::new(client.clone()), settings.candidates, patience);
        }
        retrieval
    }

    /// The embedding model and how passages are given to it, if there is one.
    pub(crate) fn embedder(&self) -> Option<(&EmbeddingsClient, EmbedOptions)> {
        let settings = self.settings.embeddings.as_ref()?;
        let options =
            EmbedOptions::default().batch(settings.batch).concurrency(settings.concurrency);
        Some((self.embeddings.as_ref()?, options))
    }

    /// The reranker, if there is one.
    pub(crate) fn reranker(&self) -> Option<&RerankClient> {
        self.reranker.as_ref()
    }
}

/// What PostgreSQL lacks to search vectors by itself, and what to do about it.
pub(crate) async fn missing_for_vectors(index: &DocumentIndex) -> Option<String> {
    match index.vector_search().await {
        Ok(VectorSearch::NoExtension) => Some(
            "PostgreSQL has no extension `vector` (pgvector); install it, run CREATE EXTENSION vector as a superuser, then `parlor ingest`".to_owned(),
        ),
        Ok(VectorSearch::OldExtension { version }) => Some(format!(
            "the extension `vector` is version {version}; update it to 0.8 or newer, then run `parlor ingest`"
        )),
        Ok(VectorSearch::NoIndexYet { .. }) => Some(
            "they have no index in PostgreSQL; run `parlor ingest`, or `parlor migrate` with a role that may make tables".to_owned(),
        ),
        _ => None,
    }
}

/// Which documents are searched, of those that a user may see.
pub(crate) fn scope(search: &Search) -> SearchScope {
    SearchScope {
        filter: SearchFilter::any_tag(&search.tags),
        language: match search.language.as_deref() {
            None => SearchLanguage::Any,
            Some(Search::READERS_LANGUAGE) => SearchLanguage::Readers,
            Some(language) => SearchLanguage::Only(language.to_owned()),
        },
    }
}

fn embeddings_client(
    settings: &Embeddings,
    config: &Config,
) -> Result<EmbeddingsClient, ModelConfigError> {
    let base_url = settings.base_url(&config.model);
    let mut client = EmbeddingsConfig::new(base_url, settings.model.as_str());
    if let Some(key) = settings.key(&config.model) {
        client = client.with_key(key.clone());
    }
    client.dimensions = settings.dimensions;
    client.query_prefix.clone_from(&settings.query_prefix);
    client.passage_prefix.clone_from(&settings.passage_prefix);
    client.timeout = settings.ingest_timeout();
    EmbeddingsClient::new(client)
}

fn rerank_client(settings: &Rerank, config: &Config) -> Result<RerankClient, ModelConfigError> {
    let base_url = settings.base_url(&config.model);
    let mut client = RerankConfig::new(base_url, settings.model.as_str());
    if let Some(key) = settings.key(&config.model) {
        client = client.with_key(key.clone());
    }
    RerankClient::new(client)
}
