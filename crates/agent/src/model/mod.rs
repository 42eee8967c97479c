//! Clients of model servers: the Responses API and Chat Completions, streamed.
//!
//! Both are read leniently, since few of the servers that speak them are OpenAI's: unknown events
//! and fields are skipped, ids and usage may be missing, whole answers are taken where a stream
//! was asked for. What comes out is a small enum, [`ModelEvent`].

mod brief;
mod chat;
mod decoder;
mod error;
pub(crate) mod http;
mod images;
mod responses;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tracing::{Instrument as _, Span};
use url::Url;

pub use decoder::AnswerDecoder;
pub use error::ModelError;
pub use images::{
    IMAGE_GENERATION, ImageBackground, ImageBytes, ImageFailure, ImageFileFormat, ImageQuality,
    ImageTool,
};

use crate::http1::{Body, Client, HttpError, Request, Response, SetupError};
use crate::trace;
use http::{check_status, endpoint, innermost, read_body, within};

/// Which API a model server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelApi {
    /// `POST {base}/responses`.
    #[default]
    Responses,
    /// `POST {base}/chat/completions`.
    ChatCompletions,
}

/// Where a model is and how to speak to it.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Which API to use.
    pub api: ModelApi,
    /// Base URL with the version, for example `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; local servers need none, and then no `Authorization` header is sent.
    pub key: Option<SecretString>,
    /// The model that is asked when a request names none.
    pub model: String,
    /// Give up connecting after this.
    pub connect_timeout: Duration,
    /// Give up when nothing has come for this long, before the answer or in it.
    pub idle_timeout: Duration,
    /// What is sent as `traceparent` (W3C Trace Context), asked within the span of each request.
    /// None by default: it would tell the model server which requests belong together.
    pub trace_parent: Option<fn() -> Option<String>>,
}

impl ModelConfig {
    /// A configuration with the default time limits (10 s to connect, 60 s of silence) and no key.
    pub fn new(api: ModelApi, base_url: Url, model: impl Into<String>) -> Self {
        Self {
            api,
            base_url,
            key: None,
            model: model.into(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            trace_parent: None,
        }
    }

    /// With a key. An empty key counts as none.
    pub fn with_key(mut self, key: SecretString) -> Self {
        self.key = (!key.expose_secret().is_empty()).then_some(key);
        self
    }

    /// With a `traceparent` that this gives.
    pub fn with_trace_parent(mut self, trace_parent: fn() -> Option<String>) -> Self {
        self.trace_parent = Some(trace_parent);
        self
    }

    /// With this limit of silence.
    pub fn with_idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to call it.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// A file that a model is given as it is. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub enum InputFile {
    /// An image to look at.
    Image {
        /// A `data:` URL.
        data_url: Arc<str>,
    },
    /// A file to read.
    File {
        /// Its name.
        name: String,
        /// A `data:` URL.
        data_url: Arc<str>,
    },
}

impl fmt::Debug for InputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { data_url } => write!(f, "Image({} bytes)", data_url.len()),
            Self::File { name, data_url } => write!(f, "File({name:?}, {} bytes)", data_url.len()),
        }
    }
}

/// One item of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputItem {
    /// What the user said.
    User(String),
    /// What the user said, with files that are given as they are.
    UserWithFiles {
        /// What they said.
        text: String,
        /// The files.
        files: Vec<InputFile>,
    },
    /// What the model said.
    Assistant(String),
    /// A function that the model called.
    ToolCall {
        /// Ties the result to the call.
        call_id: String,
        /// The function.
        name: String,
        /// The arguments as the model wrote them.
        arguments: String,
    },
    /// What a function gave back.
    ToolResult {
        /// The call it belongs to.
        call_id: String,
        /// The result.
        output: String,
    },
}

/// What to ask a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelRequest {
    /// The model's name; empty means the configured one.
    pub model: String,
    /// The instructions (system prompt).
    pub instructions: String,
    /// The conversation, oldest first.
    pub input: Vec<InputItem>,
    /// Functions on offer.
    pub tools: Arc<[ToolSpec]>,
    /// The function that must be called, by its name; by default the model chooses.
    pub tool_choice: Option<String>,
    /// Tells the provider users apart, without saying who they are.
    pub user: Option<String>,
    /// Longest answer, in tokens.
    pub max_output_tokens: Option<u32>,
    /// Asks for a summary of the model's reasoning (Responses API). Models that do not reason refuse
    /// to be asked.
    pub reasoning: Option<ReasoningSummary>,
    /// Lets the model make images, and how (Responses API).
    pub images: Option<Arc<ImageTool>>,
}

/// How a model sums up its reasoning (`reasoning.summary` of the Responses API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningSummary {
    /// As it sees fit.
    Auto,
    /// In few words.
    Concise,
    /// At length.
    Detailed,
}

impl ModelRequest {
    /// The request for people who look on: what the model is told, and nothing else. `model` is asked if
    /// the request names none.
    pub(crate) fn noted(&self, model: &str) -> Value {
        let items = self.input.iter().map(|item| match item {
            InputItem::User(text) => json!({ "role": "user", "text": text }),
            InputItem::UserWithFiles { text, files } => {
                let files = files.iter().map(|file| match file {
                    InputFile::Image { data_url } => format!("an image of {} bytes", data_url.len()),
                    InputFile::File { name, data_url } => {
                        format!("{name}, {} bytes", data_url.len())
                    }
                });
                json!({ "role": "user", "text": text, "files": files.collect::<Vec<_>>() })
            }
            InputItem::Assistant(text) => json!({ "role": "assistant", "text": text }),
            InputItem::ToolCall { call_id, name, arguments } => {
                json!({ "role": "tool_call", "call_id": call_id, "name": name, "arguments": arguments })
            }
            InputItem::ToolResult { call_id, output } => {
                json!({ "role": "tool_result", "call_id": call_id, "text": output })
            }
        });
        let tools = self.tools.iter().map(|tool| {
            json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters })
        });
        json!({
            "model": if self.model.is_empty() { model } else { &self.model },
            "instructions": self.instructions,
            "input": items.collect::<Vec<_>>(),
            "tools": tools.collect::<Vec<_>>(),
            "image_generation": self.images,
            "tool_choice": self.tool_choice,
            "max_output_tokens": self.max_output_tokens,
        })
    }

    /// How long its texts are, without files that are given as they are.
    pub(crate) fn text_bytes(&self) -> usize {
        let items = self.input.iter().map(|item| match item {
            InputItem::User(text)
            | InputItem::UserWithFiles { text, .. }
            | InputItem::Assistant(text) => text.len(),
            InputItem::ToolCall { arguments, .. } => arguments.len(),
            InputItem::ToolResult { output, .. } => output.len(),
        });
        self.instructions.len() + items.sum::<usize>()
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was complete.
    Stop,
    /// The model waits for the results of its calls.
    ToolCalls,
    /// The longest allowed answer was reached.
    Length,
    /// The provider's filter stopped it.
    ContentFilter,
}

/// What an answer cost, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of the request that came from the provider's cache.
    pub cached_tokens: u64,
}

impl Usage {
    fn new(input: &Value, output: &Value, cached: &Value) -> Option<Self> {
        Some(Self {
            input_tokens: input.as_u64()?,
            output_tokens: output.as_u64()?,
            cached_tokens: cached.as_u64().unwrap_or(0),
        })
    }
}

/// What a model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelEvent {
    /// More of the answer's text; a refusal is text too.
    TextDelta(String),
    /// More of the model's reasoning, or of the summary of it.
    Reasoning(String),
    /// A call of a function, complete.
    ToolCall {
        /// Ties the result to the call; made up where the server gave none.
        call_id: String,
        /// The function.
        name: String,
        /// The arguments, which ought to be JSON.
        arguments: String,
    },
    /// The provider's own citation of a page, on the text so far.
    Citation {
        /// The page.
        url: String,
        /// Its title.
        title: String,
    },
    /// The provider's own citation of a file, on the text so far.
    FileCitation {
        /// The file's name.
        name: String,
    },
    /// The model makes an image. It ends as [`Image`](Self::Image) or
    /// [`ImageFailed`](Self::ImageFailed).
    ImageBegun {
        /// Tells the images of an answer apart.
        call: String,
    },
    /// An image as it is so far.
    ImagePartial {
        /// Which one.
        call: String,
        /// How many were shown of it before.
        index: u32,
        /// The image.
        image: ImageBytes,
    },
    /// An image is done.
    Image {
        /// Which one.
        call: String,
        /// The image.
        image: ImageBytes,
        /// What it was made by: what it shows, in words.
        prompt: Option<String>,
    },
    /// An image is not made. The answer goes on.
    ImageFailed {
        /// Which one.
        call: String,
        /// Why.
        why: ImageFailure,
    },
    /// The answer is over; nothing comes after it.
    Done {
        /// What it cost, if the server says so.
        usage: Option<Usage>,
        /// Why it ended.
        finish: Finish,
    },
}

/// Makes ids for calls that came without one.
#[derive(Debug, Default)]
struct CallIds(AtomicU64);

impl CallIds {
    fn or_new(&self, id: String) -> String {
        if id.is_empty() {
            format!("call_{}", self.0.fetch_add(1, Ordering::Relaxed) + 1)
        } else {
            id
        }
    }
}

struct Inner {
    http: Arc<Client>,
    config: ModelConfig,
    endpoint: Url,
    ids: Arc<CallIds>,
}

/// A client of one model server. Cheap to clone.
#[derive(Clone)]
pub struct ModelClient(Arc<Inner>);

impl fmt::Debug for ModelClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelClient")
            .field("api", &self.0.config.api)
            .field("model", &self.0.config.model)
            .finish_non_exhaustive()
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ModelConfigError {
    /// The base URL cannot have a path put after it.
    #[error(
        "the model's base URL {url:?} must be an http or https URL, like https://api.openai.com/v1"
    )]
    BaseUrl {
        /// The URL, without user name and password.
        url: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Http(#[from] SetupError),
}

/// Tries after the first one, before any text has come.
const RETRIES: u32 = 2;

/// Longest answer that is taken where a stream was asked for, in bytes.
const MAX_WHOLE_BYTES: usize = 16 * 1024 * 1024;

/// The same, and the longest event, of an answer that may have images: the last event has all of them
/// once more, in base64.
const MAX_IMAGES_BYTES: usize = 32 * 1024 * 1024;

/// How long a server may be silent that makes images, at least.
const IMAGE_PATIENCE: Duration = Duration::from_secs(180);

impl ModelClient {
    /// A client for the configured server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the base URL is not usable, or TLS cannot be set up.
    pub fn new(config: ModelConfig) -> Result<Self, ModelConfigError> {
        let endpoint = endpoint(
            &config.base_url,
            match config.api {
                ModelApi::Responses => &["responses"],
                ModelApi::ChatCompletions => &["chat", "completions"],
            },
        )?;
        let http = Client::new(&config.base_url, config.key.as_ref(), config.connect_timeout)?;
        let http = Arc::new(http);
        Ok(Self(Arc::new(Inner { http, config, endpoint, ids: Arc::default() })))
    }

    /// A client of the same server whose model is another one. Connections are shared.
    #[must_use]
    pub fn for_model(&self, model: impl Into<String>) -> Self {
        let Inner { http, config, endpoint, ids } = &*self.0;
        Self(Arc::new(Inner {
            http: Arc::clone(http),
            config: ModelConfig { model: model.into(), ..config.clone() },
            endpoint: endpoint.clone(),
            ids: Arc::clone(ids),
        }))
    }

    /// Which API it speaks.
    pub fn api(&self) -> ModelApi {
        self.0.config.api
    }

    /// The configured model's name.
    pub fn model(&self) -> &str {
        &self.0.config.model
    }

    /// The name of the model that a request is for.
    pub(crate) fn name_of(&self, request: &ModelRequest) -> String {
        if request.model.is_empty() { self.model().to_owned() } else { request.model.clone() }
    }

    /// Asks for the list of models: a cheap way to see whether server and key are right. Gives
    /// the names, which may be none, as not every server has the list.
    ///
    /// # Errors
    ///
    /// As for [`ModelClient::stream`].
    pub async fn models(&self) -> Result<Vec<String>, ModelError> {
        let config = &self.0.config;
        let url = endpoint(&config.base_url, &["models"])
            .map_err(|error| ModelError::Unreachable { detail: error.to_string() })?;
        let request = Request {
            method: "GET",
            url: &url,
            fields: &[("accept", "application/json")],
            body: Vec::new(),
        };
        let response = within(config.idle_timeout, self.0.http.send(&request)).await??;
        let response = check_status(response, config.idle_timeout).await?;
        let body = read_body(response.body, config.idle_timeout, MAX_WHOLE_BYTES).await?;
        let list: Value = serde_json::from_slice(&body)
            .map_err(|error| ModelError::Malformed { detail: error.to_string() })?;
        let models = list["data"].as_array().into_iter().flatten();
        Ok(models.filter_map(|model| model["id"].as_str()).map(str::to_owned).collect())
    }

    /// Sends a request and gives the stream of the answer. What can be tried again at once is:
    /// no connection, a server error, a rate limit of at most 2 s.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that is an error. Errors after this come from the stream.
    pub async fn stream(&self, request: &ModelRequest) -> Result<ModelStream, ModelError> {
        let config = &self.0.config;
        let openai = self.0.endpoint.host_str() == Some("api.openai.com");
        let mut body = match config.api {
            ModelApi::Responses => responses::body(request),
            ModelApi::ChatCompletions => chat::body(request, openai),
        };
        if let Some(user) = &request.user {
            // OpenAI's newer name; compatible servers know the older one.
            body[if openai { "safety_identifier" } else { "user" }] = user.as_str().into();
        }
        if request.model.is_empty() {
            body["model"] = config.model.clone().into();
        }
        tracing::trace!(target: "parlor_agent::request", %body, "asking the model");
        let span = trace::model_call(
            &self.0.endpoint,
            if request.model.is_empty() { &config.model } else { &request.model },
        );
        let body = bytes::Bytes::from(body.to_string());
        let mut tries = 0;
        let response = loop {
            // Boxed: the sending is large, and over when the answer begins, which takes long.
            let attempt = span.in_scope(|| trace::attempt(&self.0.endpoint, tries));
            let sending = self.send(body.clone(), attempt.clone());
            match Box::pin(sending.instrument(attempt.clone())).await {
                Ok(response) => break response,
                Err(error) => {
                    trace::failed(&attempt, &error);
                    drop(attempt);
                    let Some(at_least) = error.quick_retry().filter(|_| tries < RETRIES) else {
                        trace::failed(&span, &error);
                        return Err(error);
                    };
                    tries += 1;
                    let wait = at_least.max(Duration::from_millis(100) * tries * tries);
                    tracing::warn!(%error, tries, wait_ms = wait.as_millis(), "asking again");
                    tokio::time::sleep(wait).await;
                }
            }
        };
        let kind = response.content_type.as_deref();
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let mut stream = ModelStream {
            body: Some(response.body),
            decoder: AnswerDecoder::with_ids(config.api, Arc::clone(&self.0.ids)),
            patience: config.idle_timeout,
            whole_bytes: MAX_WHOLE_BYTES,
            span,
        };
        if request.images.is_some() {
            stream.decoder.take_events_of(MAX_IMAGES_BYTES);
            stream.patience = stream.patience.max(IMAGE_PATIENCE);
            stream.whole_bytes = MAX_IMAGES_BYTES;
        }
        if is_json && let Err(error) = stream.read_whole().await {
            trace::failed(&stream.span, &error);
            return Err(error);
        }
        Ok(stream)
    }

    async fn send(&self, body: bytes::Bytes, span: Span) -> Result<Response, ModelError> {
        let idle_timeout = self.0.config.idle_timeout;
        let trace_parent = self.0.config.trace_parent.and_then(|trace_parent| trace_parent());
        let fields = [
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("traceparent", trace_parent.as_deref().unwrap_or_default()),
        ];
        let request = Request {
            method: "POST",
            url: &self.0.endpoint,
            fields: if trace_parent.is_some() { &fields } else { &fields[..2] },
            body: vec![body],
        };
        let response = within(idle_timeout, self.0.http.send(&request)).await??;
        trace::answered(&span, response.status);
        check_status(response, idle_timeout).await
    }
}

/// The answer of a model, event by event. Dropping it closes the connection, which is how an
/// answer is stopped.
pub struct ModelStream {
    body: Option<Body>,
    decoder: AnswerDecoder,
    /// How long it may be silent.
    patience: Duration,
    /// Longest answer in one document, in bytes.
    whole_bytes: usize,
    /// Ends with the answer.
    span: Span,
}

impl ModelStream {
    /// The next event; `None` after [`ModelEvent::Done`] or an error.
    pub async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                self.trace(&event);
                return Some(event);
            }
            if self.decoder.is_over() {
                return None;
            }
            self.read().await;
        }
    }

    /// Ends the span with the answer.
    fn trace(&mut self, event: &Result<ModelEvent, ModelError>) {
        match event {
            Ok(ModelEvent::Done { usage, finish }) => {
                trace::done(&self.span, usage.as_ref(), *finish);
            }
            Ok(_) => return,
            Err(error) => trace::failed(&self.span, error),
        }
        self.span = Span::none();
    }

    async fn read(&mut self) {
        let idle_timeout = self.patience;
        let Self { body: Some(body), decoder, .. } = self else {
            return self.decoder.cut(|| "the connection is gone".into());
        };
        // After the finish reason only the usage is missing, which is not worth a long wait.
        let finishing = decoder.is_finishing();
        let patience =
            if finishing { idle_timeout.min(Duration::from_secs(2)) } else { idle_timeout };
        let read = body.read(|piece| decoder.push(piece));
        match tokio::time::timeout(patience, read).await {
            Ok(Ok(true)) => {
                if decoder.is_whole() {
                    self.release();
                }
                if !self.decoder.is_over() {
                    return;
                }
            }
            Ok(Ok(false)) => decoder.end(),
            Ok(Err(error @ HttpError::Malformed(_))) if !finishing => decoder.fail(error.into()),
            Ok(Err(error)) => decoder.cut(|| innermost(&error)),
            Err(_) if finishing => decoder.cut(String::new),
            Err(_) => decoder.fail(ModelError::Silent { after: idle_timeout }),
        }
        self.body = None;
    }

    /// The answer is over: reads the end of the response, so that the connection can be used
    /// again. It has nearly always come already.
    fn release(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        if let Some(Ok(true)) | None = body.read(|_| {}).now_or_never() {
            tokio::spawn(async move {
                let drain = async { while let Ok(true) = body.read(|_| {}).await {} };
                let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
            });
        }
    }

    /// Reads an answer that came as one JSON document.
    async fn read_whole(&mut self) -> Result<(), ModelError> {
        let Some(body) = self.body.take() else { return Ok(()) };
        let body = read_body(body, self.patience, self.whole_bytes).await?;
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|error| ModelError::Malformed { detail: error.to_string() })?;
        self.decoder.whole(&answer)
    }
}
