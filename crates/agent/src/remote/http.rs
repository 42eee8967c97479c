//! Talking to an agent's server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use serde_json::json;
use thiserror::Error;
use tokio::time::Instant;

use super::error::shortened;
use super::webhook::{SIGNATURE_HEADER, signed};
use super::{AgUiDecoder, AgentEvent, RemoteConfig, RemoteError, RemoteProtocol, WebhookDecoder};
use crate::http1::{Body, Client, HttpError, Request, SetupError};
use crate::model::ModelError;
use crate::model::http::{check_status, within};

/// An agent cannot be talked to with this configuration.
#[derive(Debug, Error)]
pub enum RemoteSetupError {
    /// The address is none of a server.
    #[error(
        "the agent's url `{url}` must be an http or https address without a user name; send credentials in headers"
    )]
    Url {
        /// Without user name and password.
        url: String,
    },
    /// A header that requests have anyway.
    #[error("the header “{0}” is sent by the server itself; leave it out")]
    Header(String),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Http(#[from] SetupError),
}

/// Tries after the first one, where no connection could be made.
const RETRIES: u32 = 2;

/// A client of one agent.
#[derive(Debug)]
pub(super) struct AgentClient {
    http: Client,
    pub(super) config: RemoteConfig,
}

/// What an agent's server says to a request without a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It answers. Agents refuse a request without a message in ways of their own, which is fine.
    Answers {
        /// The HTTP status.
        status: u16,
    },
    /// It answers, and nobody could be helped by it.
    Refuses(RemoteError),
}

impl AgentClient {
    pub(super) fn new(config: RemoteConfig) -> Result<Self, RemoteSetupError> {
        let url = &config.url;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            let mut shown = url.clone();
            // Fails only for URLs that have neither.
            let _ = shown.set_password(None);
            let _ = shown.set_username("");
            return Err(RemoteSetupError::Url { url: shown.to_string() });
        }
        for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, CONTENT_TYPE] {
            if config.headers.names().any(|known| *known == name) {
                return Err(RemoteSetupError::Header(name.to_string()));
            }
        }
        // A request that has reached an agent may have done things: it is never sent twice, which
        // is what a connection that is used again may lead to.
        let http = Client::new(url, None, config.connect_timeout)?.without_reuse();
        Ok(Self { http, config })
    }

    /// Starts a run.
    pub(super) async fn ask(
        &self,
        headers: &HeaderMap,
        signature: Option<&str>,
        body: Bytes,
    ) -> Result<RunStream, RemoteError> {
        let config = &self.config;
        let until = Instant::now() + config.timeout;
        let accept = match config.protocol {
            RemoteProtocol::AgUi => "text/event-stream",
            RemoteProtocol::Webhook { .. } => "text/event-stream, application/json, text/plain",
        };
        let mut fields = vec![("content-type", "application/json"), ("accept", accept)];
        for (name, value) in headers {
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| RemoteError::Header {
                detail: format!("“{name}” has a value that is no UTF-8"),
            })?;
            fields.push((name.as_str(), value));
        }
        fields.extend(signature.map(|signature| (SIGNATURE_HEADER, signature)));
        let request =
            Request { method: "POST", url: &config.url, fields: &fields, body: vec![body] };
        let patience = config.idle_timeout.min(config.timeout);
        let mut tries = 0;
        let response = loop {
            match within(patience, self.http.send(&request)).await? {
                Ok(response) => break response,
                Err(error @ HttpError::Connect(_)) if tries < RETRIES => {
                    tries += 1;
                    tracing::warn!(%error, tries, "the agent cannot be reached; asking again");
                    tokio::time::sleep(Duration::from_millis(100) * tries * tries).await;
                }
                Err(error) => return Err(ModelError::from(error).into()),
            }
        };
        let response = check_status(response, patience).await?;
        let kind = response.content_type.as_deref();
        let decoder = match config.protocol {
            RemoteProtocol::AgUi => {
                let kind = kind.unwrap_or("no content type").to_ascii_lowercase();
                if kind.split(';').next().unwrap_or_default().trim() != "text/event-stream" {
                    return Err(RemoteError::ContentType { content_type: shortened(&kind) });
                }
                Decoder::AgUi(AgUiDecoder::new(config.max_event_bytes))
            }
            RemoteProtocol::Webhook { .. } => {
                Decoder::Webhook(WebhookDecoder::new(kind, config.max_event_bytes)?)
            }
        };
        Ok(RunStream {
            body: Some(response.body),
            decoder,
            until,
            timeout: config.timeout,
            idle_timeout: config.idle_timeout,
            bytes: 0,
            max_bytes: config.max_run_bytes,
        })
    }

    /// Asks for nothing, to see whether somebody is there.
    pub(super) async fn probe(&self, headers: &HeaderMap) -> Result<Probe, RemoteError> {
        let mut fields = vec![("content-type", "application/json"), ("accept", "*/*")];
        fields.extend(
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))),
        );
        let (body, signature) = match &self.config.protocol {
            RemoteProtocol::AgUi => (Bytes::from_static(b"{}"), None),
            RemoteProtocol::Webhook { secret } => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
                signed(secret.as_ref(), seconds, &json!({ "type": "ping" }))
            }
        };
        fields.extend(signature.as_deref().map(|signature| (SIGNATURE_HEADER, signature)));
        let body = vec![body];
        let request = Request { method: "POST", url: &self.config.url, fields: &fields, body };
        let patience = self.config.idle_timeout.min(Duration::from_secs(10));
        let response =
            within(patience, self.http.send(&request)).await?.map_err(ModelError::from)?;
        let status = response.status;
        match check_status(response, patience).await.map_err(RemoteError::from) {
            Ok(_) => Ok(Probe::Answers { status }),
            // It looked at the body and did not find what it needs.
            Err(RemoteError::Http(ModelError::BadRequest { .. }))
                if matches!(status, 400 | 422) =>
            {
                Ok(Probe::Answers { status })
            }
            Err(error) => Ok(Probe::Refuses(error)),
        }
    }
}

/// The events of a run, as they come. Dropping it closes the connection, which is how a run is
/// stopped.
pub(super) struct RunStream {
    body: Option<Body>,
    decoder: Decoder,
    until: Instant,
    timeout: Duration,
    idle_timeout: Duration,
    bytes: usize,
    max_bytes: usize,
}

enum Decoder {
    AgUi(AgUiDecoder),
    Webhook(WebhookDecoder),
}

impl Decoder {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::AgUi(decoder) => decoder.push(bytes),
            Self::Webhook(decoder) => decoder.push(bytes),
        }
    }

    fn end(&mut self) {
        match self {
            Self::AgUi(decoder) => decoder.end(),
            Self::Webhook(decoder) => decoder.end(),
        }
    }

    fn fail(&mut self, error: RemoteError) {
        match self {
            Self::AgUi(decoder) => decoder.fail(error),
            Self::Webhook(decoder) => decoder.fail(error),
        }
    }

    fn next_event(&mut self) -> Option<Result<AgentEvent, RemoteError>> {
        match self {
            Self::AgUi(decoder) => decoder.next_event(),
            Self::Webhook(decoder) => decoder.next_event(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::AgUi(decoder) => decoder.is_over(),
            Self::Webhook(decoder) => decoder.is_over(),
        }
    }
}

impl RunStream {
    /// The next event; `None` after [`AgentEvent::Finished`] or an error.
    pub(super) async fn next(&mut self) -> Option<Result<AgentEvent, RemoteError>> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Some(event);
            }
            if self.decoder.is_over() {
                return None;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let Self { body: Some(body), decoder, bytes, .. } = self else {
            return self.decoder.fail(RemoteError::Cut { detail: "the connection is gone".into() });
        };
        let left = self.until.saturating_duration_since(Instant::now());
        let read = body.read(|piece| {
            *bytes += piece.len();
            decoder.push(piece);
        });
        match tokio::time::timeout(self.idle_timeout.min(left), read).await {
            Ok(Ok(true)) if *bytes > self.max_bytes => {
                decoder.fail(RemoteError::TooLong { limit_bytes: self.max_bytes });
            }
            Ok(Ok(true)) if !decoder.is_over() => return,
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => decoder.end(),
            Ok(Err(error)) => match ModelError::from(error) {
                ModelError::Cut { detail } => decoder.fail(RemoteError::Cut { detail }),
                error => decoder.fail(error.into()),
            },
            Err(_) if left <= self.idle_timeout => {
                decoder.fail(RemoteError::TooSlow { after: self.timeout });
            }
            Err(_) => decoder.fail(RemoteError::Silent { after: self.idle_timeout }),
        }
        self.body = None;
    }
}
