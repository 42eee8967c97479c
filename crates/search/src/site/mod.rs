//! The pages of a site as documents: those that its sitemap lists.

mod fetch;
mod pages;
mod robots;
mod sitemap;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use tokio::sync::OnceCell;
use url::Url;

pub use fetch::{
    FetchedPage, PageAnswer, PageError, PageFetcher, PageFuture, PageRequest, Validators,
};
pub use robots::Robots;
pub use sitemap::Sitemap;

use crate::{
    DocumentIndex, IngestOptions, IngestSummary, Progress, SearchError, SkipReason, Skipped,
    ingest::{Known, Run, Shared},
};

/// The name under which a site can speak of us in its robots.txt.
pub const ROBOT: &str = "parlor";

/// Sitemaps that one sitemap may list, all together.
const MAX_SITEMAPS: usize = 1_000;
/// Redirections that are followed for one page.
const MAX_REDIRECTS: usize = 5;
/// So many pages in a row without an answer: the site is down, and the rest is left alone.
const UNANSWERED_IN_A_ROW: u32 = 8;
/// How long a server is left alone that does not answer or is busy, before it is asked again.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest time that a server may ask to be left alone.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Which pages to index, and how to treat their server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SiteOptions {
    /// The sitemap's address. One without a path stands for those that the site's robots.txt names,
    /// or `/sitemap.xml`.
    pub sitemap: String,
    /// Further hosts whose pages are taken. Default none: those of the sitemap's only.
    pub hosts: Vec<String>,
    /// Pages that are read in a run. Default 10,000.
    pub max_pages: usize,
    /// Pages that are fetched at a time, unless the site asks for pauses. Default 4.
    pub concurrency: usize,
    /// When a run ends, whatever is left. Default an hour.
    pub max_time: Duration,
}

impl SiteOptions {
    /// Everything at its default for this sitemap.
    pub fn new(sitemap: impl Into<String>) -> Self {
        Self {
            sitemap: sitemap.into(),
            hosts: Vec::new(),
            max_pages: 10_000,
            concurrency: 4,
            max_time: Duration::from_secs(60 * 60),
        }
    }

    /// Sets [`hosts`](Self::hosts).
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`max_pages`](Self::max_pages), at least one.
    #[must_use]
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.max_pages = pages.max(1);
        self
    }
}

/// Whether this is the address of a site rather than a path.
pub fn is_site(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

impl DocumentIndex {
    /// Brings the index in line with the pages that a sitemap lists. Of the options for files,
    /// those for paths and addresses mean nothing here; a page's address is its own.
    ///
    /// Only pages that changed are fetched, where their server can tell. A page that is no longer
    /// listed, or is gone, leaves the index. Trouble never empties it: what cannot be fetched, for
    /// whatever reason, stays as it was, and so does everything when more pages are gone than there.
    ///
    /// # Errors
    ///
    /// [`SearchError::Site`] when the sitemap cannot be read: then nothing was changed.
    /// [`SearchError::Database`].
    pub async fn ingest_site(
        &self,
        site: SiteOptions,
        options: IngestOptions,
        fetcher: &dyn PageFetcher,
        progress: &dyn Progress,
    ) -> Result<IngestSummary, SearchError> {
        let started = Instant::now();
        let base = site.base()?;
        let crawl = Crawl::new(&base, &site, &options, fetcher, started);
        let root = base.to_string();
        let listed = crawl.listed().await?;
        if listed.pages.is_empty() {
            let reason = match listed.skipped.first() {
                None => "lists no pages".to_owned(),
                Some(first) => {
                    format!(
                        "lists no page that could be taken: {} {}",
                        first.path.display(),
                        first.reason
                    )
                }
            };
            return Err(crawl.failed(reason));
        }
        let mut known = self.known_documents().await?;
        let summary = IngestSummary { skipped: listed.skipped, ..IngestSummary::default() };
        let mut run = Run::new(self, progress, summary, options.tenant.clone());

        let every: HashSet<String> = listed.pages.iter().map(Url::to_string).collect();
        let mut pages = listed.pages;
        if pages.len() > site.max_pages {
            let reason = SkipReason::TooManyPages { listed: pages.len(), limit: site.max_pages };
            run.summary.skipped.push(Skipped { path: PathBuf::from(&root), reason });
            pages.truncate(site.max_pages);
        }
        progress.found(pages.len());
        let known_of = |page: &Url| known.get(page.as_str()).cloned();
        let mut results = stream::iter(pages)
            .map(|page| {
                let known = known_of(&page);
                crawl.page(&root, page, known)
            })
            .buffered(crawl.concurrency());
        let (mut read, mut gone) = (0_u64, 0_u64);
        let mut places = HashMap::new();
        while let Some(mut page) = results.next().await {
            match page.end {
                End::Read => read += 1,
                End::Gone => gone += 1,
                End::Unknown => {}
            }
            page.tell_doubles(&mut places);
            run.take(page.file, page.known, page.processed).await?;
        }
        drop(results);
        run.write_batch().await?;
        if gone > read {
            // A site does not list what it does not have: something is wrong with it.
            run.gone.clear();
            let reason = SkipReason::MostPagesGone { gone, read };
            run.summary.skipped.insert(0, Skipped { path: PathBuf::from(&root), reason });
        } else if options.prune && listed.is_whole {
            known.retain(|key, document| document.root == root && !every.contains(key));
            run.gone.extend(known.into_values().map(|document| document.id));
        }
        run.remove_gone().await?;
        run.finish(started).await
    }
}

impl SiteOptions {
    /// The sitemap's address, as it is kept.
    fn base(&self) -> Result<Url, SearchError> {
        let failed = |reason: &str| SearchError::Site {
            url: self.sitemap.clone(),
            reason: format!("{reason}; name a sitemap such as https://example.com/sitemap.xml"),
        };
        let mut url = Url::parse(self.sitemap.trim())
            .map_err(|error| failed(&format!("is no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(failed("is no http or https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("has a user or password in it, which sites would be cited with"));
        }
        url.set_fragment(None);
        Ok(url)
    }
}

/// What the sitemaps list.
struct Listed {
    pages: Vec<Url>,
    skipped: Vec<Skipped>,
    /// Every sitemap could be read.
    is_whole: bool,
}

/// What became of a page, as far as its site is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is there, or was asked to be left alone.
    Read,
    /// It is not there.
    Gone,
    /// That cannot be told.
    Unknown,
}

/// What an origin asks of robots, fetched once; none if it cannot tell.
type RobotsOnce = OnceCell<Option<Arc<Robots>>>;

/// A run over a site.
struct Crawl<'a> {
    base: &'a Url,
    hosts: Vec<String>,
    fetcher: &'a dyn PageFetcher,
    shared: Arc<Shared>,
    concurrency: usize,
    ends: Instant,
    /// By origin.
    robots: Mutex<HashMap<String, Arc<RobotsOnce>>>,
    /// The pause that the site asks for, and when the next page may be fetched.
    pause: Mutex<(Option<Duration>, tokio::time::Instant)>,
    unanswered: AtomicU32,
}

impl<'a> Crawl<'a> {
    fn new(
        base: &'a Url,
        site: &SiteOptions,
        options: &IngestOptions,
        fetcher: &'a dyn PageFetcher,
        started: Instant,
    ) -> Self {
        Self {
            base,
            hosts: site.hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect(),
            fetcher,
            shared: Arc::new(Shared::new(options)),
            concurrency: site.concurrency.max(1),
            ends: started + site.max_time,
            robots: Mutex::default(),
            pause: Mutex::new((None, tokio::time::Instant::now())),
            unanswered: AtomicU32::new(0),
        }
    }

    fn failed(&self, reason: String) -> SearchError {
        let reason = format!("{reason}; nothing was changed in the index");
        SearchError::Site { url: self.base.to_string(), reason }
    }

    /// Whether a page is one of this site: its host and port, and not less safe than the sitemap.
    fn is_ours(&self, page: &Url) -> bool {
        let host = page.host_str().unwrap_or_default().to_ascii_lowercase();
        let same_host =
            self.base.host_str() == Some(host.as_str()) && self.base.port() == page.port();
        // A further host may be written with its port.
        let with_port = page.port().map(|port| format!("{host}:{port}")).unwrap_or(host);
        let is_safe =
            page.scheme() == "https" || (page.scheme() == "http" && self.base.scheme() == "http");
        is_safe && (same_host || self.hosts.contains(&with_port))
    }

    /// All pages that the sitemap lists, and those that it lists do.
    async fn listed(&self) -> Result<Listed, SearchError> {
        let robots = match self.robots_of(self.base).await {
            Some(robots) => robots,
            None => {
                let reason = "cannot be read, as the site's robots.txt does not answer";
                return Err(self.failed(reason.to_owned()));
            }
        };
        let mut waiting: VecDeque<Url> = VecDeque::new();
        if self.base.path() == "/" && self.base.query().is_none() {
            waiting
                .extend(robots.sitemaps.iter().filter_map(|address| self.base.join(address).ok()));
            if waiting.is_empty() {
                waiting.extend(self.base.join("/sitemap.xml").ok());
            }
        } else {
            waiting.push_back(self.base.clone());
        }
        let given = waiting.len();
        let mut seen: HashSet<Url> = waiting.iter().cloned().collect();
        let mut pages = HashSet::new();
        let mut listed = Listed { pages: Vec::new(), skipped: Vec::new(), is_whole: true };
        let mut number = 0;
        while let Some(address) = waiting.pop_front() {
            number += 1;
            let path = PathBuf::from(address.as_str());
            let sitemap = match self.sitemap(&address).await {
                Ok(sitemap) => sitemap,
                Err(reason) if given == 1 && number == 1 => {
                    return Err(self.failed(match address == *self.base {
                        true => reason,
                        false => format!("has no sitemap: {address} {reason}"),
                    }));
                }
                Err(message) => {
                    listed.is_whole = false;
                    listed
                        .skipped
                        .push(Skipped { path, reason: SkipReason::Unreadable { message } });
                    continue;
                }
            };
            let (addresses, are_pages) = match sitemap {
                Sitemap::Pages(pages) => (pages, true),
                Sitemap::Sitemaps(sitemaps) => (sitemaps, false),
            };
            for written in addresses {
                let Ok(mut url) = address.join(&written) else {
                    let path = PathBuf::from(written);
                    listed.skipped.push(Skipped { path, reason: SkipReason::NoAddress });
                    continue;
                };
                url.set_fragment(None);
                if !self.is_ours(&url) {
                    let path = PathBuf::from(url.as_str());
                    listed
                        .skipped
                        .push(Skipped { path, reason: SkipReason::OtherSite { to: None } });
                } else if are_pages {
                    if pages.insert(url.clone()) {
                        listed.pages.push(url);
                    }
                } else if seen.len() >= MAX_SITEMAPS {
                    listed.is_whole = false;
                    let message = format!("is the {MAX_SITEMAPS}th sitemap, which is too many");
                    let reason = SkipReason::Unreadable { message };
                    listed.skipped.push(Skipped { path: PathBuf::from(url.as_str()), reason });
                    break;
                } else if seen.insert(url.clone()) {
                    waiting.push_back(url);
                }
            }
        }
        Ok(listed)
    }

    /// Fetches and reads a sitemap. What is wrong is said to follow "it".
    async fn sitemap(&self, address: &Url) -> Result<Sitemap, String> {
        let mut url = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            match self.ask(&url, None, sitemap::MAX_BYTES).await {
                Ok(PageAnswer::Page(page)) => {
                    let read = tokio::task::spawn_blocking(move || Sitemap::read(&page.bytes));
                    return read.await.unwrap_or_else(|_| Err("breaks its parser".to_owned()));
                }
                Ok(PageAnswer::Redirect(to)) => {
                    let to = url.join(&to).map_err(|_| "leads nowhere".to_owned())?;
                    if !self.is_ours(&to) {
                        return Err(format!("leads to another site, {to}; name that one"));
                    }
                    url = to;
                }
                Ok(PageAnswer::TooLarge(_)) => {
                    return Err(format!("is larger than {} bytes", sitemap::MAX_BYTES));
                }
                Ok(PageAnswer::Status { status, .. }) => {
                    return Err(format!("was answered with status {status}"));
                }
                Ok(PageAnswer::NotModified) => return Err("was answered with nothing".to_owned()),
                Err(PageError(message)) => return Err(message),
            }
        }
        Err(format!("leads on more than {MAX_REDIRECTS} times"))
    }

    /// What the origin of an address asks robots to leave alone. None if it cannot tell: RFC 9309
    /// wants everything to be left alone then.
    async fn robots_of(&self, url: &Url) -> Option<Arc<Robots>> {
        let origin = url.origin().ascii_serialization();
        let cell = {
            let mut all = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(origin).or_default())
        };
        let fetched = cell.get_or_init(async || {
            let robots = self.fetch_robots(url).await;
            if let Some(delay) = robots.as_ref().and_then(|robots| robots.delay) {
                let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
                pause.0 = Some(pause.0.map_or(delay, |known| known.max(delay)));
            }
            robots.map(Arc::new)
        });
        fetched.await.clone()
    }

    async fn fetch_robots(&self, url: &Url) -> Option<Robots> {
        let mut address = url.join("/robots.txt").ok()?;
        for _ in 0..=MAX_REDIRECTS {
            match self.ask(&address, None, robots::MAX_BYTES as u64).await {
                Ok(PageAnswer::Page(page)) => return Some(Robots::read(&page.bytes, ROBOT)),
                Ok(PageAnswer::Redirect(to)) => address = address.join(&to).ok()?,
                // The RFC lets us do as if it were cut there, but not what it then says.
                Ok(PageAnswer::TooLarge(_) | PageAnswer::NotModified) => return None,
                Ok(PageAnswer::Status { status: 400..=499, .. }) => return Some(Robots::default()),
                Ok(PageAnswer::Status { .. }) | Err(_) => return None,
            }
        }
        Some(Robots::default())
    }

    /// Sends a request; once more if there is no answer, or the server is busy.
    async fn ask(
        &self,
        url: &Url,
        validators: Option<&Validators>,
        max_bytes: u64,
    ) -> Result<PageAnswer, PageError> {
        let request = PageRequest { url: url.as_str(), validators, max_bytes };
        let wait = match self.fetcher.fetch(request).await {
            Err(_) => PATIENCE,
            Ok(PageAnswer::Status { status: 429 | 503, retry_after }) => {
                retry_after.unwrap_or(PATIENCE)
            }
            answer => return answer,
        };
        if wait <= LONGEST_RETRY && Instant::now() + wait < self.ends {
            tokio::time::sleep(wait).await;
        }
        self.fetcher.fetch(request).await
    }

    /// How many pages are fetched at a time.
    fn concurrency(&self) -> usize {
        let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner).0;
        if pause.is_some() { 1 } else { self.concurrency }
    }

    /// Waits for the pause between two pages, if there has to be one.
    async fn keep_pause(&self) {
        let until = {
            let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            let (Some(delay), next) = *pause else { return };
            let until = next.max(tokio::time::Instant::now());
            pause.1 = until + delay;
            until
        };
        tokio::time::sleep_until(until).await;
    }

    /// Whether the site has stopped answering.
    fn is_down(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= UNANSWERED_IN_A_ROW
    }

    fn answered(&self, answer: &Result<PageAnswer, PageError>) {
        match answer {
            Err(_) | Ok(PageAnswer::Status { status: 500..=599, .. }) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => self.unanswered.store(0, Ordering::Relaxed),
        }
    }
}
