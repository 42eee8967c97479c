//! The inspector: what happened in the latest turns, for operators in development.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Extension, Json, Router,
    extract::{ConnectInfo, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response, Sse, sse::Event},
    routing::get,
};
use futures::{Stream, stream};
use rust_embed::RustEmbed;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::{error::ApiError, inspector::Inspector, routes::assets};

/// The page, its style and its behaviour.
#[derive(RustEmbed)]
#[folder = "assets"]
#[include = "inspector.*"]
struct Page;

/// Nothing inline, nothing from elsewhere, in no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// How long news is collected before a page is told.
const PACE: Duration = Duration::from_millis(200);

/// How long a stream of news is silent before it says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Shared {
    inspector: Arc<Inspector>,
    token: Option<SecretString>,
}

/// The routes of the inspector. They stand beside the others and share none of their layers: no other
/// origin may read them, whatever `site.cors_origins` says.
pub(crate) fn router(inspector: Arc<Inspector>, token: Option<SecretString>) -> Router {
    let shared = Shared { inspector, token };
    let data = Router::new()
        .route("/inspector/turns", get(get_turns))
        .route("/inspector/turns/{id}", get(get_turn))
        .route("/inspector/news", get(get_news))
        .layer(middleware::from_fn_with_state(shared.clone(), with_token));
    Router::new()
        .route("/inspector", get(async |headers: HeaderMap| page("inspector.html", &headers)))
        .route("/inspector/inspector.css", get(async |h: HeaderMap| page("inspector.css", &h)))
        .route("/inspector/inspector.js", get(async |h: HeaderMap| page("inspector.js", &h)))
        .merge(data)
        .layer(middleware::from_fn_with_state(shared.clone(), from_here))
        .with_state(shared)
}

/// Without a token, only for browsers and programs on this machine, and not through a proxy. With one,
/// the page itself is for everybody: it holds nothing.
async fn from_here(
    State(shared): State<Shared>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let allowed = shared.token.is_some()
        || (peer
            .is_some_and(|Extension(ConnectInfo(peer))| peer.ip().to_canonical().is_loopback())
            && is_direct(headers)
            && names_this_machine(headers));
    let mut response = match allowed && !is_from_another_site(headers) {
        true => next.run(request).await,
        false => ApiError::not_found("there is nothing at this address").into_fresh_response(),
    };
    let set = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_direct(headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"];
    !forwarded.iter().any(|name| headers.contains_key(*name))
}

/// Whether the address that was asked for is this machine's: another site's name may have been made to
/// point here.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a browser says that another site's page asks.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

async fn with_token(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(token) = &shared.token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // In constant time: how much of a guess is right must not show.
    let is_right = given.is_some_and(|given| {
        verify_slices_are_equal(given, token.expose_secret().as_bytes()).is_ok()
    });
    match is_right {
        true => next.run(request).await,
        false => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the inspector needs the token that inspector.token says",
        )
        .into_fresh_response(),
    }
}

fn page(name: &str, headers: &HeaderMap) -> Response {
    let mime = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "text/html; charset=utf-8",
    };
    match Page::get(name) {
        Some(file) => assets::embedded(file, mime, "no-cache", headers),
        None => ApiError::not_found("there is no such asset").into_fresh_response(),
    }
}

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

async fn get_turns(State(shared): State<Shared>) -> Response {
    (NO_STORE, Json(json!({ "turns": shared.inspector.list() }))).into_response()
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: usize,
}

async fn get_turn(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(From { from }): Query<From>,
) -> Response {
    match shared.inspector.turn(&id, from) {
        Some(turn) => (NO_STORE, Json(turn)).into_response(),
        None => ApiError::not_found("this turn is not remembered any more").into_fresh_response(),
    }
}

/// Says whenever there is something new; what it is, is asked for.
async fn get_news(State(shared): State<Shared>) -> Response {
    let news = Sse::new(news(shared.inspector))
        .keep_alive(axum::response::sse::KeepAlive::new().interval(KEEP_ALIVE));
    (NO_STORE, [("x-accel-buffering", "no")], news).into_response()
}

fn news(inspector: Arc<Inspector>) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut changes = inspector.changes();
    changes.mark_changed();
    stream::unfold(changes, async |mut changes| {
        changes.changed().await.ok()?;
        tokio::time::sleep(PACE).await;
        let count = *changes.borrow_and_update();
        Some((Ok(Event::default().data(count.to_string())), changes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn only_names_of_this_machine_are_answered_without_a_token() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000"] {
            assert!(names_this_machine(&headers(&[("host", host)])), "{host}");
        }
        for host in ["example.com", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1", ""] {
            assert!(!names_this_machine(&headers(&[("host", host)])), "{host}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }

    #[test]
    fn pages_of_other_sites_are_not_answered() {
        for (site, is_other) in
            [("same-origin", false), ("none", false), ("cross-site", true), ("same-site", true)]
        {
            assert_eq!(is_from_another_site(&headers(&[("sec-fetch-site", site)])), is_other);
        }
    }
}
