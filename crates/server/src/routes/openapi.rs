//! `GET /openapi.json`: what is here, for machines.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
    response::Response,
};

use crate::{openapi, routes::assets};

/// The document and its entity tag.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let text = openapi::document().to_string();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (text.into(), format!("\"{:016x}\"", hasher.finish()))
});

pub(crate) async fn get_openapi(headers: HeaderMap) -> Response {
    let (text, tag) = &*DOCUMENT;
    assets::conditional(tag, "application/json", assets::REVALIDATE, &headers, || {
        Body::from(text.clone())
    })
}
