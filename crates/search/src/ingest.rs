//! Bringing the index in line with files: walk, parse in parallel, write in small transactions.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use tokio::task::{JoinError, JoinHandle};

use crate::{
    DocumentIndex, DocumentUrls, PageList, PdfReadError, PdfReader, SearchError,
    document::{self, Document, Format},
    request::{normal_tag, primary_language},
    walk::{self, SourceFile},
};

/// Part of every stored hash: raise it when the same bytes would give other passages, and the
/// next ingest indexes everything anew.
const PIPELINE_VERSION: u32 = 3;
/// A transaction ends after this many passages (a longer document has its own), so that the
/// chat's writes to the same file never wait long.
const PASSAGES_PER_TRANSACTION: usize = 60;
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
    /// Whose documents these are; nobody else finds them. Default none: they are everybody's. A
    /// file is in the index once: ingested for another tenant, it becomes that one's.
    pub tenant: Option<String>,
    /// Tags that all of these documents have, beside their own. Default none.
    pub tags: Vec<String>,
    /// The language of those that name none. Default none.
    pub language: Option<String>,
    /// Reads PDFs. Without it they are no documents. Default none.
    pub pdf: Option<Arc<dyn PdfReader>>,
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
            tenant: None,
            tags: Vec::new(),
            language: None,
            pdf: None,
        }
    }

    /// Sets [`base_url`](Self::base_url).
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Sets [`tenant`](Self::tenant).
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets [`pdf`](Self::pdf).
    #[must_use]
    pub fn pdf(mut self, reader: impl PdfReader + 'static) -> Self {
        self.pdf = Some(Arc::new(reader));
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
    /// A sitemap lists something that is no address.
    NoAddress,
    /// A page is not on the site of its sitemap, or leads to another one.
    OtherSite {
        /// Where it leads to.
        to: Option<String>,
    },
    /// The site's robots.txt asks to leave the page alone.
    Disallowed,
    /// The page is listed, and not there.
    GoneFromSite {
        /// What the server answered.
        status: u16,
    },
    /// The page is of a kind that is not indexed.
    ContentType {
        /// What the server calls it.
        found: String,
    },
    /// The page leads to the same one as another that is listed.
    SamePage {
        /// The other one.
        url: String,
    },
    /// A sitemap lists more pages than are read in a run; the others stay as they are.
    TooManyPages {
        /// How many it lists.
        listed: usize,
        /// How many are read.
        limit: usize,
    },
    /// More pages of a sitemap are gone than there. That is not believed: what was indexed is kept.
    MostPagesGone {
        /// Listed, and not there.
        gone: u64,
        /// Listed and there.
        read: u64,
    },
    /// Is a PDF without a text that could be indexed.
    Pdf {
        /// Why.
        message: String,
    },
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
                f.write_str("is not Markdown, MDX, HTML, PDF, reStructuredText or plain text")
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
            Self::NoAddress => f.write_str("is listed by a sitemap and no address"),
            Self::OtherSite { to: None } => {
                f.write_str("is on another host than its sitemap; allow that one if it is yours")
            }
            Self::OtherSite { to: Some(to) } => write!(f, "leads to another site, {to}"),
            Self::Disallowed => f.write_str("is disallowed by the site's robots.txt"),
            Self::GoneFromSite { status } => {
                write!(f, "is listed and not there (status {status})")
            }
            Self::ContentType { found } if found.is_empty() => {
                f.write_str("is of no kind that its server names")
            }
            Self::ContentType { found } => write!(f, "is {found}, which is not indexed"),
            Self::SamePage { url } => write!(f, "is the same page as {url}"),
            Self::TooManyPages { listed, limit } => {
                write!(f, "lists {listed} pages, of which {limit} were read; allow more")
            }
            Self::MostPagesGone { gone, read } => write!(
                f,
                "lists {gone} pages that are not there and {read} that are; none was removed"
            ),
            Self::Pdf { message } => write!(f, "is a PDF whose text cannot be read: {message}"),
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
pub(crate) struct Known {
    pub(crate) id: i64,
    pub(crate) content_hash: Vec<u8>,
    pub(crate) settings_hash: Vec<u8>,
    pub(crate) size_bytes: i64,
    pub(crate) modified_ns: Option<i64>,
    /// The directory, file or sitemap that it was found in.
    pub(crate) root: String,
    /// What the server of a page wants to be asked with whether it has changed.
    pub(crate) validators: Option<String>,
}

/// What identifies the state of a file.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) content_hash: Vec<u8>,
    pub(crate) settings_hash: Vec<u8>,
    pub(crate) size_bytes: i64,
    pub(crate) modified_ns: Option<i64>,
    pub(crate) validators: Option<String>,
}

/// What a worker made of a file.
pub(crate) enum Processed {
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

/// What a look at a file gave.
enum Read {
    /// There is nothing more to do.
    Done(Processed),
    /// A PDF that is new or has changed.
    Pdf(Vec<u8>, Stamp),
}

/// What every document of a run has in common.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) urls: DocumentUrls,
    pub(crate) tenant: Option<String>,
    /// As they are compared.
    pub(crate) tags: Vec<String>,
    pub(crate) language: Option<String>,
    pub(crate) max_bytes: u64,
    pub(crate) pdf: Option<Arc<dyn PdfReader>>,
}

impl Shared {
    pub(crate) fn new(options: &IngestOptions) -> Self {
        Self {
            urls: DocumentUrls::new(&options.base_url),
            tenant: options.tenant.clone(),
            tags: normal_tags(&options.tags),
            language: options.language.as_deref().and_then(primary_language),
            max_bytes: options.max_file_bytes,
            pdf: options.pdf.clone(),
        }
    }
}

/// Tags as they are compared.
pub(crate) fn normal_tags(tags: &[String]) -> Vec<String> {
    tags.iter().map(|tag| normal_tag(tag)).filter(|tag| !tag.is_empty()).collect()
}

impl DocumentIndex {
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
        let summary = IngestSummary {
            skipped: found.skipped,
            unsupported: found.unsupported,
            ..IngestSummary::default()
        };
        let mut run = Run::new(self, progress, summary, options.tenant.clone());

        let shared = Arc::new(Shared::new(&options));
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
                jobs.push_back(start_job(file, &known, &shared));
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
}

/// Whether the path is this root or below it. Both are absolute.
fn is_under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']) || root.ends_with('/'))
}

fn start_job(file: SourceFile, known: &HashMap<String, Known>, shared: &Arc<Shared>) -> Job {
    let before = known.get(&file.key).cloned();
    let known = before.as_ref().map(|document| document.id);
    let (source, shared) = (file.clone(), Arc::clone(shared));
    let task = tokio::spawn(async move {
        let (to_read, for_reading) = (source.clone(), Arc::clone(&shared));
        let read = tokio::task::spawn_blocking(move || {
            let settings_hash = settings_hash(&to_read, &for_reading);
            read(&to_read, before.as_ref(), &for_reading, settings_hash, &OsFiles)
        });
        match read.await {
            Ok(Read::Done(processed)) => processed,
            Ok(Read::Pdf(bytes, stamp)) => process_pdf(source, bytes, stamp, shared).await,
            Err(error) => broken(&error),
        }
    });
    Job { file, known, task }
}

/// What is made of a file whose work on another thread did not end well.
pub(crate) fn broken(error: &JoinError) -> Processed {
    if error.is_panic() {
        return Processed::Skipped(SkipReason::ParserFailed);
    }
    Processed::Skipped(SkipReason::Unreadable { message: "the program is ending".to_owned() })
}

/// Makes a document of a PDF.
pub(crate) async fn process_pdf(
    file: SourceFile,
    bytes: Vec<u8>,
    stamp: Stamp,
    shared: Arc<Shared>,
) -> Processed {
    let Some(reader) = &shared.pdf else { return Processed::Skipped(SkipReason::Unsupported) };
    let text = match reader.text(bytes).await {
        Ok(text) => text,
        Err(PdfReadError::NoText(message)) => {
            return Processed::Skipped(SkipReason::Pdf { message });
        }
        Err(error @ PdfReadError::TooSlow(_)) => {
            return Processed::Skipped(SkipReason::Unreadable { message: error.to_string() });
        }
    };
    let parse = move || interpret(&file, Format::Pdf, &text, stamp, &shared);
    tokio::task::spawn_blocking(parse).await.unwrap_or_else(|error| broken(&error))
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

/// Looks at a file, and makes a document of it unless that is for others to do.
fn read(
    file: &SourceFile,
    known: Option<&Known>,
    shared: &Shared,
    settings_hash: Vec<u8>,
    files: &dyn Files,
) -> Read {
    let max_file_bytes = shared.max_bytes;
    let failed = |error: io::Error| {
        Read::Done(Processed::Skipped(match error.kind() {
            io::ErrorKind::NotFound => SkipReason::Vanished,
            _ => SkipReason::Unreadable { message: error.to_string() },
        }))
    };
    let skipped = |reason| Read::Done(Processed::Skipped(reason));
    let too_large = |bytes| skipped(SkipReason::TooLarge { bytes, limit: max_file_bytes });
    let (size, modified_ns) = match files.inspect(&file.path) {
        Ok(found) => found,
        Err(error) => return failed(error),
    };
    if size > max_file_bytes {
        return too_large(size);
    }
    let size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
    if let Some(known) = known
        && modified_ns.is_some()
        && known.modified_ns == modified_ns
        && known.size_bytes == size_bytes
        && known.settings_hash == settings_hash
    {
        return Read::Done(Processed::Unchanged);
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
        validators: None,
    };
    if known.is_some_and(|known| known.content_hash == stamp.content_hash) {
        return Read::Done(if modified_ns.is_some() {
            Processed::Touched(stamp)
        } else {
            Processed::Unchanged
        });
    }
    match Format::of(&file.path) {
        None => skipped(SkipReason::Unsupported),
        Some(Format::Pdf) => Read::Pdf(bytes, stamp),
        Some(format) => match text_of(&bytes) {
            Ok(text) => Read::Done(interpret(file, format, text, stamp, shared)),
            Err(reason) => skipped(reason),
        },
    }
}

/// The text of a file that should have one.
fn text_of(bytes: &[u8]) -> Result<&str, SkipReason> {
    if bytes.contains(&0) {
        return Err(SkipReason::Binary);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text)),
        Err(error) => Err(SkipReason::InvalidUtf8 { at_byte: error.valid_up_to() }),
    }
}

/// Makes a document of a text.
pub(crate) fn interpret(
    file: &SourceFile,
    format: Format,
    text: &str,
    stamp: Stamp,
    shared: &Shared,
) -> Processed {
    let mut document =
        document::parse(&file.relative, file.url.as_deref(), format, text, &shared.urls);
    for tag in &shared.tags {
        if !document.tags.contains(tag) {
            document.tags.push(tag.clone());
        }
    }
    document.language = document.language.or_else(|| shared.language.clone());
    if document.excluded {
        Processed::Skipped(SkipReason::Excluded)
    } else if document.passages.is_empty() {
        Processed::Skipped(SkipReason::Empty)
    } else {
        Processed::Indexed(Box::new(document), stamp)
    }
}

/// Of all that decides what becomes of a file besides its bytes.
pub(crate) fn settings_hash(file: &SourceFile, shared: &Shared) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(PIPELINE_VERSION.to_le_bytes());
    // Marked, so that an address and a tenant are two things.
    let tenant = shared.tenant.iter().map(|tenant| format!("tenant {tenant}"));
    let tags = shared.tags.iter().map(|tag| format!("tag {tag}"));
    let language = shared.language.iter().map(|language| format!("language {language}"));
    let marked: Vec<String> = tenant.chain(tags).chain(language).collect();
    let parts = [shared.urls.base(), &file.root, &file.relative];
    for part in
        parts.into_iter().chain(file.url.as_deref()).chain(marked.iter().map(String::as_str))
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().to_vec()
}

pub(crate) fn content_hash(settings_hash: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(settings_hash);
    hash.update(bytes);
    hash.finalize().to_vec()
}

/// One change to the index.
pub(crate) enum Change {
    Put(Box<Put>),
    /// The same content, with another time.
    Touch {
        id: i64,
        stamp: Stamp,
    },
}

/// A document to store, with its passages, in the place of what is known of it.
pub(crate) struct Put {
    pub(crate) file: SourceFile,
    pub(crate) known: Option<i64>,
    pub(crate) document: Box<Document>,
    pub(crate) stamp: Stamp,
    pub(crate) tenant: Option<String>,
}

pub(crate) struct Run<'a> {
    index: &'a DocumentIndex,
    progress: &'a dyn Progress,
    pub(crate) summary: IngestSummary,
    batch: Vec<Change>,
    batch_passages: usize,
    pub(crate) gone: Vec<i64>,
    tenant: Option<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        index: &'a DocumentIndex,
        progress: &'a dyn Progress,
        summary: IngestSummary,
        tenant: Option<String>,
    ) -> Self {
        let (batch, gone) = (Vec::new(), Vec::new());
        Self { index, progress, summary, batch, batch_passages: 0, gone, tenant }
    }

    pub(crate) async fn take(
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
                let tenant = self.tenant.clone();
                self.batch.push(Change::Put(Box::new(Put {
                    file,
                    known,
                    document,
                    stamp,
                    tenant,
                })));
            }
        }
        if self.batch_passages >= PASSAGES_PER_TRANSACTION
            || self.batch.len() >= PASSAGES_PER_TRANSACTION
        {
            self.write_batch().await?;
        }
        Ok(())
    }

    /// Writes what was collected in one transaction.
    pub(crate) async fn write_batch(&mut self) -> Result<(), SearchError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_passages = 0;
        self.index.write(&batch).await?;
        for change in batch {
            if let Change::Put(put) = change {
                self.summary.passages += put.document.passages.len() as u64;
                let outcome = if put.known.is_some() {
                    self.summary.changed += 1;
                    FileOutcome::Changed
                } else {
                    self.summary.added += 1;
                    FileOutcome::Added
                };
                self.progress.file_done(&put.file.path, &outcome);
            }
        }
        Ok(())
    }

    pub(crate) async fn remove_gone(&mut self) -> Result<(), SearchError> {
        let mut gone = std::mem::take(&mut self.gone);
        gone.sort_unstable();
        for ids in gone.chunks(20) {
            self.summary.removed += self.index.remove(ids).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self, started: Instant) -> Result<IngestSummary, SearchError> {
        let changed = self.summary.added + self.summary.changed + self.summary.removed > 0;
        self.index.ingest_ended(changed).await?;
        self.summary.elapsed = started.elapsed();
        self.progress.finished(&self.summary);
        Ok(self.summary)
    }
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
        let shared = Shared { max_bytes: 10, ..Shared::new(&IngestOptions::new(["/docs"])) };
        match super::read(&file, None, &shared, Vec::new(), &Treacherous(read)) {
            Read::Done(Processed::Skipped(reason)) => Some(reason),
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
