//! `/files`: bytes of attachments, in and out.
//!
//! - `POST /files`: a form with one part named `file`; gives the attachment.
//! - `PUT /files/{id}`: the bytes of a file that `attachments.create` has announced.
//! - `GET /files/{id}`, `GET /files/{id}/preview`: the bytes.
//!
//! The last three take a signed link, or the authenticated owner.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest as _, Multipart, Path, Query, Request, State, multipart::Field},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use bytes::BytesMut;
use futures::StreamExt as _;
use parlor_chatkit::{
    AttachmentReadError, AttachmentStoreError, Attachments, ChatKitError, OpenFile, Owner,
    PREVIEWED_TYPES, Rendition,
    protocol::{AttachmentCreateParams, AttachmentId},
};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::{
    app::{App, request_id},
    attachments::{
        Files, LinkError, LinkQuery, Purpose, base_url,
        inspect::{Refused, Size},
        preview,
        receive::{Drained, content_length, receive},
    },
    error::ApiError,
    late::not_ready,
};

/// What stands around the file in a form, at most.
const FORM_BYTES: u64 = 64 * 1024;

/// Takes a file in a form.
pub(crate) async fn post_file(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts);
    // In a task of its own, like `put_file`: a client that goes away must not stop us between
    // the bytes and the record.
    let done = tokio::spawn(post(app, parts, Drained::new(body)).in_current_span()).await;
    done.unwrap_or_else(|lost| Err(lost_upload(&lost)))
        .unwrap_or_else(|error| error.into_response(request_id))
}

async fn post(app: Arc<App>, parts: Parts, body: Drained) -> Result<Response, ApiError> {
    let (files, attachments) = enabled(&app)?;
    check_origin(&app, &parts.headers)?;
    let caller = app.caller(&parts).await?;
    let base_url = base_url(app.public_url.as_ref(), &parts);
    let max = attachments.limits().file_bytes;
    let length = content_length(&parts.headers);
    if length.is_some_and(|length| length > max.saturating_add(FORM_BYTES)) {
        return Err(too_large(max));
    }
    // The file is no larger than the form; how large it is will be known when it has come.
    let at_most = length.map_or(max, |length| length.min(max));

    let request = Request::from_parts(parts, body.into_body());
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| {
        let message =
            format!("send the file as multipart/form-data, in a part named `file`: {error}");
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    })?;
    let field = loop {
        match form.next_field().await.map_err(|_| broken_form())? {
            Some(field) if field.name() == Some("file") => break field,
            Some(other) => skip(other).await?,
            None => return Err(invalid_form("the form has no part named `file`")),
        }
    };
    let params = AttachmentCreateParams {
        name: field.file_name().unwrap_or_default().to_owned(),
        size: at_most.max(1),
        mime_type: field.content_type().unwrap_or_default().to_owned(),
    };
    let record = attachments.create(&caller.owner, params).await?;
    let mut upload = attachments.begin_upload(&caller.owner, &record.id).await?;
    // The part is read beside the storage: it belongs to the form and cannot leave it.
    let (pieces, incoming) = mpsc::channel(1);
    let incoming = futures::stream::unfold(incoming, async |mut incoming| {
        incoming.recv().await.map(|piece| (piece, incoming))
    });
    let size = Size::AtMost(max);
    let (received, ()) =
        tokio::join!(receive(files, attachments, &mut upload, size, incoming), feed(field, pieces));
    let received = match received {
        Ok(received) => end_of_form(&mut form).await.map(|()| received),
        Err(error) => Err(error),
    };
    let received = match received {
        Ok(received) => received,
        Err(error) => {
            upload.abandon().await;
            return Err(error);
        }
    };
    let record = received.complete(upload).await?;
    let mut response = Json(attachments.present(&record, &base_url)).into_response();
    if let Some(cookie) = caller.new_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Hands the pieces of a part on. It ends when nobody wants them any more.
async fn feed(mut field: Field<'_>, pieces: mpsc::Sender<Result<Bytes, ()>>) {
    while let Some(piece) = field.next().await {
        let piece = piece.map_err(|_| ());
        let broken = piece.is_err();
        if pieces.send(piece).await.is_err() || broken {
            return;
        }
    }
}

/// Reads over a part that is not the file. It cannot be long: it stands around it.
async fn skip(mut field: Field<'_>) -> Result<(), ApiError> {
    let mut left = FORM_BYTES;
    while let Some(piece) = field.chunk().await.map_err(|_| broken_form())? {
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| invalid_form("a part that is not named `file` is too large"))?;
    }
    Ok(())
}

/// Reads to the end of the form, which has one file.
async fn end_of_form(form: &mut Multipart) -> Result<(), ApiError> {
    while let Some(field) = form.next_field().await.map_err(|_| broken_form())? {
        if field.name() == Some("file") {
            return Err(invalid_form("the form has several files; send one with each request"));
        }
        skip(field).await?;
    }
    Ok(())
}

fn broken_form() -> ApiError {
    ApiError::from(Refused::Incomplete)
}

fn invalid_form(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_form", message)
}

/// A page of another site can send a form, or a body that says nothing of its type, along with its
/// visitor's cookies and without asking first. Browsers say so; only sites that may call the API
/// are let through.
pub(crate) fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(site, None | Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let allowed = &app.site.cors_origins;
    if allowed.iter().any(|allowed| allowed == "*" || Some(allowed.as_str()) == origin) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "requests are not taken from pages of this site; its origin must be named in site.cors_origins",
    ))
}

/// Takes the bytes of a file that was announced.
pub(crate) async fn put_file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts);
    let put = put(app, AttachmentId::new(id), query, parts, Drained::new(body));
    let done = tokio::spawn(put.in_current_span()).await;
    done.unwrap_or_else(|lost| Err(lost_upload(&lost)))
        .unwrap_or_else(|error| error.into_response(request_id))
}

async fn put(
    app: Arc<App>,
    id: AttachmentId,
    query: LinkQuery,
    parts: Parts,
    body: Drained,
) -> Result<Response, ApiError> {
    let (files, attachments) = enabled(&app)?;
    let owner = owner(&app, Purpose::Upload, &id, &query, &parts).await?;
    let mut upload = attachments.begin_upload(&owner, &id).await?;
    let announced = upload.record().size;
    let length = content_length(&parts.headers);
    if let Some(came) = length.filter(|length| *length != announced) {
        return Err(Refused::OtherSize { announced, came: Some(came) }.into());
    }
    let size = Size::Exactly(announced);
    match receive(files, attachments, &mut upload, size, body).await {
        Ok(received) => {
            let record = received.complete(upload).await?;
            let base_url = base_url(app.public_url.as_ref(), &parts);
            Ok(Json(attachments.present(&record, &base_url)).into_response())
        }
        Err(error) => {
            upload.discard().await;
            Err(error)
        }
    }
}

/// Gives the bytes of a file.
pub(crate) async fn get_file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
    request: Request,
) -> Response {
    give(&app, id, &query, request, Rendition::Original).await
}

/// Gives the small image of a file.
pub(crate) async fn get_preview(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
    request: Request,
) -> Response {
    give(&app, id, &query, request, Rendition::Preview).await
}

async fn give(
    app: &App,
    id: String,
    query: &LinkQuery,
    request: Request,
    rendition: Rendition,
) -> Response {
    let (parts, _) = request.into_parts();
    let given = get(app, &AttachmentId::new(id), query, &parts, rendition).await;
    given.unwrap_or_else(|error| error.into_response(request_id(&parts)))
}

async fn get(
    app: &App,
    id: &AttachmentId,
    query: &LinkQuery,
    parts: &Parts,
    rendition: Rendition,
) -> Result<Response, ApiError> {
    let (_, attachments) = enabled(app)?;
    let purpose = match rendition {
        Rendition::Original => Purpose::Download,
        Rendition::Preview => Purpose::Preview,
    };
    let owner = owner(app, purpose, id, query, parts).await?;
    let (record, file) =
        attachments.open(&owner, id, rendition).await.map_err(unreadable)?.ok_or_else(unknown)?;
    let (mime_type, name, size, body) = match rendition {
        Rendition::Original => {
            (record.mime_type, record.name, file.size, Body::from_stream(file.bytes))
        }
        Rendition::Preview => {
            let preview = read_preview(file).await?;
            let mime_type = preview::mime_type(&preview);
            let (size, body) = (preview.len() as u64, Body::from(preview));
            (mime_type.to_owned(), format!("preview of {}", record.name), size, body)
        }
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    // Only images that were decoded here are shown in place. Everything else is saved: what looks
    // like a page must not run as one of ours.
    let shown = PREVIEWED_TYPES.contains(&mime_type.as_str());
    headers.insert(header::CONTENT_TYPE, header_value(&mime_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, header_value(&disposition(shown, &name)));
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        // The link says who may see it; its bytes never change.
        (header::CACHE_CONTROL, "private, max-age=3600"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Pages of other sites show them, with the links that they were given.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn read_preview(file: OpenFile) -> Result<Bytes, ApiError> {
    // Made here, and small.
    let mut preview = BytesMut::new();
    let mut pieces = file.bytes;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(AttachmentStoreError::Unavailable);
        preview.extend_from_slice(&piece.map_err(ChatKitError::from)?);
    }
    Ok(preview.freeze())
}

fn unreadable(error: AttachmentReadError) -> ApiError {
    match error {
        AttachmentReadError::Store(error) => ChatKitError::from(error).into(),
        AttachmentReadError::Bytes(error) => ChatKitError::from(error).into(),
        AttachmentReadError::NotFound(_) | AttachmentReadError::TooLarge { .. } => unknown(),
    }
}

fn unknown() -> ApiError {
    ChatKitError::NotFound("attachment").into()
}

fn lost_upload(lost: &tokio::task::JoinError) -> ApiError {
    ApiError::internal(format!("an upload was lost: {lost}"))
}

pub(crate) fn enabled(app: &App) -> Result<(&Files, &Attachments), ApiError> {
    match (&app.files, app.chatkit.attachments()) {
        (Some(files), Some(attachments)) => Ok((files, attachments)),
        _ => {
            Err(ChatKitError::NotEnabled("attachments are not enabled on this server".into())
                .into())
        }
    }
}

/// Whose file is asked for: its owner's, by a signed link, or the caller's.
async fn owner(
    app: &App,
    purpose: Purpose,
    id: &AttachmentId,
    query: &LinkQuery,
    parts: &Parts,
) -> Result<Owner, ApiError> {
    if !query.is_signed() {
        return Ok(app.caller(parts).await?.owner);
    }
    let (files, attachments) = enabled(app)?;
    let link = files.links.verify(purpose, id.clone(), query, attachments.now());
    let link = link.map_err(|error| match error {
        LinkError::NotReady => not_ready(),
        LinkError::Invalid => ApiError::new(
            StatusCode::FORBIDDEN,
            "invalid_link",
            "this link is not valid; take a fresh one from the conversation",
        ),
        LinkError::Expired => ApiError::new(
            StatusCode::FORBIDDEN,
            "link_expired",
            "this link has expired; load the conversation again for a fresh one",
        ),
    })?;
    attachments.owner_of(&link).await.map_err(ChatKitError::from)?.ok_or_else(unknown)
}

fn too_large(max: u64) -> ApiError {
    Refused::TooLarge(max).into()
}

/// A header's value, of a text that has nothing in it that headers must not have.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// `Content-Disposition` with a name that any client reads, and the real one beside it.
fn disposition(shown: bool, name: &str) -> String {
    let kind = if shown { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|char| match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ' ' => char,
            _ => '_',
        })
        .collect();
    let mut exact = String::with_capacity(name.len());
    for byte in name.bytes() {
        // What RFC 8187 lets stand.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(exact, "%{byte:02X}");
        }
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_into_the_header() {
        assert_eq!(
            disposition(false, "a b.txt"),
            "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
        );
        assert_eq!(
            disposition(true, "Grüße\"; x=.png"),
            "inline; filename=\"Gr__e__ x_.png\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%22%3B%20x%3D.png"
        );
        let odd = "写真 \u{1F600} \r\n%2e'";
        assert!(HeaderValue::from_str(&disposition(true, odd)).is_ok());
    }
}
