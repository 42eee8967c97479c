//! Mode `jwt`: signed tokens of an identity provider (RFC 7519), sent as bearer tokens
//! (RFC 6750).

use axum::http::{HeaderMap, header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use parlor_chatkit::{Identity, Owner, TenantId, UserId};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{
    Caller, MAX_USER_ID, Visitors,
    jwks::{Keys, KeysError, Place, PublishedKeys, VerifyingKey},
    visitors::is_visitor,
};
use crate::{
    config::{self, ConfigError, JwtKeys},
    error::ApiError,
};

/// Longest token that is looked at. Bytes. Providers stay far below: proxies refuse such headers.
const MAX_TOKEN: usize = 16 * 1024;
/// Roles that are kept of a token.
const MAX_ROLES: usize = 100;
/// Longest name, mail address or role that is kept. Bytes.
const MAX_TEXT: usize = 320;
/// Header with the user's id, which pages send for logs and proxies. It never decides anything.
const USER_ID_HEADER: &str = "x-user-id";
/// Seconds after which a client may ask again when the provider's keys could not be had.
const RETRY_AFTER: u32 = 2;

/// Why the settings of the mode cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtConfigError {
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The key is not what the settings say.
    #[error("auth.jwt: the {what} cannot be used: {source}")]
    Key {
        /// Which key.
        what: &'static str,
        /// What is wrong with it.
        source: jsonwebtoken::errors::Error,
    },
    /// The key's kind and the algorithms exclude each other.
    #[error(
        "auth.jwt.algorithms names none that fits the key; HS… need a secret, RS…, PS…, ES… and EdDSA a public key"
    )]
    Algorithms,
    /// The HTTP client could not be made.
    #[error("the client for the token issuer's keys could not be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Checks tokens and reads who they are of.
pub(crate) struct Jwt {
    verifier: Verifier,
    claims: config::JwtClaims,
    visitors: Visitors,
}

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is not valid, for this reason. For the log only.
    #[error("{0}")]
    Invalid(String),
    /// The keys that would tell could not be had.
    #[error("the issuer's keys could not be had: {0}")]
    Keys(#[from] KeysError),
}

/// Checks tokens of one issuer.
pub(super) struct Verifier {
    keys: Keys,
    validation: Validation,
}

impl Verifier {
    pub(super) fn new(keys: Keys, validation: Validation) -> Self {
        Self { keys, validation }
    }

    /// The claims of a token that is valid.
    pub(super) async fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let header = check_header(token).map_err(TokenError::Invalid)?;
        if !self.validation.algorithms.contains(&header.alg) {
            let reason = format!("its algorithm {:?} is not allowed", header.alg);
            return Err(TokenError::Invalid(reason));
        }
        let keys = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let mut reason = "no key fits it".to_owned();
        for key in keys {
            let mut validation = self.validation.clone();
            validation.algorithms = key.algorithms;
            match decode::<Map<String, Value>>(token, &key.key, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(TokenError::Invalid(reason))
    }
}

impl Jwt {
    /// Must be called within a runtime: a provider's keys are fetched in the background.
    pub(super) fn new(settings: &config::Jwt, visitors: Visitors) -> Result<Self, JwtConfigError> {
        let allowed: Vec<Algorithm> =
            settings.algorithms().iter().map(|algorithm| (*algorithm).into()).collect();
        let keys = match settings.keys()? {
            JwtKeys::Secret(secret) => {
                fixed(DecodingKey::from_secret(secret.expose_secret().as_bytes()), &allowed)?
            }
            JwtKeys::PublicKey(pem) => fixed(public_key(&pem)?, &allowed)?,
            JwtKeys::Jwks(url) => published(Place::Jwks(url), allowed.clone())?,
            JwtKeys::Discovery { issuer, url } => {
                published(Place::Discovery { issuer, url }, allowed.clone())?
            }
        };
        let mut validation = Validation {
            algorithms: allowed,
            leeway: settings.leeway_seconds,
            validate_nbf: true,
            ..Validation::default()
        };
        validation.set_audience(&settings.audience);
        let mut required = vec!["exp", "aud"];
        if let Some(issuer) = &settings.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let verifier = Verifier::new(keys, validation);
        Ok(Self { verifier, claims: settings.claims.clone(), visitors })
    }

    pub(super) fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    pub(super) async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        // Who says nothing of who they are is a visitor; who says something wrong is refused.
        let says_nothing = !parts.headers.contains_key(header::AUTHORIZATION)
            && !parts.headers.contains_key(USER_ID_HEADER);
        if says_nothing && self.visitors.may_ask() {
            return self.visitors.authenticate(parts).await;
        }
        let token = bearer(&parts.headers)?;
        let claims = self.verifier.verify(token).await.map_err(|error| match error {
            TokenError::Invalid(reason) => refuse(&reason),
            TokenError::Keys(error) => {
                tracing::warn!(%error, "the token issuer's keys could not be fetched");
                ApiError::unavailable(
                    "unavailable",
                    "sign-ins cannot be checked at the moment; try again shortly",
                    RETRY_AFTER,
                )
            }
        })?;
        let (owner, identity) = who(&claims, &self.claims).map_err(|reason| refuse(&reason))?;
        if is_visitor(&owner) {
            return Err(refuse("its user id is one of visitors"));
        }
        let mut caller = Caller { owner, identity, new_cookie: None };
        let claimed = parts.headers.get(USER_ID_HEADER).map(|value| value.as_bytes());
        if claimed.is_some_and(|claimed| claimed != caller.owner.user().as_str().as_bytes()) {
            return Err(ApiError::forbidden(
                "X-User-ID is not the user of the access token; leave it away or send the token's own",
            ));
        }
        caller.new_cookie = self.visitors.become_account(parts, &caller.owner).await;
        Ok(caller)
    }
}

/// Whom claims are of.
pub(super) fn who(
    claims: &Map<String, Value>,
    names: &config::JwtClaims,
) -> Result<(Owner, Identity), String> {
    let id = |name: &str| match claim(claims, name) {
        Some(Value::String(text))
            if !text.trim().is_empty()
                && text.len() <= MAX_USER_ID
                && !text.chars().any(char::is_control) =>
        {
            Ok(text.clone())
        }
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(format!("its claim `{name}` is missing or no id")),
    };
    let user = UserId::new(id(&names.user)?);
    let owner = match &names.tenant {
        Some(name) => Owner::authenticated(TenantId::new(id(name)?), user),
        None => Owner::single_tenant(user),
    };
    let text = |name: &str| {
        let text = claim(claims, name)?.as_str()?.trim();
        (!text.is_empty() && text.len() <= MAX_TEXT).then(|| text.to_owned())
    };
    let identity = Identity {
        name: text(&names.name),
        email: text(&names.email),
        roles: roles(claim(claims, &names.roles)),
    };
    Ok((owner, identity))
}

fn fixed(key: DecodingKey, allowed: &[Algorithm]) -> Result<Keys, JwtConfigError> {
    let key = VerifyingKey::fixed(key, allowed).ok_or(JwtConfigError::Algorithms)?;
    Ok(Keys::Fixed(vec![key]))
}

fn published(place: Place, allowed: Vec<Algorithm>) -> Result<Keys, JwtConfigError> {
    let keys = PublishedKeys::new(place, allowed)?;
    keys.warm_up();
    Ok(Keys::Published(keys))
}

/// Reads a public key of any kind that is supported.
fn public_key(pem: &str) -> Result<DecodingKey, JwtConfigError> {
    let pem = pem.as_bytes();
    DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .map_err(|source| JwtConfigError::Key { what: "public key", source })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || {
        ApiError::unauthorized(
            "sign in: the request needs an access token, sent as `Authorization: Bearer …`",
        )
        .with_challenge("Bearer")
    };
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    Ok(token.trim())
}

/// The header of a token that may be looked at further.
fn check_header(token: &str) -> Result<Header, String> {
    if token.len() > MAX_TOKEN {
        return Err(format!("it is longer than {MAX_TOKEN} bytes"));
    }
    // Refuses `none` and everything else that is no known algorithm.
    let header = decode_header(token).map_err(|error| error.to_string())?;
    // RFC 7515, section 4.1.11: who does not understand an extension must refuse the token.
    if header.crit.is_some() {
        return Err("it has critical extensions".to_owned());
    }
    Ok(header)
}

/// 401 that says nothing of what was wrong; the log does.
fn refuse(reason: &str) -> ApiError {
    tracing::debug!(reason, "an access token was refused");
    ApiError::unauthorized("the access token is not valid here, or no longer; sign in again")
        .with_challenge("Bearer error=\"invalid_token\"")
}

/// A claim by its name, or by a path into nested claims: `realm_access.roles`.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Roles: a list of texts, or one text with spaces between them as `scope` has.
fn roles(value: Option<&Value>) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.split_whitespace().collect(),
        _ => Vec::new(),
    };
    texts
        .into_iter()
        .filter(|role| !role.is_empty() && role.len() <= MAX_TEXT)
        .take(MAX_ROLES)
        .map(ToOwned::to_owned)
        .collect()
}
