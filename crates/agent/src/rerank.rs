//! Ranking anew: a client of `POST {base}/rerank`, the API that Jina, Cohere, vLLM, llama.cpp and
//! others have.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parlor_search::{RerankFuture, Reranker};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::embeddings::embed_error;
use crate::http1::Client;
use crate::model::http::{ask_json, endpoint};
use crate::model::{ModelConfigError, ModelError};

/// Longest answer that is read, in bytes. Some servers send the documents back.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Where a reranking model is.
#[derive(Debug, Clone)]
pub struct RerankConfig {
    /// Base URL with the version, for example `https://api.jina.ai/v1`.
    pub base_url: Url,
    /// The key; local servers need none, and then no `Authorization` header is sent.
    pub key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// Give up connecting after this.
    pub connect_timeout: Duration,
    /// Give up when there is no ranking after this.
    pub timeout: Duration,
}

impl RerankConfig {
    /// A configuration with the default time limits (10 s to connect, 30 s in all) and no key.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            key: None,
            model: model.into(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
        }
    }

    /// With a key. An empty key counts as none.
    #[must_use]
    pub fn with_key(mut self, key: SecretString) -> Self {
        self.key = (!key.expose_secret().is_empty()).then_some(key);
        self
    }
}

struct Inner {
    http: Client,
    config: RerankConfig,
    endpoint: Url,
}

/// A client of one server with a reranking model. Cheap to clone.
#[derive(Clone)]
pub struct RerankClient(Arc<Inner>);

impl fmt::Debug for RerankClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RerankClient").field("model", &self.0.config.model).finish_non_exhaustive()
    }
}

impl RerankClient {
    /// A client for the configured server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the base URL is not usable, or TLS cannot be set up.
    pub fn new(config: RerankConfig) -> Result<Self, ModelConfigError> {
        let endpoint = endpoint(&config.base_url, &["rerank"])?;
        let http = Client::new(&config.base_url, config.key.as_ref(), config.connect_timeout)?;
        Ok(Self(Arc::new(Inner { http, config, endpoint })))
    }

    /// The places of the best documents, best first, with their relevance.
    ///
    /// # Errors
    ///
    /// As for [`ModelClient::stream`](crate::ModelClient::stream).
    pub async fn ranking(
        &self,
        question: &str,
        documents: &[String],
        top: usize,
    ) -> Result<Vec<(usize, f64)>, ModelError> {
        let Inner { http, config, endpoint } = &*self.0;
        let body = json!({
            "model": config.model,
            "query": question,
            "documents": documents,
            "top_n": top,
            "return_documents": false,
        });
        let body = ask_json(http, endpoint, &body, config.timeout, MAX_ANSWER_BYTES).await?;
        ranking_of(&body)
    }
}

impl Reranker for RerankClient {
    fn rerank<'a>(
        &'a self,
        question: &'a str,
        documents: Vec<String>,
        top: usize,
    ) -> RerankFuture<'a> {
        Box::pin(async move {
            self.ranking(question, &documents, top).await.map_err(|error| embed_error(&error))
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    // Voyage's name for the same.
    #[serde(alias = "data")]
    results: Vec<Ranked>,
}

#[derive(Deserialize)]
struct Ranked {
    index: usize,
    #[serde(alias = "score")]
    relevance_score: f64,
}

/// Reads an answer: `{"results": [{"index", "relevance_score"}]}`.
fn ranking_of(body: &[u8]) -> Result<Vec<(usize, f64)>, ModelError> {
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => {
            let mut ranking: Vec<(usize, f64)> =
                answer.results.iter().map(|one| (one.index, one.relevance_score)).collect();
            ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
            Ok(ranking)
        }
        Err(error) => Err(match serde_json::from_slice::<Value>(body) {
            Ok(value) if value.get("error").is_some() => ModelError::from_stream(&value),
            _ => ModelError::Malformed { detail: format!("no ranking: {error}") },
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rankings_are_read_in_the_forms_that_servers_send() {
        let best_first = Some(vec![(2, 0.9), (0, 0.1)]);
        for body in [
            r#"{"results": [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.9, "document": {"text": "x"}}]}"#,
            r#"{"data": [{"index": 2, "score": 0.9}, {"index": 0, "score": 0.1}]}"#,
        ] {
            assert_eq!(ranking_of(body.as_bytes()).ok(), best_first, "{body}");
        }
        for body in ["", "{}", "[]", r#"{"results": [{"index": -1}]}"#, r#"{"error": "x"}"#] {
            assert!(ranking_of(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ranking_of(&body);
        }
    }
}
