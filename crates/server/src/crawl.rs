//! Fetching the pages of sites that are indexed.

use std::time::{Duration, SystemTime};

use parlor_search::{
    FetchedPage, PageAnswer, PageError, PageFetcher, PageFuture, PageRequest, Validators,
};
use reqwest::{
    Client, Response,
    header::{
        ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        LAST_MODIFIED, LOCATION, RETRY_AFTER,
    },
    redirect::Policy,
};

/// How long a server may take to say anything, and a page to come.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);

/// Kinds of pages that are indexed, best first.
const ACCEPTED: &str =
    "text/html, application/xhtml+xml, application/pdf, text/markdown, text/plain, */*;q=0.5";

/// Fetches pages of sites, without cookies, one request at a time for each call.
#[derive(Clone, Debug)]
pub(crate) struct Crawler {
    client: Client,
}

impl Crawler {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            // Where one leads is looked at before it is followed.
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION"), " (documents for a chat)"))
            .build()?;
        Ok(Self { client })
    }

    async fn answer(&self, request: PageRequest<'_>) -> Result<PageAnswer, PageError> {
        let mut sent = self.client.get(request.url).header(ACCEPT, ACCEPTED);
        if let Some(validators) = request.validators {
            if let Some(etag) = &validators.etag {
                sent = sent.header(IF_NONE_MATCH, etag);
            }
            if let Some(time) = &validators.last_modified {
                sent = sent.header(IF_MODIFIED_SINCE, time);
            }
        }
        let response = sent.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        match status {
            200 => page(response, request.max_bytes).await,
            304 => Ok(PageAnswer::NotModified),
            301 | 302 | 303 | 307 | 308 => match text(response.headers(), LOCATION) {
                Some(to) => Ok(PageAnswer::Redirect(to)),
                None => Ok(PageAnswer::Status { status, retry_after: None }),
            },
            _ => {
                let retry_after = text(response.headers(), RETRY_AFTER).and_then(|at| time(&at));
                Ok(PageAnswer::Status { status, retry_after })
            }
        }
    }
}

impl PageFetcher for Crawler {
    fn fetch<'a>(&'a self, request: PageRequest<'a>) -> PageFuture<'a> {
        Box::pin(self.answer(request))
    }
}

async fn page(mut response: Response, max_bytes: u64) -> Result<PageAnswer, PageError> {
    let announced = response.content_length();
    if announced.is_some_and(|bytes| bytes > max_bytes) {
        return Ok(PageAnswer::TooLarge(announced));
    }
    let headers = response.headers();
    let robots = headers.get_all("x-robots-tag").into_iter();
    let noindex = robots.filter_map(|value| value.to_str().ok()).any(forbids_index);
    let mut fetched = FetchedPage {
        content_type: text(headers, CONTENT_TYPE),
        validators: Validators {
            etag: text(headers, ETAG),
            last_modified: text(headers, LAST_MODIFIED),
        },
        noindex,
        bytes: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        fetched.bytes.extend_from_slice(&chunk);
        if fetched.bytes.len() as u64 > max_bytes {
            return Ok(PageAnswer::TooLarge(None));
        }
    }
    Ok(PageAnswer::Page(fetched))
}

/// Whether this keeps pages out of every index, or ours: `noindex`, `parlor: noindex`.
fn forbids_index(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    let rules = match header.split_once(':') {
        Some((robot, rules)) if robot.trim() == parlor_search::ROBOT => rules,
        // Of another robot, or a rule with a value of its own, which says nothing about this.
        Some((robot, _)) if !robot.contains(',') => return false,
        _ => &header,
    };
    rules.split(',').any(|rule| matches!(rule.trim(), "noindex" | "none"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

/// `Retry-After`: seconds, or a date.
fn time(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What went wrong, without the address, which is named beside it.
fn failed(error: reqwest::Error) -> PageError {
    let error = error.without_url();
    PageError(match error.is_timeout() {
        true => "did not answer in time".to_owned(),
        false => parlor_chatkit::ErrorChain(&error).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_tags_are_read_as_they_are_written() {
        for (header, forbids) in [
            ("noindex", true),
            ("nofollow, NOINDEX", true),
            ("none", true),
            ("parlor: noindex", true),
            ("otherbot: noindex", false),
            ("unavailable_after: 25 Jun 2030 15:00:00 PST", false),
            ("all", false),
            ("", false),
        ] {
            assert_eq!(forbids_index(header), forbids, "{header}");
        }
    }

    #[test]
    fn times_to_wait_are_seconds_or_dates() {
        assert_eq!(time("7"), Some(Duration::from_secs(7)));
        assert_eq!(time("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(time("soon"), None);
    }
}
