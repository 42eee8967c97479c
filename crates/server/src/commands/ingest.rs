//! `parlor ingest`: documents into the index.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parlor_search::{
    DocumentIndex, EmbedProgress, EmbedSummary, FileOutcome, IngestOptions, IngestSummary,
    PageList, Progress, SearchError, SiteOptions, is_site,
};

use super::watch::watch;
use crate::{config::Config, crawl::Crawler, pdfs, search::SearchSetup};

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Files and folders with documents, and addresses of sitemaps such as https://example.com/sitemap.xml
    #[arg(required = true, value_name = "PATH|URL")]
    sources: Vec<OsString>,
    /// Where the documents are on your site, such as https://example.com/docs/ [default: search.base_url]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Index only the pages that this list names, at its addresses: a JSON file that a generator of sites writes
    #[arg(long, value_name = "FILE")]
    pages: Option<PathBuf>,
    /// Only users of this tenant find the documents [default: everybody does]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// A tag that all of the documents get, beside their own; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Language of the documents that name none, such as de
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Skip files larger than this
    #[arg(long, value_name = "BYTES", default_value_t = 10 * 1024 * 1024)]
    max_file_bytes: u64,
    /// Also take pages of this host that a sitemap lists; may be given several times
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Read at most so many pages of a sitemap
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_pages: u32,
    /// Stay, and index again whenever a file changes
    #[arg(long)]
    watch: bool,
    /// Keep documents whose files or pages are gone
    #[arg(long)]
    keep_vanished: bool,
    /// Index hidden files and folders, too
    #[arg(long)]
    hidden: bool,
}

/// How many skipped files are listed one by one.
const LISTED: usize = 20;

pub(super) async fn run(mut config: Config, args: IngestArgs) -> anyhow::Result<ExitCode> {
    pdfs::find_reader(&mut config);
    let search = SearchSetup::new(&config)?;
    let index = search.open_index().await?;
    let (sites, paths): (Vec<_>, Vec<_>) =
        args.sources.into_iter().partition(|source| source.to_str().is_some_and(is_site));
    let mut options = IngestOptions::new(paths)
        .base_url(args.base_url.unwrap_or_else(|| config.search.base_url.clone()));
    options.max_file_bytes = args.max_file_bytes;
    options.prune = !args.keep_vanished;
    options.include_hidden = args.hidden;
    options.pages = args.pages.as_deref().map(PageList::read).transpose()?;
    options.tenant = args.tenant;
    options.tags = args.tags;
    options.language = args.language;
    options.pdf = pdfs::of_documents(&config).map(|reader| Arc::new(reader) as _);
    anyhow::ensure!(
        !args.watch || sites.is_empty(),
        "a site cannot be watched; name it in [[search.sources]], and the server asks it as often as you say"
    );
    // Before anything is read: what changes meanwhile is a change.
    let seen = if args.watch { Some(options.snapshot().await?) } else { None };
    let mut failures = Vec::new();
    if !options.paths.is_empty() {
        let progress = Bar::new("files");
        let summary = index.ingest(options.clone(), &progress).await?;
        progress.bar.finish_and_clear();
        report(&summary, &mut io::stdout())?;
    }
    let crawler = Crawler::new()?;
    for site in &sites {
        let site = site.to_string_lossy();
        writeln!(io::stdout(), "{site}")?;
        let progress = Bar::new("pages");
        let pages = SiteOptions::new(site)
            .hosts(&args.hosts)
            .max_pages(usize::try_from(args.max_pages).unwrap_or(usize::MAX));
        // One that fails keeps no other from being read.
        match index.ingest_site(pages, options.clone(), &crawler, &progress).await {
            Ok(summary) => {
                progress.bar.finish_and_clear();
                report(&summary, &mut io::stdout())?;
            }
            Err(error @ SearchError::Site { .. }) => failures.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    embed(&search, &index).await?;
    if let Some(seen) = seen {
        let again = || async {
            let summary = index.ingest(options.clone(), &()).await?;
            report(&summary, &mut io::stdout())?;
            embed(&search, &index).await
        };
        watch(&options, seen, again).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let failed = failures.len();
    match failures.into_iter().next() {
        None => Ok(ExitCode::SUCCESS),
        Some(error) if failed == 1 => Err(error.into()),
        Some(error) => anyhow::bail!("{error} (and {} more sites failed)", failed - 1),
    }
}

/// Embeds what has no vector yet, and says what the index holds.
async fn embed(search: &SearchSetup, index: &DocumentIndex) -> anyhow::Result<()> {
    let embedded = match search.embedder() {
        Some((client, how)) => Some(index.embed(client, how, &Embedding::new()).await),
        None => None,
    };
    let stats = index.stats().await?;
    if let Some(Ok(embedded)) = &embedded {
        report_embedded(embedded, &mut io::stdout())?;
    }
    writeln!(
        io::stdout(),
        "The index holds {} documents in {} passages{}.",
        stats.documents,
        stats.passages,
        if stats.vectors > 0 || embedded.is_some() {
            format!(", {} with a vector", stats.vectors)
        } else {
            String::new()
        }
    )?;
    if let Some(Err(error)) = embedded {
        anyhow::bail!(
            "{error}; {} passages have no vector yet and are found by their words: run it again, it goes on where it stopped",
            stats.passages.saturating_sub(stats.vectors)
        );
    }
    Ok(())
}

/// How embedding goes on: as a bar, or a line now and then.
struct Embedding(Bar);

impl Embedding {
    fn new() -> Self {
        Self(Bar::new("passages"))
    }
}

impl EmbedProgress for Embedding {
    fn embedded(&self, done: u64, total: u64) {
        let Bar { bar, lines, done: said, .. } = &self.0;
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message("passages embedded");
        // About every thousand.
        let thousands = done / 1_000;
        if *lines && said.swap(thousands, Ordering::Relaxed) != thousands {
            let _ = writeln!(io::stderr(), "{done} of {total} passages embedded");
        }
        if done == total {
            bar.finish_and_clear();
        }
    }
}

fn report_embedded(summary: &EmbedSummary, out: &mut impl Write) -> io::Result<()> {
    if summary.model_changed {
        writeln!(out, "The embedding model is another one: all passages were embedded anew")?;
    }
    writeln!(
        out,
        "{} passages embedded in {:.1} s",
        summary.embedded,
        summary.elapsed.as_secs_f64()
    )?;
    if let Some(because) = &summary.rejected_because {
        writeln!(out, "  {} not taken by the model: {because}", summary.rejected)?;
    }
    Ok(())
}

/// A bar on a terminal, a line now and then elsewhere.
struct Bar {
    bar: ProgressBar,
    lines: bool,
    done: AtomicU64,
    /// What it counts.
    what: &'static str,
}

impl Bar {
    fn new(what: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, lines: !terminal, done: AtomicU64::new(0), what }
    }
}

impl Progress for Bar {
    fn found(&self, total: usize) {
        self.bar.set_length(total as u64);
        if self.lines {
            let _ = writeln!(io::stderr(), "Reading {total} {}", self.what);
        }
    }

    fn file_done(&self, path: &Path, _: &FileOutcome) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_position(done);
        if let Some(name) = path.file_name() {
            self.bar.set_message(name.to_string_lossy().into_owned());
        }
        if self.lines && done.is_multiple_of(if self.what == "pages" { 100 } else { 500 }) {
            let _ = writeln!(io::stderr(), "{done} {} read", self.what);
        }
    }
}

fn report(summary: &IngestSummary, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} added, {} changed, {} unchanged, {} removed, {} skipped in {:.1} s",
        summary.added,
        summary.changed,
        summary.unchanged,
        summary.removed,
        summary.skipped.len(),
        summary.elapsed.as_secs_f64()
    )?;
    for skipped in summary.skipped.iter().take(LISTED) {
        writeln!(out, "  skipped {}: {}", skipped.path.display(), skipped.reason)?;
    }
    if summary.skipped.len() > LISTED {
        writeln!(out, "  … and {} more", summary.skipped.len() - LISTED)?;
    }
    if !summary.unsupported.is_empty() {
        let kinds: Vec<_> = summary
            .unsupported
            .iter()
            .map(|(extension, count)| match extension.as_str() {
                "" => format!("{count} without extension"),
                extension => format!("{count} .{extension}"),
            })
            .collect();
        writeln!(out, "  not documents: {}", kinds.join(", "))?;
    }
    Ok(())
}
