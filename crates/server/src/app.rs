//! The routes, and what every request passes through.

use std::{
    any::Any,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use parlor_chatkit::{ChatKit, protocol::RequestId};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use tracing::{Instrument as _, Span, field::Empty};
use url::Url;

use crate::{
    attachments::Files,
    auth::{Authenticator, Caller},
    body::BodyLimits,
    config,
    connect::SignIns,
    error::ApiError,
    limits::Limits,
    metrics::{self, Metrics},
    routes, telemetry,
    tenants::Responders,
};

/// What the routes share.
pub(crate) struct App {
    /// The server's heart.
    pub chatkit: ChatKit,
    /// Who is calling.
    pub auth: Authenticator,
    /// How large request bodies may be.
    pub bodies: BodyLimits,
    /// Pages and origins.
    pub site: config::Site,
    /// The server's address as clients reach it; from each request when it is not set.
    pub public_url: Option<Url>,
    /// `None` where nothing is limited.
    pub limits: Option<Limits>,
    /// `None` where attachments are not enabled.
    pub files: Option<Files>,
    /// What the demo page offers beside words.
    pub demo: DemoOffers,
    /// Whether there is AG-UI, too.
    pub ag_ui: Arc<AtomicBool>,
    /// `None` where no figures are kept.
    pub metrics: Option<Metrics>,
    /// Who answers, where the configuration says so: they know whether tools are called with their
    /// callers' access tokens.
    pub responders: Option<Arc<Responders>>,
    /// Servers of tools that users sign in to, where the configuration may name some.
    pub sign_ins: Option<Arc<SignIns>>,
}

impl App {
    /// Who is calling, unless they call too often.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`], and 429.
    pub(crate) async fn caller(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let caller = self.auth.authenticate(parts).await?;
        if let Some(limits) = &self.limits {
            limits.count_of_user(&caller.owner, parts)?;
        }
        Ok(caller)
    }
}

/// What the field of the demo page offers beside words. Pages of others say it in their options.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DemoOffers {
    /// Recordings can become text.
    pub dictation: bool,
    /// Files of a message, and bytes of each; `None` where none are taken.
    pub files: Option<(usize, u64)>,
}

/// Header that announces `threads.stop`, `threads.resume` and idempotency keys.
pub const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("parlor-protocol");
/// Header that names the turn of a stream, or the one that runs in a thread.
pub const TURN_HEADER: HeaderName = HeaderName::from_static("parlor-turn");
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The routes, top to bottom. What is not a page is described in `openapi.rs`.
pub(crate) fn routes(demo: bool) -> Router<Arc<App>> {
    let mut router = Router::new()
        .route("/chatkit", post(routes::chatkit::post_chatkit))
        .route("/agui", post(routes::agui::post_agui))
        .route("/files", post(routes::files::post_file))
        .route("/files/{id}", get(routes::files::get_file).put(routes::files::put_file))
        .route("/files/{id}/preview", get(routes::files::get_preview))
        .route("/auth/session", get(routes::auth::get_session))
        .route("/auth/login", get(routes::auth::get_login))
        .route("/auth/callback", get(routes::auth::get_callback))
        .route("/auth/logout", post(routes::auth::post_logout))
        .route("/connect", get(routes::connect::connect).post(routes::connect::connect))
        .route("/connect/callback", get(routes::connect::get_callback))
        .route("/connect/client.json", get(routes::connect::get_client))
        .route("/healthz", get(routes::health::get_healthz))
        .route("/readyz", get(routes::health::get_readyz))
        .route("/metrics", get(routes::health::get_metrics))
        .route("/openapi.json", get(routes::openapi::get_openapi))
        .route("/chatkit.js", get(routes::assets::get_element))
        .route("/widget.js", get(routes::assets::get_widget))
        .route("/chunks/{*path}", get(routes::assets::get_chunk));
    if demo {
        router = router
            .route("/", get(routes::demo::get_index))
            .route("/docs/", get(routes::demo::get_index))
            .route("/docs/{*path}", get(routes::demo::get_page))
            .route("/demo/{*path}", get(routes::demo::get_asset));
    }
    router
}

/// The routes, and what every request passes through.
pub(crate) fn router(app: App) -> Router {
    let cors = cors(&app.site.cors_origins);
    let limits = app.limits.clone();
    routes(app.site.demo)
        .fallback(async || {
            ApiError::not_found("there is nothing at this address").into_fresh_response()
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address does not take this method; the API is POST /chatkit",
            )
            .into_fresh_response()
        })
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn(with_request_id))
                .layer(middleware::from_fn(metrics::measured))
                .layer(CatchPanicLayer::custom(panicked))
                .layer(SetResponseHeaderLayer::if_not_present(
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ))
                .layer(SetResponseHeaderLayer::if_not_present(
                    header::REFERRER_POLICY,
                    HeaderValue::from_static("strict-origin-when-cross-origin"),
                ))
                .layer(cors)
                .option_layer(limits.map(|limits| middleware::from_fn_with_state(limits, limited)))
                // The handlers limit bodies themselves, to answer in our envelope.
                .layer(DefaultBodyLimit::disable()),
        )
        .with_state(Arc::new(app))
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let exact = !origins.is_empty() && !origins.iter().any(|origin| origin == "*");
    CorsLayer::new()
        .allow_origin(allowed)
        // Cookies only for origins that are named: `*` with credentials would be everybody.
        .allow_credentials(exact)
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-user-id"),
            HeaderName::from_static("x-parlor-persona"),
        ])
        .expose_headers([PROTOCOL_HEADER, TURN_HEADER, REQUEST_ID_HEADER, header::RETRY_AFTER])
}

/// Gives every request an id: in its span, in its errors, and in a response header.
async fn with_request_id(mut request: Request, next: Next) -> Response {
    let request_id = ChatKit::new_request_id();
    request.extensions_mut().insert(request_id.clone());
    let span = tracing::info_span!(
        "request", %request_id, method = %request.method(), path = request.uri().path(),
        trace_id = Empty,
    );
    let trace = span.in_scope(|| traced(&request, &request_id));
    if !trace.is_disabled()
        && let Some(trace_id) = telemetry::follow(&trace, request.headers())
    {
        span.record("trace_id", trace_id);
    }
    let header = HeaderValue::from_str(request_id.as_str());
    let started = std::time::Instant::now();
    let answering = next.run(request).instrument(trace.clone());
    let mut response = answering.instrument(span.clone()).await;
    if !trace.is_disabled() {
        let status = response.status();
        trace.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            trace.record("error.type", status.as_str());
            trace.record("otel.status_code", "ERROR");
        }
    }
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID_HEADER, header);
    }
    let _entered = span.entered();
    tracing::debug!(status = response.status().as_u16(), elapsed = ?started.elapsed(), "answered");
    response
}

/// A request's span for traces; none for those that come all the time and do nothing.
fn traced(request: &Request, request_id: &RequestId) -> Span {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if matches!(route, Some("/healthz" | "/readyz" | "/metrics")) {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: telemetry::TRACE, "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = metrics::method(request.method()),
        http.route = route,
        http.response.status_code = Empty,
        network.protocol.version = match request.version() {
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        parlor.request.id = %request_id,
        "error.type" = Empty,
    );
    if !span.is_disabled() {
        let method = metrics::method(request.method());
        span.record("otel.name", format!("{method} {}", route.unwrap_or_default()).trim_end());
    }
    span
}

/// Refuses requests from addresses that send too many, before anything is done for them. What is
/// the same for everybody, such as the element, costs nothing and is not counted.
async fn limited(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let counts = ["/chatkit", "/files", "/auth", "/connect"].iter().any(|part| {
        path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if counts && let Err(error) = limits.count_of_address(request.extensions(), request.headers()) {
        let request_id = request.extensions().get::<RequestId>().cloned();
        let is_chat = path == "/chatkit";
        let mut response = error.into_response(request_id.unwrap_or_else(ChatKit::new_request_id));
        if is_chat {
            response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static("1"));
        }
        return response;
    }
    next.run(request).await
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError::internal(format!("a handler panicked: {what}")).into_fresh_response()
}

/// The id that [`with_request_id`] gave a request.
pub(crate) fn request_id(parts: &axum::http::request::Parts) -> RequestId {
    parts.extensions.get::<RequestId>().cloned().unwrap_or_else(ChatKit::new_request_id)
}
