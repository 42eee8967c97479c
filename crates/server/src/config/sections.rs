//! The sections of the configuration.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use parlor_agent::{
    model::ReasoningSummary,
    tools::ToolLimits,
    usage::{Price, amount},
};
use parlor_chatkit::AttachmentLimits;
use parlor_store::{PostgresSettings, S3Config};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::{
    ConfigError,
    quotas::{Network, Quotas, is_nothing},
    remote::{AgentKind, Remote},
};

/// How the database is used. All but `url` is for PostgreSQL.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Another name of `database_url`.
    #[serde(skip_serializing)]
    pub url: Option<String>,
    /// Whether the schema is brought up to date at start; otherwise `parlor migrate` does it.
    pub auto_migrate: bool,
    /// The schema that holds the tables.
    pub schema: String,
    /// Connections, at most.
    pub connections: u32,
    /// Seconds that a new connection may take, or a free one.
    pub connect_timeout_seconds: u64,
    /// Seconds that a statement may take.
    pub statement_timeout_seconds: u64,
    /// Seconds that a statement may wait for another one.
    pub lock_timeout_seconds: u64,
    /// URL of the same database for the connection over which servers hear each other, where
    /// `url` leads to a pooler that gives connections away after each transaction.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub listen_url: Option<SecretString>,
}

impl Default for Database {
    fn default() -> Self {
        let settings = PostgresSettings::default();
        Self {
            url: None,
            auto_migrate: settings.auto_migrate,
            schema: settings.schema,
            connections: settings.connections,
            connect_timeout_seconds: settings.connect_timeout.as_secs(),
            statement_timeout_seconds: settings.statement_timeout.as_secs(),
            lock_timeout_seconds: settings.lock_timeout.as_secs(),
            listen_url: None,
        }
    }
}

impl From<&Database> for PostgresSettings {
    fn from(database: &Database) -> Self {
        let seconds = |seconds: u64| Duration::from_secs(seconds.max(1));
        Self {
            schema: database.schema.clone(),
            connections: database.connections,
            auto_migrate: database.auto_migrate,
            connect_timeout: seconds(database.connect_timeout_seconds),
            statement_timeout: seconds(database.statement_timeout_seconds),
            lock_timeout: seconds(database.lock_timeout_seconds),
            listen_url: database.listen_url.clone(),
        }
    }
}

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
    /// Shows what the model thinks, and how it is to sum that up: `auto`, `concise` or `detailed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningSummary>,
    /// What a million of its tokens cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What those of other models cost, by their names: choices, and the one of titles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<String, Price>,
    /// Whether the model server is told users apart, by a hash of their ids.
    pub send_user_hash: bool,
    /// Seconds without a sign of life after which the model is given up.
    pub idle_timeout_seconds: u64,
    /// Whether the model can look at images that users send.
    pub images: bool,
    /// How the model is given other files: their `text`, or PDFs as `input` files.
    pub files: ModelFiles,
    /// The program that takes the text out of PDFs, and its arguments. When empty, `parlor serve`
    /// starts itself for that, and whoever embeds the server reads them in the server's process.
    pub pdf_command: Vec<String>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            api: ModelApi::Responses,
            base_url: None,
            api_key: None,
            name: "gpt-5-mini".to_owned(),
            choices: Vec::new(),
            reasoning: None,
            price: None,
            prices: BTreeMap::new(),
            send_user_hash: false,
            idle_timeout_seconds: 60,
            images: true,
            files: ModelFiles::Text,
            pdf_command: Vec::new(),
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

    /// What models cost, as far as it is said here.
    pub(crate) fn known_prices(&self) -> impl Iterator<Item = (&str, Price)> {
        let own = self.price.map(|price| (self.name.as_str(), price));
        self.prices.iter().map(|(name, price)| (name.as_str(), *price)).chain(own)
    }
}

/// How a model is given files that are no images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFiles {
    /// As the text in them.
    Text,
    /// PDFs as they are, for models that read them.
    Input,
}

/// Which API a model server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
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

/// Titles of conversations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Titles {
    /// Whether the model is asked for them. Otherwise, and without a model, a conversation is
    /// called by the first words of its question.
    pub enabled: bool,
    /// The model to ask; the one of `[model]` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Default for Titles {
    fn default() -> Self {
        Self { enabled: true, model: None }
    }
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
    /// Settings of the mode `jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// Settings of the mode `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
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
    /// An identity provider's signed tokens say who they are.
    Jwt,
    /// Parlor signs them in itself, with an OpenID provider.
    Session,
    /// Everybody may ask; a signed cookie tells visitors apart.
    Anonymous,
}

impl AuthMode {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrustedHeader => "trusted-header",
            Self::Jwt => "jwt",
            Self::Session => "session",
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
    /// Header with the tenant's id. Everybody is of one tenant when it is not set; a request
    /// without the header is refused when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Addresses of the proxies that are believed. When none is named: every address with a
    /// `secret`, loopback without one.
    pub peers: Vec<IpAddr>,
    /// What the proxy proves itself with, at least 32 bytes: it sends it in `secret_header`.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretString>,
    /// Header with the secret.
    pub secret_header: String,
}

impl TrustedHeader {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < MIN_SECRET) {
            return Err(ConfigError::new(
                "auth.trusted_header.secret is shorter than 32 bytes, so it could be guessed; use one made by `openssl rand -base64 32`",
            ));
        }
        Ok(())
    }
}

impl Default for TrustedHeader {
    fn default() -> Self {
        Self {
            user: "X-User-ID".to_owned(),
            name: "X-User-Name".to_owned(),
            email: "X-User-Email".to_owned(),
            tenant: None,
            peers: Vec::new(),
            secret: None,
            secret_header: "X-Parlor-Proxy-Secret".to_owned(),
        }
    }
}

/// Settings of the mode `jwt`. The key comes from exactly one place: `secret`, `public_key`,
/// `jwks_url`, or, when none of them is set, the discovery document of `issuer`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jwt {
    /// Who issues the tokens: their claim `iss`, to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whom tokens must be for: one of these must be in their claim `aud`.
    pub audience: Vec<String>,
    /// Where the issuer publishes its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<Url>,
    /// The public key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The secret that tokens are signed with (`HS256` and its like), at least 32 bytes.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretString>,
    /// What tokens may be signed with. `HS256` with a secret, else `RS256`, `ES256` and `EdDSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<JwtAlgorithm>>,
    /// Seconds that the clocks of issuer and server may differ.
    pub leeway_seconds: u64,
    /// Whether people without a token may ask, too.
    pub anonymous: bool,
    /// Which claims say what.
    pub claims: JwtClaims,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            jwks_url: None,
            public_key: None,
            secret: None,
            algorithms: None,
            leeway_seconds: 60,
            anonymous: false,
            claims: JwtClaims::default(),
        }
    }
}

/// Fewest bytes of a shared secret; of one that tokens are signed with by RFC 7518, section 3.2.
const MIN_SECRET: usize = 32;

impl Jwt {
    /// The algorithms in force.
    pub fn algorithms(&self) -> Vec<JwtAlgorithm> {
        match &self.algorithms {
            Some(algorithms) => algorithms.clone(),
            None if self.secret.is_some() => vec![JwtAlgorithm::HS256],
            None => vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA],
        }
    }

    /// Where the keys come from.
    ///
    /// # Errors
    /// When the settings contradict each other, or are not safe.
    pub fn keys(&self) -> Result<JwtKeys, ConfigError> {
        let fail = |message: &str| Err(ConfigError::new(message));
        if self.audience.is_empty() {
            return fail(
                "auth.jwt.audience is missing: without it a token that was issued for another application would do; name the `aud` of tokens for this one",
            );
        }
        match (&self.secret, &self.public_key, &self.jwks_url, &self.issuer) {
            (Some(secret), None, None, _) => {
                if secret.expose_secret().len() < MIN_SECRET {
                    return fail(
                        "auth.jwt.secret is shorter than 32 bytes, so it could be guessed; use one made by `openssl rand -base64 32`",
                    );
                }
                Ok(JwtKeys::Secret(secret.clone()))
            }
            (None, Some(pem), None, _) => Ok(JwtKeys::PublicKey(pem.clone())),
            (None, None, Some(url), Some(_)) => {
                safe(url)?;
                Ok(JwtKeys::Jwks(url.clone()))
            }
            (None, None, Some(_), None) => fail(
                "auth.jwt.issuer is missing: name the `iss` of the tokens whose keys auth.jwt.jwks_url gives",
            ),
            (None, None, None, Some(issuer)) => {
                let url =
                    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                let url = Url::parse(&url).map_err(|_| {
                    ConfigError::new(&format!(
                        "auth.jwt.issuer `{issuer}` is no URL, so its keys cannot be found; set auth.jwt.jwks_url"
                    ))
                })?;
                safe(&url)?;
                Ok(JwtKeys::Discovery { issuer: issuer.clone(), url })
            }
            (None, None, None, None) => fail(
                "auth.mode is `jwt` but nothing says whose tokens count; set auth.jwt.issuer, auth.jwt.public_key or auth.jwt.secret",
            ),
            _ => fail("auth.jwt has more than one of secret, public_key and jwks_url; keep one"),
        }
    }
}

/// Settings of the mode `session`: the client that Parlor is at an OpenID provider.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// The provider, as its discovery document names it.
    pub issuer: String,
    /// Parlor's name at the provider.
    pub client_id: String,
    /// Parlor's secret at the provider. Absent for a public client.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretString>,
    /// What is asked for; `openid` is among it. With `offline_access` many providers give a
    /// refresh token.
    pub scopes: Vec<String>,
    /// What identity tokens may be signed with.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Seconds that the clocks of provider and server may differ.
    pub leeway_seconds: u64,
    /// Which claims say what.
    pub claims: JwtClaims,
    /// Hours after which a login ends that is not used.
    pub idle_hours: u32,
    /// Days after which a login ends in any case.
    pub max_days: u32,
    /// Whether people who have not signed in may ask, too.
    pub anonymous: bool,
    /// What the provider's tokens are encrypted with in the database, at least 32 bytes. Absent:
    /// a key that is made at the first start and kept there as well.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<SecretString>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: ["openid", "profile", "email"].map(ToOwned::to_owned).into(),
            algorithms: vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA],
            leeway_seconds: 60,
            claims: JwtClaims::default(),
            idle_hours: 72,
            max_days: 30,
            anonymous: false,
            encryption_key: None,
        }
    }
}

impl Session {
    /// How long a login is good that is not used.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_hours) * 3_600)
    }

    /// How long a login is good at most.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.max_days) * 24 * 3_600)
    }

    /// Where the provider says about itself how it is used.
    ///
    /// # Errors
    /// When the settings contradict each other, or are not safe.
    pub fn discovery(&self) -> Result<Url, ConfigError> {
        let fail = |message: &str| Err(ConfigError::new(message));
        if self.issuer.is_empty() {
            return fail(
                "auth.session.issuer is missing: name the OpenID provider that people sign in with, such as https://login.example.com/realms/docs",
            );
        }
        if self.client_id.is_empty() {
            return fail(
                "auth.session.client_id is missing: register Parlor at the provider, with the redirect address …/auth/callback, and name the client here",
            );
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return fail("auth.session.scopes has no `openid`; without it nobody is identified");
        }
        let is_secret = |algorithm: &JwtAlgorithm| {
            matches!(algorithm, JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512)
        };
        if self.algorithms.is_empty() || self.algorithms.iter().any(is_secret) {
            return fail(
                "auth.session.algorithms must name some of RS…, PS…, ES… and EdDSA: identity tokens are checked with the provider's public keys",
            );
        }
        if self.idle_hours == 0 || self.max_days == 0 {
            return fail(
                "auth.session.idle_hours or auth.session.max_days is 0, so nobody would stay signed in; use at least 1",
            );
        }
        if self.encryption_key.as_ref().is_some_and(|key| key.expose_secret().len() < MIN_SECRET) {
            return fail(
                "auth.session.encryption_key is shorter than 32 bytes, so it could be guessed; use one made by `openssl rand -base64 32`",
            );
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| {
            ConfigError::new(&format!(
                "auth.session.issuer `{}` is no URL; write one such as https://login.example.com/realms/docs",
                self.issuer
            ))
        })?;
        if !is_confidential(&url) {
            return Err(ConfigError::new(&format!(
                "auth.session: what {url} says could be changed on its way; use an https URL"
            )));
        }
        Ok(url)
    }
}

/// Whether nobody can listen or change anything on the way: over TLS, or on this machine.
pub(crate) fn is_confidential(url: &Url) -> bool {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

/// Keys decide who gets in; they are not fetched where others could change them on the way.
fn safe(url: &Url) -> Result<(), ConfigError> {
    if is_confidential(url) {
        return Ok(());
    }
    Err(ConfigError::new(&format!(
        "auth.jwt: keys from {url} could be changed on their way; use an https URL"
    )))
}

/// Where the keys for tokens come from.
#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// A shared secret.
    Secret(SecretString),
    /// A public key, PEM.
    PublicKey(String),
    /// A published set of keys.
    Jwks(Url),
    /// The set that the issuer's discovery document names.
    Discovery {
        /// The issuer.
        issuer: String,
        /// Its discovery document.
        url: Url,
    },
}

/// How tokens may be signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "their names are the standard's")]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl From<JwtAlgorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: JwtAlgorithm) -> Self {
        match algorithm {
            JwtAlgorithm::HS256 => Self::HS256,
            JwtAlgorithm::HS384 => Self::HS384,
            JwtAlgorithm::HS512 => Self::HS512,
            JwtAlgorithm::RS256 => Self::RS256,
            JwtAlgorithm::RS384 => Self::RS384,
            JwtAlgorithm::RS512 => Self::RS512,
            JwtAlgorithm::PS256 => Self::PS256,
            JwtAlgorithm::PS384 => Self::PS384,
            JwtAlgorithm::PS512 => Self::PS512,
            JwtAlgorithm::ES256 => Self::ES256,
            JwtAlgorithm::ES384 => Self::ES384,
            JwtAlgorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// Which claims say what. A name with dots is looked for as it is, then as a path:
/// `realm_access.roles`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtClaims {
    /// The user's id.
    pub user: String,
    /// The tenant's id. Everybody is of one tenant when it is not set; a token without the
    /// claim is refused when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The user's name.
    pub name: String,
    /// The user's mail address.
    pub email: String,
    /// The user's roles: a list, or one text with spaces.
    pub roles: String,
}

impl Default for JwtClaims {
    fn default() -> Self {
        Self {
            user: "sub".to_owned(),
            tenant: None,
            name: "name".to_owned(),
            email: "email".to_owned(),
            roles: "roles".to_owned(),
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
    /// How much a user may use.
    #[serde(skip_serializing_if = "is_nothing")]
    pub user: Quotas,
    /// How much all users of a tenant may use together.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tenant: Quotas,
    /// How much all who come from one address may use: of IPv6, from one /64 network.
    #[serde(skip_serializing_if = "is_nothing")]
    pub address: Quotas,
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
            user: Quotas::default(),
            tenant: Quotas::default(),
            address: Quotas::default(),
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

/// Where the server is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The server's address as browsers reach it, such as `https://chat.example.com`: what links
    /// to files begin with. From each request when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Url>,
    /// Proxies that are believed when they say, in `X-Forwarded-For`, for whom they ask. Addresses
    /// or networks such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<Network>,
    /// What tokens are encrypted with that users have got at servers of tools, at least 32 bytes.
    /// Absent: `auth.session.encryption_key`, or else a key that is made at the first start and kept
    /// in the database.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<SecretString>,
}

impl Default for Server {
    fn default() -> Self {
        Self { public_url: None, trusted_proxies: Network::loopback(), encryption_key: None }
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.public_url
            && (!matches!(url.scheme(), "http" | "https")
                || url.query().is_some()
                || url.fragment().is_some())
        {
            return Err(format!(
                "server.public_url is `{url}`; it must be an http or https address without `?` and `#`, such as https://chat.example.com"
            ));
        }
        if self.encryption_key.as_ref().is_some_and(|key| key.expose_secret().len() < MIN_SECRET) {
            return Err(
                "server.encryption_key is shorter than 32 bytes, so it could be guessed; use one made by `openssl rand -base64 32`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Files that users send along.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Whether users may send files.
    pub enabled: bool,
    /// Folder where they are kept; beside the database when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Bytes of a file.
    pub max_bytes: u64,
    /// Files of a message.
    pub max_per_message: usize,
    /// Media types that are taken, such as `image/png` or `text/*`.
    pub types: Vec<String>,
    /// Bytes of files that a user has uploaded and not sent, all together.
    pub unsent_bytes: u64,
    /// Hours after which a file that was not sent is deleted.
    pub unsent_hours: u32,
    /// Seconds that links to files work.
    pub link_seconds: u32,
    /// The bucket where files are kept, instead of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
}

impl Default for Files {
    fn default() -> Self {
        let limits = AttachmentLimits::default();
        Self {
            enabled: true,
            dir: None,
            max_bytes: limits.file_bytes,
            max_per_message: limits.per_message,
            types: limits.types,
            unsent_bytes: limits.unsent_bytes,
            unsent_hours: 24,
            link_seconds: 3_600,
            s3: None,
        }
    }
}

impl Files {
    /// The folder in force, for a database in this file.
    pub fn folder(&self, database: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| database.with_extension("files"))
    }

    /// How long links work.
    pub fn link_lifetime(&self) -> Duration {
        Duration::from_secs(self.link_seconds.into())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let positive = [
            ("max_bytes", self.max_bytes > 0),
            ("max_per_message", self.max_per_message > 0),
            ("unsent_hours", self.unsent_hours > 0),
            ("link_seconds", self.link_seconds > 0),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, is_positive)| !is_positive) {
            return Err(format!("files.{key} is 0; use a larger number, or files.enabled = false"));
        }
        if self.types.is_empty() {
            return Err("files.types is empty, so no file would be taken; name some, or use files.enabled = false".to_owned());
        }
        for name in &self.types {
            let is_type = name.split_once('/').is_some_and(|(kind, sort)| {
                let is_name = |text: &str| {
                    !text.is_empty()
                        && text.bytes().all(|byte| {
                            byte.is_ascii_lowercase()
                                || byte.is_ascii_digit()
                                || b"+-._".contains(&byte)
                        })
                };
                is_name(kind) && (sort == "*" || is_name(sort))
            });
            if !is_type {
                return Err(format!(
                    "files.types: `{name}` is no media type; write one such as image/png, or text/* for all of a kind"
                ));
            }
        }
        if self.unsent_bytes < self.max_bytes {
            return Err(format!(
                "files.unsent_bytes ({}) is smaller than files.max_bytes ({}), so no such file could be uploaded; raise unsent_bytes or lower max_bytes",
                self.unsent_bytes, self.max_bytes
            ));
        }
        let Some(s3) = &self.s3 else { return Ok(()) };
        if self.dir.is_some() {
            return Err(
                "files.dir and files.s3 are both set; keep the one where files are to be kept"
                    .to_owned(),
            );
        }
        if s3.bucket.is_empty() {
            return Err(
                "files.s3.bucket is missing; name the bucket, or remove the section".to_owned()
            );
        }
        if s3.access_key_id.is_some() != s3.secret_access_key.is_some() {
            return Err("files.s3.access_key_id and files.s3.secret_access_key belong together; set both, or neither to take credentials from the environment".to_owned());
        }
        if let Some(endpoint) = &s3.endpoint
            && !matches!(endpoint.scheme(), "http" | "https")
        {
            return Err(format!(
                "files.s3.endpoint has the scheme `{}`; it must be an http or https address",
                endpoint.scheme()
            ));
        }
        Ok(())
    }
}

impl From<&Files> for AttachmentLimits {
    fn from(files: &Files) -> Self {
        Self {
            file_bytes: files.max_bytes,
            per_message: files.max_per_message,
            types: files.types.clone(),
            unsent_bytes: files.unsent_bytes,
            // Room for as many messages as somebody may prepare in several windows.
            unsent_files: u32::try_from(files.max_per_message)
                .unwrap_or(u32::MAX)
                .saturating_mul(10),
            unsent_lifetime: Duration::from_secs(u64::from(files.unsent_hours) * 3_600),
        }
    }
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Its region, such as `eu-central-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The service's address when it is not Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Url>,
    /// Id of the access key. Without one, credentials come from the environment or the machine's
    /// role, as with Amazon's tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The access key.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<SecretString>,
    /// What the names of objects begin with.
    pub prefix: String,
    /// Whether the bucket stands in the path of addresses and not in the host name.
    pub force_path_style: bool,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            region: None,
            endpoint: None,
            access_key_id: None,
            secret_access_key: None,
            prefix: String::new(),
            force_path_style: true,
        }
    }
}

impl From<&S3> for S3Config {
    fn from(s3: &S3) -> Self {
        Self {
            bucket: s3.bucket.clone(),
            region: s3.region.clone(),
            endpoint: s3.endpoint.clone(),
            access_key_id: s3.access_key_id.clone(),
            secret_access_key: s3.secret_access_key.clone(),
            prefix: s3.prefix.clone(),
            force_path_style: s3.force_path_style,
        }
    }
}

/// How long things are kept. What is absent, or 0, is kept for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days after its last question or answer after which a conversation is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads_days: Option<u32>,
    /// Days after the last question or answer of their conversation after which files are deleted
    /// that were sent. Their messages stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_days: Option<u32>,
}

impl Retention {
    /// The age of conversations in force.
    pub fn threads_days(&self) -> Option<u32> {
        self.threads_days.filter(|days| *days > 0)
    }

    /// The age of files in force.
    pub fn files_days(&self) -> Option<u32> {
        self.files_days.filter(|days| *days > 0)
    }

    /// Whether anything goes at all.
    pub fn is_set(&self) -> bool {
        self.threads_days().or(self.files_days()).is_some()
    }

    /// These settings laid over others.
    pub(super) fn over(&self, others: &Self) -> Self {
        Self {
            threads_days: self.threads_days.or(others.threads_days),
            files_days: self.files_days.or(others.files_days),
        }
    }
}

/// How much tools may be used in a turn.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// What answers: `model`, `ag-ui` or `webhook`.
    pub kind: AgentKind,
    /// The agent elsewhere that does.
    pub remote: Remote,
    /// Which of `[[agents]]` answers first; the first of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Hand-offs from one agent to another in a turn.
    pub hand_offs: u32,
    /// Rounds in which the model may call tools; 0: never.
    pub tool_rounds: u32,
    /// Calls in a turn.
    pub tool_calls: u32,
    /// Calls that run at once.
    pub parallel_calls: u32,
    /// Seconds from the beginning of a turn in which tools may run.
    pub tool_seconds: u64,
    /// Tokens of all requests of a turn, after which the model must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_tokens: Option<u64>,
    /// What all requests of a turn may cost, after which the model must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_cost: Option<f64>,
    /// Seconds that users may take to consent to a call.
    pub consent_seconds: u64,
    /// Tools that users may demand in the composer.
    pub tool_choices: Vec<String>,
    /// Whether pages may declare tools that run in them.
    pub page_tools: bool,
}

impl Default for Agent {
    fn default() -> Self {
        let ToolLimits { rounds, calls, parallel, tokens, hand_offs, time, consent, cost: _ } =
            ToolLimits::default();
        Self {
            kind: AgentKind::default(),
            remote: Remote::default(),
            start: None,
            hand_offs,
            tool_rounds: rounds,
            tool_calls: calls,
            parallel_calls: parallel.try_into().unwrap_or(u32::MAX),
            tool_seconds: time.as_secs(),
            turn_tokens: tokens,
            turn_cost: None,
            consent_seconds: consent.as_secs(),
            tool_choices: Vec::new(),
            page_tools: true,
        }
    }
}

impl Agent {
    /// Settings that make no sense, in one line.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.parallel_calls == 0 {
            return Err("agent.parallel_calls is 0; use at least 1".to_owned());
        }
        if self.tool_seconds == 0 {
            return Err(
                "agent.tool_seconds is 0; to turn tools off set agent.tool_rounds = 0".to_owned()
            );
        }
        if self.turn_cost.is_some_and(|cost| !cost.is_finite() || cost <= 0.0) {
            return Err("agent.turn_cost must be more than 0".to_owned());
        }
        Ok(())
    }
}

impl From<&Agent> for ToolLimits {
    fn from(settings: &Agent) -> Self {
        Self {
            rounds: settings.tool_rounds,
            calls: settings.tool_calls,
            parallel: settings.parallel_calls as usize,
            tokens: settings.turn_tokens,
            cost: settings.turn_cost.map(amount),
            hand_offs: settings.hand_offs,
            time: Duration::from_secs(settings.tool_seconds),
            consent: Duration::from_secs(settings.consent_seconds),
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

/// The same conversations over AG-UI, at `/agui`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgUi {
    /// Whether it is offered.
    pub enabled: bool,
}

/// Figures for Prometheus at `/metrics`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Whether figures are kept.
    pub enabled: bool,
    /// Who sends this as a bearer token may have them; without one, programs on this machine may.
    #[serde(serialize_with = "hidden")]
    pub token: Option<SecretString>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, token: None }
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

/// Traces for OpenTelemetry. There are none unless an endpoint is set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where the collector takes OTLP over HTTP, up to `/v1/traces`, such as
    /// `http://127.0.0.1:4318`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Url>,
    /// The whole address where it takes traces, when that is not `/v1/traces` behind `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces_endpoint: Option<Url>,
    /// Whether model servers are told the trace that a request belongs to (`traceparent`).
    pub model_trace_context: bool,
}

impl Telemetry {
    /// Where traces are sent to, if anywhere.
    pub fn traces(&self) -> Option<Url> {
        self.traces_endpoint.clone().or_else(|| {
            let mut url = self.endpoint.clone()?;
            // Fails for URLs without a host only, which are refused.
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(["v1", "traces"]);
            }
            Some(url)
        })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let endpoints = [("endpoint", &self.endpoint), ("traces_endpoint", &self.traces_endpoint)];
        for (key, url) in endpoints {
            if let Some(url) = url
                && !matches!(url.scheme(), "http" | "https")
            {
                return Err(format!(
                    "telemetry.{key} has the scheme `{}`; it must be an http or https address such as http://127.0.0.1:4318",
                    url.scheme()
                ));
            }
        }
        Ok(())
    }
}

/// A URL without its password.
pub(super) fn without_password<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hide_password(url))
}

/// A database's URL with its password hidden, wherever it stands in it.
pub(super) fn hide_password(text: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let mut shown = match address.split_once("://") {
        // A password may have `@` and `/` in it that should have been escaped.
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}@{host}"),
                None => address.to_owned(),
            },
            None => address.to_owned(),
        },
        None => address.to_owned(),
    };
    for (n, parameter) in query.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
        shown.push(if n == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("password") => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(HIDDEN);
            }
            _ => shown.push_str(parameter),
        }
    }
    shown
}

pub(super) fn hidden<S: Serializer>(
    _: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(hidden)")
}
