//! Documents whose addresses somebody else knows: a list that a generator of sites writes.

use std::{fs, path::Path};

use crate::SearchError;

/// Files with their addresses, below the one directory that is indexed: only these are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageList {
    /// What to index.
    pub pages: Vec<Page>,
    /// Directories whose documents stay as they are: another list's. Paths below the directory.
    #[serde(default)]
    pub keep: Vec<String>,
}

/// A file and where a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Path below the directory, with `/` between the parts.
    pub file: String,
    /// Its address: a path on the site of the base URL, or a whole one.
    pub url: String,
}

impl PageList {
    /// Reads a list: `{"pages": [{"file": "intro/index.html", "url": "/intro"}], "keep": ["fr"]}`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Io`] and [`SearchError::Pages`], which says what is wrong with it and where.
    pub fn read(path: &Path) -> Result<Self, SearchError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SearchError::Io { path: path.to_owned(), source })?;
        serde_json::from_str(&text).map_err(|error| SearchError::Pages {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}
