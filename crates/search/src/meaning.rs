//! Embedding: passages become vectors, so that a question finds what means the same in other words.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use sha2::{Digest, Sha256};

use crate::{DocumentIndex, SearchError, vectors::Quantised};

/// What texts are embedded for. Some models want to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingOf {
    /// Passages of documents, by the many. There is time: worth trying again.
    Passages,
    /// A question that somebody waits for.
    Query,
}

/// Texts could not be embedded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model does not take these texts, and will not the next time either.
    #[error("{0}")]
    Rejected(String),
    /// The model cannot be asked now, or not with these settings.
    #[error("{0}")]
    Failed(String),
}

/// The answer of an [`Embedder`] in the making.
pub type EmbedFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, EmbedError>> + Send + 'a>>;

/// A model that makes vectors of texts.
pub trait Embedder: Send + Sync {
    /// Names everything that decides what the vectors are: the model, their length where it is
    /// chosen, what is put before a text. Vectors of another identity are made anew.
    fn identity(&self) -> String;

    /// A vector for each text, in their order.
    fn embed<'a>(&'a self, texts: Vec<String>, of: EmbeddingOf) -> EmbedFuture<'a>;
}

/// How passages are embedded.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EmbedOptions {
    /// Passages in a request. Default 64.
    pub batch: usize,
    /// Requests at a time. Default 2.
    pub concurrency: usize,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self { batch: 64, concurrency: 2 }
    }
}

impl EmbedOptions {
    /// So many passages in a request, at least one.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// So many requests at a time, at least one.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }
}

/// What embedding an index did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct EmbedSummary {
    /// Passages that have a vector now and had none.
    pub embedded: u64,
    /// Passages that the model does not take. They are found by their words.
    pub rejected: u64,
    /// What the model said of the last of them.
    pub rejected_because: Option<String>,
    /// Whether vectors of another model were thrown away first.
    pub model_changed: bool,
    /// How long it took.
    pub elapsed: Duration,
}

/// Told how embedding goes on. `()` is told nothing.
pub trait EmbedProgress: Send + Sync {
    /// So many passages of `total` that had no vector are done.
    fn embedded(&self, done: u64, total: u64) {
        let _ = (done, total);
    }
}

impl EmbedProgress for () {}

/// A passage as it is embedded: the headings above it, then what it says. A passage alone is often
/// about "it".
pub(crate) fn embedded_text(breadcrumbs: &[impl AsRef<str>], text: &str) -> String {
    let mut embedded = String::with_capacity(text.len() + 64);
    for (at, heading) in breadcrumbs.iter().enumerate() {
        if at > 0 {
            embedded.push_str(" › ");
        }
        embedded.push_str(heading.as_ref());
    }
    embedded.push_str("\n\n");
    embedded.push_str(text);
    match embedded.char_indices().nth(MAX_EMBEDDED_CHARS) {
        Some((end, _)) => embedded[..end].to_owned(),
        None => embedded,
    }
}

/// Longest text that is embedded, in characters; the rest of a longer passage (a large table, a
/// long listing) is cut. Below 8,192 tokens, which most models take, in most languages.
const MAX_EMBEDDED_CHARS: usize = 8_000;

/// So many passages that a model does not take, and none that it does, are a mistake in the settings.
const REJECTED_IN_A_ROW: u64 = 5;

/// Tells whether what would be embedded is what was.
pub(crate) fn hash_of(text: &str) -> [u8; 16] {
    let digest = Sha256::digest(text.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// A passage that has no vector.
#[derive(Debug, Clone)]
pub(crate) struct Unembedded {
    pub(crate) passage: i64,
    pub(crate) text: String,
}

/// A vector to be stored.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) passage: i64,
    pub(crate) hash: [u8; 16],
    pub(crate) vector: Quantised,
}

/// What became of one request's passages.
#[derive(Default)]
struct Batch {
    embedded: Vec<Embedded>,
    rejected: u64,
    because: Option<String>,
}

impl DocumentIndex {
    /// Gives every passage a vector that has none.
    ///
    /// What is done is stored as it comes: a run that is killed or fails leaves the rest to the
    /// next. Vectors of another model, or of another length, are thrown away first.
    ///
    /// # Errors
    ///
    /// [`SearchError::Embedding`] when the model cannot be asked; [`SearchError::Database`].
    pub async fn embed(
        &self,
        embedder: &dyn Embedder,
        options: EmbedOptions,
        progress: &dyn EmbedProgress,
    ) -> Result<EmbedSummary, SearchError> {
        let started = Instant::now();
        let identity = embedder.identity();
        let mut summary = EmbedSummary {
            model_changed: self.prepare_vectors(&identity).await?,
            ..EmbedSummary::default()
        };
        let mut total = self.count_unembedded().await?;
        let mut done = 0;
        let mut after = 0;
        let mut dimensions = self.vector_state().await?.dimensions;
        loop {
            // Some requests' worth at a time, so that memory does not grow with the index.
            let some = self.unembedded(after, options.batch * options.concurrency * 4).await?;
            let Some(last) = some.last() else { break };
            after = last.passage;
            let batches: Vec<Vec<Unembedded>> =
                some.chunks(options.batch).map(<[Unembedded]>::to_vec).collect();
            let mut batches = stream::iter(batches)
                .map(|batch| embed_batch(embedder, batch))
                .buffer_unordered(options.concurrency);
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let length = batch.embedded.first().map(|first| first.vector.len());
                if let Some(length) = length
                    && dimensions.is_some_and(|known| known != length)
                {
                    if summary.model_changed {
                        return Err(SearchError::Embedding(EmbedError::Failed(format!(
                            "the embedding model gives vectors of {length} numbers and of {}; set search.embeddings.dimensions if it lets you choose",
                            dimensions.unwrap_or_default()
                        ))));
                    }
                    // Another model under the same name: from the beginning.
                    self.forget_vectors(&identity).await?;
                    summary = EmbedSummary { model_changed: true, ..EmbedSummary::default() };
                    (dimensions, after, done) = (None, 0, 0);
                    total = self.count_unembedded().await?;
                    break;
                }
                dimensions = dimensions.or(length);
                done += batch.embedded.len() as u64 + batch.rejected;
                summary.embedded += batch.embedded.len() as u64;
                summary.rejected += batch.rejected;
                summary.rejected_because = batch.because.or(summary.rejected_because);
                if !batch.embedded.is_empty() {
                    self.put_vectors(&identity, &batch.embedded).await?;
                }
                progress.embedded(done, total);
            }
        }
        self.index_vectors().await?;
        summary.elapsed = started.elapsed();
        Ok(summary)
    }
}

/// Embeds some passages. When the model does not take them together, it is asked for each: one
/// that it does not take must not keep the others out.
async fn embed_batch(
    embedder: &dyn Embedder,
    passages: Vec<Unembedded>,
) -> Result<Batch, SearchError> {
    let texts = |passages: &[Unembedded]| -> Vec<String> {
        passages.iter().map(|passage| passage.text.clone()).collect()
    };
    let mut batch = Batch::default();
    match embedder.embed(texts(&passages), EmbeddingOf::Passages).await {
        Ok(vectors) => batch.take(&passages, &vectors)?,
        Err(EmbedError::Rejected(because)) if passages.len() == 1 => batch.reject(because),
        Err(EmbedError::Rejected(_)) => {
            for passage in passages.chunks(1) {
                if batch.rejected >= REJECTED_IN_A_ROW && batch.embedded.is_empty() {
                    // Not the passages are wrong, but what is asked of whom.
                    let because = batch.because.unwrap_or_default();
                    return Err(EmbedError::Failed(because).into());
                }
                match embedder.embed(texts(passage), EmbeddingOf::Passages).await {
                    Ok(vectors) => batch.take(passage, &vectors)?,
                    Err(EmbedError::Rejected(because)) => batch.reject(because),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(batch)
}

impl Batch {
    fn take(&mut self, passages: &[Unembedded], vectors: &[Vec<f32>]) -> Result<(), EmbedError> {
        if vectors.len() != passages.len() {
            return Err(EmbedError::Failed(format!(
                "the embedding model gave {} vectors for {} texts",
                vectors.len(),
                passages.len()
            )));
        }
        let length = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.len() != length) {
            return Err(EmbedError::Failed(
                "the embedding model gave vectors of different lengths in one answer".to_owned(),
            ));
        }
        for (passage, vector) in passages.iter().zip(vectors) {
            match Quantised::new(vector) {
                Some(vector) => self.embedded.push(Embedded {
                    passage: passage.passage,
                    hash: hash_of(&passage.text),
                    vector,
                }),
                None => self.reject("its vector is empty, zero or not made of numbers".to_owned()),
            }
        }
        Ok(())
    }

    fn reject(&mut self, because: String) {
        self.rejected += 1;
        self.because = Some(because);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_is_embedded_with_its_headings_and_within_bounds() {
        assert_eq!(embedded_text(&["Setup", "Linux"], "Run it."), "Setup › Linux\n\nRun it.");
        let long = embedded_text(&["T"], &"é".repeat(20_000));
        assert_eq!(long.chars().count(), MAX_EMBEDDED_CHARS);
    }
}
