//! Whether files have changed since they were last looked at, without reading them or the index.

use std::{fs, time::UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::{IngestOptions, SearchError, walk};

/// What the files of an ingest look like from outside: names, sizes and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot([u8; 32]);

impl IngestOptions {
    /// Looks at the files that an ingest with these options would look at.
    ///
    /// # Errors
    ///
    /// The same as an ingest's, of paths that cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot, SearchError> {
        let options = self.clone();
        tokio::task::spawn_blocking(move || {
            let found = walk::walk(&options)?;
            let mut hash = Sha256::new();
            for file in found.files {
                hash.update(file.key.as_bytes());
                let seen = fs::metadata(&file.path).ok().map(|known| {
                    let changed =
                        known.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                    (known.len(), changed.unwrap_or_default().as_nanos())
                });
                let (bytes, changed) = seen.unwrap_or((u64::MAX, 0));
                hash.update([0]);
                hash.update(bytes.to_le_bytes());
                hash.update(changed.to_le_bytes());
            }
            Ok(Snapshot(hash.finalize().into()))
        })
        .await?
    }
}
