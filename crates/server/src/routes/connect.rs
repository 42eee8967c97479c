//! `/connect`: where users sign in to servers of tools, from the link on a card and back.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_chatkit::{
    ChatKitError, ErrorChain, Owner,
    protocol::{ThreadItem, WidgetItem},
};
use serde::Deserialize;
use serde_json::json;
use url::{Url, form_urlencoded::byte_serialize};

use super::{
    auth::redirect,
    message::{Message, of_this_moment},
};
use crate::{
    app::{App, request_id},
    attachments::base_url,
    auth::{OpenedBy, Redirection, cookie_name, no_cookie, random, set_cookie},
    connect::{
        BackQuery, Base, CALLBACK, CLIENT_DOCUMENT, ConnectError, Connected, Opened, SignIns,
        VISIT_LIFETIME,
    },
    error::ApiError,
    late::not_ready,
};

/// Cookies of browsers whose users are at an authorization server, each with the beginning of its
/// `state` behind.
const COOKIE: &str = "parlor_connect_";
/// Sign-ins under way in one browser: in several tabs.
const MAX_UNDER_WAY: usize = 5;
/// Letters of a `state` that name its cookie.
const STATE_NAME: usize = 8;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LinkQuery {
    link: String,
}

/// Why somebody's browser does not go on.
enum Stop {
    /// It is not theirs, or they have to say first who they are.
    Page(&'static str, &'static str),
    Connect(ConnectError),
    Api(ApiError),
}

impl From<ConnectError> for Stop {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// The link on a card: sends its owner to the authorization server. Where browsers do not say whose
/// they are, a page asks first, and its form comes here, too.
pub(crate) async fn connect(
    State(app): State<Arc<App>>,
    query: Result<Query<LinkQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    // One that cannot be read is no link: these addresses answer with pages, not with errors.
    let link = query.map(|Query(query)| query.link).unwrap_or_default();
    let answer = match enabled(&app) {
        Ok(sign_ins) => leave(&app, sign_ins, &link, &parts).await,
        Err(error) => Err(error.into()),
    };
    answer.unwrap_or_else(|stop| stopped(stop, &parts))
}

async fn leave(
    app: &App,
    sign_ins: &Arc<SignIns>,
    link: &str,
    parts: &Parts,
) -> Result<Response, Stop> {
    let base = base_url(app.public_url.as_ref(), parts);
    if parts.method == Method::POST && !is_from(&base, &parts.headers) {
        return Err(ConnectError::Attempt("the form of another site").into());
    }
    let opened = sign_ins.open(link).await?;
    match app.auth.opened_by(&opened.owner, parts).await? {
        OpenedBy::Themselves => {}
        OpenedBy::Untold if parts.method == Method::POST => {}
        OpenedBy::Untold => return Ok(asked(&opened)),
        OpenedBy::Nobody if app.auth.sessions().is_some() => {
            let prefix = Url::parse(&base).map(|base| base.path().trim_end_matches('/').to_owned());
            let here = format!("{}/connect?link={link}", prefix.unwrap_or_default());
            let here: String = byte_serialize(here.as_bytes()).collect();
            let to = format!("auth/login?return_to={here}");
            return Ok(redirect(Redirection { to, cookies: Vec::new() }));
        }
        by => return Err(not_theirs(by)),
    }
    let browser = URL_SAFE_NO_PAD.encode(random().map_err(ConnectError::from)?);
    let is_public = app.public_url.is_some();
    let going = Base { url: &base, is_public };
    let Opened { owner, link, server } = opened;
    let (to, state) = server.leave(&owner, &link, going, &browser).await?;
    let earlier = under_way(&parts.headers);
    let mut cookies = Vec::new();
    // Those that were given up are not carried around for ever.
    if earlier.len() >= MAX_UNDER_WAY {
        cookies.extend(earlier.into_iter().map(|name| no_cookie(name, &base)));
    }
    cookies.push(set_cookie(cookie(&state, &base), browser, VISIT_LIFETIME, &base));
    Ok(redirect(Redirection { to: to.into(), cookies }))
}

/// Where authorization servers send people back to.
pub(crate) async fn get_callback(
    State(app): State<Arc<App>>,
    query: Result<Query<BackQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let answer = match enabled(&app) {
        Ok(sign_ins) => come_back(&app, sign_ins, &query, &parts).await,
        Err(error) => Err(error.into()),
    };
    answer.unwrap_or_else(|stop| stopped(stop, &parts))
}

async fn come_back(
    app: &App,
    sign_ins: &Arc<SignIns>,
    query: &BackQuery,
    parts: &Parts,
) -> Result<Response, Stop> {
    let base = base_url(app.public_url.as_ref(), parts);
    let state = query.state().ok_or(ConnectError::Attempt("no state"))?;
    let name = cookie(state, &base);
    let jar = CookieJar::from_headers(&parts.headers);
    let browser = jar.get(&name).map(|cookie| cookie.value());
    let browser = browser.ok_or(ConnectError::Attempt("no cookie of its own"))?;
    let returning = sign_ins.returning(state, browser).await?;
    let owner = returning.owner.clone();
    match app.auth.opened_by(&owner, parts).await? {
        OpenedBy::Themselves | OpenedBy::Untold => {}
        by => return Err(not_theirs(by)),
    }
    let connected = sign_ins.complete(returning, query).await;
    let mut response = match connected {
        Ok(connected) => {
            show(app, &owner, &connected).await;
            let title = format!("You are connected to {}", connected.card.title);
            Message {
                status: StatusCode::OK,
                title: &title,
                text: "Go back to the conversation and press Continue. You can close this window.",
                ways: "",
                request_id: None,
            }
            .page()
        }
        Err(error) => stopped(error.into(), parts),
    };
    response.headers_mut().append(header::SET_COOKIE, no_cookie(name, &base));
    Ok(response)
}

/// Has the card say it to those who open the conversation again. Without that it is as it was, and
/// its button works.
async fn show(app: &App, owner: &Owner, connected: &Connected) {
    let (store, place) = (app.chatkit.store(), &connected.place);
    let shown = async {
        let there = store.item(owner, &place.thread_id, &place.item_id).await?;
        if let Some(ThreadItem::Widget(there)) = there {
            let widget = connected.card.connected(&there).into();
            let item = ThreadItem::Widget(WidgetItem { widget, ..there });
            store.replace_item(owner, &place.thread_id, &item).await?;
        }
        Ok::<_, parlor_chatkit::StoreError>(())
    };
    if let Err(error) = shown.await {
        tracing::warn!(error = %ErrorChain(&error), "a card does not show that its user is connected");
    }
}

/// Who Parlor is, for authorization servers that ask (OAuth Client ID Metadata Document).
pub(crate) async fn get_client(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let known = app.public_url.as_ref().filter(|url| url.scheme() == "https");
    let (Ok(_), Some(url)) = (enabled(&app), known) else {
        let error = ApiError::not_found("server.public_url is no https address, so nobody is told");
        return error.into_response(request_id(&parts));
    };
    let base = url.as_str().trim_end_matches('/');
    Json(json!({
        "client_id": format!("{base}{CLIENT_DOCUMENT}"),
        "client_name": "Parlor",
        "client_uri": base,
        "redirect_uris": [format!("{base}{CALLBACK}")],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
    }))
    .into_response()
}

fn enabled(app: &App) -> Result<&Arc<SignIns>, ApiError> {
    let unknown = || ApiError::not_found("there are no servers of tools to sign in to");
    app.sign_ins.as_ref().ok_or_else(unknown)
}

/// Whether a form comes from a page of this server. All browsers say.
fn is_from(base: &str, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(HeaderValue::as_bytes);
    let own = Url::parse(base).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == b"same-origin",
        None => text(header::ORIGIN).is_some_and(|origin| origin == own.as_bytes()),
    }
}

fn cookie(state: &str, base: &str) -> String {
    let name = state.get(..STATE_NAME).unwrap_or_default();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    cookie_name(&format!("{COOKIE}{}", if plain { name } else { "" }), base)
}

fn under_way(headers: &HeaderMap) -> Vec<String> {
    let jar = CookieJar::from_headers(headers);
    let names = jar.iter().map(|cookie| cookie.name().to_owned());
    names.filter(|name| name.strip_prefix("__Host-").unwrap_or(name).starts_with(COOKIE)).collect()
}

/// Asks people whose link it is, where their browser does not say.
fn asked(opened: &Opened) -> Response {
    let title = format!("Connect {}", opened.server.name());
    let text = format!(
        "The account that you sign in with next will be used by the assistant of {}. Go on only if \
         that is you, and you have asked for it in a conversation.",
        opened.link.account
    );
    Message {
        status: StatusCode::OK,
        title: &title,
        text: &text,
        ways: "<form method=\"post\"><button class=\"again\">That is me: go on</button></form>",
        request_id: None,
    }
    .page()
}

fn not_theirs(by: OpenedBy) -> Stop {
    match by {
        OpenedBy::Nobody => Stop::Page(
            "Sign in first",
            "Open this link in the browser in which you have the conversation.",
        ),
        _ => Stop::Page(
            "This link is somebody else's",
            "It only works for the person who has the conversation. Ask for what you need in one of \
             your own.",
        ),
    }
}

/// A page for people: it says what to do, and not what was wrong.
fn stopped(stop: Stop, parts: &Parts) -> Response {
    let request_id = request_id(parts);
    let (status, title, text) = match stop {
        Stop::Page(title, text) => (StatusCode::FORBIDDEN, title, text),
        Stop::Api(error) => return of_this_moment(error.into_response(request_id)),
        Stop::Connect(ConnectError::NotReady) => return not_ready().into_response(request_id),
        Stop::Connect(ConnectError::Store(error)) => {
            return ApiError::from(ChatKitError::from(error)).into_response(request_id);
        }
        Stop::Connect(error @ ConnectError::Encryption) => {
            return ApiError::internal(error.to_string()).into_response(request_id);
        }
        Stop::Connect(ConnectError::Cancelled) => (
            StatusCode::FORBIDDEN,
            "You are not connected",
            "Nothing has changed. You can close this window and go back to the conversation.",
        ),
        Stop::Connect(error @ ConnectError::Server { .. }) => {
            tracing::warn!(%request_id, error = %ErrorChain(&error), "a user could not be connected");
            (
                StatusCode::BAD_GATEWAY,
                "Connecting is not possible at the moment",
                "The service does not answer as it should. Go back to the conversation, and try \
                 again in a few minutes.",
            )
        }
        Stop::Connect(error @ ConnectError::Attempt(_)) => {
            tracing::info!(%request_id, %error, "a sign-in was refused");
            (
                StatusCode::BAD_REQUEST,
                "This link does not work any more",
                "It may have been used already, taken too long, or begun in another window. Go back \
                 to the conversation and ask again.",
            )
        }
    };
    Message { status, title, text, ways: "", request_id: Some(&request_id) }.page()
}
