//! The vectors of an index in memory, brought up to date as the index changes.

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    SearchError,
    index::Match,
    vectors::{Matrix, Quantised},
};

/// How long a search waits for changes of the index before it goes by what is in memory.
const WAIT_FOR_CHANGES: Duration = Duration::from_millis(200);
/// How many vectors are fetched at a time.
pub(crate) const FETCHED: usize = 2_000;

/// What an index says of its vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VectorState {
    /// Grows with every change.
    pub(crate) generation: i64,
    /// Which model they are of; none if there are no vectors.
    pub(crate) model: Option<String>,
    /// How many numbers each has.
    pub(crate) dimensions: Option<usize>,
}

/// A vector as it is stored.
pub(crate) struct StoredVector {
    pub(crate) id: i64,
    pub(crate) passage: i64,
    pub(crate) document: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Where vectors are stored.
pub(crate) trait VectorSource: Clone + Send + Sync + 'static {
    fn state(&self) -> impl Future<Output = Result<VectorState, SearchError>> + Send;
    /// How many there are.
    fn count(&self) -> impl Future<Output = Result<usize, SearchError>> + Send;
    /// The next [`FETCHED`] after an id, in the order of their ids.
    fn after(&self, id: i64)
    -> impl Future<Output = Result<Vec<StoredVector>, SearchError>> + Send;
    /// All passages that have one.
    fn passages(&self) -> impl Future<Output = Result<HashSet<i64>, SearchError>> + Send;
}

/// The vectors in memory. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct VectorCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    loaded: Mutex<Option<Arc<Loaded>>>,
    /// One at a time brings them up to date.
    refreshing: tokio::sync::Mutex<()>,
    /// Searches are work for processors, so not many more at a time than there are.
    searching: Semaphore,
}

#[derive(Debug, Clone)]
struct Loaded {
    state: VectorState,
    /// The newest id in it.
    last: i64,
    /// Some are missing, as writers that work at the same time do not end in the order of their ids.
    incomplete: bool,
    matrix: Matrix,
}

impl Default for VectorCache {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Inner {
            loaded: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            searching: Semaphore::new(processors),
        }))
    }
}

impl VectorCache {
    /// The nearest passages to a vector of this model, as [`Matrix::nearest`].
    ///
    /// # Errors
    ///
    /// [`SearchError::Vectors`] when the index has none of this model, or more than fit
    /// `max_bytes`.
    pub(crate) async fn nearest(
        &self,
        source: &impl VectorSource,
        identity: &str,
        to: Quantised,
        limit: usize,
        documents: Option<HashSet<i64>>,
        max_bytes: usize,
    ) -> Result<Vec<Match>, SearchError> {
        let loaded = self.current(source, identity, max_bytes).await?;
        if to.len() != loaded.matrix.dimensions() {
            return Err(SearchError::Vectors(format!(
                "the question's vector has {} numbers and those of the index have {}; run `parlor ingest` again",
                to.len(),
                loaded.matrix.dimensions()
            )));
        }
        // Never closed.
        let _turn = self.0.searching.acquire().await;
        let search = move || loaded.matrix.nearest(&to, limit, documents.as_ref());
        Ok(tokio::task::spawn_blocking(search).await?)
    }

    async fn current(
        &self,
        source: &impl VectorSource,
        identity: &str,
        max_bytes: usize,
    ) -> Result<Arc<Loaded>, SearchError> {
        let state = source.state().await?;
        match &state.model {
            None => {
                return Err(SearchError::Vectors(
                    "the index has no vectors yet; run `parlor ingest`".to_owned(),
                ));
            }
            Some(model) if model != identity => {
                return Err(SearchError::Vectors(format!(
                    "the vectors of the index are of the model `{model}` and not of `{identity}`; run `parlor ingest` with the settings of this server"
                )));
            }
            Some(_) => {}
        }
        let same_model = |loaded: &Arc<Loaded>| {
            loaded.state.model == state.model && loaded.state.dimensions == state.dimensions
        };
        let before = self.loaded().filter(same_model);
        if let Some(loaded) = &before
            && loaded.state.generation == state.generation
        {
            return Ok(Arc::clone(loaded));
        }
        let refresh = self.refresh(source.clone(), state, max_bytes);
        match before {
            None => refresh.await?,
            // What has changed can wait; who asks cannot.
            Some(before) => match tokio::time::timeout(WAIT_FOR_CHANGES, refresh).await {
                Ok(refreshed) => refreshed?,
                Err(_) => Ok(before),
            },
        }
    }

    /// A task of its own: who asked may give up waiting.
    fn refresh(
        &self,
        source: impl VectorSource,
        wanted: VectorState,
        max_bytes: usize,
    ) -> JoinHandle<Result<Arc<Loaded>, SearchError>> {
        let cache = self.clone();
        tokio::spawn(async move {
            let _one = cache.0.refreshing.lock().await;
            // Somebody else may have done it in the meantime.
            if let Some(loaded) = cache.loaded()
                && loaded.state.model == wanted.model
                && loaded.state.dimensions == wanted.dimensions
                && loaded.state.generation >= wanted.generation
            {
                return Ok(loaded);
            }
            cache.bring_up_to_date(&source, max_bytes).await
        })
    }

    async fn bring_up_to_date(
        &self,
        source: &impl VectorSource,
        max_bytes: usize,
    ) -> Result<Arc<Loaded>, SearchError> {
        // First the generation: what changes while the rest is read makes the next search look again.
        let state = source.state().await?;
        let dimensions = state.dimensions.unwrap_or_default();
        let count = source.count().await?;
        let bytes = count.saturating_mul(dimensions + 24);
        if bytes > max_bytes {
            self.put(None);
            return Err(SearchError::Vectors(format!(
                "{count} vectors of {dimensions} numbers take {} MB of memory, more than search.embeddings.max_memory_mb allows",
                bytes.div_ceil(1024 * 1024)
            )));
        }
        let before = self.loaded().filter(|loaded| {
            loaded.state.model == state.model
                && loaded.state.dimensions == state.dimensions
                && !loaded.incomplete
        });
        let mut last = before.as_ref().map_or(0, |loaded| loaded.last);
        let had = before.as_ref().map_or(0, |loaded| loaded.matrix.len());
        let mut new = Matrix::new(dimensions);
        loop {
            let some = source.after(last).await?;
            let Some(newest) = some.last() else { break };
            last = newest.id;
            for vector in some {
                new.push(vector.passage, vector.document, &vector.bytes);
            }
        }
        let gone = had + new.len() != count;
        let passages = if gone && had > 0 { Some(source.passages().await?) } else { None };
        drop(before);
        let cache = self.clone();
        let changed = tokio::task::spawn_blocking(move || {
            let mut guard = cache.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            let mut loaded = match guard.take() {
                Some(before) if had > 0 => before,
                _ => Arc::new(Loaded {
                    state: VectorState::default(),
                    last: 0,
                    incomplete: false,
                    matrix: Matrix::new(dimensions),
                }),
            };
            // Copied only while a search is reading it.
            let changing = Arc::make_mut(&mut loaded);
            if let Some(passages) = &passages {
                changing.matrix.retain(passages);
            }
            changing.matrix.append(new);
            changing.last = last;
            changing.state = state;
            changing.incomplete = changing.matrix.len() < count;
            *guard = Some(Arc::clone(&loaded));
            loaded
        });
        Ok(changed.await?)
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, loaded: Option<Arc<Loaded>>) {
        *self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
    }
}
