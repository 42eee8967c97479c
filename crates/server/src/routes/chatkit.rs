//! `POST /chatkit`: the whole ChatKit protocol.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use parlor_agent::tools::CallerToken;
use parlor_chatkit::{
    Extension, GivenIds, RequestOptions, Response as ChatKitResponse, protocol::TurnId,
};

use crate::{
    app::{App, PROTOCOL_HEADER, TURN_HEADER, request_id},
    attachments::base_url,
    auth::Caller,
    connect::CameBy,
    connection::LongStream,
    error::ApiError,
    routes::files::check_origin,
};

/// Longest idempotency key that is accepted.
pub(crate) const MAX_KEY: usize = 200;

pub(crate) async fn post_chatkit(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts);
    let mut response = match answer(&app, &parts, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(request_id),
    };
    response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static("1"));
    response
}

async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Response, ApiError> {
    check_content_type(&parts.headers)?;
    check_origin(app, &parts.headers)?;
    let caller = app.caller(parts).await?;
    let body = app.bodies.read(body).await?;
    let options = RequestOptions {
        request_id: Some(request_id(parts)),
        idempotency_key: idempotency_key(&parts.headers)?,
        base_url: base_url(app.public_url.as_ref(), parts),
        quota: app.limits.as_ref().and_then(|limits| limits.quota(&caller.owner, parts)),
        extension: extension_of(app, parts, &caller),
        ids: GivenIds::default(),
    };
    let answer = app.chatkit.handle(caller.owner, &caller.identity, &body.bytes, options).await?;
    let mut response = match answer {
        ChatKitResponse::Json(json) => {
            let mut response =
                ([(header::CONTENT_TYPE, "application/json")], json.body).into_response();
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            name_turn(&mut response, json.running_turn.as_ref());
            response
        }
        ChatKitResponse::Stream { turn_id, events } => {
            let body = Body::from_stream(events.map(Ok::<_, Infallible>));
            let headers = [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-cache, no-transform"),
                // nginx buffers answers unless it is told not to.
                (header::HeaderName::from_static("x-accel-buffering"), "no"),
            ];
            let mut response = (headers, body).into_response();
            response.extensions_mut().insert(LongStream);
            name_turn(&mut response, Some(&turn_id));
            response
        }
    };
    if let Some(cookie) = caller.new_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What goes along with a request for whoever answers.
pub(crate) fn extension_of(app: &App, parts: &Parts, caller: &Caller) -> Extension {
    let Some(responders) = &app.responders else { return Extension::default() };
    let extension = match responders.passes_tokens() {
        true => token_of(&parts.headers),
        false => Extension::default(),
    };
    if !responders.sign_in() {
        return extension;
    }
    let id = caller.owner.user().as_str();
    let known = [caller.identity.name.as_deref(), caller.identity.email.as_deref(), Some(id)];
    let known: Vec<&str> = known.into_iter().flatten().collect();
    let base = base_url(app.public_url.as_ref(), parts);
    extension.and(CameBy { base, account: known.join(" · ") })
}

/// The access token of a caller who was let in, for tools that act in the caller's name.
fn token_of(headers: &HeaderMap) -> Extension {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '))
        .filter(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
        });
    match token {
        Some((_, token)) => Extension::new(CallerToken(token.trim().into())),
        None => Extension::default(),
    }
}

fn name_turn(response: &mut Response, turn_id: Option<&TurnId>) {
    if let Some(value) = turn_id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        response.headers_mut().insert(TURN_HEADER, value);
    }
}

/// A form of another site can send a body without asking first, but not one of this type.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media_type =
        content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the request as JSON, with Content-Type: application/json",
    ))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(Some(key.to_owned())),
        _ => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_idempotency_key",
            format!("Idempotency-Key must be 1 to {MAX_KEY} visible ASCII characters"),
        )),
    }
}
