//! HTTP as all clients of model servers use it: time limits, bounded bodies, errors told apart.

use std::time::Duration;

use reqwest::header;
use url::Url;

use super::error::shorten;
use super::{ModelConfigError, ModelError};

/// Longest error body that is read, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// An HTTP client as all of them are set up.
pub(crate) fn client(connect_timeout: Duration) -> Result<reqwest::Client, ModelConfigError> {
    reqwest::Client::builder()
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        // Over HTTP/2 all answers would share one connection, and those beyond the number of
        // streams that the provider allows on it (often 100) would wait until others have ended.
        .http1_only()
        .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(ModelConfigError::Http)
}

/// Puts path segments after the base URL, whether or not that ends in a slash.
pub(crate) fn endpoint(base: &Url, segments: &[&str]) -> Result<Url, ModelConfigError> {
    let mut url = base.clone();
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    match url.path_segments_mut() {
        Ok(mut path) if usable => {
            path.pop_if_empty().extend(segments);
        }
        _ => {
            let mut shown = base.clone();
            // Fails only for URLs that have neither.
            let _ = shown.set_password(None);
            let _ = shown.set_username("");
            return Err(ModelConfigError::BaseUrl { url: shown.to_string() });
        }
    }
    Ok(url)
}

pub(crate) async fn within<F: Future>(
    idle_timeout: Duration,
    future: F,
) -> Result<F::Output, ModelError> {
    tokio::time::timeout(idle_timeout, future)
        .await
        .map_err(|_| ModelError::Silent { after: idle_timeout })
}

/// The innermost cause, which says what happened; the outer ones repeat the URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    shorten(&innermost.to_string())
}

pub(crate) fn send_error(error: reqwest::Error) -> ModelError {
    let detail = innermost(&error);
    if error.is_connect() {
        ModelError::Unreachable { detail }
    } else if error.is_timeout() {
        ModelError::Unreachable { detail: format!("timed out: {detail}") }
    } else {
        ModelError::Cut { detail }
    }
}

pub(crate) async fn check_status(
    response: reqwest::Response,
    idle_timeout: Duration,
) -> Result<reqwest::Response, ModelError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        // The other form, a date, is not sent by model servers.
        .and_then(|value| value.trim().parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // The status says enough if the body does not come.
    let body = read_body(response, idle_timeout, MAX_ERROR_BYTES).await.unwrap_or_default();
    Err(ModelError::from_status(status.as_u16(), retry_after, &body))
}

pub(crate) async fn read_body(
    mut response: reqwest::Response,
    idle_timeout: Duration,
    limit_bytes: usize,
) -> Result<Vec<u8>, ModelError> {
    let mut body = Vec::new();
    loop {
        let chunk = within(idle_timeout, response.chunk()).await?;
        match chunk.map_err(|error| ModelError::Cut { detail: innermost(&error) })? {
            None => return Ok(body),
            Some(chunk) if body.len() + chunk.len() > limit_bytes => {
                let detail = format!("the answer is longer than {limit_bytes} bytes");
                return Err(ModelError::Malformed { detail });
            }
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}
