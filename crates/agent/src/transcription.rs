//! Speech to text: a client of `POST {base}/audio/transcriptions`, the API that OpenAI and most
//! servers of speech models have.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::http1::{Client, Request};
use crate::model::http::{check_status, endpoint, read_body, within};
use crate::model::{ModelConfigError, ModelError};

/// Longest answer that is read, in bytes. An hour of speech is some 60 kB of text.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Tries after the first one, when there was no answer or an error of the server's.
const RETRIES: u32 = 1;

/// Where a speech model is.
#[derive(Debug, Clone)]
pub struct TranscriptionConfig {
    /// Base URL with the version, for example `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; local servers need none, and then no `Authorization` header is sent.
    pub key: Option<SecretString>,
    /// The speech model's name.
    pub model: String,
    /// Give up connecting after this.
    pub connect_timeout: Duration,
    /// Give up when the text is not there after this.
    pub timeout: Duration,
}

impl TranscriptionConfig {
    /// A configuration with the default time limits (10 s to connect, 60 s in all) and no key.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            key: None,
            model: model.into(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
        }
    }

    /// With a key. An empty key counts as none.
    #[must_use]
    pub fn with_key(mut self, key: SecretString) -> Self {
        self.key = (!key.expose_secret().is_empty()).then_some(key);
        self
    }

    /// With this time limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// A recording cannot be turned into text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptionError {
    /// There is nothing in it.
    #[error("the recording is empty")]
    Empty,
    /// Speech models do not read this format.
    #[error("`{mime_type}` is not a format of recordings; send {}", formats())]
    Format {
        /// The media type as it was given, shortened.
        mime_type: String,
    },
    /// The server did not give the text.
    #[error(transparent)]
    Model(#[from] ModelError),
}

struct Inner {
    http: Client,
    config: TranscriptionConfig,
    endpoint: Url,
}

/// A client of one server with a speech model. Cheap to clone.
#[derive(Clone)]
pub struct TranscriptionClient(Arc<Inner>);

impl fmt::Debug for TranscriptionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranscriptionClient")
            .field("model", &self.0.config.model)
            .finish_non_exhaustive()
    }
}

impl TranscriptionClient {
    /// A client for the configured server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the base URL is not usable, or TLS cannot be set up.
    pub fn new(config: TranscriptionConfig) -> Result<Self, ModelConfigError> {
        let endpoint = endpoint(&config.base_url, &["audio", "transcriptions"])?;
        let http = Client::new(&config.base_url, config.key.as_ref(), config.connect_timeout)?;
        Ok(Self(Arc::new(Inner { http, config, endpoint })))
    }

    /// The speech model's name.
    pub fn model(&self) -> &str {
        &self.0.config.model
    }

    /// The text of a recording. `mime_type` is what the browser recorded, with or without
    /// parameters, such as `audio/webm;codecs=opus`.
    ///
    /// Silence gives an empty text. Asks once more when the server cannot be reached or has an
    /// error of its own; `timeout` is for both tries together.
    ///
    /// # Errors
    ///
    /// When the recording is empty or in a format that speech models do not read, and as for
    /// [`ModelClient::stream`](crate::ModelClient::stream).
    pub async fn transcribe(
        &self,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<String, TranscriptionError> {
        if audio.is_empty() {
            return Err(TranscriptionError::Empty);
        }
        let Some((essence, extension)) = format(mime_type) else {
            return Err(TranscriptionError::Format {
                mime_type: mime_type.chars().filter(|c| !c.is_control()).take(100).collect(),
            });
        };
        let work = async {
            let mut tries = 0;
            loop {
                match self.ask(audio.clone(), essence, extension).await {
                    Err(error) if tries < RETRIES && error.quick_retry().is_some() => {
                        tries += 1;
                        let wait = error.quick_retry().unwrap_or_default();
                        tracing::warn!(%error, tries, "asking the speech model again");
                        tokio::time::sleep(wait.max(Duration::from_millis(100))).await;
                    }
                    result => return result,
                }
            }
        };
        Ok(within(self.0.config.timeout, work).await??)
    }

    async fn ask(
        &self,
        audio: Bytes,
        essence: &str,
        extension: &str,
    ) -> Result<String, ModelError> {
        let Inner { http, config, endpoint } = &*self.0;
        let (content_type, body) = form(&config.model, audio, essence, extension);
        let request = Request {
            method: "POST",
            url: endpoint,
            fields: &[("content-type", &content_type), ("accept", "application/json")],
            body,
        };
        let response = http.send(&request).await?;
        let response = check_status(response, config.timeout).await?;
        let body = read_body(response.body, config.timeout, MAX_ANSWER_BYTES).await?;
        text_of(&body)
    }
}

/// The fields as `multipart/form-data` ([RFC 7578]): the media type, and the body in pieces, so
/// that the recording is not copied.
///
/// [RFC 7578]: https://www.rfc-editor.org/rfc/rfc7578
fn form(model: &str, audio: Bytes, essence: &str, extension: &str) -> (String, Vec<Bytes>) {
    let occurs = |boundary: &str| {
        [model.as_bytes(), &audio]
            .iter()
            .any(|part| memmem::find(part, boundary.as_bytes()).is_some())
    };
    let mut number = 0_u32;
    let mut boundary = format!("parlor-{number}");
    while occurs(&boundary) {
        number += 1;
        boundary = format!("parlor-{number}");
    }
    let text = |name: &str, value: &str| {
        format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    // Servers tell the format by the extension.
    let before = text("model", model)
        + &text("response_format", "json")
        + &format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; \
             filename=\"recording.{extension}\"\r\ncontent-type: {essence}\r\n\r\n"
        );
    let after = format!("\r\n--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), vec![before.into(), audio, after.into()])
}

/// Reads an answer: `{"text": …}`, or the bare text that some servers send whatever was asked for.
fn text_of(body: &[u8]) -> Result<String, ModelError> {
    let malformed = |detail: &str| ModelError::Malformed { detail: detail.to_owned() };
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(answer)) => match answer.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None if answer.contains_key("error") => {
                return Err(ModelError::from_stream(&Value::Object(answer)));
            }
            None => return Err(malformed("the transcription has no text")),
        },
        Ok(Value::String(text)) => text,
        _ => match std::str::from_utf8(body) {
            Ok(text) if !text.trim_start().starts_with(['{', '[', '<']) => text.to_owned(),
            _ => return Err(malformed("the transcription is neither JSON nor text")),
        },
    };
    let kept = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    Ok(said.chars().filter(kept).collect::<String>().trim().to_owned())
}

/// What speech models read, as media type and file extension. The official client records the
/// first three.
const FORMATS: [(&str, &str); 12] = [
    ("audio/webm", "webm"),
    ("audio/ogg", "ogg"),
    ("audio/mp4", "mp4"),
    ("audio/x-m4a", "m4a"),
    ("audio/m4a", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/flac", "flac"),
    ("audio/x-flac", "flac"),
];

fn formats() -> &'static str {
    "audio/webm, audio/ogg, audio/mp4, audio/mpeg, audio/wav or audio/flac"
}

/// The media type without its parameters and the extension that fits it.
fn format(mime_type: &str) -> Option<(&'static str, &'static str)> {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    FORMATS.into_iter().find(|(known, _)| essence.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn media_types_are_read_without_their_parameters() {
        let extension = |mime_type| format(mime_type).map(|(_, extension)| extension);
        assert_eq!(extension("audio/webm;codecs=opus"), Some("webm"));
        assert_eq!(extension("Audio/OGG; codecs=opus"), Some("ogg"));
        assert_eq!(extension("audio/mp4;codecs=mp4a.40.2"), Some("mp4"));
        for no_recording in ["", ";", "audio", "audio/", "image/png", "audio/webm/x", "text/html"] {
            assert_eq!(extension(no_recording), None, "{no_recording}");
        }
    }

    #[test]
    fn no_recording_can_end_its_part_of_the_form() {
        let audio = Bytes::from_static(b"\r\n--parlor-0\r\n--parlor-1--");
        let (content_type, body) = form("parlor-2", audio.clone(), "audio/webm", "webm");
        assert_eq!(content_type, "multipart/form-data; boundary=parlor-3");
        assert_eq!(body[1], audio);
        let body = String::from_utf8(body.concat()).unwrap_or_default();
        assert_eq!(body.matches("--parlor-3\r\n").count(), 3, "{body}");
        assert!(body.ends_with("\r\n--parlor-3--\r\n"), "{body}");
    }

    #[test]
    fn answers_are_read_in_every_shape() {
        let text = |body: &str| text_of(body.as_bytes()).map_err(|error| error.reason());
        assert_eq!(text(r#"{"text":" Hello. ","usage":{}}"#).as_deref(), Ok("Hello."));
        assert_eq!(text("\"Hello.\"").as_deref(), Ok("Hello."));
        assert_eq!(text("Hello.\n").as_deref(), Ok("Hello."));
        assert_eq!(text(r#"{"text":""}"#).as_deref(), Ok(""), "silence");
        assert_eq!(text("").as_deref(), Ok(""));
        assert_eq!(text(r#"{"text":"a\u0000\u001bb"}"#).as_deref(), Ok("ab"));
        assert_eq!(text(r#"{"text":7}"#), Err("model.malformed"));
        assert_eq!(text("<html>"), Err("model.malformed"));
        assert_eq!(text(r#"{"error":{"message":"x"}}"#), Err("model.server_error"));
        assert!(text_of(&[0xff, 0xfe]).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_and_no_media_type_panics(
            body in prop::collection::vec(any::<u8>(), 0..200), kind in ".{0,40}",
        ) {
            let _ = text_of(&body);
            let _ = format(&kind);
        }
    }
}
