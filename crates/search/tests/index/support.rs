//! What the integration tests share: a folder of documents with an index beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use parlor_search::{
    DocumentIndex, IngestOptions, IngestSummary, Passage, SkipReason, SqliteIndex,
};
use tempfile::TempDir;

pub(crate) struct Site {
    folder: TempDir,
    pub(crate) index: SqliteIndex,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let index =
            SqliteIndex::open(folder.path().join("index.db").to_str().unwrap()).await.unwrap();
        Self { folder, index }
    }

    pub(crate) fn document_index(&self) -> DocumentIndex {
        self.index.clone().into()
    }

    /// A path below the documents' folder, absolute and without symbolic links.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        let docs = self.folder.path().canonicalize().unwrap().join("docs");
        if relative.is_empty() { docs } else { docs.join(relative) }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("index.db")
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
        self.index.search(query, 10).await.unwrap()
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
