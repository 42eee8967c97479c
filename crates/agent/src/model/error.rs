//! What can go wrong with a model, and what to say about it.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

/// A model failed to answer.
///
/// `Display` is for the operator's log and may quote what the model server said. People who chat
/// see [`ModelError::user_message`], which names the kind of problem and nothing internal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelError {
    /// No connection could be made.
    #[error("the model server cannot be reached: {detail}")]
    Unreachable {
        /// What the network said.
        detail: String,
    },
    /// The key is missing, wrong or not allowed to do this (401, 403).
    #[error("the model server refused the key (status {status}): {detail}")]
    Unauthorized {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// Too many requests (429).
    #[error("the model server limits the rate of requests: {detail}")]
    RateLimited {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
        /// What the server said.
        detail: String,
    },
    /// The account's quota is used up (429 with `insufficient_quota`, 402).
    #[error("the quota of the model account is used up: {detail}")]
    OutOfQuota {
        /// What the server said.
        detail: String,
    },
    /// The server did not accept the request (400, 422…).
    #[error("the model server did not accept the request: {message}")]
    BadRequest {
        /// What the server said.
        message: String,
    },
    /// The conversation does not fit the model's context.
    #[error("the request is too long for the model: {detail}")]
    ContextTooLong {
        /// What the server said.
        detail: String,
    },
    /// No such model, or the base URL is wrong (404).
    #[error("the model or the model server's address was not found: {detail}")]
    NotFound {
        /// What the server said.
        detail: String,
    },
    /// The server had an error of its own, before or in the stream.
    #[error("the model server failed{}: {detail}", status.map_or(String::new(), |status| format!(" (status {status})")))]
    Server {
        /// The HTTP status, unless the error came in the stream.
        status: Option<u16>,
        /// What the server said.
        detail: String,
    },
    /// The connection broke, or the stream ended before the answer did.
    #[error("the connection to the model server broke off: {detail}")]
    Cut {
        /// What happened.
        detail: String,
    },
    /// What came is no answer in the expected format.
    #[error("the model server sent something that is not understood: {detail}")]
    Malformed {
        /// What was wrong with it.
        detail: String,
    },
    /// Nothing came for too long.
    #[error("the model server was silent for {} s", after.as_secs_f32())]
    Silent {
        /// How long was waited.
        after: Duration,
    },
}

/// Longest quotation of a server's message that is kept, in characters.
const DETAIL_CHARS: usize = 300;

impl ModelError {
    /// A stable code for machines, like `model.rate_limited`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "model.unreachable",
            Self::Unauthorized { .. } => "model.unauthorized",
            Self::RateLimited { .. } => "model.rate_limited",
            Self::OutOfQuota { .. } => "model.out_of_quota",
            Self::BadRequest { .. } => "model.bad_request",
            Self::ContextTooLong { .. } => "model.context_too_long",
            Self::NotFound { .. } => "model.not_found",
            Self::Server { .. } => "model.server_error",
            Self::Cut { .. } => "model.cut",
            Self::Malformed { .. } => "model.malformed",
            Self::Silent { .. } => "model.silent",
        }
    }

    /// What to tell the person who is chatting. Holds no key, no address, nothing the server said.
    pub fn user_message(&self) -> String {
        self.message_about("language model")
    }

    /// [`user_message`](Self::user_message) for another kind of model.
    pub(crate) fn message_about(&self, model: &str) -> String {
        let seconds_of = |wait: &Duration| wait.as_secs_f32().ceil().max(1.0);
        match self {
            Self::Unreachable { .. } => {
                format!("The {model} cannot be reached right now. Please try again in a moment.")
            }
            Self::Unauthorized { .. } => format!(
                "The {model} refused this server's key. The operator of this chat has to check it."
            ),
            Self::RateLimited { retry_after: None, .. } => {
                format!("The {model} is getting too many requests. Please try again in a moment.")
            }
            Self::RateLimited { retry_after: Some(wait), .. } => {
                let seconds = seconds_of(wait);
                let unit = if seconds > 1.0 { "seconds" } else { "second" };
                format!(
                    "The {model} is getting too many requests. Please try again in {seconds} {unit}."
                )
            }
            Self::OutOfQuota { .. } => {
                format!(
                    "The {model}'s quota is used up. The operator of this chat has to raise it."
                )
            }
            Self::BadRequest { .. } => format!(
                "The {model} did not accept the request. The operator of this chat finds the \
                 reason in the log."
            ),
            Self::ContextTooLong { .. } => format!(
                "This is too long for the {model}. Please shorten the message or start a new \
                 conversation."
            ),
            Self::NotFound { .. } => format!(
                "The configured {model} was not found. The operator of this chat has to check its \
                 name and address."
            ),
            Self::Server { .. } => {
                format!("The {model} had an internal error. Please try again in a moment.")
            }
            Self::Cut { .. } => {
                format!("The connection to the {model} broke off before the answer was complete.")
            }
            Self::Malformed { .. } => {
                format!("The {model} sent an answer that could not be understood.")
            }
            Self::Silent { after } => format!(
                "The {model} has been silent for {} s, so the answer was given up.",
                seconds_of(after)
            ),
        }
    }

    /// Whether the same request may succeed later without anybody changing the configuration.
    pub fn allow_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Cut { .. }
            | Self::Malformed { .. }
            | Self::Silent { .. } => true,
            Self::Unauthorized { .. }
            | Self::OutOfQuota { .. }
            | Self::BadRequest { .. }
            | Self::ContextTooLong { .. }
            | Self::NotFound { .. } => false,
        }
    }

    /// How long the server asks to wait, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether a second try at once is worth it, and after how long at least.
    pub(crate) fn quick_retry(&self) -> Option<Duration> {
        const LONGEST_WAIT: Duration = Duration::from_secs(2);
        match self {
            Self::Unreachable { .. } => Some(Duration::ZERO),
            Self::Server { status: Some(_), .. } => Some(Duration::ZERO),
            Self::RateLimited { retry_after: Some(wait), .. } if *wait <= LONGEST_WAIT => {
                Some(*wait)
            }
            _ => None,
        }
    }

    /// The same for an error in the stream, before anything was said.
    pub(crate) fn retry_of_stream(&self) -> Option<Duration> {
        match self {
            Self::Server { .. } | Self::Cut { .. } => Some(Duration::ZERO),
            _ => self.quick_retry(),
        }
    }

    /// Whether another model may answer what this one did not.
    pub(crate) fn is_worth_another_model(&self) -> bool {
        !matches!(self, Self::BadRequest { .. } | Self::ContextTooLong { .. })
    }

    /// Reads an HTTP error.
    pub(crate) fn from_status(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body)
            .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
        let (code, message) = code_and_message(&body);
        let detail = shorten(&message);
        match status {
            401 | 403 => Self::Unauthorized { status, detail },
            402 => Self::OutOfQuota { detail },
            404 => Self::NotFound { detail },
            408 | 500.. => Self::Server { status: Some(status), detail },
            429 if is_quota(&code) => Self::OutOfQuota { detail },
            429 => Self::RateLimited { retry_after, detail },
            _ if is_context_too_long(&code, &message) || status == 413 => {
                Self::ContextTooLong { detail }
            }
            300..=399 => Self::NotFound { detail: format!("redirected (status {status})") },
            _ => Self::BadRequest { message: detail },
        }
    }

    /// Reads an error that came inside a stream: an `error` event in any of its shapes, or a
    /// failed response.
    pub(crate) fn from_stream(event: &Value) -> Self {
        let (code, message) = code_and_message(event);
        let detail = shorten(&message);
        match code.as_str() {
            "rate_limit_exceeded" | "429" => Self::RateLimited { retry_after: None, detail },
            "invalid_api_key" | "401" => Self::Unauthorized { status: 401, detail },
            "model_not_found" | "404" => Self::NotFound { detail },
            "invalid_prompt" | "invalid_request_error" => Self::BadRequest { message: detail },
            code if is_quota(code) => Self::OutOfQuota { detail },
            code if is_context_too_long(code, &message) => Self::ContextTooLong { detail },
            _ => Self::Server { status: None, detail },
        }
    }
}

fn is_quota(code: &str) -> bool {
    code == "insufficient_quota" || code == "billing_hard_limit_reached"
}

/// Only OpenAI has a code for it; others say it in words.
fn is_context_too_long(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == "context_length_exceeded"
        || code == "string_above_max_length"
        || ["context length", "context window", "context size", "prompt is too long"]
            .iter()
            .any(|words| message.contains(words))
}

/// Finds code and message of an error, wherever they are.
fn code_and_message(value: &Value) -> (String, String) {
    if let Some(text) = value.as_str() {
        return (String::new(), text.trim().to_owned());
    }
    let nested = [&value["error"], &value["response"]["error"], &value["detail"], value];
    let error = nested.into_iter().find(|one| one.is_object() || one.is_string());
    let error = error.unwrap_or(&Value::Null);
    if let Some(text) = error.as_str() {
        return (String::new(), text.to_owned());
    }
    let code = match &error["code"] {
        Value::String(code) => code.clone(),
        Value::Number(code) => code.to_string(),
        _ => error["type"].as_str().unwrap_or_default().to_owned(),
    };
    let message = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
    (code, message)
}

/// Shortens a quotation and hides what looks like a key in it.
pub(crate) fn shorten(message: &str) -> String {
    let words = message.split_whitespace().take(DETAIL_CHARS).map(|word| {
        let looks_like_a_key = word.contains("sk-") || word.starts_with("Bearer");
        if looks_like_a_key { "[hidden]" } else { word }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "no details given".into();
    }
    match text.char_indices().nth(DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statuses_are_told_apart() {
        let reason = |status: u16, body: Value| {
            ModelError::from_status(status, None, body.to_string().as_bytes()).reason()
        };
        let error =
            |code: &str, message: &str| json!({"error": {"code": code, "message": message}});
        assert_eq!(reason(401, error("invalid_api_key", "No")), "model.unauthorized");
        assert_eq!(reason(404, error("model_not_found", "No")), "model.not_found");
        assert_eq!(reason(429, error("rate_limit_exceeded", "No")), "model.rate_limited");
        assert_eq!(reason(429, error("insufficient_quota", "No")), "model.out_of_quota");
        assert_eq!(reason(400, error("context_length_exceeded", "")), "model.context_too_long");
        assert_eq!(
            reason(400, json!({"error": "this model's maximum context length is 4096"})),
            "model.context_too_long"
        );
        assert_eq!(reason(422, json!({"detail": [{"msg": "x"}]})), "model.bad_request");
        assert_eq!(reason(503, json!("<html>")), "model.server_error");
    }

    #[test]
    fn errors_in_a_stream_are_read_in_every_shape() {
        let shapes = [
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}),
            json!({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
            json!({"type": "response.failed", "response": {"error": {
                "code": "rate_limit_exceeded", "message": "slow down"}}}),
            json!({"error": {"type": "rate_limit_exceeded", "code": null, "message": "slow down"}}),
            json!({"error": {"code": 429, "message": "slow down"}}),
        ];
        for shape in shapes {
            let expected =
                ModelError::RateLimited { retry_after: None, detail: "slow down".into() };
            assert_eq!(ModelError::from_stream(&shape), expected, "{shape}");
        }
    }

    #[test]
    fn keys_do_not_get_into_messages() {
        let body =
            json!({"error": {"message": "Incorrect API key provided: sk-abc123. See docs."}});
        let error = ModelError::from_status(401, None, body.to_string().as_bytes());
        assert!(!error.to_string().contains("abc123"), "{error}");
        assert!(!error.user_message().contains("abc123"));
    }
}
