//! Bytes from a connection, looked at on their way into the storage.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody as _},
    http::{HeaderMap, StatusCode, header},
};
use futures::{Stream, StreamExt as _};
use parlor_chatkit::{
    AttachmentRecord, AttachmentStoreError, Attachments, ByteStream, ChatKitError, PREVIEWED_TYPES,
    Upload,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Files,
    inspect::{Inspector, Refused, Size},
    preview,
};
use crate::error::ApiError;

/// How long an upload may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an upload may take.
const WHOLE: Duration = Duration::from_secs(15 * 60);
/// How long an upload waits for its turn when many are coming in.
const TURN: Duration = Duration::from_secs(20);
/// How much of a refused upload is still read, and for how long. A client that is cut off while
/// it sends often never reads the answer, and its user would see "network error".
const DRAINED_BYTES: usize = 32 * 1024 * 1024;
const DRAINED_FOR: Duration = Duration::from_secs(10);

/// A body that is read on for a while, into nothing, when its reader has had enough of it.
pub(crate) struct Drained {
    body: Option<BodyDataStream>,
}

impl Drained {
    pub(crate) fn new(body: Body) -> Self {
        let body = (!body.is_end_stream()).then(|| body.into_data_stream());
        Self { body }
    }

    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(self)
    }
}

impl Stream for Drained {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let next = body.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        next
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let until = Instant::now() + DRAINED_FOR;
            let mut left = DRAINED_BYTES;
            while let Ok(Some(Ok(piece))) = timeout_at(until, body.next()).await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    return;
                }
            }
        });
    }
}

/// What a request says of its body's size.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Stores a file that comes over a connection, and finds out what it is.
///
/// `incoming` gives the file's bytes. It is read here to its end, or not at all any more.
pub(crate) async fn receive<E: Send + 'static>(
    files: &Files,
    attachments: &Attachments,
    upload: &mut Upload,
    size: Size,
    incoming: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Result<Received, ApiError> {
    let turn = timeout(TURN, files.uploads.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(ApiError::unavailable(
            "unavailable",
            "many files are being uploaded at the moment; try again in a few seconds",
            5,
        ));
    };
    let record = upload.record();
    let inspector = Inspector::new(&record.mime_type, &record.name, size);
    let (bytes, verdict) = inspected(inspector, incoming);
    upload.store(bytes).await.map_err(refused)?;
    // The stream has ended, so its inspector has spoken.
    let mime_type = verdict.await.map_err(|_| ApiError::internal("no verdict on an upload"))?;
    if !attachments.limits().takes(&mime_type) {
        return Err(attachments.unsupported(&mime_type).into());
    }
    let has_preview = PREVIEWED_TYPES.contains(&mime_type.as_str());
    if has_preview {
        let image = upload.read().await.map_err(ChatKitError::from)?;
        let made = preview::make(image, &mime_type, &files.previews).await;
        let preview = made.map_err(|error| {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_image", error.to_string())
        })?;
        upload.store_preview(preview).await.map_err(ChatKitError::from)?;
    }
    Ok(Received { mime_type, has_preview })
}

/// What a file that was stored turned out to be.
pub(crate) struct Received {
    pub(crate) mime_type: String,
    pub(crate) has_preview: bool,
}

impl Received {
    pub(crate) async fn complete(self, upload: Upload) -> Result<AttachmentRecord, ApiError> {
        Ok(upload.complete(self.mime_type, self.has_preview).await?)
    }
}

/// The bytes with an inspector at their side: a refusal becomes an error of the stream, so that
/// the storage keeps nothing of it.
fn inspected<E: Send + 'static>(
    inspector: Inspector,
    incoming: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> (ByteStream, tokio::sync::oneshot::Receiver<String>) {
    let (found, verdict) = tokio::sync::oneshot::channel();
    let until = Instant::now() + WHOLE;
    let state = Some((inspector, Box::pin(incoming), found));
    let bytes = futures::stream::unfold(state, move |state| async move {
        let (mut inspector, mut incoming, found) = state?;
        let silent = Instant::now() + SILENCE;
        let next = match timeout_at(silent.min(until), incoming.next()).await {
            Ok(Some(Ok(piece))) => match inspector.push(&piece) {
                Ok(()) => return Some((Ok(piece), Some((inspector, incoming, found)))),
                Err(refused) => refused,
            },
            Ok(Some(Err(_))) => Refused::Incomplete,
            Err(_) => Refused::TooSlow(SILENCE.as_secs()),
            Ok(None) => match inspector.finish() {
                Ok(mime_type) => {
                    let _ = found.send(mime_type);
                    return None;
                }
                Err(refused) => refused,
            },
        };
        Some((Err(next.into()), None))
    });
    (bytes.boxed(), verdict)
}

fn refused(error: AttachmentStoreError) -> ApiError {
    let source = match error {
        AttachmentStoreError::Source(source) => source,
        unavailable => return ChatKitError::from(unavailable).into(),
    };
    match source.downcast::<Refused>() {
        Ok(refused) => (*refused).into(),
        // The storage's own limit, behind the inspector's.
        Err(other) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", other.to_string()),
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let (status, code) = match &refused {
            Refused::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Refused::OtherSize { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "other_size"),
            Refused::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "empty_file"),
            Refused::OtherType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type"),
            Refused::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Refused::Incomplete => (StatusCode::BAD_REQUEST, "incomplete_body"),
        };
        Self::new(status, code, refused.to_string())
    }
}
