//! What comes later than the server: what the database has to give before requests can be answered,
//! and an index of documents whose file cannot be opened for now.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use parlor_chatkit::ErrorChain;
use parlor_search::{PassageSearch, Retrieval, SearchError, SearchFuture, SearchRequest};
use tokio::sync::OnceCell;

use crate::{error::ApiError, search::SearchSetup};

/// The index of documents. One that cannot be opened, on a disk that is full, say, keeps nobody
/// from chatting: each search tries again, and until then answers do without passages.
#[derive(Debug)]
pub(crate) struct LateIndex {
    search: SearchSetup,
    opened: OnceCell<Retrieval>,
    /// What an earlier version kept in a file, until something is ingested into the database.
    former: Mutex<Option<Retrieval>>,
}

impl LateIndex {
    /// Opens the index, now if possible.
    pub(crate) async fn open(search: SearchSetup) -> Self {
        let index = Self { search, opened: OnceCell::new(), former: Mutex::default() };
        match index.get().await {
            Ok(_) => {}
            Err(error) => {
                let error = ErrorChain(&error);
                tracing::warn!(%error, "answers do without the documents for now");
            }
        }
        index
    }

    async fn get(&self) -> Result<&Retrieval, SearchError> {
        self.opened
            .get_or_try_init(|| async {
                let retrieval = self.search.open().await?;
                self.look_for_former(&retrieval).await;
                Ok(retrieval)
            })
            .await
    }

    async fn look_for_former(&self, retrieval: &Retrieval) {
        let Ok(stats) = retrieval.index().stats().await else { return };
        let Some(file) = self.search.former_file(&stats) else { return };
        match self.search.open_former(&file).await {
            Ok(former) => {
                tracing::warn!(
                    file = %file.display(),
                    "documents are kept in PostgreSQL now, and none are there; run `parlor ingest` again, until then those in the file are used"
                );
                *self.former() = Some(former);
            }
            Err(error) => {
                let error = ErrorChain(&error);
                tracing::warn!(file = %file.display(), %error, "documents are kept in PostgreSQL now, and the file with the former ones cannot be used; run `parlor ingest` again");
            }
        }
    }

    /// The former index, as long as nothing was ingested into the new one.
    async fn former_of(&self, retrieval: &Retrieval) -> Option<Retrieval> {
        let former = self.former().clone()?;
        let stats = retrieval.index().stats().await.ok()?;
        if stats.last_ingest_at.is_none() {
            return Some(former);
        }
        tracing::info!("the documents in PostgreSQL are used from now on");
        *self.former() = None;
        None
    }

    fn former(&self) -> MutexGuard<'_, Option<Retrieval>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassageSearch for LateIndex {
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a> {
        Box::pin(async move {
            let retrieval = self.get().await?;
            match self.former_of(retrieval).await {
                Some(former) => former.find(&request).await,
                None => retrieval.find(&request).await,
            }
        })
    }
}

/// A value that is there once the database has given it. Cloning shares it.
#[derive(Debug)]
pub(crate) struct Late<T>(Arc<OnceLock<T>>);

// Derived, it would want a value that can be cloned.
impl<T> Clone for Late<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Late<T> {
    /// The value.
    ///
    /// # Errors
    /// 503 as long as the database has not given it.
    pub(crate) fn get(&self) -> Result<&T, ApiError> {
        self.value().ok_or_else(not_ready)
    }

    /// The value, if it is there.
    pub(crate) fn value(&self) -> Option<&T> {
        self.0.get()
    }

    /// Gives the value; the first one stays.
    pub(crate) fn set(&self, value: T) {
        let _ = self.0.set(value);
    }
}

/// 503, as from a store that does not answer.
pub(crate) fn not_ready() -> ApiError {
    ApiError::unavailable(
        "storage_unavailable",
        "chat is unavailable at the moment; try again in a few seconds",
        1,
    )
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> From<T> for Late<T> {
    fn from(value: T) -> Self {
        let late = Self::default();
        late.set(value);
        late
    }
}
