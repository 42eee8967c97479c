//! The sections of the configuration.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// The language model. With neither key nor base URL there is none, and answers are quoted from
/// the documents.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Which API the server speaks: `responses` or `chat_completions`.
    pub api: ModelApi,
    /// The API's base URL; OpenAI's when only a key is given. Local servers work, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key. Local servers need none.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The model's name.
    pub name: String,
    /// Other models that users may choose in the composer.
    pub choices: Vec<String>,
    /// Seconds without a sign of life after which the model is given up.
    pub idle_timeout_seconds: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            api: ModelApi::Responses,
            base_url: None,
            api_key: None,
            name: "gpt-5-mini".to_owned(),
            choices: Vec::new(),
            idle_timeout_seconds: 60,
        }
    }
}

impl Model {
    const OPENAI: &str = "https://api.openai.com/v1";

    /// Whether there is a model at all.
    pub fn is_configured(&self) -> bool {
        self.base_url.is_some() || self.key().is_some()
    }

    /// The key, unless it is empty.
    pub fn key(&self) -> Option<&SecretString> {
        self.api_key.as_ref().filter(|key| !key.expose_secret().trim().is_empty())
    }

    /// The base URL in force.
    pub fn base_url(&self) -> Url {
        self.base_url.clone().unwrap_or_else(|| {
            Url::parse(Self::OPENAI).unwrap_or_else(|_| unreachable!("a constant URL"))
        })
    }

    /// How long the model may be silent.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds.max(1))
    }
}

/// Which API a model server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelApi {
    /// OpenAI's Responses API.
    Responses,
    /// OpenAI's Chat Completions API, which most local servers speak.
    ChatCompletions,
}

/// Dictation: recordings from the composer are turned into text by a speech model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dictation {
    /// Whether it is offered. When absent, it is as soon as one of the settings below that say
    /// which speech model to use is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The speech model's API, up to `/audio/transcriptions`; the language model's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key; the language model's when that one's API is used, too.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The speech model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds that a recording may take to become text.
    pub timeout_seconds: u64,
}

impl Default for Dictation {
    fn default() -> Self {
        Self { enabled: None, base_url: None, api_key: None, name: None, timeout_seconds: 60 }
    }
}

impl Dictation {
    const NAME: &str = "gpt-4o-mini-transcribe";

    /// Whether it is offered.
    pub fn is_enabled(&self) -> bool {
        self.enabled
            .unwrap_or(self.base_url.is_some() || self.name.is_some() || self.own_key().is_some())
    }

    /// The speech model's name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(Self::NAME)
    }

    /// The base URL in force.
    pub fn base_url(&self, model: &Model) -> Url {
        self.base_url.clone().unwrap_or_else(|| model.base_url())
    }

    /// The key in force. The language model's key goes to no other server than that model's.
    pub fn key<'a>(&'a self, model: &'a Model) -> Option<&'a SecretString> {
        self.own_key().or_else(|| match &self.base_url {
            None => model.key(),
            Some(own) => model.key().filter(|_| *own == model.base_url()),
        })
    }

    /// How long a recording may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.max(1))
    }

    fn own_key(&self) -> Option<&SecretString> {
        self.api_key.as_ref().filter(|key| !key.expose_secret().trim().is_empty())
    }
}

/// What the assistant is told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assistant {
    /// The operator's part of the instructions. Trusted, and the same for every request, so that
    /// model servers can cache it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
}

/// What the assistant knows of the conversation.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// How history reaches the model: `text` in the instructions, or `messages`.
    pub history: HistoryMode,
    /// How many of the thread's last items.
    pub history_items: u32,
}

impl Default for Context {
    fn default() -> Self {
        Self { history: HistoryMode::Text, history_items: 10 }
    }
}

/// How history reaches the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryMode {
    /// As text in the instructions.
    Text,
    /// As messages.
    Messages,
}

/// The document search.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Whether the assistant may search the indexed documents.
    pub enabled: bool,
    /// Where the documents are on the site: what `parlor ingest` puts before their paths.
    pub base_url: String,
}

impl Default for Search {
    fn default() -> Self {
        Self { enabled: true, base_url: "/".to_owned() }
    }
}

/// Who may ask.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// How callers are known. `anonymous` on loopback when absent; must be chosen elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuthMode>,
    /// Settings of the mode `trusted-header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_header: Option<TrustedHeader>,
}

impl Auth {
    /// The mode in force.
    pub fn mode(&self) -> AuthMode {
        self.mode.unwrap_or(AuthMode::Anonymous)
    }
}

/// How callers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// A proxy in front has authenticated them and says so in a header.
    TrustedHeader,
    /// Everybody may ask; a signed cookie tells visitors apart.
    Anonymous,
}

impl AuthMode {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrustedHeader => "trusted-header",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Settings of the mode `trusted-header`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedHeader {
    /// Header with the user's id.
    pub user: String,
    /// Header with the user's name.
    pub name: String,
    /// Header with the user's mail address.
    pub email: String,
    /// Addresses of the proxies that are believed; loopback is believed when none is named.
    pub peers: Vec<IpAddr>,
}

impl Default for TrustedHeader {
    fn default() -> Self {
        Self {
            user: "X-User-ID".to_owned(),
            name: "X-User-Name".to_owned(),
            email: "X-User-Email".to_owned(),
            peers: Vec::new(),
        }
    }
}

/// How much is too much.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Characters of a message.
    pub message_chars: usize,
    /// Characters of a thread's title.
    pub title_chars: usize,
    /// Bytes of a request's metadata.
    pub metadata_bytes: usize,
    /// Bytes of a recording that is to be transcribed.
    pub audio_bytes: usize,
    /// Seconds that an answer may take.
    pub turn_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = parlor_chatkit::Limits::default();
        Self {
            body_bytes: 1024 * 1024,
            message_chars: limits.message_chars,
            title_chars: limits.title_chars,
            metadata_bytes: limits.metadata_bytes,
            audio_bytes: limits.audio_bytes,
            turn_seconds: limits.turn_duration.as_secs(),
        }
    }
}

impl From<&Limits> for parlor_chatkit::Limits {
    fn from(limits: &Limits) -> Self {
        Self {
            message_chars: limits.message_chars,
            title_chars: limits.title_chars,
            metadata_bytes: limits.metadata_bytes,
            audio_bytes: limits.audio_bytes,
            turn_duration: Duration::from_secs(limits.turn_seconds.max(1)),
            ..Self::default()
        }
    }
}

/// How answers are made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Turns {
    /// What becomes of an answer whose last reader's connection is gone: `continue` or `cancel`.
    pub on_disconnect: OnDisconnect,
}

/// What becomes of an answer that nobody follows any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It is written to its end and saved.
    #[default]
    Continue,
    /// It is stopped, and keeps the text it has.
    Cancel,
}

impl From<OnDisconnect> for parlor_chatkit::OnDisconnect {
    fn from(setting: OnDisconnect) -> Self {
        match setting {
            OnDisconnect::Continue => Self::Continue,
            OnDisconnect::Cancel => Self::Cancel,
        }
    }
}

/// Pages and origins.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Whether `/` shows the demo page with Parlor's documentation.
    pub demo: bool,
    /// Origins of other sites whose pages may call the API, such as `https://example.com`.
    pub cors_origins: Vec<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self { demo: true, cors_origins: Vec::new() }
    }
}

/// The log. It holds no message text and no secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// What is logged, as in `info` or `warn,parlor_agent=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn hidden<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(hidden)")
}
