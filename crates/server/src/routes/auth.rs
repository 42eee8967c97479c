//! `/auth`: signing in and out, in mode `session`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use parlor_chatkit::{ChatKitError, ErrorChain, protocol::Timestamp};
use serde::{Deserialize, Serialize};

use super::message::{Message, of_this_moment};
use crate::{
    app::{App, request_id},
    auth::{CallbackQuery, Redirection, Sessions, SignInError},
    error::ApiError,
    late::not_ready,
};

const LOGIN: &str = "/auth/login";
const LOGOUT: &str = "/auth/logout";

/// What a page wants to know before it shows the chat or a button.
#[derive(Serialize)]
struct SessionState {
    authenticated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<SessionUser>,
    /// When the login ends in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Whether the chat can be used without signing in.
    anonymous: bool,
    login_url: &'static str,
    logout_url: &'static str,
}

#[derive(Serialize)]
struct SessionUser {
    id: String,
    name: Option<String>,
    email: Option<String>,
    roles: Vec<String>,
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReturnQuery {
    return_to: Option<String>,
}

/// Who has signed in.
pub(crate) async fn get_session(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = async {
        let sessions = enabled(&app)?;
        let login = sessions.current(&parts).await?;
        let state = SessionState {
            authenticated: login.is_some(),
            expires_at: login.as_ref().map(|login| login.ends_at),
            user: login.map(|login| SessionUser {
                id: login.owner.user().as_str().to_owned(),
                name: login.identity.name,
                email: login.identity.email,
                roles: login.identity.roles,
            }),
            anonymous: sessions.takes_visitors(),
            login_url: LOGIN,
            logout_url: LOGOUT,
        };
        Ok::<_, ApiError>(Json(state).into_response())
    };
    let answer = answer.await.unwrap_or_else(|error| error.into_response(request_id(&parts)));
    of_this_moment(answer)
}

/// Sends somebody to the identity provider.
pub(crate) async fn get_login(
    State(app): State<Arc<App>>,
    query: Result<Query<ReturnQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let sessions = match enabled(&app) {
        Ok(sessions) => sessions,
        Err(error) => return error.into_response(request_id(&parts)),
    };
    // One that cannot be read says nothing: these addresses answer with pages, not with errors.
    let query = query.map(|Query(query)| query).unwrap_or_default();
    sent(sessions.begin(query.return_to.as_deref(), &parts).await, &parts)
}

/// Takes in whom the identity provider sends back.
pub(crate) async fn get_callback(
    State(app): State<Arc<App>>,
    query: Result<Query<CallbackQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let sessions = match enabled(&app) {
        Ok(sessions) => sessions,
        Err(error) => return error.into_response(request_id(&parts)),
    };
    let query = query.map(|Query(query)| query).unwrap_or_default();
    sent(sessions.complete(&query, &parts).await, &parts)
}

/// Signs somebody out. A form is sent on to the provider's own end; a script is told where it is.
pub(crate) async fn post_logout(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let ended = async { enabled(&app)?.end(&parts).await }.await;
    let (provider, cookie) = match ended {
        Ok(ended) => ended,
        Err(error) => return error.into_response(request_id(&parts)),
    };
    let mut response = if wants_page(&parts.headers) {
        let to = provider.map_or_else(|| "../".to_owned(), String::from);
        redirect(Redirection { to, cookies: Vec::new() })
    } else {
        let body = serde_json::json!({"authenticated": false, "provider_logout_url": provider});
        of_this_moment(Json(body).into_response())
    };
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

fn enabled(app: &App) -> Result<&Arc<Sessions>, ApiError> {
    app.auth.sessions().ok_or_else(|| {
        ApiError::not_found("this server signs nobody in itself: auth.mode is not `session`")
    })
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Somebody's browser goes on, or is shown why not.
fn sent(outcome: Result<Redirection, SignInError>, parts: &Parts) -> Response {
    match outcome {
        Ok(redirection) => redirect(redirection),
        Err(error) => failed(error, parts),
    }
}

pub(super) fn redirect(redirection: Redirection) -> Response {
    let Ok(to) = HeaderValue::from_str(&redirection.to) else {
        return ApiError::internal("an address to go to is no header").into_fresh_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    for cookie in redirection.cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // The address that somebody comes back with has a code in it, which is nobody else's business.
    let no_referrer = HeaderValue::from_static("no-referrer");
    response.headers_mut().insert(header::REFERRER_POLICY, no_referrer);
    of_this_moment(response)
}

/// A page for people: this is where their browser is. It says what to do and not what was wrong.
fn failed(error: SignInError, parts: &Parts) -> Response {
    let request_id = request_id(parts);
    let (status, title, text) = match error {
        SignInError::NotReady => return not_ready().into_response(request_id),
        SignInError::Store(error) => {
            return ApiError::from(ChatKitError::from(error)).into_response(request_id);
        }
        SignInError::Encryption => {
            return ApiError::internal(error.to_string()).into_response(request_id);
        }
        SignInError::Cancelled => {
            (StatusCode::UNAUTHORIZED, "You are not signed in", "Nothing has changed.")
        }
        SignInError::Provider(error) if error.is_passing() => {
            tracing::warn!(%request_id, error = %ErrorChain(&error), "the identity provider cannot be asked");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "Signing in is not possible at the moment",
                "The service that knows you does not answer. Try again in a few minutes.",
            )
        }
        error => {
            tracing::warn!(%request_id, error = %ErrorChain(&error), "a sign-in was refused");
            (
                StatusCode::UNAUTHORIZED,
                "Signing in did not work",
                "It may have taken too long, or begun in another window. Try again.",
            )
        }
    };
    let ways =
        "<a class=\"again\" href=\"login\">Try again</a> <a href=\"../\">Back to the start</a>";
    Message { status, title, text, ways, request_id: Some(&request_id) }.page()
}
