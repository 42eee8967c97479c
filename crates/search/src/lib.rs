#![doc = include_str!("../README.md")]

mod chunk;
mod document;
mod error;
mod front_matter;
mod html;
mod index;
mod ingest;
mod markdown;
mod mdx;
mod pages;
mod query;
mod slug;
mod urls;
mod walk;
mod words;

use std::{future::Future, pin::Pin};

pub use error::SearchError;
pub use html::html_to_markdown;
pub use index::{IndexStats, SqliteIndex};
pub use ingest::{FileOutcome, IngestOptions, IngestSummary, Progress, SkipReason, Skipped};
pub use markdown::{Heading, RenderedPage, render_html, render_html_with};
pub use pages::{Page, PageList};
pub use slug::{Slugger, slugify_heading};
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
}

/// The answer of a [`PassageSearch`] in the making.
pub type SearchFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Passage>, SearchError>> + Send + 'a>>;

/// Something that finds passages: [`SqliteIndex`], another index, or a test's list.
pub trait PassageSearch: Send + Sync {
    /// At most `limit` passages for what a person typed, best first. Any text is a valid query.
    fn search<'a>(&'a self, query: &'a str, limit: usize) -> SearchFuture<'a>;
}
