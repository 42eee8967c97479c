//! The routes and what answers them.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::asked::{Api, Asked};
use crate::behaviour::{Behaviour, Purpose, Step};
use crate::encode::{Compiled, Frame, StatusError, compile, status_error};
use crate::record::{RecordedRequest, Records, Ticket};
use crate::usual::usual;

/// Longest request body that is read, in bytes; audio uploads are the longest.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Wait this long before each delta that sets no delay itself.
    pub delay: Duration,
    /// Answer 401 unless the request carries this key as a bearer token.
    pub require_key: Option<String>,
    /// Answer every chat request with this many deltas, prepared once, and record nothing.
    pub bench_deltas: Option<usize>,
}

#[derive(Default)]
struct HoldState {
    released: HashSet<String>,
    waiting: BTreeMap<String, usize>,
}

/// Named points where streams wait.
pub(crate) struct Holds {
    state: Mutex<HoldState>,
    changes: watch::Sender<u64>,
}

impl Holds {
    fn new() -> Self {
        Self { state: Mutex::default(), changes: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, HoldState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn release(&self, name: &str) {
        self.lock().released.insert(name.to_owned());
        self.changed();
    }

    fn reset(&self) {
        self.lock().released.clear();
    }

    fn waiting(&self) -> BTreeMap<String, usize> {
        self.lock().waiting.clone()
    }

    /// Waits until some stream stands at the hold.
    pub(crate) async fn reached(&self, name: &str) {
        let mut changes = self.changes.subscribe();
        while !self.lock().waiting.contains_key(name) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until the hold is released.
    async fn pass(&self, name: &str) {
        /// Counts the stream as waiting for as long as it does, also when it is dropped.
        struct Waiting<'a>(&'a Holds, &'a str);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                let mut state = self.0.lock();
                if let Some(count) = state.waiting.get_mut(self.1) {
                    *count -= 1;
                    if *count == 0 {
                        state.waiting.remove(self.1);
                    }
                }
            }
        }
        let mut changes = self.changes.subscribe();
        *self.lock().waiting.entry(name.to_owned()).or_default() += 1;
        let _waiting = Waiting(self, name);
        self.changed();
        while !self.lock().released.contains(name) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What all requests share.
pub(crate) struct Shared {
    options: Options,
    queue: Mutex<Vec<Behaviour>>,
    pub(crate) holds: Holds,
    pub(crate) records: Arc<Records>,
    /// Requests for titles, apart from the others: they come beside the answers.
    pub(crate) titles: Arc<Records>,
    bench_responses: OnceLock<Vec<Bytes>>,
    bench_chat: OnceLock<Vec<Bytes>>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            options,
            queue: Mutex::default(),
            holds: Holds::new(),
            records: Records::new(),
            titles: Records::new(),
            bench_responses: OnceLock::new(),
            bench_chat: OnceLock::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Behaviour>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, behaviour: Behaviour) {
        self.queue().push(behaviour);
    }

    pub(crate) fn reset(&self) {
        self.queue().clear();
        self.holds.reset();
        self.records.reset();
        self.titles.reset();
    }

    /// Takes the first queued behaviour that fits the message.
    fn take(&self, purpose: Purpose, user_message: &str) -> Option<Behaviour> {
        let mut queue = self.queue();
        let at = queue.iter().position(|behaviour| {
            let fits = |text: &String| user_message.contains(text.as_str());
            behaviour.purpose == purpose && behaviour.when.as_ref().is_none_or(fits)
        })?;
        match queue[at].times {
            0 => Some(queue[at].clone()),
            1 => Some(queue.remove(at)),
            _ => {
                queue[at].times -= 1;
                Some(queue[at].clone())
            }
        }
    }

    fn bench_frames(&self, api: Api, deltas: usize) -> &[Bytes] {
        let cell = match api {
            Api::Responses => &self.bench_responses,
            Api::ChatCompletions => &self.bench_chat,
        };
        cell.get_or_init(|| {
            let asked = Asked::new(api, &json!({"model": "fake-model", "stream": true}));
            let behaviour = Behaviour::new().text("word ".repeat(deltas));
            match compile(&behaviour, &asked, Duration::ZERO) {
                Compiled::Stream(frames) => frames
                    .into_iter()
                    .filter_map(|frame| match frame {
                        Frame::Event(bytes) | Frame::Other(bytes) => Some(bytes),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            }
        })
    }
}

type SharedState = State<Arc<Shared>>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/responses", post(responses))
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/rerank", post(rerank))
        .route("/v1/moderations", post(moderations))
        .route("/v1/audio/transcriptions", post(transcriptions))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .route("/control/script", post(control_script))
        .route("/control/reset", post(control_reset))
        .route("/control/release", post(control_release))
        .route("/control/requests", get(control_requests))
        .route("/control/titles", get(control_titles))
        .route("/control/state", get(control_state))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(shared)
}

async fn responses(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    chat(shared, Api::Responses, &method, &uri, &headers, &body).await
}

async fn chat_completions(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    chat(shared, Api::ChatCompletions, &method, &uri, &headers, &body).await
}

async fn chat(
    shared: Arc<Shared>,
    api: Api,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    if let Some(deltas) = shared.options.bench_deltas {
        let delay = shared.options.delay;
        let frames = shared.bench_frames(api, deltas).to_vec().into_iter();
        return event_stream(Body::from_stream(stream::unfold(
            frames,
            move |mut frames| async move {
                let frame = frames.next()?;
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Some((Ok::<_, Infallible>(frame), frames))
            },
        )));
    }
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let asked = Asked::new(api, parsed.as_ref().unwrap_or(&Value::Null));
    let purpose = asked.purpose();
    let records = match purpose {
        Purpose::Title => &shared.titles,
        _ => &shared.records,
    };
    let mut ticket = records.add(record(
        method,
        uri,
        headers,
        parsed.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned().into()),
        Some(asked.user_message.clone()),
    ));
    if let Some(error) = refuse(&shared, headers, parsed.as_ref()) {
        ticket.finish();
        return error_response(&error);
    }
    let scripted = shared.take(purpose, &asked.user_message);
    let behaviour = scripted.unwrap_or_else(|| usual(&asked));
    match compile(&behaviour, &asked, shared.options.delay) {
        Compiled::Status(error) => {
            ticket.finish();
            error_response(&error)
        }
        Compiled::NeverAnswer => {
            ticket.checkpoint();
            std::future::pending().await
        }
        Compiled::Stream(frames) => {
            let player = Player::new(shared, frames, ticket, behaviour.chunk_bytes);
            event_stream(Body::from_stream(stream::unfold(player, Player::next)))
        }
        Compiled::Whole(frames, answer) => {
            let mut player = Player::new(shared, frames, ticket, None);
            // Only waits are left in the frames; a cut ends the request without an answer.
            while let Some((bytes, rest)) = player.next().await {
                player = rest;
                if bytes.is_err() {
                    let broken = stream::once(async { bytes });
                    return Body::from_stream(broken).into_response();
                }
            }
            match answer {
                Ok(answer) => Json(answer).into_response(),
                Err(error) => error_response(&error),
            }
        }
    }
}

/// The errors that a real server finds before it looks at the conversation.
fn refuse(shared: &Shared, headers: &HeaderMap, body: Option<&Value>) -> Option<StatusError> {
    if let Some(key) = &shared.options.require_key {
        let expected = format!("Bearer {key}");
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(expected.as_str()) {
            return Some(status_error(401, None, None, None));
        }
    }
    let Some(body) = body else {
        let message = "We could not parse the JSON body of your request.";
        return Some(status_error(400, None, None, Some(message)));
    };
    if body["model"].as_str().is_none() {
        let message = "you must provide a model parameter";
        return Some(status_error(400, None, None, Some(message)));
    }
    None
}

/// Plays frames into a response body.
struct Player {
    shared: Arc<Shared>,
    frames: std::vec::IntoIter<Frame>,
    ticket: Ticket,
    chunk_bytes: Option<usize>,
    /// What is left of a frame that is sent in pieces.
    rest: Bytes,
}

impl Player {
    fn new(
        shared: Arc<Shared>,
        frames: Vec<Frame>,
        ticket: Ticket,
        chunk_bytes: Option<usize>,
    ) -> Self {
        Self { shared, frames: frames.into_iter(), ticket, chunk_bytes, rest: Bytes::new() }
    }

    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            if !self.rest.is_empty() {
                let limit = self.chunk_bytes.unwrap_or(usize::MAX).max(1);
                if self.chunk_bytes.is_some() {
                    // Lets the piece before this one go out on its own.
                    tokio::task::yield_now().await;
                }
                let piece = self.rest.split_to(self.rest.len().min(limit));
                return Some((Ok(piece), self));
            }
            match self.frames.next() {
                None => {
                    self.ticket.finish();
                    return None;
                }
                Some(Frame::Event(bytes)) => {
                    self.ticket.event_sent();
                    self.rest = bytes;
                }
                Some(Frame::Other(bytes)) => self.rest = bytes,
                Some(Frame::Delay(delay)) => tokio::time::sleep(delay).await,
                Some(Frame::Hold(name)) => {
                    self.ticket.checkpoint();
                    self.shared.holds.pass(&name).await;
                }
                Some(Frame::Stall) => {
                    self.ticket.checkpoint();
                    std::future::pending::<()>().await;
                }
                Some(Frame::Cut) => {
                    // A body that waits is flushed first; an error at once would swallow what the
                    // connection still holds.
                    tokio::task::yield_now().await;
                    self.ticket.finish();
                    return Some((Err(io::Error::other("the script cuts the connection")), self));
                }
            }
        }
    }
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::HeaderName::from_static("x-request-id"), request_id()),
    ];
    (headers, body).into_response()
}

fn error_response(error: &StatusError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(error.body.clone())).into_response();
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if let Ok(id) = request_id().parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn request_id() -> String {
    format!("req_{}", Uuid::new_v4().simple())
}

fn record(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Value,
    user_message: Option<String>,
) -> RecordedRequest {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value.into())
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    RecordedRequest {
        number: 0,
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        method: method.to_string(),
        path: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
        headers,
        body,
        user_message,
        events_sent: 0,
        finished: false,
        aborted_after_events: None,
    }
}

/// A request that is answered as a whole.
struct Plain {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Plain {
    /// Records it and does what the script has for it. Gives the request, which is still to be answered.
    async fn plainly(
        self,
        shared: &Shared,
        purpose: Purpose,
        about: impl FnOnce(&Value) -> String,
    ) -> Result<Value, Response> {
        let parsed: Option<Value> = serde_json::from_slice(&self.body).ok();
        let request = parsed.clone().unwrap_or(Value::Null);
        let recorded = record(&self.method, &self.uri, &self.headers, request.clone(), None);
        let mut ticket = shared.records.add(recorded);
        if let Some(error) = refuse(shared, &self.headers, parsed.as_ref()) {
            ticket.finish();
            return Err(error_response(&error));
        }
        if let Some(behaviour) = shared.take(purpose, &about(&request)) {
            played(shared, &behaviour, &mut ticket).await?;
        }
        ticket.finish();
        Ok(request)
    }
}

/// The texts that a request is about. `None` when there are none.
fn texts_of(request: &Value) -> Option<Vec<&str>> {
    let texts: Vec<&str> = match &request["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    (!texts.is_empty()).then_some(texts)
}

fn no_texts() -> Response {
    let message = "'input' must be a string or an array of strings";
    error_response(&status_error(400, None, None, Some(message)))
}

/// Length of the vectors when a request names none; that of OpenAI's small model.
const DIMENSIONS: usize = 1536;

async fn embeddings(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Plain { method, uri, headers, body };
    let about = |request: &Value| request["input"].to_string();
    let request = match asked.plainly(&shared, Purpose::Embedding, about).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let dimensions =
        request["dimensions"].as_u64().map_or(DIMENSIONS, |n| n.clamp(1, 8192) as usize);
    let Some(texts) = texts_of(&request) else { return no_texts() };
    let base64 = request["encoding_format"].as_str() == Some("base64");
    let mut tokens = 0;
    let mut data = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        tokens += text.len() / 4 + 1;
        let vector = embed(text, dimensions);
        let embedding: Value = if base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        } else {
            vector.into()
        };
        data.push(json!({"object": "embedding", "index": index, "embedding": embedding}));
    }
    Json(json!({
        "object": "list",
        "data": data,
        "model": request["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
    .into_response()
}

/// Ranks documents by how many of the question's words they have.
async fn rerank(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Plain { method, uri, headers, body };
    let about = |request: &Value| request["query"].as_str().unwrap_or_default().to_owned();
    let request = match asked.plainly(&shared, Purpose::Rerank, about).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let question = request["query"].as_str().unwrap_or_default();
    let Some(documents) = request["documents"].as_array() else {
        let message = "'documents' must be an array of strings";
        return error_response(&status_error(400, None, None, Some(message)));
    };
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let asked = words(question);
    let mut ranked: Vec<(usize, f64)> = documents
        .iter()
        .map(|document| {
            let found = words(document.as_str().unwrap_or_default());
            let common = asked.iter().filter(|word| found.contains(*word)).count();
            #[expect(clippy::cast_precision_loss, reason = "some words")]
            let relevance = common as f64 / (asked.len().max(1)) as f64;
            relevance
        })
        .enumerate()
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = request["top_n"].as_u64().map_or(ranked.len(), |n| n as usize);
    let results: Vec<Value> = ranked
        .iter()
        .take(top)
        .map(|(index, relevance)| json!({"index": index, "relevance_score": relevance}))
        .collect();
    Json(json!({"model": request["model"], "results": results})).into_response()
}

/// Flags texts with the word `/bad`.
async fn moderations(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Plain { method, uri, headers, body };
    let about = |request: &Value| request["input"].to_string();
    let request = match asked.plainly(&shared, Purpose::Moderation, about).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let Some(texts) = texts_of(&request) else { return no_texts() };
    let results = texts.iter().map(|text| {
        let is_bad = text.contains("/bad");
        let score = if is_bad { 0.9 } else { 0.01 };
        json!({
            "flagged": is_bad,
            "categories": {"hate": false, "violence": is_bad},
            "category_scores": {"hate": 0.01, "violence": score},
        })
    });
    let results: Vec<Value> = results.collect();
    Json(json!({"id": "modr_1", "model": request["model"], "results": results})).into_response()
}

/// A vector of length one in which each word moves one component, so that texts with words in
/// common are near each other.
fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // FNV-1a: stable over releases of Rust, unlike the standard hasher.
        let hash = word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        vector[(hash % dimensions as u64) as usize] += sign;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else {
        vector[0] = 1.0;
    }
    vector
}

async fn transcriptions(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    mut form: Multipart,
) -> Response {
    let mut fields = serde_json::Map::new();
    let mut audio = None;
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(error) => {
                let message = error.to_string();
                return error_response(&status_error(400, None, None, Some(&message)));
            }
        };
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let kind = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let Ok(bytes) = field.bytes().await else {
            return error_response(&status_error(400, None, None, Some("the upload broke off")));
        };
        if name == "file" {
            let file_name = file_name.unwrap_or_else(|| "audio".into());
            fields.insert(name, json!({"name": file_name, "type": kind, "bytes": bytes.len()}));
            audio = Some((file_name, kind, bytes.len()));
        } else {
            fields.insert(name, String::from_utf8_lossy(&bytes).into_owned().into());
        }
    }
    let fields = Value::Object(fields);
    let mut ticket = shared.records.add(record(&method, &uri, &headers, fields.clone(), None));
    if let Some(error) = refuse(&shared, &headers, Some(&fields)) {
        ticket.finish();
        return error_response(&error);
    }
    let Some((name, kind, length)) = audio else {
        ticket.finish();
        return error_response(&status_error(400, None, None, Some("'file' is required")));
    };
    let text = match shared.take(Purpose::Transcription, &kind) {
        None => format!("This is what was said in {name}, {length} bytes of {kind}."),
        Some(behaviour) => match played(&shared, &behaviour, &mut ticket).await {
            Ok(text) => text,
            Err(response) => return response,
        },
    };
    ticket.finish();
    let usage = json!({
        "type": "tokens", "input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
        "input_token_details": {"audio_tokens": 1, "text_tokens": 0},
    });
    if fields["stream"].as_str() == Some("true") {
        let mut events = Vec::new();
        for delta in text.split_inclusive(' ') {
            let event = json!({"type": "transcript.text.delta", "delta": delta});
            events.push(Ok::<_, Infallible>(format!("data: {event}\n\n")));
        }
        let done = json!({"type": "transcript.text.done", "text": text, "usage": usage});
        events.push(Ok(format!("data: {done}\n\ndata: [DONE]\n\n")));
        return event_stream(Body::from_stream(stream::iter(events)));
    }
    match fields["response_format"].as_str() {
        Some("text") => format!("{text}\n").into_response(),
        _ => Json(json!({"text": text, "usage": usage})).into_response(),
    }
}

/// The text that a script has for a request that is answered as a whole: what a recording says. Or what is
/// answered instead.
async fn played(
    shared: &Shared,
    behaviour: &Behaviour,
    ticket: &mut Ticket,
) -> Result<String, Response> {
    let mut text = String::new();
    for step in &behaviour.steps {
        match step {
            Step::Status { status, retry_after, code, message } => {
                ticket.finish();
                let (code, message) = (code.as_deref(), message.as_deref());
                return Err(error_response(&status_error(*status, *retry_after, code, message)));
            }
            Step::Text { text: said, .. } => text.push_str(said),
            Step::Raw { text } => {
                ticket.finish();
                let kind = [(header::CONTENT_TYPE, "application/json")];
                return Err((kind, text.clone()).into_response());
            }
            Step::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Hold { name } => {
                ticket.checkpoint();
                shared.holds.pass(name).await;
            }
            Step::Cut => {
                ticket.finish();
                let cut = stream::once(async {
                    Err::<Bytes, _>(io::Error::other("the script cuts the connection"))
                });
                return Err(Body::from_stream(cut).into_response());
            }
            // Never answers.
            _ => {
                ticket.checkpoint();
                std::future::pending::<()>().await;
            }
        }
    }
    Ok(text)
}

const MODELS: [&str; 4] = ["fake-model", "fake-model-large", "fake-embedding", "fake-rerank"];

fn model_object(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "parlor"})
}

async fn models(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    shared.records.add(record(&method, &uri, &headers, Value::Null, None)).finish();
    if let Some(error) = refuse(&shared, &headers, Some(&json!({"model": ""}))) {
        return error_response(&error);
    }
    Json(json!({"object": "list", "data": MODELS.map(model_object)})).into_response()
}

async fn model(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    shared.records.add(record(&method, &uri, &headers, Value::Null, None)).finish();
    if let Some(error) = refuse(&shared, &headers, Some(&json!({"model": ""}))) {
        return error_response(&error);
    }
    if MODELS.contains(&id.as_str()) {
        Json(model_object(&id)).into_response()
    } else {
        error_response(&status_error(404, None, None, None))
    }
}

async fn not_found(
    State(shared): SharedState,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    shared.records.add(record(&method, &uri, &headers, Value::Null, None)).finish();
    let message = format!("Invalid URL ({method} {})", uri.path());
    error_response(&status_error(404, None, Some("unknown_url"), Some(&message)))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Script {
    Many(Vec<Behaviour>),
    One(Box<Behaviour>),
}

async fn control_script(State(shared): SharedState, body: Bytes) -> Response {
    let script = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(&body).map(Script::Many),
        _ => serde_json::from_slice(&body).map(|one| Script::One(Box::new(one))),
    };
    match script {
        Ok(Script::Many(many)) => many.into_iter().for_each(|one| shared.push(one)),
        Ok(Script::One(one)) => shared.push(*one),
        Err(error) => {
            let message = format!("not a behaviour: {error}");
            return error_response(&status_error(400, None, None, Some(&message)));
        }
    }
    Json(json!({"queued": shared.queue().len()})).into_response()
}

async fn control_reset(State(shared): SharedState) -> Response {
    shared.reset();
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Release {
    name: String,
}

async fn control_release(State(shared): SharedState, Json(release): Json<Release>) -> Response {
    shared.holds.release(&release.name);
    StatusCode::NO_CONTENT.into_response()
}

async fn control_requests(State(shared): SharedState) -> Response {
    Json(shared.records.all()).into_response()
}

async fn control_titles(State(shared): SharedState) -> Response {
    Json(shared.titles.all()).into_response()
}

async fn control_state(State(shared): SharedState) -> Response {
    let queued = shared.queue().len();
    Json(json!({
        "requests": shared.records.len(),
        "titles": shared.titles.len(),
        "queued": queued,
        "holding": shared.holds.waiting(),
    }))
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_words_in_common_are_near_each_other() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let install = embed("How to install the server", 256);
        let near = embed("Install the server on Debian", 256);
        let far = embed("Colours of butterflies", 256);
        assert_eq!(install, embed("How to install the server", 256));
        assert!(dot(&install, &near) > dot(&install, &far) + 0.2);
        assert!((dot(&install, &install) - 1.0).abs() < 1e-5);
    }
}
