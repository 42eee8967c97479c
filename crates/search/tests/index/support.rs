//! What the integration tests share: a folder of documents with an index beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use parlor_search::{
    DocumentIndex, IngestOptions, IngestSummary, Passage, PostgresIndex, PostgresIndexSettings,
    Retrieval, SearchRequest, SkipReason, SqliteIndex,
};
use parlor_test_postgres::Server;
use tempfile::TempDir;

/// Where an index is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    pub(crate) const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// An index of its own.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

impl Place {
    /// In this folder, or in the tests' PostgreSQL.
    pub(crate) fn new(on: Store, folder: &Path) -> Self {
        match on {
            Store::Sqlite => Self::Sqlite(folder.join("index.db")),
            Store::Postgres => {
                let place = Server::shared().place();
                has_extension();
                Self::Postgres { url: place.url, schema: place.schema }
            }
        }
    }

    pub(crate) async fn open(&self) -> DocumentIndex {
        match self {
            Self::Sqlite(file) => SqliteIndex::open(file.to_str().unwrap()).await.unwrap().into(),
            Self::Postgres { url, schema } => {
                PostgresIndex::open(url, &settings(schema)).await.unwrap().into()
            }
        }
    }
}

/// Whether the tests' PostgreSQL searches vectors by itself. Debian's has no extension for it.
pub(crate) fn has_extension() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| Server::shared().admin("CREATE EXTENSION vector").is_ok())
}

pub(crate) fn settings(schema: &str) -> PostgresIndexSettings {
    PostgresIndexSettings { schema: schema.to_owned(), ..PostgresIndexSettings::default() }
}

pub(crate) struct Site {
    folder: TempDir,
    pub(crate) place: Place,
    pub(crate) index: DocumentIndex,
}

impl Site {
    pub(crate) async fn new(on: Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let place = Place::new(on, folder.path());
        let index = place.open().await;
        Self { folder, place, index }
    }

    pub(crate) fn document_index(&self) -> DocumentIndex {
        self.index.clone()
    }

    /// A path below the documents' folder, absolute and without symbolic links.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        let docs = self.folder.path().canonicalize().unwrap().join("docs");
        if relative.is_empty() { docs } else { docs.join(relative) }
    }

    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn remove(&self, relative: &str) {
        fs::remove_file(self.path(relative)).unwrap();
    }

    pub(crate) fn options(&self) -> IngestOptions {
        IngestOptions::new([self.path("")]).base_url("/docs/")
    }

    pub(crate) async fn ingest(&self) -> IngestSummary {
        self.index.ingest(self.options(), &()).await.unwrap()
    }

    pub(crate) async fn search(&self, query: &str) -> Vec<Passage> {
        self.first(query, 10).await
    }

    pub(crate) async fn first(&self, query: &str, limit: usize) -> Vec<Passage> {
        let retrieval = Retrieval::new(self.document_index());
        retrieval.find(&SearchRequest::new(query, limit)).await.unwrap()
    }

    /// The URLs a query finds, best first.
    pub(crate) async fn urls(&self, query: &str) -> Vec<String> {
        self.search(query).await.into_iter().map(|passage| passage.url).collect()
    }
}

/// Added, changed, unchanged, removed.
pub(crate) fn counts(summary: &IngestSummary) -> (u64, u64, u64, u64) {
    (summary.added, summary.changed, summary.unchanged, summary.removed)
}

/// Why a path was skipped, if it was.
pub(crate) fn reason<'a>(summary: &'a IngestSummary, path: &Path) -> Option<&'a SkipReason> {
    summary.skipped.iter().find(|skipped| skipped.path == path).map(|skipped| &skipped.reason)
}
