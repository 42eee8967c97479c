//! The document search as the configuration describes it.

use std::sync::Arc;

use parlor_agent::{
    EmbeddingsClient, EmbeddingsConfig, ModelConfigError, RerankClient, RerankConfig,
    SearchLanguage, SearchScope,
};
use parlor_search::{
    DocumentIndex, EmbedOptions, Retrieval, SearchError, SearchFilter, SqliteIndex,
};

use crate::config::{Config, Embeddings, Rerank, Search};

/// All that is needed to open the index and search it.
#[derive(Clone, Debug)]
pub(crate) struct SearchSetup {
    index: String,
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
            index: config.index_url(),
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
        Ok(SqliteIndex::open(&self.index).await?.into())
    }

    /// Opens the index, to search it.
    ///
    /// # Errors
    /// When its database cannot be used.
    pub(crate) async fn open(&self) -> Result<Retrieval, SearchError> {
        let index = self.open_index().await?;
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
        Ok(retrieval)
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
