//! Bringing the index in line with files: walk, parse in parallel, write in small transactions.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use chrono::Utc;
use sha2::{Digest, Sha256};
use sqlx::{Connection as _, Row, SqliteConnection};
use tokio::task::JoinHandle;

use crate::{
    DocumentUrls, PageList, SearchError, SqliteIndex,
    document::{self, Document, Format},
    walk::{self, SourceFile},
};

/// Part of every stored hash: raise it when the same bytes would give other passages, and the
/// next ingest indexes everything anew.
const PIPELINE_VERSION: u32 = 2;
/// A transaction ends after this many passages (a longer document has its own), so that the
/// chat's writes to the same file never wait long.
const PASSAGES_PER_TRANSACTION: usize = 60;
/// The pause between two transactions is as long as the first, up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// How much of the full-text index is merged at a time, in pages of 4 KiB.
const MERGED_PAGES: i64 = 32;
/// A file changed this shortly before it was read may change again within the same tick of the
/// file system's clock; its time proves nothing at the next run.
const FRESH: Duration = Duration::from_secs(2);

/// What to index, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IngestOptions {
    /// Directories and single files.
    pub paths: Vec<PathBuf>,
    /// The URL under which the documents are shown; a document's path below the directory given
    /// in `paths` is appended. Default `/`.
    pub base_url: String,
    /// Also look into hidden files and directories. Default false.
    pub include_hidden: bool,
    /// Larger files are skipped. Default 10 MiB.
    pub max_file_bytes: u64,
    /// Remove documents under `paths` whose files are gone. Default true.
    pub prune: bool,
    /// Index these files only, at these addresses. `paths` is then the one directory they are in.
    /// Default: all documents that are there.
    pub pages: Option<PageList>,
}

impl IngestOptions {
    /// Everything at its default for these paths.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            base_url: "/".to_owned(),
            include_hidden: false,
            max_file_bytes: 10 * 1024 * 1024,
            prune: true,
            pages: None,
        }
    }

    /// Sets [`base_url`](Self::base_url).
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }
}

/// What an ingest did.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[non_exhaustive]
pub struct IngestSummary {
    /// Documents that were not in the index before.
    pub added: u64,
    /// Documents whose passages were replaced.
    pub changed: u64,
    /// Documents that are as the index has them.
    pub unchanged: u64,
    /// Documents whose files are gone or no longer hold anything to index.
    pub removed: u64,
    /// Passages written in this run.
    pub passages: u64,
    /// What could not be indexed, in the order it was met.
    pub skipped: Vec<Skipped>,
    /// Files of kinds that are not documents, counted by extension (`""` for none).
    pub unsupported: BTreeMap<String, u64>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A file or folder that could not be indexed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// The path, absolute where it could be resolved.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why a file or folder was not indexed. `Display` says it in words for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Holds NUL bytes: not text.
    Binary,
    /// Is not UTF-8.
    InvalidUtf8 {
        /// Where the first wrong byte is, counted from 0.
        at_byte: usize,
    },
    /// Is larger than [`IngestOptions::max_file_bytes`].
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Has no text.
    Empty,
    /// A directory given to the ingest holds no document.
    NoDocuments,
    /// The operating system refused; what was indexed before is kept.
    Unreadable {
        /// What it said.
        message: String,
    },
    /// Is not a kind of file that is indexed; only reported for files named directly.
    Unsupported,
    /// A path given to the ingest does not exist; what was indexed under it is kept.
    Missing,
    /// A symbolic link that leads back to a folder it is in, or to itself.
    SymlinkLoop,
    /// A symbolic link to something outside the directory being indexed.
    SymlinkOutside,
    /// Named by a list of pages, and not below its directory.
    Outside,
    /// A symbolic link to nothing.
    SymlinkBroken,
    /// A symbolic link to a folder of the same directory.
    SymlinkToFolder,
    /// Was there when the run began and gone when it was read.
    Vanished,
    /// Its front matter says so: `draft`, `unlisted`, `noindex` or `search: false`.
    Excluded,
    /// The name is not UTF-8 and so has no URL.
    NameNotUtf8,
    /// It broke the parser; the rest was indexed.
    ParserFailed,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => f.write_str("is binary, not text"),
            Self::InvalidUtf8 { at_byte } => {
                write!(f, "is not UTF-8 (byte {at_byte}); save it as UTF-8")
            }
            Self::TooLarge { bytes, limit } => {
                write!(f, "is too large ({bytes} bytes, the limit is {limit})")
            }
            Self::Empty => f.write_str("is empty"),
            Self::NoDocuments => f.write_str("holds no documents"),
            Self::Unreadable { message } => write!(f, "could not be read: {message}"),
            Self::Unsupported => {
                f.write_str("is not Markdown, MDX, HTML, reStructuredText or plain text")
            }
            Self::Missing => f.write_str("does not exist"),
            Self::SymlinkLoop => f.write_str("is a symbolic link that loops"),
            Self::SymlinkOutside => {
                f.write_str("is a symbolic link out of the directory being indexed")
            }
            Self::Outside => f.write_str("is outside of the directory being indexed"),
            Self::SymlinkBroken => f.write_str("is a symbolic link to nothing"),
            Self::SymlinkToFolder => f.write_str("is a symbolic link to another folder here"),
            Self::Vanished => f.write_str("vanished while it was being indexed"),
            Self::Excluded => f.write_str("is excluded by its front matter"),
            Self::NameNotUtf8 => f.write_str("has a name that is not UTF-8"),
            Self::ParserFailed => f.write_str("could not be parsed"),
        }
    }
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOutcome {
    /// Indexed for the first time.
    Added,
    /// Its passages were replaced.
    Changed,
    /// Already as the index has it.
    Unchanged,
    /// Not indexed.
    Skipped(SkipReason),
}

/// Told how an ingest goes on; all methods do nothing by default. `()` is a silent one.
pub trait Progress: Send + Sync {
    /// The walk has ended: so many files are going to be looked at.
    fn found(&self, total: usize) {
        let _ = total;
    }

    /// One more file is done.
    fn file_done(&self, path: &Path, outcome: &FileOutcome) {
        let _ = (path, outcome);
    }

    /// Everything is done.
    fn finished(&self, summary: &IngestSummary) {
        let _ = summary;
    }
}

impl Progress for () {}

/// A document as the index has it.
#[derive(Debug, Clone)]
struct Known {
    id: i64,
    content_hash: Vec<u8>,
    settings_hash: Vec<u8>,
    size_bytes: i64,
    modified_ns: Option<i64>,
}

/// What identifies the state of a file.
#[derive(Debug)]
struct Stamp {
    content_hash: Vec<u8>,
    settings_hash: Vec<u8>,
    size_bytes: i64,
    modified_ns: Option<i64>,
}

/// What a worker made of a file.
enum Processed {
    Unchanged,
    /// The same content with another time: only the time is written.
    Touched(Stamp),
    Indexed(Box<Document>, Stamp),
    Skipped(SkipReason),
}

struct Job {
    file: SourceFile,
    known: Option<i64>,
    task: JoinHandle<Processed>,
}

impl SqliteIndex {
    /// Brings the index in line with the files under `options.paths`.
    ///
    /// Only what changed is parsed and written. Each document is replaced in one transaction, so
    /// searches see its old passages or its new ones, and a run that is killed leaves an index
    /// that works; the next run does the rest. Documents outside the given paths are not touched.
    ///
    /// # Errors
    ///
    /// [`SearchError::NoSuchPath`] when none of the paths exists, [`SearchError::NoPaths`],
    /// [`SearchError::Database`]. Files that can't be indexed are in
    /// [`IngestSummary::skipped`].
    pub async fn ingest(
        &self,
        options: IngestOptions,
        progress: &dyn Progress,
    ) -> Result<IngestSummary, SearchError> {
        let started = Instant::now();
        let found = {
            let options = options.clone();
            tokio::task::spawn_blocking(move || walk::walk(&options)).await??
        };
        progress.found(found.files.len());
        let mut known = self.known_documents().await?;
        let mut run = Run {
            index: self,
            progress,
            summary: IngestSummary {
                skipped: found.skipped,
                unsupported: found.unsupported,
                ..IngestSummary::default()
            },
            batch: Vec::new(),
            batch_passages: 0,
            gone: Vec::new(),
        };

        let urls = DocumentUrls::new(&options.base_url);
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        let mut files = found.files.into_iter();
        let mut jobs: VecDeque<Job> = VecDeque::new();
        let mut seen: HashSet<String> = HashSet::new();
        loop {
            // A few files ahead of the writer keep every core busy; more would only hold memory.
            while jobs.len() < workers * 3
                && let Some(file) = files.next()
            {
                seen.insert(file.key.clone());
                jobs.push_back(start_job(file, &known, &urls, options.max_file_bytes));
            }
            // In the order of the walk, so that the same files give the same passage ids.
            let Some(Job { file, known, task }) = jobs.pop_front() else { break };
            let processed = match task.await {
                Ok(processed) => processed,
                Err(error) if error.is_panic() => Processed::Skipped(SkipReason::ParserFailed),
                Err(error) => return Err(error.into()),
            };
            run.take(file, known, processed).await?;
        }
        run.write_batch().await?;

        if options.prune {
            known.retain(|key, _| {
                !seen.contains(key)
                    && found.roots.iter().any(|root| is_under(key, root))
                    && !found.blind.iter().any(|blind| is_under(key, blind))
            });
            run.gone.extend(known.into_values().map(|document| document.id));
        }
        run.remove_gone().await?;
        run.finish(started).await
    }

    async fn known_documents(&self) -> Result<HashMap<String, Known>, SearchError> {
        let rows = sqlx::query(
            "SELECT id, path, content_hash, settings_hash, size_bytes, modified_ns
             FROM search_documents",
        )
        .fetch_all(self.reader())
        .await?;
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            known.insert(
                row.try_get("path")?,
                Known {
                    id: row.try_get("id")?,
                    content_hash: row.try_get("content_hash")?,
                    settings_hash: row.try_get("settings_hash")?,
                    size_bytes: row.try_get("size_bytes")?,
                    modified_ns: row.try_get("modified_ns")?,
                },
            );
        }
        Ok(known)
    }
}

/// Whether the path is this root or below it. Both are absolute.
fn is_under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']) || root.ends_with('/'))
}

fn start_job(
    file: SourceFile,
    known: &HashMap<String, Known>,
    urls: &DocumentUrls,
    max_file_bytes: u64,
) -> Job {
    let before = known.get(&file.key).cloned();
    let known = before.as_ref().map(|document| document.id);
    let (source, urls) = (file.clone(), urls.clone());
    let task = tokio::task::spawn_blocking(move || {
        process(&source, before.as_ref(), &urls, max_file_bytes, &OsFiles)
    });
    Job { file, known, task }
}

/// Reading files, so that tests can make it fail.
trait Files {
    /// Size in bytes, and nanoseconds since 1970 of the last change where known.
    fn inspect(&self, path: &Path) -> io::Result<(u64, Option<i64>)>;
    /// The content, of which at most `limit` bytes are read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
}

struct OsFiles;

impl Files for OsFiles {
    fn inspect(&self, path: &Path) -> io::Result<(u64, Option<i64>)> {
        let metadata = std::fs::metadata(path)?;
        let modified = metadata
            .modified()
            .ok()
            .filter(|at| at.elapsed().is_ok_and(|age| age > FRESH))
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .and_then(|age| i64::try_from(age.as_nanos()).ok());
        Ok((metadata.len(), modified))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, limit), &mut bytes)?;
        Ok(bytes)
    }
}

fn process(
    file: &SourceFile,
    known: Option<&Known>,
    urls: &DocumentUrls,
    max_file_bytes: u64,
    files: &dyn Files,
) -> Processed {
    let failed = |error: io::Error| {
        Processed::Skipped(match error.kind() {
            io::ErrorKind::NotFound => SkipReason::Vanished,
            _ => SkipReason::Unreadable { message: error.to_string() },
        })
    };
    let too_large =
        |bytes| Processed::Skipped(SkipReason::TooLarge { bytes, limit: max_file_bytes });
    let (size, modified_ns) = match files.inspect(&file.path) {
        Ok(found) => found,
        Err(error) => return failed(error),
    };
    if size > max_file_bytes {
        return too_large(size);
    }
    let size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
    let settings_hash = settings_hash(file, urls);
    if let Some(known) = known
        && modified_ns.is_some()
        && known.modified_ns == modified_ns
        && known.size_bytes == size_bytes
        && known.settings_hash == settings_hash
    {
        return Processed::Unchanged;
    }
    let bytes = match files.read(&file.path, max_file_bytes.saturating_add(1)) {
        Ok(bytes) => bytes,
        Err(error) => return failed(error),
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > max_file_bytes {
        return too_large(length);
    }
    let stamp = Stamp {
        content_hash: content_hash(&settings_hash, &bytes),
        settings_hash,
        size_bytes,
        modified_ns,
    };
    if known.is_some_and(|known| known.content_hash == stamp.content_hash) {
        return if modified_ns.is_some() {
            Processed::Touched(stamp)
        } else {
            Processed::Unchanged
        };
    }
    if bytes.contains(&0) {
        return Processed::Skipped(SkipReason::Binary);
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
        Err(error) => {
            return Processed::Skipped(SkipReason::InvalidUtf8 { at_byte: error.valid_up_to() });
        }
    };
    let Some(format) = Format::of(&file.path) else {
        return Processed::Skipped(SkipReason::Unsupported);
    };
    let document = document::parse(&file.relative, file.url.as_deref(), format, text, urls);
    if document.excluded {
        Processed::Skipped(SkipReason::Excluded)
    } else if document.passages.is_empty() {
        Processed::Skipped(SkipReason::Empty)
    } else {
        Processed::Indexed(Box::new(document), stamp)
    }
}

fn settings_hash(file: &SourceFile, urls: &DocumentUrls) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(PIPELINE_VERSION.to_le_bytes());
    let parts = [urls.base(), &file.root, &file.relative];
    for part in parts.into_iter().chain(file.url.as_deref()) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().to_vec()
}

fn content_hash(settings_hash: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(settings_hash);
    hash.update(bytes);
    hash.finalize().to_vec()
}

/// One change to the index.
enum Change {
    Put { file: SourceFile, known: Option<i64>, document: Box<Document>, stamp: Stamp },
    Touch { id: i64, stamp: Stamp },
}

struct Run<'a> {
    index: &'a SqliteIndex,
    progress: &'a dyn Progress,
    summary: IngestSummary,
    batch: Vec<Change>,
    batch_passages: usize,
    gone: Vec<i64>,
}

impl Run<'_> {
    async fn take(
        &mut self,
        file: SourceFile,
        known: Option<i64>,
        processed: Processed,
    ) -> Result<(), SearchError> {
        match processed {
            Processed::Unchanged => {
                self.summary.unchanged += 1;
                self.progress.file_done(&file.path, &FileOutcome::Unchanged);
            }
            Processed::Touched(stamp) => {
                self.summary.unchanged += 1;
                self.progress.file_done(&file.path, &FileOutcome::Unchanged);
                if let Some(id) = known {
                    self.batch.push(Change::Touch { id, stamp });
                }
            }
            Processed::Skipped(reason) => {
                // What can't be read now may be readable tomorrow; what is no document any more
                // must not be cited.
                if let Some(id) = known
                    && !matches!(reason, SkipReason::Unreadable { .. } | SkipReason::ParserFailed)
                {
                    self.gone.push(id);
                }
                self.progress.file_done(&file.path, &FileOutcome::Skipped(reason.clone()));
                self.summary.skipped.push(Skipped { path: file.path, reason });
            }
            Processed::Indexed(document, stamp) => {
                self.batch_passages += document.passages.len();
                self.batch.push(Change::Put { file, known, document, stamp });
            }
        }
        if self.batch_passages >= PASSAGES_PER_TRANSACTION
            || self.batch.len() >= PASSAGES_PER_TRANSACTION
        {
            self.write_batch().await?;
        }
        Ok(())
    }

    /// Writes what was collected in one transaction, then leaves the database to others for as
    /// long: SQLite's waiting writers don't queue, they look again from time to time.
    async fn write_batch(&mut self) -> Result<(), SearchError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_passages = 0;
        let mut connection = self.index.writer().acquire().await?;
        let began = Instant::now();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for change in &batch {
            match change {
                Change::Touch { id, stamp } => {
                    sqlx::query("UPDATE search_documents SET modified_ns = ?2, size_bytes = ?3 WHERE id = ?1")
                        .bind(id)
                        .bind(stamp.modified_ns)
                        .bind(stamp.size_bytes)
                        .execute(&mut *transaction)
                        .await?;
                }
                Change::Put { file, known, document, stamp } => {
                    put(&mut transaction, file, *known, document, stamp).await?;
                }
            }
        }
        transaction.commit().await?;
        let took = began.elapsed();
        drop(connection);
        for change in batch {
            if let Change::Put { file, known, document, .. } = change {
                self.summary.passages += document.passages.len() as u64;
                let outcome = if known.is_some() {
                    self.summary.changed += 1;
                    FileOutcome::Changed
                } else {
                    self.summary.added += 1;
                    FileOutcome::Added
                };
                self.progress.file_done(&file.path, &outcome);
            }
        }
        tokio::time::sleep(took.min(LONGEST_PAUSE)).await;
        Ok(())
    }

    async fn remove_gone(&mut self) -> Result<(), SearchError> {
        let mut gone = std::mem::take(&mut self.gone);
        gone.sort_unstable();
        for ids in gone.chunks(20) {
            let mut connection = self.index.writer().acquire().await?;
            let began = Instant::now();
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            for &id in ids {
                remove_passages(&mut transaction, id).await?;
                let removed = sqlx::query("DELETE FROM search_documents WHERE id = ?1")
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
                self.summary.removed += removed.rows_affected();
            }
            transaction.commit().await?;
            let took = began.elapsed();
            drop(connection);
            tokio::time::sleep(took.min(LONGEST_PAUSE)).await;
        }
        Ok(())
    }

    async fn finish(mut self, started: Instant) -> Result<IngestSummary, SearchError> {
        if self.summary.added + self.summary.changed + self.summary.removed > 0 {
            self.tidy().await?;
        }
        sqlx::query("UPDATE search_state SET last_ingest_at = ?1 WHERE id = 1")
            .bind(Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
            .execute(self.index.writer())
            .await?;
        self.summary.elapsed = started.elapsed();
        self.progress.finished(&self.summary);
        Ok(self.summary)
    }

    /// Merges the segments of the full-text index, a little at a time: fewer make searches faster.
    async fn tidy(&self) -> Result<(), SearchError> {
        // The first step, with a negative number, opens every segment for merging. The bound is
        // far above what any index needs and only keeps this from being an endless loop.
        for step in 0..5_000 {
            let mut connection = self.index.writer().acquire().await?;
            let began = Instant::now();
            let before = total_changes(&mut connection).await?;
            sqlx::query("INSERT INTO search_words (search_words, rank) VALUES ('merge', ?1)")
                .bind(if step == 0 { -MERGED_PAGES } else { MERGED_PAGES })
                .execute(&mut *connection)
                .await?;
            // FTS5 reports a step without work as fewer than two changed rows.
            if step > 0 && total_changes(&mut connection).await? - before < 2 {
                break;
            }
            let took = began.elapsed();
            drop(connection);
            tokio::time::sleep(took.min(LONGEST_PAUSE)).await;
        }
        Ok(())
    }
}

async fn total_changes(connection: &mut SqliteConnection) -> Result<i64, SearchError> {
    Ok(sqlx::query("SELECT total_changes() AS n").fetch_one(connection).await?.try_get("n")?)
}

async fn remove_passages(
    connection: &mut SqliteConnection,
    document: i64,
) -> Result<(), SearchError> {
    for statement in [
        "DELETE FROM search_words
         WHERE rowid IN (SELECT id FROM search_passages WHERE document_id = ?1)",
        "DELETE FROM search_passages WHERE document_id = ?1",
    ] {
        sqlx::query(statement).bind(document).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Stores a document and its passages, replacing what was known of it: four statements, however
/// many passages it has.
async fn put(
    connection: &mut SqliteConnection,
    file: &SourceFile,
    known: Option<i64>,
    document: &Document,
    stamp: &Stamp,
) -> Result<(), SearchError> {
    if let Some(id) = known {
        remove_passages(connection, id).await?;
    }
    let row = sqlx::query(
        "INSERT INTO search_documents
             (path, root, url, title, description, content_hash, settings_hash, size_bytes, modified_ns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (path) DO UPDATE SET
             root = excluded.root, url = excluded.url, title = excluded.title,
             description = excluded.description, content_hash = excluded.content_hash,
             settings_hash = excluded.settings_hash, size_bytes = excluded.size_bytes,
             modified_ns = excluded.modified_ns
         RETURNING id",
    )
    .bind(&file.key)
    .bind(&file.root)
    .bind(&document.url)
    .bind(&document.title)
    .bind(&document.description)
    .bind(&stamp.content_hash)
    .bind(&stamp.settings_hash)
    .bind(stamp.size_bytes)
    .bind(stamp.modified_ns)
    .fetch_one(&mut *connection)
    .await?;
    let id: i64 = row.try_get("id")?;
    if known.is_none() {
        // Another ingest may have added the same file in the meantime.
        remove_passages(connection, id).await?;
    }
    let rows = document.rows();
    sqlx::query(
        "INSERT INTO search_passages (document_id, ordinal, anchor, breadcrumbs, text)
         SELECT ?1, key, value ->> 'anchor', value ->> 'breadcrumbs', value ->> 'text'
         FROM json_each(?2) ORDER BY key",
    )
    .bind(id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    // CROSS JOIN fixes the order: the other way round the list is read again for every passage.
    sqlx::query(
        "INSERT INTO search_words (rowid, title, headings, body, parts)
         SELECT p.id, j.value ->> 'title_words', j.value ->> 'heading_words',
                j.value ->> 'body_words', j.value ->> 'part_words'
         FROM json_each(?2) AS j
         CROSS JOIN search_passages AS p ON p.document_id = ?1 AND p.ordinal = j.key
         ORDER BY p.id",
    )
    .bind(id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is fine when it is looked at and not when it is read.
    struct Treacherous(fn() -> io::Result<Vec<u8>>);

    impl Files for Treacherous {
        fn inspect(&self, _: &Path) -> io::Result<(u64, Option<i64>)> {
            Ok((5, Some(1)))
        }

        fn read(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
            self.0()
        }
    }

    fn reason(read: fn() -> io::Result<Vec<u8>>) -> Option<SkipReason> {
        let file = SourceFile {
            path: "/docs/a.md".into(),
            key: "/docs/a.md".into(),
            root: "/docs".into(),
            relative: "a.md".into(),
            url: None,
        };
        match process(&file, None, &DocumentUrls::new("/"), 10, &Treacherous(read)) {
            Processed::Skipped(reason) => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn trouble_while_reading_is_a_reason_to_skip() {
        assert_eq!(reason(|| Err(io::ErrorKind::NotFound.into())), Some(SkipReason::Vanished));
        assert!(matches!(
            reason(|| Err(io::Error::other("disk on fire"))),
            Some(SkipReason::Unreadable { message }) if message == "disk on fire"
        ));
        assert_eq!(
            reason(|| Ok(b"grew meanwhile".to_vec())),
            Some(SkipReason::TooLarge { bytes: 14, limit: 10 })
        );
        assert_eq!(reason(|| Ok(b"fine".to_vec())), None);
    }

    #[test]
    fn a_path_is_under_its_folder_and_not_under_its_neighbour() {
        assert!(is_under("/docs/a.md", "/docs"));
        assert!(is_under("/docs", "/docs"));
        assert!(is_under("/docs", "/"));
        assert!(!is_under("/docs-more/a.md", "/docs"));
    }
}
