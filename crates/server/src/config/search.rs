//! The document search: `[search]` and what is in it.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Model, Source, sections::hidden};

/// The document search.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Whether the assistant may search the indexed documents.
    pub enabled: bool,
    /// Where the documents are on the site: what `parlor ingest` puts before their paths.
    pub base_url: String,
    /// SQLite file of the index. Absent: the documents are in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Only documents with one of these tags are found. Empty: all.
    pub tags: Vec<String>,
    /// Only documents in this language (a tag such as `de`), or in the reader's (`reader`), and
    /// those that name none. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether the model is given what stands before and after a passage in its section.
    pub neighbours: bool,
    /// The embedding model, for search by meaning beside words. Absent: by words alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<Embeddings>,
    /// The model that ranks what was found anew. Absent: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank: Option<Rerank>,
    /// Documents that the server indexes by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            enabled: true,
            base_url: "/".to_owned(),
            file: None,
            tags: Vec::new(),
            language: None,
            neighbours: true,
            embeddings: None,
            rerank: None,
            sources: Vec::new(),
        }
    }
}

impl Search {
    /// The language that stands for the reader's own.
    pub const READERS_LANGUAGE: &str = "reader";

    /// Settings that cannot be meant.
    pub(super) fn check(&self, model: &Model) -> Result<(), String> {
        if let Some(embeddings) = &self.embeddings {
            embeddings.check(model)?;
        }
        if let Some(rerank) = &self.rerank {
            rerank.check(model)?;
        }
        Source::check_all(&self.sources)?;
        if let Some(language) = &self.language {
            let first = language.split('-').next().unwrap_or_default();
            let is_tag =
                (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
            if !is_tag {
                return Err(format!(
                    "search.language is `{language}`; use a language's tag such as `en` or `pt-BR`, or `{}` for the reader's own",
                    Self::READERS_LANGUAGE
                ));
            }
        }
        Ok(())
    }
}

/// The embedding model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Embeddings {
    /// The embedding model's API, up to `/embeddings`; the language model's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key; the language model's when that one's API is used, too.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The embedding model's name. There is no default: another model needs other vectors.
    pub model: String,
    /// How many numbers a vector has, for models that let one choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// What is put before a question, for models that want it.
    pub query_prefix: String,
    /// What is put before a passage, for models that want it.
    pub passage_prefix: String,
    /// Passages in a request, when documents are ingested.
    pub batch: usize,
    /// Requests at a time, when documents are ingested.
    pub concurrency: usize,
    /// Milliseconds that a search waits for its question's vector; then it goes by words alone.
    pub timeout_ms: u64,
    /// Seconds that a request for passages may take.
    pub ingest_timeout_seconds: u64,
    /// Megabytes of memory that vectors may take; an index with more is searched by words alone.
    pub max_memory_mb: usize,
}

impl Default for Embeddings {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            model: String::new(),
            dimensions: None,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            batch: 64,
            concurrency: 2,
            timeout_ms: 1_000,
            ingest_timeout_seconds: 60,
            max_memory_mb: 1_024,
        }
    }
}

impl Embeddings {
    const SECTION: &str = "search.embeddings";

    /// The base URL in force.
    pub fn base_url(&self, model: &Model) -> Url {
        self.base_url.clone().unwrap_or_else(|| model.base_url())
    }

    /// The key in force. The language model's key goes to no other server than that model's.
    pub fn key<'a>(&'a self, model: &'a Model) -> Option<&'a SecretString> {
        key(self.api_key.as_ref(), self.base_url.as_ref(), model)
    }

    /// How long a search waits for it.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(1))
    }

    /// How long a request for passages may take.
    pub fn ingest_timeout(&self) -> Duration {
        Duration::from_secs(self.ingest_timeout_seconds.max(1))
    }

    fn check(&self, model: &Model) -> Result<(), String> {
        server(Self::SECTION, self.base_url.as_ref(), &self.model, model)?;
        if self.dimensions == Some(0) || self.dimensions.is_some_and(|n| n > 8_192) {
            return Err(format!(
                "{}.dimensions is {}; vectors have 1 to 8192 numbers",
                Self::SECTION,
                self.dimensions.unwrap_or_default()
            ));
        }
        for (name, value, most) in
            [("batch", self.batch, 2_048), ("concurrency", self.concurrency, 64)]
        {
            if value == 0 || value > most {
                return Err(format!("{}.{name} is {value}; use 1 to {most}", Self::SECTION));
            }
        }
        Ok(())
    }
}

/// The model that ranks what was found anew.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rerank {
    /// The reranking model's API, up to `/rerank`; the language model's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key; the language model's when that one's API is used, too.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The reranking model's name.
    pub model: String,
    /// How many passages it is given.
    pub candidates: usize,
    /// Milliseconds that a search waits for it; then the ranking stays as it is.
    pub timeout_ms: u64,
}

impl Default for Rerank {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            model: String::new(),
            candidates: 30,
            timeout_ms: 1_500,
        }
    }
}

impl Rerank {
    const SECTION: &str = "search.rerank";

    /// The base URL in force.
    pub fn base_url(&self, model: &Model) -> Url {
        self.base_url.clone().unwrap_or_else(|| model.base_url())
    }

    /// The key in force. The language model's key goes to no other server than that model's.
    pub fn key<'a>(&'a self, model: &'a Model) -> Option<&'a SecretString> {
        key(self.api_key.as_ref(), self.base_url.as_ref(), model)
    }

    /// How long a search waits for it.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(1))
    }

    fn check(&self, model: &Model) -> Result<(), String> {
        server(Self::SECTION, self.base_url.as_ref(), &self.model, model)?;
        if !(2..=100).contains(&self.candidates) {
            return Err(format!(
                "{}.candidates is {}; use 2 to 100",
                Self::SECTION,
                self.candidates
            ));
        }
        Ok(())
    }
}

/// A key of its own, or the language model's on the same server.
fn key<'a>(
    own: Option<&'a SecretString>,
    base_url: Option<&Url>,
    model: &'a Model,
) -> Option<&'a SecretString> {
    own.filter(|key| !key.expose_secret().trim().is_empty()).or_else(|| match base_url {
        None => model.key(),
        Some(own) => model.key().filter(|_| *own == model.base_url()),
    })
}

fn server(section: &str, base_url: Option<&Url>, name: &str, model: &Model) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!(
            "{section}.model is missing; name the model to ask, or remove [{section}]"
        ));
    }
    if let Some(scheme) = base_url.map(Url::scheme)
        && !matches!(scheme, "http" | "https")
    {
        return Err(format!(
            "{section}.base_url has the scheme `{scheme}`; it must be an http or https URL such as http://127.0.0.1:8080/v1"
        ));
    }
    if base_url.is_none() && !model.is_configured() {
        return Err(format!(
            "{section} has no server to ask: set {section}.base_url, or the [model] whose API it shares"
        ));
    }
    Ok(())
}
