//! A moderation model: a client of `POST {base}/moderations`, OpenAI's API, which other servers have
//! as well.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::http1::Client;
use crate::model::http::{ask_json, endpoint};
use crate::model::{ModelConfigError, ModelError};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Longest text that is asked about at once, in characters; longer ones are asked about in parts.
const PART_CHARS: usize = 16_000;

/// Where a moderation model is.
#[derive(Debug, Clone)]
pub struct ModerationConfig {
    /// Base URL with the version, for example `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; local servers need none, and then no `Authorization` header is sent.
    pub key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// From which score on a category counts, by its name. Empty: as the server flags it.
    pub categories: BTreeMap<String, f64>,
}

impl ModerationConfig {
    /// A configuration without a key, which trusts the server's flags.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self { base_url, key: None, model: model.into(), categories: BTreeMap::new() }
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
    config: ModerationConfig,
    endpoint: Url,
}

/// A client of one server with a moderation model. Cheap to clone.
#[derive(Clone)]
pub struct ModerationClient(Arc<Inner>);

impl fmt::Debug for ModerationClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModerationClient")
            .field("model", &self.0.config.model)
            .finish_non_exhaustive()
    }
}

impl ModerationClient {
    /// A client for the configured server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the base URL is not usable, or TLS cannot be set up.
    pub fn new(config: ModerationConfig) -> Result<Self, ModelConfigError> {
        let endpoint = endpoint(&config.base_url, &["moderations"])?;
        let patience = Duration::from_secs(10);
        let http = Client::new(&config.base_url, config.key.as_ref(), patience)?;
        Ok(Self(Arc::new(Inner { http, config, endpoint })))
    }

    /// The category that a text falls into, if it falls into one that counts.
    ///
    /// # Errors
    ///
    /// As for [`ModelClient::stream`](crate::ModelClient::stream).
    pub async fn category(
        &self,
        text: &str,
        timeout: Duration,
    ) -> Result<Option<String>, ModelError> {
        let Inner { http, config, endpoint } = &*self.0;
        let body = json!({ "model": config.model, "input": parts(text) });
        let body = ask_json(http, endpoint, &body, timeout, MAX_ANSWER_BYTES).await?;
        category_of(&body, &config.categories)
    }
}

/// A text in parts that a server takes.
fn parts(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(PART_CHARS).map(|part| part.iter().collect()).collect()
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Moderated>,
}

#[derive(Deserialize)]
struct Moderated {
    flagged: bool,
    #[serde(default)]
    categories: BTreeMap<String, Option<bool>>,
    #[serde(default)]
    category_scores: BTreeMap<String, Option<f64>>,
}

/// Reads an answer: `{"results": [{"flagged", "categories", "category_scores"}]}`.
fn category_of(
    body: &[u8],
    thresholds: &BTreeMap<String, f64>,
) -> Result<Option<String>, ModelError> {
    let answer = match serde_json::from_slice::<Answer>(body) {
        Ok(answer) if !answer.results.is_empty() => answer,
        read => {
            return Err(match serde_json::from_slice::<Value>(body) {
                Ok(value) if value.get("error").is_some() => ModelError::from_stream(&value),
                _ => ModelError::Malformed {
                    detail: match read {
                        Err(error) => format!("no moderation: {error}"),
                        Ok(_) => "no moderation: there are no results".to_owned(),
                    },
                },
            });
        }
    };
    let found = answer.results.iter().find_map(|result| {
        if thresholds.is_empty() {
            let named = result.categories.iter().find(|(_, is_so)| **is_so == Some(true));
            let name = named.map_or("flagged", |(name, _)| name.as_str());
            return result.flagged.then(|| name.to_owned());
        }
        let over = thresholds.iter().find(|(name, threshold)| {
            let score = result.category_scores.get(*name).copied().flatten();
            score.is_some_and(|score| score >= **threshold)
        });
        over.map(|(name, _)| name.clone())
    });
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"{"id": "modr-1", "model": "omni", "results": [
        {"flagged": false, "categories": {"hate": false}, "category_scores": {"hate": 0.1}},
        {"flagged": true, "categories": {"hate": false, "violence": true, "illicit": null},
         "category_scores": {"hate": 0.3, "violence": 0.8, "illicit": null}}]}"#;

    fn found(thresholds: &[(&str, f64)]) -> Option<String> {
        let thresholds = thresholds.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        category_of(ANSWER.as_bytes(), &thresholds).unwrap()
    }

    #[test]
    fn categories_count_as_the_server_flags_them_or_from_a_threshold_on() {
        assert_eq!(found(&[]).as_deref(), Some("violence"));
        assert_eq!(found(&[("violence", 0.9)]), None);
        assert_eq!(found(&[("violence", 0.9), ("hate", 0.3)]).as_deref(), Some("hate"));
        assert_eq!(found(&[("unknown", 0.0)]), None);
    }

    #[test]
    fn what_is_no_moderation_is_an_error() {
        for body in ["", "{}", r#"{"results": []}"#, r#"{"results": [{}]}"#, r#"{"error": "x"}"#] {
            assert!(category_of(body.as_bytes(), &BTreeMap::new()).is_err(), "{body}");
        }
    }

    #[test]
    fn long_texts_are_asked_about_in_parts() {
        assert_eq!(parts("é").len(), 1);
        let long = "é".repeat(PART_CHARS + 1);
        assert_eq!(parts(&long).concat(), long);
        assert_eq!(parts(&long).len(), 2);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = category_of(&body, &BTreeMap::new());
        }
    }
}
