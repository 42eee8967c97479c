//! Is the process there, and can it answer?

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use crate::app::App;

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
