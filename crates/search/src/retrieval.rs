//! Finding passages by every means that is set up, and by fewer when one fails.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tokio::time::{Instant, timeout};

use crate::{
    DocumentIndex, EmbedError, Embedder, EmbeddingOf, Passage, PassageSearch, SearchError,
    SearchFuture, SearchRequest, fuse,
    index::{Match, diverse},
    vectors::Quantised,
};

/// Longest result list that is computed.
const MAX_LIMIT: usize = 100;
/// How many of the nearest vectors take part in the ranking.
const DEPTH_OF_VECTORS: usize = 100;
/// Longest question that is embedded or reranked, in characters.
const MAX_QUESTION_CHARS: usize = 2_000;
/// Longest passage that a reranker reads, in characters.
const MAX_RERANKED_CHARS: usize = 4_000;
/// So many failures one after the other, and a model is left alone for a while.
const FAILURES: u32 = 3;
/// How long it is.
const LEFT_ALONE: Duration = Duration::from_secs(10);

const DEGRADED: &str = "parlor_search_degraded_total";
const MODEL_DURATION: &str = "parlor_search_model_seconds";

/// Tells the recorder of this process what the figures of searches mean.
pub fn describe_metrics() {
    describe_counter!(
        DEGRADED,
        "Searches that did without a part, by part: embeddings (they went by words alone) or rerank."
    );
    describe_histogram!(
        MODEL_DURATION,
        Unit::Seconds,
        "How long a search waits for a model, by part: embeddings or rerank."
    );
}

/// The answer of a [`Reranker`] in the making: the places of documents in the list that was given,
/// best first, each with its relevance.
pub type RerankFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<(usize, f64)>, EmbedError>> + Send + 'a>>;

/// A model that says how well documents answer a question.
pub trait Reranker: Send + Sync {
    /// The best `top` of these documents. Fewer is fine; places that do not exist are passed over.
    fn rerank<'a>(
        &'a self,
        question: &'a str,
        documents: Vec<String>,
        top: usize,
    ) -> RerankFuture<'a>;
}

/// By which means passages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By their words: BM25.
    Words,
    /// By what they mean: the nearest vectors.
    Vectors,
    /// By both, fused by reciprocal ranks, those by meaning counting more.
    Hybrid,
    /// By both, and the best of them ranked anew by a model.
    HybridReranked,
}

/// Search in an index: by words, by meaning where there is a model for it, ranked anew where there
/// is a model for that. A model that fails or is late is done without.
#[derive(Clone)]
pub struct Retrieval {
    index: DocumentIndex,
    meaning: Option<Meaning>,
    reranking: Option<Reranking>,
    neighbours: bool,
}

#[derive(Clone)]
struct Meaning {
    embedder: Arc<dyn Embedder>,
    patience: Duration,
    max_bytes: usize,
    breaker: Arc<Breaker>,
}

#[derive(Clone)]
struct Reranking {
    reranker: Arc<dyn Reranker>,
    candidates: usize,
    patience: Duration,
    breaker: Arc<Breaker>,
}

impl fmt::Debug for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieval")
            .field("index", &self.index)
            .field("meaning", &self.meaning.is_some())
            .field("reranking", &self.reranking.is_some())
            .finish()
    }
}

impl Retrieval {
    /// Search by words alone.
    pub fn new(index: impl Into<DocumentIndex>) -> Self {
        Self { index: index.into(), meaning: None, reranking: None, neighbours: false }
    }

    /// By meaning as well. A search goes by words alone when this takes longer than `patience`.
    /// Vectors take up to `max_bytes` of memory; an index with more is searched by words alone.
    #[must_use]
    pub fn by_meaning(
        mut self,
        embedder: Arc<dyn Embedder>,
        patience: Duration,
        max_bytes: usize,
    ) -> Self {
        self.meaning = Some(Meaning { embedder, patience, max_bytes, breaker: Arc::default() });
        self
    }

    /// The best `candidates` ranked anew by a model; left as they are when it takes longer than
    /// `patience`.
    #[must_use]
    pub fn reranked(
        mut self,
        reranker: Arc<dyn Reranker>,
        candidates: usize,
        patience: Duration,
    ) -> Self {
        let breaker = Arc::default();
        self.reranking = Some(Reranking { reranker, candidates, patience, breaker });
        self
    }

    /// With each passage the ones before and after it in the same section.
    #[must_use]
    pub fn with_neighbours(mut self, neighbours: bool) -> Self {
        self.neighbours = neighbours;
        self
    }

    /// The index that is searched.
    pub fn index(&self) -> &DocumentIndex {
        &self.index
    }

    /// What it can search by, the simplest first.
    pub fn strategies(&self) -> Vec<Strategy> {
        let mut strategies = vec![Strategy::Words];
        if self.meaning.is_some() {
            strategies.extend([Strategy::Vectors, Strategy::Hybrid]);
            if self.reranking.is_some() {
                strategies.push(Strategy::HybridReranked);
            }
        }
        strategies
    }

    /// At most `request.limit` passages, best first, by everything that is set up and works.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read. Models never fail a search.
    pub async fn find(&self, request: &SearchRequest<'_>) -> Result<Vec<Passage>, SearchError> {
        let request = SearchRequest { limit: request.limit.min(MAX_LIMIT), ..*request };
        if request.limit == 0 || request.query.trim().is_empty() {
            return Ok(Vec::new());
        }
        let (words, near, page) = tokio::join!(
            self.index.words(&request),
            self.near_if_possible(&request),
            self.page(&request)
        );
        let matches = combined(words?, near, &page?);
        self.chosen(matches, &request, self.reranking.as_ref()).await
    }

    /// The same by one means, for measuring: whatever fails is an error.
    ///
    /// # Errors
    ///
    /// [`SearchError::Embedding`] and [`SearchError::Vectors`] as well.
    pub async fn find_by(
        &self,
        strategy: Strategy,
        request: &SearchRequest<'_>,
    ) -> Result<Vec<Passage>, SearchError> {
        let request = SearchRequest { limit: request.limit.min(MAX_LIMIT), ..*request };
        let page = self.page(&request).await?;
        let near = match (strategy, &self.meaning) {
            (Strategy::Words, _) => None,
            (_, Some(meaning)) => Some(self.near(meaning, &request).await?),
            (_, None) => {
                return Err(SearchError::Vectors("no embedding model is set up".to_owned()));
            }
        };
        let words = match strategy {
            Strategy::Vectors => Vec::new(),
            _ => self.index.words(&request).await?,
        };
        let matches = combined(words, near, &page);
        let reranking = match (strategy, &self.reranking) {
            (Strategy::HybridReranked, Some(reranking)) => reranking,
            (Strategy::HybridReranked, None) => {
                return Err(SearchError::Vectors("no reranker is set up".to_owned()));
            }
            _ => return self.chosen(matches, &request, None).await,
        };
        let mut passages = self.candidates(matches, &request, reranking.candidates).await?;
        reranking.rank(request.query, &mut passages).await?;
        Ok(self.finished(passages, request.limit))
    }

    /// The nearest passages, if there is a model for it that answers in time.
    async fn near_if_possible(&self, request: &SearchRequest<'_>) -> Option<Vec<Match>> {
        let meaning = self.meaning.as_ref()?;
        if !meaning.breaker.lets_through() {
            counter!(DEGRADED, "part" => "embeddings").increment(1);
            return None;
        }
        let since = Instant::now();
        let near = timeout(meaning.patience, self.near(meaning, request)).await;
        histogram!(MODEL_DURATION, "part" => "embeddings").record(since.elapsed());
        let why = match near {
            Ok(Ok(near)) => {
                meaning.breaker.worked();
                return Some(near);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no vector after {} ms", meaning.patience.as_millis()),
        };
        tracing::warn!(error = why, "searching by words alone");
        counter!(DEGRADED, "part" => "embeddings").increment(1);
        meaning.breaker.failed();
        None
    }

    async fn near(
        &self,
        meaning: &Meaning,
        request: &SearchRequest<'_>,
    ) -> Result<Vec<Match>, SearchError> {
        let question = request.query.chars().take(MAX_QUESTION_CHARS).collect();
        let vectors = meaning.embedder.embed(vec![question], EmbeddingOf::Query).await?;
        let vector =
            vectors.first().and_then(|vector| Quantised::new(vector)).ok_or_else(|| {
                EmbedError::Failed("the embedding model gave no vector for the question".to_owned())
            })?;
        let identity = meaning.embedder.identity();
        let limit = DEPTH_OF_VECTORS.max(request.limit * 2);
        self.index.nearest(&identity, vector, request, limit, meaning.max_bytes).await
    }

    async fn page(&self, request: &SearchRequest<'_>) -> Result<HashSet<i64>, SearchError> {
        match request.page {
            Some(page) => self.index.documents_at(page, request.tenant).await,
            None => Ok(HashSet::new()),
        }
    }

    async fn chosen(
        &self,
        matches: Vec<Match>,
        request: &SearchRequest<'_>,
        reranking: Option<&Reranking>,
    ) -> Result<Vec<Passage>, SearchError> {
        let Some(reranking) = reranking.filter(|_| matches.len() > 1) else {
            let passages = self.candidates(matches, request, request.limit).await?;
            return Ok(self.finished(passages, request.limit));
        };
        let mut passages = self.candidates(matches, request, reranking.candidates).await?;
        reranking.rank_if_possible(request.query, &mut passages).await;
        Ok(self.finished(passages, request.limit))
    }

    /// The texts of the best matches, at least `wanted` where there are so many.
    async fn candidates(
        &self,
        matches: Vec<Match>,
        request: &SearchRequest<'_>,
        wanted: usize,
    ) -> Result<Vec<Passage>, SearchError> {
        let wanted = wanted.max(request.limit);
        // Some more than asked for: pages that exist twice hold the same passages.
        let mut chosen = diverse(matches);
        chosen.truncate((request.limit * 3).max(wanted));
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let mut passages = self.index.passages(&chosen, request.tenant).await?;
        let mut seen = HashSet::new();
        passages.retain(|passage| seen.insert(passage.text.trim().to_owned()));
        passages.truncate(wanted);
        passages.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        Ok(passages)
    }

    fn finished(&self, mut passages: Vec<Passage>, limit: usize) -> Vec<Passage> {
        passages.truncate(limit);
        let ids: HashSet<i64> = passages.iter().map(|passage| passage.id).collect();
        for passage in &mut passages {
            for neighbour in [&mut passage.neighbours.before, &mut passage.neighbours.after] {
                // One that is in the list itself is not given twice.
                if neighbour.as_ref().is_some_and(|(id, _)| !self.neighbours || ids.contains(id)) {
                    *neighbour = None;
                }
            }
        }
        passages
    }
}

impl PassageSearch for Retrieval {
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a> {
        Box::pin(async move { self.find(&request).await })
    }
}

/// One ranking by words and, where they are known, by the nearest vectors.
fn combined(words: Vec<Match>, near: Option<Vec<Match>>, page: &HashSet<i64>) -> Vec<Match> {
    match near {
        None => {
            let mut matches = words;
            fuse::lift_in_words(&mut matches, page);
            matches
        }
        Some(near) => {
            let mut words = words;
            fuse::sort(&mut words);
            let mut matches = fuse::by_ranks(&[(fuse::WORDS, &words), (fuse::MEANING, &near)]);
            fuse::lift_in_ranks(&mut matches, page);
            matches
        }
    }
}

impl Reranking {
    /// Ranks passages anew, or leaves them as they are.
    async fn rank_if_possible(&self, question: &str, passages: &mut [Passage]) {
        if !self.breaker.lets_through() {
            counter!(DEGRADED, "part" => "rerank").increment(1);
            return;
        }
        let since = Instant::now();
        let ranked = timeout(self.patience, self.rank(question, passages)).await;
        histogram!(MODEL_DURATION, "part" => "rerank").record(since.elapsed());
        let why = match ranked {
            Ok(Ok(())) => return self.breaker.worked(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no ranking after {} ms", self.patience.as_millis()),
        };
        tracing::warn!(error = why, "the found passages are not ranked anew");
        counter!(DEGRADED, "part" => "rerank").increment(1);
        self.breaker.failed();
    }

    async fn rank(&self, question: &str, passages: &mut [Passage]) -> Result<(), EmbedError> {
        let question: String = question.chars().take(MAX_QUESTION_CHARS).collect();
        let documents = passages
            .iter()
            .map(|passage| {
                let text = format!("{}\n\n{}", passage.breadcrumbs.join(" › "), passage.text);
                text.chars().take(MAX_RERANKED_CHARS).collect()
            })
            .collect();
        let ranking = self.reranker.rerank(&question, documents, passages.len()).await?;
        let mut placed = HashSet::new();
        let places: Vec<(usize, f64)> = ranking
            .into_iter()
            .filter(|(place, score)| {
                *place < passages.len() && score.is_finite() && placed.insert(*place)
            })
            .collect();
        if places.is_empty() {
            return Err(EmbedError::Failed("the reranker named none of the documents".to_owned()));
        }
        // Those that it did not name stay behind the others, in their order.
        let lowest = places.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
        for (place, passage) in passages.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "some tens of passages")]
            let behind = lowest - 1.0 - place as f64;
            passage.score =
                places.iter().find(|(at, _)| *at == place).map_or(behind, |(_, score)| *score);
        }
        passages.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }
}

/// Leaves a model alone that keeps failing, so that not every search waits for it in vain.
#[derive(Debug, Default)]
struct Breaker(Mutex<Failing>);

#[derive(Debug, Default)]
struct Failing {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    fn lets_through(&self) -> bool {
        let mut failing = self.lock();
        match failing.until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                // One tries; the others wait for what becomes of it.
                failing.until = Some(Instant::now() + LEFT_ALONE);
                true
            }
            None => true,
        }
    }

    fn worked(&self) {
        *self.lock() = Failing::default();
    }

    fn failed(&self) {
        let mut failing = self.lock();
        failing.failures += 1;
        if failing.failures >= FAILURES {
            failing.until = Some(Instant::now() + LEFT_ALONE);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Failing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_keeps_failing_is_left_alone_and_tried_again_by_one() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.lets_through());
            breaker.failed();
        }
        assert!(!breaker.lets_through());
        tokio::time::advance(LEFT_ALONE).await;
        assert!(breaker.lets_through());
        assert!(!breaker.lets_through(), "only one tries");
        breaker.worked();
        assert!(breaker.lets_through() && breaker.lets_through());
    }
}
