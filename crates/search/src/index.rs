//! The index, wherever it is kept.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::{
    Passage, SearchError, SearchRequest, SqliteIndex,
    cache::VectorState,
    ingest::{Change, Known},
    meaning::{Embedded, Unembedded},
    vectors::Quantised,
};

/// Most passages of one document in a result list: ten passages of one page answer less than
/// three each of three pages.
const MAX_PER_DOCUMENT: usize = 3;

/// How many matches by words are ranked at least.
pub(crate) const DEPTH_OF_WORDS: usize = 100;

/// A term found in more passages than this is common. Ranking costs time for each matching
/// passage, and a word that is nearly everywhere hardly changes the order.
pub(crate) const COMMON: i64 = 800;

/// An index of documents, in the database that was chosen. Cheap to clone.
#[derive(Debug, Clone)]
pub enum DocumentIndex {
    /// In a SQLite file.
    Sqlite(SqliteIndex),
    /// In PostgreSQL, for all servers on it.
    #[cfg(feature = "postgres")]
    Postgres(crate::PostgresIndex),
}

impl From<SqliteIndex> for DocumentIndex {
    fn from(index: SqliteIndex) -> Self {
        Self::Sqlite(index)
    }
}

#[cfg(feature = "postgres")]
impl From<crate::PostgresIndex> for DocumentIndex {
    fn from(index: crate::PostgresIndex) -> Self {
        Self::Postgres(index)
    }
}

/// How much an index holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct IndexStats {
    /// Documents that have passages.
    pub documents: u64,
    /// Passages in all documents.
    pub passages: u64,
    /// Passages that have a vector.
    pub vectors: u64,
    /// The model that the vectors are of, with all that decides what they are.
    pub vector_model: Option<String>,
    /// When an ingest last ended well, if one ever did.
    pub last_ingest_at: Option<DateTime<Utc>>,
}

/// Where the vectors of an index are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorSearch {
    /// In the memory of each process.
    Memory,
    /// In memory, too: PostgreSQL has no extension `vector` (pgvector).
    NoExtension,
    /// In memory, too: the extension is older than 0.8.
    OldExtension {
        /// Its version.
        version: String,
    },
    /// In memory, too: vectors were made before the extension was there. The next ingest makes its index.
    NoIndexYet {
        /// The extension's version.
        version: String,
    },
    /// In PostgreSQL, by the extension's index.
    Extension {
        /// Its version.
        version: String,
    },
}

/// A passage that matches a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    pub(crate) passage: i64,
    pub(crate) document: i64,
    /// Higher is better; comparable within one list only.
    pub(crate) score: f64,
}

/// The matches in the order in which they should be taken: best first, but all beyond the first
/// [`MAX_PER_DOCUMENT`] of a document after those of other documents.
pub(crate) fn diverse(mut matches: Vec<Match>) -> Vec<Match> {
    // Equal scores in the order of the documents, whatever the query planner did.
    crate::fuse::sort(&mut matches);
    let mut of_document = std::collections::HashMap::<i64, usize>::new();
    let (mut first, crowding): (Vec<Match>, Vec<Match>) = matches.into_iter().partition(|found| {
        let taken = of_document.entry(found.document).or_default();
        *taken += 1;
        *taken <= MAX_PER_DOCUMENT
    });
    first.extend(crowding);
    first
}

/// Runs a method of whichever index it is.
macro_rules! each {
    ($index:expr, $method:ident($($argument:expr),*)) => {
        match $index {
            DocumentIndex::Sqlite(index) => index.$method($($argument),*).await,
            #[cfg(feature = "postgres")]
            DocumentIndex::Postgres(index) => index.$method($($argument),*).await,
        }
    };
}
pub(crate) use each;

impl DocumentIndex {
    /// How much the index holds.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn stats(&self) -> Result<IndexStats, SearchError> {
        each!(self, stats())
    }

    /// Passages that hold words of the query, best first.
    pub(crate) async fn words(
        &self,
        request: &SearchRequest<'_>,
    ) -> Result<Vec<Match>, SearchError> {
        each!(self, words(request))
    }

    /// Passages whose vectors are nearest, best first.
    pub(crate) async fn nearest(
        &self,
        identity: &str,
        to: Quantised,
        request: &SearchRequest<'_>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Match>, SearchError> {
        each!(self, nearest(identity, to, request, limit, max_bytes))
    }

    /// The documents that a reader of this page sees, who is of this tenant.
    pub(crate) async fn documents_at(
        &self,
        page: &str,
        tenant: Option<&str>,
    ) -> Result<HashSet<i64>, SearchError> {
        each!(self, documents_at(page, tenant))
    }

    /// The passages of these matches, in the same order; those that somebody of this tenant may
    /// see.
    pub(crate) async fn passages(
        &self,
        matches: &[Match],
        tenant: Option<&str>,
    ) -> Result<Vec<Passage>, SearchError> {
        each!(self, passages(matches, tenant))
    }

    pub(crate) async fn known_documents(
        &self,
    ) -> Result<std::collections::HashMap<String, Known>, SearchError> {
        each!(self, known_documents())
    }

    pub(crate) async fn write(&self, changes: &[Change]) -> Result<(), SearchError> {
        each!(self, write(changes))
    }

    pub(crate) async fn remove(&self, documents: &[i64]) -> Result<u64, SearchError> {
        each!(self, remove(documents))
    }

    pub(crate) async fn ingest_ended(&self, changed: bool) -> Result<(), SearchError> {
        each!(self, ingest_ended(changed))
    }

    pub(crate) async fn vector_state(&self) -> Result<VectorState, SearchError> {
        each!(self, vector_state())
    }

    /// Makes the index one for vectors of this model. Whether it had those of another.
    pub(crate) async fn prepare_vectors(&self, identity: &str) -> Result<bool, SearchError> {
        let state = self.vector_state().await?;
        let changed = state.model.as_deref().is_some_and(|model| model != identity);
        if changed || state.model.is_none() {
            self.forget_vectors(identity).await?;
        }
        Ok(changed)
    }

    /// Throws all vectors away, and says which model the next ones are of.
    pub(crate) async fn forget_vectors(&self, identity: &str) -> Result<(), SearchError> {
        each!(self, forget_vectors(identity))
    }

    /// Where vectors are searched.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn vector_search(&self) -> Result<VectorSearch, SearchError> {
        match self {
            Self::Sqlite(_) => Ok(VectorSearch::Memory),
            #[cfg(feature = "postgres")]
            Self::Postgres(index) => index.vector_search().await,
        }
    }

    /// Sees to it that PostgreSQL's extension for vectors has an index of them, where it is there or can be made and the
    /// role may make tables. [`embed`](Self::embed) ends with it. What stands in the way is no error: vectors are then
    /// searched in memory.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database is away.
    pub async fn index_vectors(&self) -> Result<(), SearchError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(index) => index.index_vectors().await,
        }
    }

    /// How many passages have no vector.
    pub(crate) async fn count_unembedded(&self) -> Result<u64, SearchError> {
        each!(self, count_unembedded())
    }

    /// The next passages without a vector, after one, in the order of their ids.
    pub(crate) async fn unembedded(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Unembedded>, SearchError> {
        each!(self, unembedded(after, limit))
    }

    /// Stores vectors of this model, for passages that are still there. Nothing if the index has
    /// been made one for another model meanwhile.
    pub(crate) async fn put_vectors(
        &self,
        identity: &str,
        embedded: &[Embedded],
    ) -> Result<(), SearchError> {
        each!(self, put_vectors(identity, embedded))
    }
}
