//! Texts to vectors: a client of `POST {base}/embeddings`, the API that OpenAI and most servers of
//! embedding models have.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parlor_search::{EmbedError, EmbedFuture, Embedder, EmbeddingOf};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::http1::Client;
use crate::model::http::{ask_json, endpoint};
use crate::model::{ModelConfigError, ModelError};

/// Longest answer that is read, in bytes: some hundreds of the longest vectors, as JSON.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Longest wait before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where an embedding model is.
#[derive(Debug, Clone)]
pub struct EmbeddingsConfig {
    /// Base URL with the version, for example `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; local servers need none, and then no `Authorization` header is sent.
    pub key: Option<SecretString>,
    /// The embedding model's name.
    pub model: String,
    /// How long vectors are to be, for models that let one choose.
    pub dimensions: Option<u32>,
    /// What is put before a question, for models that want to be told, such as `query: `.
    pub query_prefix: String,
    /// What is put before a passage, such as `passage: `.
    pub passage_prefix: String,
    /// Give up connecting after this.
    pub connect_timeout: Duration,
    /// Give up on a request for passages after this. Questions wait as long as their search does.
    pub timeout: Duration,
    /// Tries after the first one for passages, on connection errors, 429 and 5xx.
    pub retries: u32,
    /// The wait before the first of them, unless the server names one; doubled each time.
    pub pause: Duration,
}

impl EmbeddingsConfig {
    /// A configuration with the defaults: 10 s to connect, 60 s for passages, five more tries that
    /// begin after half a second, no key.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            key: None,
            model: model.into(),
            dimensions: None,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            retries: 5,
            pause: Duration::from_millis(500),
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
    config: EmbeddingsConfig,
    endpoint: Url,
}

/// A client of one server with an embedding model. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddingsClient(Arc<Inner>);

impl fmt::Debug for EmbeddingsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingsClient")
            .field("model", &self.0.config.model)
            .finish_non_exhaustive()
    }
}

impl EmbeddingsClient {
    /// A client for the configured server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the base URL is not usable, or TLS cannot be set up.
    pub fn new(config: EmbeddingsConfig) -> Result<Self, ModelConfigError> {
        let endpoint = endpoint(&config.base_url, &["embeddings"])?;
        let http = Client::new(&config.base_url, config.key.as_ref(), config.connect_timeout)?;
        Ok(Self(Arc::new(Inner { http, config, endpoint })))
    }

    /// A vector for each text, in their order. Asks once.
    ///
    /// # Errors
    ///
    /// As for [`ModelClient::stream`](crate::ModelClient::stream).
    pub async fn embed_once(
        &self,
        texts: &[String],
        of: EmbeddingOf,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let Inner { http, config, endpoint } = &*self.0;
        let prefix = match of {
            EmbeddingOf::Passages => &config.passage_prefix,
            EmbeddingOf::Query => &config.query_prefix,
        };
        let input: Vec<String> = texts.iter().map(|text| format!("{prefix}{text}")).collect();
        let mut body = json!({
            "model": config.model,
            "input": input,
            "encoding_format": "float",
        });
        if let Some(dimensions) = config.dimensions {
            body["dimensions"] = dimensions.into();
        }
        let body = ask_json(http, endpoint, &body, config.timeout, MAX_ANSWER_BYTES).await?;
        let vectors = vectors_of(&body, texts.len())?;
        if let Some(wanted) = config.dimensions
            && let Some(other) = vectors.iter().find(|vector| vector.len() != wanted as usize)
        {
            let detail = format!(
                "vectors have {} numbers, and {wanted} were asked for; the model does not let one choose",
                other.len()
            );
            return Err(ModelError::Malformed { detail });
        }
        Ok(vectors)
    }

    async fn embed_patiently(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let config = &self.0.config;
        let mut tries = 0;
        loop {
            let error = match self.embed_once(texts, EmbeddingOf::Passages).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => error,
            };
            if tries >= config.retries || !may_pass(&error) {
                return Err(error);
            }
            let pause = config.pause.saturating_mul(1 << tries.min(16));
            let wait = error.retry_after().unwrap_or(pause).min(LONGEST_PAUSE);
            tries += 1;
            tracing::warn!(%error, tries, wait_ms = wait.as_millis(), "asking the embedding model again");
            tokio::time::sleep(wait).await;
        }
    }
}

/// Whether the same request may succeed later.
fn may_pass(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::Unreachable { .. }
            | ModelError::RateLimited { .. }
            | ModelError::Server { .. }
            | ModelError::Cut { .. }
            | ModelError::Silent { .. }
    )
}

/// What is wrong with the texts, apart from what is wrong with the model.
pub(crate) fn embed_error(error: &ModelError) -> EmbedError {
    match error {
        ModelError::BadRequest { .. } | ModelError::ContextTooLong { .. } => {
            EmbedError::Rejected(error.to_string())
        }
        _ => EmbedError::Failed(error.to_string()),
    }
}

impl Embedder for EmbeddingsClient {
    fn identity(&self) -> String {
        let EmbeddingsConfig { model, dimensions, passage_prefix, .. } = &self.0.config;
        let mut identity = model.clone();
        if let Some(dimensions) = dimensions {
            identity.push_str(&format!(" ({dimensions} numbers)"));
        }
        if !passage_prefix.is_empty() {
            identity.push_str(&format!(" after {passage_prefix:?}"));
        }
        identity
    }

    fn embed<'a>(&'a self, texts: Vec<String>, of: EmbeddingOf) -> EmbedFuture<'a> {
        Box::pin(async move {
            let vectors = match of {
                EmbeddingOf::Passages => self.embed_patiently(&texts).await,
                EmbeddingOf::Query => self.embed_once(&texts, of).await,
            };
            vectors.map_err(|error| embed_error(&error))
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    /// Some servers leave it out; then the order counts.
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// Reads an answer: a vector for each of so many texts.
fn vectors_of(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, ModelError> {
    let malformed = |detail: String| ModelError::Malformed { detail };
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => {
            // Some servers answer 200 and mean something else.
            return Err(match serde_json::from_slice::<Value>(body) {
                Ok(value) if value.get("error").is_some() => ModelError::from_stream(&value),
                _ => malformed(format!("no embeddings: {error}")),
            });
        }
    };
    if answer.data.len() != texts {
        return Err(malformed(format!("{} embeddings for {texts} texts", answer.data.len())));
    }
    let mut vectors = vec![Vec::new(); texts];
    for (place, one) in answer.data.into_iter().enumerate() {
        let place = one.index.unwrap_or(place);
        match vectors.get_mut(place) {
            Some(vector) if vector.is_empty() => *vector = one.embedding,
            _ => return Err(malformed(format!("there is no one text {place}"))),
        }
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_are_put_in_the_order_of_their_texts() {
        let body = br#"{"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1, 0.5]}], "more": 1}"#;
        assert_eq!(vectors_of(body, 2).ok(), Some(vec![vec![1.0, 0.5], vec![2.0]]));
        let body = br#"{"data": [{"embedding": [2.0]}, {"embedding": [1.0]}]}"#;
        assert_eq!(vectors_of(body, 2).ok(), Some(vec![vec![2.0], vec![1.0]]));
    }

    #[test]
    fn an_answer_that_does_not_fit_the_texts_is_refused() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"data": []}"#,
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            r#"{"data": [{"index": 7, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            r#"{"data": [{"index": 0, "embedding": ["x"]}, {"index": 1, "embedding": [1]}]}"#,
            r#"{"error": {"message": "no such model"}}"#,
        ] {
            assert!(vectors_of(body.as_bytes(), 2).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), texts in 0_usize..4) {
            let _ = vectors_of(&body, texts);
        }
    }
}
