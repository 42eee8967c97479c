//! What an ingest of a site asks of whoever fetches pages.

use std::{future::Future, pin::Pin, time::Duration};

/// The answer of a [`PageFetcher`] in the making.
pub type PageFuture<'a> = Pin<Box<dyn Future<Output = Result<PageAnswer, PageError>> + Send + 'a>>;

/// Fetches pages over HTTP. There is no HTTP in this crate.
pub trait PageFetcher: Send + Sync {
    /// Sends one GET request and does not follow redirections. Takes limited time.
    fn fetch<'a>(&'a self, request: PageRequest<'a>) -> PageFuture<'a>;
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// The address, absolute.
    pub url: &'a str,
    /// To be asked with whether the page has changed (`If-None-Match`, `If-Modified-Since`).
    pub validators: Option<&'a Validators>,
    /// Longest page, in bytes: what is longer is not read to its end.
    pub max_bytes: u64,
}

/// What a server said of a page's state, to be asked with the next time.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// The header `ETag`, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The header `Last-Modified`, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether there is nothing to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageAnswer {
    /// 200: the page.
    Page(FetchedPage),
    /// 304: as it was.
    NotModified,
    /// A redirection, and where it leads to, as it is written.
    Redirect(String),
    /// The page is longer than was asked for: so many bytes, where that is known.
    TooLarge(Option<u64>),
    /// Any other status.
    Status {
        /// The status.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
}

/// A page that was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchedPage {
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// What to ask with the next time.
    pub validators: Validators,
    /// The header `X-Robots-Tag` asks robots not to index it.
    pub noindex: bool,
}

/// There was no answer: the connection failed, or took too long. The words follow "it".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PageError(pub String);
