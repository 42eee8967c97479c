//! The element, the widget and their lazy parts, embedded in the binary.

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

/// What `npm run build` in `web/` makes. Debug builds read it from disk.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct WebAssets;

/// Names of chunks change with their content; those of the element and the widget never do.
const FOREVER: &str = "public, max-age=31536000, immutable";
pub(crate) const REVALIDATE: &str = "public, no-cache";

/// Whether the web assets were built into this binary.
pub(crate) fn are_built() -> bool {
    WebAssets::get("chatkit.js").is_some()
}

pub(crate) async fn get_element(headers: HeaderMap) -> Response {
    entry("chatkit.js", &headers)
}

pub(crate) async fn get_widget(headers: HeaderMap) -> Response {
    entry("widget.js", &headers)
}

/// A script that pages name, and that is there if anything was built.
fn entry(path: &str, headers: &HeaderMap) -> Response {
    if !are_built() {
        return ApiError::not_found("the web assets were not built; run `make build`")
            .into_fresh_response();
    }
    serve(path, REVALIDATE, headers)
}

pub(crate) async fn get_chunk(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("chunks/{path}"), FOREVER, &headers)
}

fn serve(path: &str, cache: &'static str, headers: &HeaderMap) -> Response {
    let Some(plain) = WebAssets::get(path) else {
        return ApiError::not_found("there is no such asset").into_fresh_response();
    };
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (file, encoding) = compressed(path, accepted).map_or((plain, None), |(f, e)| (f, Some(e)));
    let mime = mime(path);
    let mut response = embedded(file, mime, cache, headers);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Pages of other sites load the element, also where they isolate themselves.
    response.headers_mut().insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Some(encoding) = encoding
        && response.status() == StatusCode::OK
    {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The file that the web build compressed, in the best form that the client takes.
fn compressed(path: &str, accepted: &str) -> Option<(EmbeddedFile, &'static str)> {
    [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(name, extension)| {
        let takes = accepted.split(',').any(|part| {
            let mut part = part.split(';');
            part.next().is_some_and(|coding| coding.trim() == name)
                && !part.any(|weight| matches!(weight.trim(), "q=0" | "q=0.0"))
        });
        takes.then(|| WebAssets::get(&format!("{path}{extension}")).map(|file| (file, name)))?
    })
}

/// An embedded file with its hash as entity tag.
pub(crate) fn embedded(
    file: EmbeddedFile,
    mime: &'static str,
    cache: &'static str,
    headers: &HeaderMap,
) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect::<String>();
    conditional(&format!("\"{tag}\""), mime, cache, headers, || Body::from(file.data.into_owned()))
}

/// The body with its entity tag, or only that the client has it.
pub(crate) fn conditional(
    tag: &str,
    mime: &'static str,
    cache: &'static str,
    headers: &HeaderMap,
    body: impl FnOnce() -> Body,
) -> Response {
    let known =
        headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(
            |tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag),
        );
    let common = [(header::CACHE_CONTROL, cache.to_owned()), (header::ETAG, tag.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, mime)], body()).into_response()
}
