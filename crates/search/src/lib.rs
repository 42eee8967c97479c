#![doc = include_str!("../README.md")]

mod cache;
mod chunk;
mod document;
mod error;
mod evaluation;
mod front_matter;
mod fuse;
mod html;
mod index;
mod ingest;
#[cfg(feature = "postgres")]
mod lexemes;
mod markdown;
mod mdx;
mod meaning;
mod pages;
mod pdf;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod request;
mod retrieval;
mod site;
mod slug;
mod snapshot;
mod sources;
mod sqlite;
#[cfg(feature = "postgres")]
mod stem;
mod urls;
mod vectors;
mod walk;
mod words;

use std::{future::Future, pin::Pin};

pub use error::SearchError;
pub use evaluation::{Judgement, Question};
pub use html::html_to_markdown;
pub use index::{DocumentIndex, IndexStats, VectorSearch};
pub use ingest::{FileOutcome, IngestOptions, IngestSummary, Progress, SkipReason, Skipped};
pub use markdown::{Heading, RenderedPage, render_html, render_html_with};
pub use meaning::{
    EmbedError, EmbedFuture, EmbedOptions, EmbedProgress, EmbedSummary, Embedder, EmbeddingOf,
};
pub use pages::{Page, PageList};
pub use pdf::{PdfFuture, PdfReadError, PdfReader};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresIndex, PostgresIndexSettings};
pub use request::{SearchFilter, SearchRequest};
pub use retrieval::{RerankFuture, Reranker, Retrieval, Strategy, describe_metrics};
pub use site::{
    FetchedPage, PageAnswer, PageError, PageFetcher, PageFuture, PageRequest, ROBOT, Robots,
    SiteOptions, Sitemap, Validators, is_site,
};
pub use slug::{Slugger, slugify_heading};
pub use snapshot::Snapshot;
pub use sources::{Claim, SourceState};
pub use sqlite::SqliteIndex;
pub use urls::DocumentUrls;

/// A piece of a document that fits a prompt and can be cited.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Passage {
    /// Identifies the passage within its index; never reused for another one.
    pub id: i64,
    /// Title of the document: front matter, first heading or file name.
    pub document_title: String,
    /// Where in the document: its title, then the headings down to this passage.
    pub breadcrumbs: Vec<String>,
    /// Where a reader finds it, with `#anchor` when the passage stands under a heading that has one.
    pub url: String,
    /// The passage as Markdown (plain text for text files), without the headings above it.
    pub text: String,
    /// What the document says it is about, if it says so.
    pub description: Option<String>,
    /// How well it matches, higher is better; comparable within one result list only.
    pub score: f64,
    /// What stands around it in the same section, where that was asked for.
    #[serde(default, skip_serializing_if = "Neighbours::is_empty")]
    pub neighbours: Neighbours,
}

/// The passages before and after a passage, in the same section of its document: what says who
/// "it" is. Each with its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Neighbours {
    /// The one before.
    pub before: Option<(i64, String)>,
    /// The one after.
    pub after: Option<(i64, String)>,
}

impl Neighbours {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }
}

/// The answer of a [`PassageSearch`] in the making.
pub type SearchFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Passage>, SearchError>> + Send + 'a>>;

/// Something that finds passages: a [`Retrieval`], another search, or a test's list.
pub trait PassageSearch: Send + Sync {
    /// At most `request.limit` passages, best first. Any text is a valid query.
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a>;
}
