//! Is the process there, can it answer, and how much does it do?

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use crate::{app::App, error::ApiError};

/// The process is there.
pub(crate) async fn get_healthz() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({"status": "ok"}))).into_response()
}

/// The process can answer chat: its database does.
pub(crate) async fn get_readyz(State(app): State<Arc<App>>) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    match app.chatkit.store().check().await {
        Ok(()) if app.auth.is_ready() => {
            (no_store, Json(json!({"status": "ready"}))).into_response()
        }
        checked => {
            let error = checked.err().map(|error| error.to_string());
            tracing::warn!(error, "not ready");
            let body = Json(json!({"status": "unavailable", "waiting_for": "database"}));
            (StatusCode::SERVICE_UNAVAILABLE, no_store, body).into_response()
        }
    }
}

/// Figures for Prometheus. To those who may not have them there is nothing here.
pub(crate) async fn get_metrics(
    State(app): State<Arc<App>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Response {
    match &app.metrics {
        Some(metrics) if metrics.may_have(peer.map(|Extension(peer)| peer), &headers) => (
            [
                (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ],
            metrics.render(),
        )
            .into_response(),
        _ => ApiError::not_found("there is nothing at this address").into_fresh_response(),
    }
}
