//! HTTP as all clients of model servers use it: time limits, bounded bodies, errors told apart.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::error::shorten;
use super::{ModelConfigError, ModelError};
use crate::http1::{Body, Client, HttpError, Request, Response};

/// Longest error body that is read, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

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

impl From<HttpError> for ModelError {
    fn from(error: HttpError) -> Self {
        let detail = innermost(&error);
        match error {
            HttpError::Connect(_) => Self::Unreachable { detail },
            HttpError::Io(_) | HttpError::Closed(_) => Self::Cut { detail },
            HttpError::Malformed(_) => Self::Malformed { detail },
        }
    }
}

pub(crate) async fn check_status(
    response: Response,
    idle_timeout: Duration,
) -> Result<Response, ModelError> {
    let status = response.status;
    if (200..300).contains(&status) {
        return Ok(response);
    }
    if let (300..=399, Some(location)) = (status, &response.location) {
        let detail = format!("status {status} redirects to {location}: use that address");
        return Err(ModelError::NotFound { detail: shorten(&detail) });
    }
    let retry_after = response
        .retry_after
        // The other form, a date, is not sent by model servers.
        .and_then(|value| value.trim().parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // The status says enough if the body does not come.
    let body = read_body(response.body, idle_timeout, MAX_ERROR_BYTES).await.unwrap_or_default();
    Err(ModelError::from_status(status, retry_after, &body))
}

/// Asks with JSON, and reads the whole answer, all within a time.
///
/// # Errors
/// As those of the steps; [`ModelError::Silent`] when the time is over.
pub(crate) async fn ask_json(
    http: &Client,
    url: &Url,
    body: &Value,
    time: Duration,
    limit_bytes: usize,
) -> Result<Vec<u8>, ModelError> {
    let request = Request {
        method: "POST",
        url,
        fields: &[("content-type", "application/json"), ("accept", "application/json")],
        body: vec![body.to_string().into()],
    };
    let answer = async {
        let response = check_status(http.send(&request).await?, time).await?;
        read_body(response.body, time, limit_bytes).await
    };
    within(time, answer).await?
}

pub(crate) async fn read_body(
    mut body: Body,
    idle_timeout: Duration,
    limit_bytes: usize,
) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    let mut more = true;
    while more {
        more = within(idle_timeout, body.read(|piece| bytes.extend_from_slice(piece))).await??;
        if bytes.len() > limit_bytes {
            let detail = format!("the answer is longer than {limit_bytes} bytes");
            return Err(ModelError::Malformed { detail });
        }
    }
    Ok(bytes)
}
