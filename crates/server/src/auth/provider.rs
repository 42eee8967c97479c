//! An OpenID provider, asked as a client: the authorisation code flow with PKCE (OpenID Connect
//! Core 1.0, RFC 6749, RFC 7636).

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use url::Url;

use super::{
    jwks::{Keys, Place, PublishedKeys},
    jwt::{TokenError, Verifier},
};
use crate::config::{self, ConfigError};

/// What the provider says about itself is asked for again after this time.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds after which a provider is asked again that does not say how long its tokens are good.
const UNSAID: u64 = 300;
/// Largest answer that is read. Bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why the provider did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// Nobody answers, or with a fault of its own. It may pass.
    #[error("{url} does not answer: {source}")]
    Unreachable {
        /// What was asked.
        url: Url,
        /// What happened.
        source: reqwest::Error,
    },
    /// The answer is not what it should be.
    #[error("the answer of {url} cannot be used: {reason}")]
    Answer {
        /// What was asked.
        url: Url,
        /// What is wrong with it.
        reason: String,
    },
    /// It says no, with one of the codes of RFC 6749, section 5.2.
    #[error("{url} refuses: {code}")]
    Refused {
        /// What was asked.
        url: Url,
        /// Such as `invalid_grant`.
        code: String,
    },
    /// The identity token says something else than it should.
    #[error("the identity token cannot be used: {0}")]
    Token(#[from] TokenError),
    /// Who it says that has signed in is not somebody who may.
    #[error("the claims cannot be used: {0}")]
    Claims(String),
}

impl ProviderError {
    /// Whether trying again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Token(TokenError::Keys(_)))
    }

    /// Whether a grant has ended: the user may not come in any more.
    pub(super) fn is_end_of_grant(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "invalid_grant")
    }
}

/// What of its discovery document is used (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What the token endpoint gives (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

/// Somebody whom the provider vouches for.
pub(super) struct Vouched {
    /// What it says of them.
    pub(super) claims: Map<String, Value>,
    /// To ask again with.
    pub(super) refresh_token: Option<String>,
    /// The identity token itself. Absent when none came with a refresh.
    pub(super) id_token: Option<String>,
    /// Seconds after which to ask again.
    pub(super) good_for: u64,
}

/// What makes an authorisation ours, and is kept until the user comes back.
pub(super) struct Authorisation<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: &'a str,
    pub(super) nonce: &'a str,
    /// PKCE: the secret whose hash goes along, and which is told when the code is redeemed.
    pub(super) verifier: &'a str,
}

/// The provider that the configuration names.
pub(super) struct Provider {
    client: reqwest::Client,
    issuer: String,
    discovery: Url,
    client_id: String,
    client_secret: Option<SecretString>,
    scope: String,
    verifier: Verifier,
    metadata: RwLock<Option<(Instant, Arc<Metadata>)>>,
}

/// Why the provider's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The HTTP client could not be made.
    #[error("the client for the identity provider could not be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The machine gives no encryption.
    #[error("tokens cannot be encrypted on this machine")]
    Encryption,
}

impl Provider {
    /// Must be called within a runtime: the provider's keys are fetched in the background.
    pub(super) fn new(settings: &config::Session) -> Result<Self, ProviderConfigError> {
        let discovery = settings.discovery()?;
        let algorithms: Vec<Algorithm> =
            settings.algorithms.iter().map(|algorithm| (*algorithm).into()).collect();
        let place = Place::Discovery { issuer: settings.issuer.clone(), url: discovery.clone() };
        let keys = PublishedKeys::new(place, algorithms.clone())?;
        keys.warm_up();
        let mut validation = Validation {
            algorithms,
            leeway: settings.leeway_seconds,
            validate_nbf: true,
            ..Validation::default()
        };
        validation.set_audience(&[&settings.client_id]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            issuer: settings.issuer.clone(),
            discovery,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            scope: settings.scopes.join(" "),
            verifier: Verifier::new(Keys::Published(keys), validation),
            metadata: RwLock::default(),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the provider says about itself: as it was within the last hour, or, while it does not
    /// answer, as it was at last.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        let at_hand = {
            let metadata = self.metadata.read().unwrap_or_else(PoisonError::into_inner);
            metadata.clone()
        };
        if let Some((since, metadata)) = &at_hand
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        let metadata = match (self.discover().await, at_hand) {
            (Ok(metadata), _) => Arc::new(metadata),
            (Err(error), Some((_, metadata))) => {
                tracing::warn!(%error, "the identity provider cannot be asked; it is taken to be as before");
                metadata
            }
            (Err(error), None) => return Err(error),
        };
        let mut kept = self.metadata.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let url = &self.discovery;
        let metadata: Metadata = self.ask(url, self.client.get(url.clone())).await?;
        let refuse = |reason: String| ProviderError::Answer { url: url.clone(), reason };
        if metadata.issuer != self.issuer {
            let reason =
                format!("it is of the issuer `{}`, not of `{}`", metadata.issuer, self.issuer);
            return Err(refuse(reason));
        }
        let endpoints = [
            Some(&metadata.token_endpoint),
            metadata.userinfo_endpoint.as_ref(),
            metadata.revocation_endpoint.as_ref(),
        ];
        for endpoint in endpoints.into_iter().flatten() {
            // Secrets and tokens go there.
            if !config::is_confidential(endpoint) {
                return Err(refuse(format!("{endpoint} is no https URL")));
            }
        }
        Ok(metadata)
    }

    /// Where the user says who they are.
    pub(super) async fn authorisation_url(
        &self,
        authorisation: &Authorisation<'_>,
    ) -> Result<Url, ProviderError> {
        let mut url = self.metadata().await?.authorization_endpoint.clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(authorisation.verifier));
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", authorisation.redirect_uri),
            ("scope", &self.scope),
            ("state", authorisation.state),
            ("nonce", authorisation.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// Redeems the code that the user came back with.
    pub(super) async fn redeem(
        &self,
        code: &str,
        authorisation: &Authorisation<'_>,
    ) -> Result<Vouched, ProviderError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", authorisation.redirect_uri),
            ("code_verifier", authorisation.verifier),
        ];
        let tokens = self.tokens(&form).await?;
        let claims = match &tokens.id_token {
            Some(id_token) => self.identity(id_token).await?,
            None => return Err(ProviderError::Claims("no identity token came".to_owned())),
        };
        if claims.get("nonce").and_then(Value::as_str) != Some(authorisation.nonce) {
            return Err(ProviderError::Claims("the nonce is of another login".to_owned()));
        }
        self.vouched(tokens, claims).await
    }

    /// Asks whether somebody may still come in.
    pub(super) async fn refresh(
        &self,
        refresh_token: &str,
        subject: &str,
    ) -> Result<Vouched, ProviderError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let mut tokens = self.tokens(&form).await?;
        let claims = match &tokens.id_token {
            Some(id_token) => self.identity(id_token).await?,
            // OpenID Connect Core 1.0, section 12.2: it may have none.
            None => Map::from_iter([("sub".to_owned(), Value::from(subject))]),
        };
        // The same section: it must be of the same person.
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(ProviderError::Claims(
                "the refreshed token is of somebody else".to_owned(),
            ));
        }
        // The old one stays good where no new one comes.
        tokens.refresh_token.get_or_insert_with(|| refresh_token.to_owned());
        self.vouched(tokens, claims).await
    }

    /// Tells the provider that a refresh token is of no more use (RFC 7009), where it wants to know.
    pub(super) async fn revoke(&self, refresh_token: &str) -> Result<(), ProviderError> {
        let metadata = self.metadata().await?;
        let Some(url) = &metadata.revocation_endpoint else { return Ok(()) };
        let form = [("token", refresh_token), ("token_type_hint", "refresh_token")];
        // What it answers beyond yes or no is to be ignored (section 2.2).
        self.send(url, self.as_client(&metadata, url, &form)).await.map(drop)
    }

    /// Where the provider ends its own session. `None`: it has no such place, or cannot be asked.
    pub(super) async fn logout_url(&self, id_token: Option<&str>, back: &str) -> Option<Url> {
        let metadata = self.metadata().await.ok()?;
        let mut url = metadata.end_session_endpoint.clone()?;
        url.query_pairs_mut()
            .extend_pairs(id_token.map(|token| ("id_token_hint", token)))
            .extend_pairs([("client_id", &*self.client_id), ("post_logout_redirect_uri", back)]);
        Some(url)
    }

    /// Checks an identity token (OpenID Connect Core 1.0, section 3.1.3.7).
    async fn identity(&self, token: &str) -> Result<Map<String, Value>, ProviderError> {
        let claims = self.verifier.verify(token).await?;
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|aud| aud.len() > 1);
        match claims.get("azp").and_then(Value::as_str) {
            Some(party) if party == self.client_id => Ok(claims),
            None if !several => Ok(claims),
            _ => Err(ProviderError::Claims("it was issued to another client".to_owned())),
        }
    }

    async fn vouched(
        &self,
        tokens: Tokens,
        mut claims: Map<String, Value>,
    ) -> Result<Vouched, ProviderError> {
        // RFC 6749, section 5.1, recommends to say it. Negative and absurd numbers saturate.
        let good_for = tokens.expires_in.map_or(UNSAID, |seconds| seconds as u64);
        if let Some(access_token) = &tokens.access_token {
            for (name, value) in self.user_info(access_token, &claims).await? {
                // What is signed wins.
                claims.entry(name).or_insert(value);
            }
        }
        let Tokens { refresh_token, id_token, .. } = tokens;
        Ok(Vouched { claims, refresh_token, id_token, good_for })
    }

    /// Name and mail address are often told here only (section 5.4). Nothing, where the provider
    /// has no such place.
    async fn user_info(
        &self,
        access_token: &str,
        claims: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let metadata = self.metadata().await?;
        let Some(url) = &metadata.userinfo_endpoint else { return Ok(Map::new()) };
        let request = self.client.get(url.clone()).bearer_auth(access_token);
        let info: Map<String, Value> = match self.ask(url, request).await {
            Ok(info) => info,
            Err(error) => {
                // Who they are is known; what they are called is not worth locking them out for.
                tracing::warn!(%error, "the identity provider does not say more about who signed in");
                return Ok(Map::new());
            }
        };
        // Section 5.3.2: it must be of the same person.
        if info.get("sub") != claims.get("sub") {
            return Err(ProviderError::Claims("the user info is of somebody else".to_owned()));
        }
        Ok(info)
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Tokens, ProviderError> {
        let metadata = self.metadata().await?;
        let url = &metadata.token_endpoint;
        self.ask(url, self.as_client(&metadata, url, form)).await
    }

    /// A form that says, and proves, which client sends it.
    fn as_client(
        &self,
        metadata: &Metadata,
        url: &Url,
        form: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut form: Vec<(&str, &str)> = form.to_vec();
        let mut request = self.client.post(url.clone());
        let by_header = metadata
            .token_endpoint_auth_methods_supported
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        match &self.client_secret {
            // RFC 6749, section 2.3.1: encoded as in forms, before it is encoded again.
            Some(secret) if by_header => {
                let encode = |text: &str| -> String {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let (id, secret) = (encode(&self.client_id), encode(secret.expose_secret()));
                request = request.basic_auth(id, Some(secret));
            }
            Some(secret) => {
                form.push(("client_id", &self.client_id));
                form.push(("client_secret", secret.expose_secret()));
            }
            None => form.push(("client_id", &self.client_id)),
        }
        request.form(&form)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ProviderError> {
        let body = self.send(url, request).await?;
        // Of a parser's error only what kind it is: a message may quote a token.
        serde_json::from_slice(&body).map_err(|error| ProviderError::Answer {
            url: url.clone(),
            reason: format!("{:?} error", error.classify()),
        })
    }

    /// Sends a request and reads what is answered, if it is a yes.
    async fn send(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, ProviderError> {
        let unreachable = |source| ProviderError::Unreachable { url: url.clone(), source };
        let refuse = |reason: String| ProviderError::Answer { url: url.clone(), reason };
        let mut response = request
            .header("accept", "application/json")
            .send()
            .await
            .map_err(|error| unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
            let error = response.error_for_status().map(drop);
            return Err(error.err().map_or_else(
                || refuse(format!("status {status}")),
                |error| unreachable(error.without_url()),
            ));
        }
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unreachable(error.without_url()))?
        {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(refuse(format!("it is larger than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            // The code only: a description may repeat what was sent.
            let code = serde_json::from_slice::<OAuthError>(&body).ok().map(|body| body.error);
            let code = code.filter(|code| {
                code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            return Err(match code {
                Some(code) => ProviderError::Refused { url: url.clone(), code },
                None => refuse(format!("status {status}")),
            });
        }
        Ok(body)
    }
}
