//! Sources of documents that a server keeps fresh by itself.
//!
//! Servers that share an index take turns: whoever claims a source in the index refreshes it, and
//! keeps claiming it while it is at work. A folder is looked at first, and nobody is bothered when
//! nothing in it has changed.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parlor_chatkit::ErrorChain;
use parlor_search::{
    Claim, DocumentIndex, IngestOptions, IngestSummary, SearchError, SiteOptions, Snapshot,
    SourceState,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use crate::{
    config::{Config, Source},
    crawl::Crawler,
    pdfs,
    retention::jitter,
    search::SearchSetup,
};

const REFRESHES: &str = "parlor_source_refreshes_total";
const DURATION: &str = "parlor_source_refresh_duration_seconds";
const FRESH_AT: &str = "parlor_source_fresh_timestamp_seconds";

/// How long after the start it is first looked, at least and at most: requests come first.
const FIRST: Duration = Duration::from_millis(500);
const FIRST_JITTER: Duration = Duration::from_millis(500);
/// How long a claim lasts, and how often it is made again by who is at work.
const CLAIM: TimeDelta = TimeDelta::seconds(90);
const CLAIM_AGAIN: Duration = Duration::from_secs(30);
/// How soon a source is asked for again that somebody else has.
const TAKEN: Duration = Duration::from_secs(5);
/// How soon a source is tried again that failed, at most.
const FAILED: Duration = Duration::from_secs(10 * 60);
/// How soon an index is opened again that could not be.
const REOPEN: Duration = Duration::from_secs(5);
/// Files that are skipped are named in the log, up to so many.
const NAMED: usize = 5;

/// Says what the figures are about.
pub(crate) fn describe_metrics() {
    describe_counter!(
        REFRESHES,
        "Refreshes of sources of documents, by source and outcome: changed, unchanged or failed."
    );
    describe_histogram!(DURATION, metrics::Unit::Seconds, "How long they take, by source.");
    describe_gauge!(
        FRESH_AT,
        metrics::Unit::Seconds,
        "When a source was last refreshed well by this server, in seconds since 1970."
    );
}

/// How a refresh ended, as it is kept in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Outcome {
    /// Of the settings it was made with: others want another one at once.
    settings: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) removed: u64,
    pub(crate) skipped: u64,
}

/// A source with all that is needed to refresh it.
struct Planned {
    name: String,
    every: Duration,
    site: Option<SiteOptions>,
    options: IngestOptions,
    settings: String,
}

impl Planned {
    fn new(source: &Source, config: &Config) -> Self {
        let mut options = IngestOptions::new(source.path.iter())
            .base_url(source.base_url.clone().unwrap_or_else(|| config.search.base_url.clone()));
        options.tags.clone_from(&source.tags);
        options.language.clone_from(&source.language);
        options.tenant.clone_from(&source.tenant);
        options.max_file_bytes = source.max_file_bytes;
        options.pdf = pdfs::of_documents(config).map(|reader| Arc::new(reader) as _);
        let site = source
            .url
            .as_ref()
            .map(|url| SiteOptions::new(url).hosts(&source.hosts).max_pages(source.max_pages));
        let settings = serde_json::to_vec(&(source, &config.search.base_url)).unwrap_or_default();
        let settings = Sha256::digest(&settings).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: source.name(), every: source.every(), site, options, settings }
    }

    /// How long a site has to be left alone, by whoever last asked it.
    fn not_due_for(&self, known: &SourceState, now: DateTime<Utc>) -> Option<Duration> {
        let outcome = outcome(known.outcome.as_deref())?;
        if outcome.settings != self.settings {
            return None;
        }
        let every = if outcome.error.is_some() { self.every.min(FAILED) } else { self.every };
        let passed = (now - known.ended_at?).to_std().unwrap_or_default();
        every.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

/// Keeps all sources of the configuration fresh.
pub(crate) struct Refresher {
    search: SearchSetup,
    sources: Vec<Planned>,
    crawler: Crawler,
    holder: String,
    /// Two that embed at once would embed the same passages.
    embedding: Mutex<()>,
}

impl Refresher {
    /// Of the configuration's sources; none where there are none.
    pub(crate) fn new(config: &Config, search: SearchSetup) -> Option<Self> {
        if !config.search.enabled || config.search.sources.is_empty() {
            return None;
        }
        let crawler = Crawler::new().inspect_err(|error| {
            tracing::error!(%error, "sources of documents are not refreshed");
        });
        let plan = |source| Planned::new(source, config);
        Some(Self {
            search,
            sources: config.search.sources.iter().map(plan).collect(),
            crawler: crawler.ok()?,
            holder: Uuid::new_v4().to_string(),
            embedding: Mutex::default(),
        })
    }

    /// Refreshes sources whenever they are due, for ever.
    pub(crate) async fn run(self) {
        // Those who were waiting for the server come first, and servers don't begin together.
        tokio::time::sleep(FIRST + jitter(FIRST_JITTER)).await;
        let index = loop {
            match self.search.open_index().await {
                Ok(index) => break index,
                Err(error) => {
                    tracing::debug!(error = %ErrorChain(&error), "the index cannot be opened yet");
                    tokio::time::sleep(REOPEN).await;
                }
            }
        };
        futures::future::join_all(self.sources.iter().map(|source| self.keep(&index, source)))
            .await;
    }

    async fn keep(&self, index: &DocumentIndex, source: &Planned) {
        let mut seen = None;
        loop {
            let wait = match self.look(index, source, &mut seen).await {
                Ok(wait) => wait,
                // The index's, as what is wrong with a source is an outcome.
                Err(error) => {
                    let name = &source.name;
                    tracing::warn!(source = name, error = %ErrorChain(&error), "a source of documents could not be refreshed; tried again");
                    source.every.min(FAILED)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Refreshes a source if it is due and nobody else does. When to look again.
    async fn look(
        &self,
        index: &DocumentIndex,
        source: &Planned,
        seen: &mut Option<Snapshot>,
    ) -> Result<Duration, SearchError> {
        let now = Utc::now();
        let mut snapshot = None;
        let mut ended_before = now;
        if source.site.is_some() {
            let known =
                index.sources(now).await?.into_iter().find(|known| known.name == source.name);
            if let Some(wait) = known.as_ref().and_then(|known| source.not_due_for(known, now)) {
                return Ok(wait);
            }
            // Not if somebody else has done it since.
            ended_before = known.and_then(|known| known.ended_at).unwrap_or(now);
        } else if let Ok(found) = source.options.snapshot().await {
            if seen.as_ref() == Some(&found) {
                return Ok(source.every);
            }
            snapshot = Some(found);
        }
        let claim = |now: DateTime<Utc>| Claim {
            name: &source.name,
            holder: &self.holder,
            now,
            until: now + CLAIM,
        };
        if !index.claim_source(claim(now), ended_before).await? {
            return Ok(TAKEN.min(source.every));
        }
        let began = Instant::now();
        let outcome = {
            let work = self.refresh(index, source);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    () = tokio::time::sleep(CLAIM_AGAIN) => {
                        let now = Utc::now();
                        // A database that is away for a moment is no reason to begin anew.
                        if let Ok(false) = index.claim_source(claim(now), now).await {
                            tracing::warn!(source = source.name, "another server has taken over the refresh of a source");
                            return Ok(source.every);
                        }
                    }
                }
            }
        };
        self.tell(source, &outcome, began.elapsed());
        let kept = serde_json::to_string(&outcome).unwrap_or_default();
        index.release_source(&source.name, &self.holder, Utc::now(), &kept).await?;
        if outcome.error.is_some() {
            *seen = None;
            return Ok(source.every.min(FAILED));
        }
        *seen = snapshot;
        Ok(source.every)
    }

    /// Refreshes a source, and embeds what is new.
    async fn refresh(&self, index: &DocumentIndex, source: &Planned) -> Outcome {
        let options = source.options.clone();
        let refreshed = match &source.site {
            Some(site) => index.ingest_site(site.clone(), options, &self.crawler, &()).await,
            None => index.ingest(options, &()).await,
        };
        let mut outcome = Outcome { settings: source.settings.clone(), ..Outcome::default() };
        match refreshed {
            Ok(summary) => {
                name_skipped(&source.name, &summary);
                outcome.added = summary.added;
                outcome.changed = summary.changed;
                outcome.unchanged = summary.unchanged;
                outcome.removed = summary.removed;
                outcome.skipped = u64::try_from(summary.skipped.len()).unwrap_or(u64::MAX);
            }
            Err(error) => outcome.error = Some(ErrorChain(&error).to_string()),
        }
        if let Some((client, how)) = self.search.embedder() {
            let _one = self.embedding.lock().await;
            if let Err(error) = index.embed(client, how, &()).await {
                outcome.error.get_or_insert(format!(
                    "{error}; new passages have no vector yet and are found by their words"
                ));
            }
        }
        outcome
    }

    fn tell(&self, source: &Planned, outcome: &Outcome, took: Duration) {
        let name = source.name.clone();
        let Outcome { added, changed, removed, skipped, .. } = outcome;
        let said = match &outcome.error {
            Some(error) => {
                tracing::warn!(
                    source = name,
                    error,
                    "a source of documents could not be refreshed"
                );
                "failed"
            }
            None if added + changed + removed == 0 => {
                tracing::debug!(source = name, skipped, "a source of documents has not changed");
                "unchanged"
            }
            None => {
                tracing::info!(
                    source = name,
                    added,
                    changed,
                    removed,
                    skipped,
                    seconds = took.as_secs_f64(),
                    "a source of documents was refreshed"
                );
                "changed"
            }
        };
        counter!(REFRESHES, "source" => name.clone(), "outcome" => said).increment(1);
        histogram!(DURATION, "source" => name.clone()).record(took);
        if outcome.error.is_none() {
            gauge!(FRESH_AT, "source" => name).set(Utc::now().timestamp() as f64);
        }
    }
}

/// Reads how a refresh ended.
pub(crate) fn outcome(kept: Option<&str>) -> Option<Outcome> {
    serde_json::from_str(kept?).ok()
}

fn name_skipped(source: &str, summary: &IngestSummary) {
    for skipped in summary.skipped.iter().take(NAMED) {
        let place = skipped.path.display();
        tracing::info!(source, %place, "skipped: it {}", skipped.reason);
    }
}
