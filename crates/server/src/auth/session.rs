//! Mode `session`: Parlor signs people in itself, with an OpenID provider, and knows them again by
//! a cookie.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::error::Unspecified;
use axum::http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_chatkit::{ChatKitError, Clock, Identity, StoreError, protocol::Timestamp};
use parlor_store::{Login, LoginId, LoginStore, RefreshedLogin};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use url::Url;

use super::{
    Caller, Visitors,
    jwt::who,
    provider::{Authorisation, Provider, ProviderConfigError, ProviderError, Vouched},
    seal::{Seal, random},
    visitors::is_visitor,
};
use crate::{attachments::base_url, config, error::ApiError, late::Late};

/// Cookie that holds a login. Where it is `Secure`, its name begins with `__Host-`: no other host
/// of the domain can set it (RFC 6265bis, section 4.1.3.2).
pub(crate) const SESSION_COOKIE: &str = "parlor_session";
/// Cookies that hold logins under way, each with the beginning of its `state` behind.
const ATTEMPT_COOKIE: &str = "parlor_login_";
/// How long somebody may take to sign in at the provider.
const ATTEMPT_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Logins under way in one browser: in several tabs.
const MAX_ATTEMPTS: usize = 5;
/// Letters of a `state` that name its cookie.
const STATE_NAME: usize = 8;
/// Longest address to return to. Bytes; it is in a cookie meanwhile.
const MAX_RETURN_TO: usize = 1_000;
/// Longest code that is redeemed. Bytes.
const MAX_CODE: usize = 4_096;
/// Longest identity token that is kept, to sign out with. Bytes.
const MAX_ID_TOKEN: usize = 8_192;
/// While one request asks the provider again, or when that failed, no other does for this long.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// What stands under the seal of a login that is under way.
const ATTEMPT: &[u8] = b"attempt";

/// Signs people in and knows them again.
pub(crate) struct Sessions {
    provider: Provider,
    claims: config::JwtClaims,
    idle: Duration,
    lifetime: Duration,
    logins: Arc<dyn LoginStore>,
    seal: Late<Seal>,
    clock: Arc<dyn Clock>,
    public_url: Option<Url>,
    /// Origins of pages that may use the API along with their visitors' cookies.
    origins: Vec<String>,
    /// Those who have not signed in, and what becomes of theirs when they do.
    visitors: Visitors,
}

/// What is remembered while somebody signs in at the provider.
#[derive(Deserialize, Serialize)]
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    return_to: String,
    /// Microseconds since 1970.
    until: i64,
}

/// What is kept of the provider's tokens.
#[derive(Deserialize, Serialize)]
struct Sealed {
    subject: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

/// The query that the provider sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Somebody who goes elsewhere, with cookies.
pub(crate) struct Redirection {
    /// Where.
    pub(crate) to: String,
    /// `Set-Cookie`
    pub(crate) cookies: Vec<HeaderValue>,
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// They said no at the provider.
    #[error("the user said no")]
    Cancelled,
    /// It is not a login that began here and now. The log says what is wrong, the user is not told.
    #[error("it is no login that is under way in this browser: {0}")]
    Attempt(&'static str),
    /// The provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database.
    #[error("the login cannot be kept")]
    Store(#[from] StoreError),
    /// The database has not been there yet.
    #[error("the database has not been there yet")]
    NotReady,
    /// The machine gives no randomness.
    #[error("there is no encryption on this machine")]
    Encryption,
}

impl From<Unspecified> for SignInError {
    fn from(_: Unspecified) -> Self {
        Self::Encryption
    }
}

/// What [`Sessions::new`] needs beside the settings.
pub(crate) struct SessionParts {
    /// Where logins are kept.
    pub(crate) logins: Arc<dyn LoginStore>,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// The server's address as browsers reach it.
    pub(crate) public_url: Option<Url>,
    /// Origins of other sites whose pages may use the API.
    pub(crate) origins: Vec<String>,
    /// Those who have not signed in.
    pub(crate) visitors: Visitors,
}

impl Sessions {
    /// Must be called within a runtime.
    pub(super) fn new(
        settings: &config::Session,
        parts: SessionParts,
    ) -> Result<Self, ProviderConfigError> {
        let seal = match &settings.encryption_key {
            Some(key) => Late::from(
                Seal::new(key.expose_secret().as_bytes())
                    .map_err(|_| ProviderConfigError::Encryption)?,
            ),
            None => Late::default(),
        };
        Ok(Self {
            provider: Provider::new(settings)?,
            claims: settings.claims.clone(),
            idle: settings.idle(),
            lifetime: settings.lifetime(),
            logins: parts.logins,
            seal,
            clock: parts.clock,
            public_url: parts.public_url,
            origins: parts.origins,
            visitors: parts.visitors,
        })
    }

    /// The key for tokens, when it is still to come from the database.
    pub(super) fn seal(&self) -> &Late<Seal> {
        &self.seal
    }

    /// Those who have not signed in.
    pub(super) fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    /// Whether a request has a login's cookie, whatever became of the login.
    pub(super) fn has_cookie(&self, parts: &Parts) -> bool {
        self.login_id(parts).is_some()
    }

    /// Whether people who have not signed in may ask, too.
    pub(crate) fn takes_visitors(&self) -> bool {
        self.visitors.may_ask()
    }

    /// Where logins are kept.
    pub(crate) fn logins(&self) -> &Arc<dyn LoginStore> {
        &self.logins
    }

    fn base(&self, parts: &Parts) -> String {
        base_url(self.public_url.as_ref(), parts)
    }

    fn redirect_uri(&self, parts: &Parts) -> String {
        format!("{}/auth/callback", self.base(parts))
    }

    // ------------------------------------------------------------ who is asking

    pub(super) async fn authenticate(self: &Arc<Self>, parts: &Parts) -> Result<Caller, ApiError> {
        self.check_origin(parts)?;
        if let Some(login) = self.current(parts).await? {
            let Login { owner, identity, .. } = login;
            let new_cookie = self.visitors.become_account(parts, &owner).await;
            return Ok(Caller { owner, identity, new_cookie });
        }
        if self.visitors.may_ask() {
            return self.visitors.authenticate(parts).await;
        }
        Err(ApiError::login_required())
    }

    /// Who has signed in with the browser that asks.
    pub(crate) async fn current(
        self: &Arc<Self>,
        parts: &Parts,
    ) -> Result<Option<Login>, ApiError> {
        let Some(id) = self.login_id(parts) else { return Ok(None) };
        let now = self.clock.now();
        let found = self.logins.login(&id, now).await.map_err(ChatKitError::from)?;
        let Some(mut login) = found else {
            tracing::debug!("a session cookie is of no login, or of one that has ended");
            return Ok(None);
        };
        if let Some(due) = login.refresh_at.filter(|due| *due <= now) {
            match self.refresh(login, due, now).await? {
                Some(refreshed) => login = refreshed,
                None => return Ok(None),
            }
        }
        // Written when a tenth of the time is gone, not with every request.
        let good_until = now.saturating_add(self.idle);
        let gained =
            good_until.as_micros().min(login.ends_at.as_micros()) - login.good_until.as_micros();
        if gained > micros(self.idle) / 10
            && let Err(error) = self.logins.extend_login(&id, good_until).await
        {
            tracing::warn!(%error, "a login in use could not be kept for longer");
        }
        Ok(Some(login))
    }

    fn login_id(&self, parts: &Parts) -> Option<LoginId> {
        let jar = CookieJar::from_headers(&parts.headers);
        let cookie = jar.get(&cookie_name(SESSION_COOKIE, &self.base(parts)))?;
        let token = URL_SAFE_NO_PAD.decode(cookie.value()).ok()?;
        (token.len() == 32).then(|| LoginId(Sha256::digest(token).into()))
    }

    /// A page of another site can have its visitor's browser send a request with their cookies.
    /// Browsers say where such a request comes from; only pages that may are let through, and who
    /// says nothing is not.
    pub(crate) fn check_origin(&self, parts: &Parts) -> Result<(), ApiError> {
        if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let text =
            |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // Set by the browser; no page can change it.
        if text(header::HeaderName::from_static("sec-fetch-site")) == Some("same-origin") {
            return Ok(());
        }
        let own = Url::parse(&self.base(parts)).map(|url| url.origin().ascii_serialization());
        let origin = text(header::ORIGIN);
        let allowed = origin.is_some_and(|origin| {
            own.is_ok_and(|own| own == origin) || self.origins.iter().any(|known| known == origin)
        });
        if allowed {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "requests with a session are not taken from pages of this site; its origin must be named in site.cors_origins",
        ))
    }

    // ------------------------------------------------------------ asking the provider again

    /// `None`: the provider says that they may not come in any more.
    async fn refresh(
        self: &Arc<Self>,
        login: Login,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Login>, ApiError> {
        let until = now.saturating_add(REFRESH_PAUSE);
        let claimed =
            self.logins.claim_refresh(&login.id, due, until).await.map_err(ChatKitError::from)?;
        if !claimed {
            // Another request is asking. Until it knows, they are who they were.
            return Ok(Some(login));
        }
        let sessions = Arc::clone(self);
        // In a task of its own: refresh tokens are good once, and the new one must be kept also
        // when the client goes away meanwhile.
        let asked = tokio::spawn(async move { sessions.ask_again(login).await }.in_current_span());
        asked.await.unwrap_or_else(|lost| {
            Err(ApiError::internal(format!("a refresh of a login was lost: {lost}")))
        })
    }

    async fn ask_again(&self, login: Login) -> Result<Option<Login>, ApiError> {
        let seal = self.seal.get()?;
        let sealed: Option<Sealed> = login
            .sealed
            .as_ref()
            .and_then(|sealed| seal.open(&login.id.0, sealed))
            .and_then(|plain| serde_json::from_slice(&plain).ok());
        let Some((Sealed { subject, id_token, .. }, refresh_token)) =
            sealed.and_then(|mut sealed| {
                let refresh_token = sealed.refresh_token.take()?;
                Some((sealed, refresh_token))
            })
        else {
            tracing::warn!(
                "the tokens of a login cannot be read, so it ends; has the encryption key changed?"
            );
            self.logins.end_login(&login.id).await.map_err(ChatKitError::from)?;
            return Ok(None);
        };
        let vouched = match self.provider.refresh(&refresh_token, &subject).await {
            Ok(vouched) => vouched,
            Err(error) if ends_the_login(&error) => {
                tracing::info!(%error, "the identity provider has ended a login");
                self.logins.end_login(&login.id).await.map_err(ChatKitError::from)?;
                return Ok(None);
            }
            Err(error) => {
                tracing::warn!(%error, "a login could not be refreshed; it stays as it is and is tried again");
                return Ok(Some(login));
            }
        };
        let has_identity = vouched.id_token.is_some();
        let identity = match who(&vouched.claims, &self.claims) {
            Ok((owner, identity)) if owner == login.owner && has_identity => identity,
            // Without an identity token it says what it may say, and the rest is as it was.
            Ok((_, identity)) if !has_identity => merged(identity, &login.identity),
            Err(_) if !has_identity => login.identity.clone(),
            _ => {
                tracing::info!("the claims of a login are those of another user now, so it ends");
                self.logins.end_login(&login.id).await.map_err(ChatKitError::from)?;
                return Ok(None);
            }
        };
        let refresh_at = self.refresh_at(&vouched);
        let sealed = Sealed {
            subject,
            refresh_token: vouched.refresh_token,
            id_token: vouched.id_token.filter(|token| token.len() <= MAX_ID_TOKEN).or(id_token),
        };
        let sealed = seal_tokens(seal, &login.id, &sealed)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let refreshed = RefreshedLogin { identity, sealed: Some(sealed), refresh_at };
        let kept = self.logins.refresh_login(&login.id, &refreshed).await;
        if !kept.map_err(ChatKitError::from)? {
            return Ok(None);
        }
        let RefreshedLogin { identity, sealed, refresh_at } = refreshed;
        Ok(Some(Login { identity, sealed, refresh_at, ..login }))
    }

    /// A little before its tokens expire. Never, where there is nothing to ask with.
    fn refresh_at(&self, vouched: &Vouched) -> Option<Timestamp> {
        vouched.refresh_token.as_ref()?;
        let early = (vouched.good_for / 10).min(60);
        // A provider that gives tokens for no time at all is not asked with every request.
        let seconds = (vouched.good_for - early).clamp(1, 365 * 24 * 3_600);
        Some(self.clock.now().saturating_add(Duration::from_secs(seconds)))
    }

    // ------------------------------------------------------------ signing in

    /// Sends somebody to the provider. They will come back to `return_to`, if that is a path here or a
    /// page of an origin that is named.
    pub(crate) async fn begin(
        &self,
        return_to: Option<&str>,
        parts: &Parts,
    ) -> Result<Redirection, SignInError> {
        let base = self.base(parts);
        let attempt = Attempt {
            state: URL_SAFE_NO_PAD.encode(random()?),
            nonce: URL_SAFE_NO_PAD.encode(random()?),
            verifier: URL_SAFE_NO_PAD.encode(random()?),
            return_to: way_back(return_to, &base, &self.origins),
            until: self.clock.now().saturating_add(ATTEMPT_LIFETIME).as_micros(),
        };
        let to = self
            .provider
            .authorisation_url(&Authorisation {
                redirect_uri: &self.redirect_uri(parts),
                state: &attempt.state,
                nonce: &attempt.nonce,
                verifier: &attempt.verifier,
            })
            .await?;
        let seal = self.seal.value().ok_or(SignInError::NotReady)?;
        let plain = serde_json::to_vec(&attempt).map_err(|_| SignInError::Encryption)?;
        let value = URL_SAFE_NO_PAD.encode(seal.seal(ATTEMPT, &plain)?);
        // Those that were given up are not carried around for ever.
        let earlier = attempt_cookies(&parts.headers);
        let mut cookies = Vec::new();
        if earlier.len() >= MAX_ATTEMPTS {
            cookies.extend(earlier.into_iter().map(|name| no_cookie(name, &base)));
        }
        let name = cookie_name(&attempt_name(&attempt.state), &base);
        cookies.push(set_cookie(name, value, ATTEMPT_LIFETIME, &base));
        Ok(Redirection { to: to.into(), cookies })
    }

    /// Takes somebody in whom the provider sends back.
    pub(crate) async fn complete(
        &self,
        query: &CallbackQuery,
        parts: &Parts,
    ) -> Result<Redirection, SignInError> {
        let base = self.base(parts);
        let now = self.clock.now();
        let state = query.state.as_deref().ok_or(SignInError::Attempt("no state"))?;
        let name = cookie_name(&attempt_name(state), &base);
        let seal = self.seal.value().ok_or(SignInError::NotReady)?;
        let jar = CookieJar::from_headers(&parts.headers);
        let attempt: Attempt = jar
            .get(&name)
            .and_then(|cookie| URL_SAFE_NO_PAD.decode(cookie.value()).ok())
            .and_then(|sealed| seal.open(ATTEMPT, &sealed))
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .ok_or(SignInError::Attempt("no cookie of its own"))?;
        if attempt.state != state {
            return Err(SignInError::Attempt("another state"));
        }
        if attempt.until <= now.as_micros() {
            return Err(SignInError::Attempt("too old"));
        }
        // RFC 9207: the answer of another provider is not taken to this one.
        if query.iss.as_deref().is_some_and(|issuer| issuer != self.provider.issuer()) {
            return Err(SignInError::Attempt("another issuer"));
        }
        if let Some(error) = &query.error {
            tracing::debug!(error = error.chars().take(64).collect::<String>(), "no sign-in");
            return Err(SignInError::Cancelled);
        }
        let code = query.code.as_deref().filter(|code| code.len() <= MAX_CODE);
        let code = code.ok_or(SignInError::Attempt("no code"))?;
        let vouched = self
            .provider
            .redeem(
                code,
                &Authorisation {
                    redirect_uri: &self.redirect_uri(parts),
                    state: &attempt.state,
                    nonce: &attempt.nonce,
                    verifier: &attempt.verifier,
                },
            )
            .await?;
        let (owner, identity) =
            who(&vouched.claims, &self.claims).map_err(ProviderError::Claims)?;
        if is_visitor(&owner) {
            return Err(ProviderError::Claims("its user id is one of visitors".to_owned()).into());
        }
        // Never an id that was there before: somebody else may know it.
        let token = random()?;
        let id = LoginId(Sha256::digest(token).into());
        let refresh_at = self.refresh_at(&vouched);
        let tokens = Sealed {
            subject: vouched
                .claims
                .get("sub")
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            refresh_token: vouched.refresh_token,
            id_token: vouched.id_token.filter(|token| token.len() <= MAX_ID_TOKEN),
        };
        let login = Login {
            sealed: Some(seal_tokens(seal, &id, &tokens)?),
            id,
            owner,
            identity,
            ends_at: now.saturating_add(self.lifetime),
            good_until: now.saturating_add(self.idle),
            refresh_at,
        };
        self.logins.begin_login(&login, self.login_id(parts).as_ref()).await?;
        tracing::info!("somebody has signed in");
        let visitors_end = self.visitors.become_account(parts, &login.owner).await;
        let mut cookies = vec![
            no_cookie(name, &base),
            set_cookie(
                cookie_name(SESSION_COOKIE, &base),
                URL_SAFE_NO_PAD.encode(token),
                self.lifetime,
                &base,
            ),
        ];
        cookies.extend(visitors_end);
        Ok(Redirection { to: attempt.return_to, cookies })
    }

    /// Ends the login of the browser that asks, if it has one. Gives where to go to end the
    /// provider's own, where it has such a place.
    pub(crate) async fn end(
        self: &Arc<Self>,
        parts: &Parts,
    ) -> Result<(Option<Url>, HeaderValue), ApiError> {
        self.check_origin(parts)?;
        let base = self.base(parts);
        let gone = no_cookie(cookie_name(SESSION_COOKIE, &base), &base);
        let Some(id) = self.login_id(parts) else { return Ok((None, gone)) };
        let ended = self.logins.end_login(&id).await.map_err(ChatKitError::from)?;
        let Some(login) = ended else { return Ok((None, gone)) };
        let sealed = login
            .sealed
            .and_then(|sealed| self.seal.value()?.open(&login.id.0, &sealed))
            .and_then(|plain| serde_json::from_slice::<Sealed>(&plain).ok());
        let (refresh_token, id_token) =
            sealed.map_or((None, None), |sealed| (sealed.refresh_token, sealed.id_token));
        if let Some(refresh_token) = refresh_token {
            // Beside the answer: whoever signs out is out, whatever the provider says to it.
            let sessions = Arc::clone(self);
            let work = async move {
                if let Err(error) = sessions.provider.revoke(&refresh_token).await {
                    tracing::warn!(%error, "the identity provider did not take back a refresh token");
                }
            };
            tokio::spawn(work.in_current_span());
        }
        let back = format!("{base}/");
        Ok((self.provider.logout_url(id_token.as_deref(), &back).await, gone))
    }

    /// Whether the provider can be asked, for `parlor doctor`.
    pub(crate) async fn check_provider(settings: &config::Session) -> Result<(), String> {
        let provider = Provider::new(settings).map_err(|error| error.to_string())?;
        provider.metadata().await.map(drop).map_err(|error| error.to_string())
    }
}

/// The provider knows them, and does not let them in any more.
fn ends_the_login(error: &ProviderError) -> bool {
    error.is_end_of_grant() || matches!(error, ProviderError::Claims(_))
}

fn merged(new: Identity, old: &Identity) -> Identity {
    Identity {
        name: new.name.or_else(|| old.name.clone()),
        email: new.email.or_else(|| old.email.clone()),
        roles: if new.roles.is_empty() { old.roles.clone() } else { new.roles },
    }
}

fn seal_tokens(seal: &Seal, id: &LoginId, tokens: &Sealed) -> Result<Vec<u8>, Unspecified> {
    // Under the login's id: the tokens of one row are of no use in another.
    seal.seal(&id.0, &serde_json::to_vec(tokens).map_err(|_| Unspecified)?)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Where people go who have signed in: a page of an origin that may use the API with their cookies, a
/// path of this server, or its beginning.
fn way_back(asked: Option<&str>, base: &str, origins: &[String]) -> String {
    let page = asked
        .filter(|page| page.len() <= MAX_RETURN_TO)
        .filter(|page| page.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'))
        .and_then(|page| Url::parse(page).ok())
        .filter(|page| matches!(page.scheme(), "http" | "https"))
        .filter(|page| page.username().is_empty() && page.password().is_none())
        .filter(|page| {
            let origin = page.origin().ascii_serialization();
            origins.contains(&origin)
        });
    page.map_or_else(|| path_here(asked, base), String::from)
}

/// A path of this server, or its beginning. Whatever leads elsewhere is not followed.
fn path_here(asked: Option<&str>, base: &str) -> String {
    let start = Url::parse(base)
        .map_or_else(|_| "/".to_owned(), |base| format!("{}/", base.path().trim_end_matches('/')));
    let Some(path) = asked else { return start };
    let plain = path.len() <= MAX_RETURN_TO
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let stays = plain
        && Url::parse(base)
            .is_ok_and(|base| base.join(path).is_ok_and(|there| there.origin() == base.origin()));
    if stays { path.to_owned() } else { start }
}

// ---------------------------------------------------------------- cookies

/// Browsers keep `Secure` cookies of `http` pages on loopback only, and some don't.
fn is_secure(base: &str) -> bool {
    Url::parse(base).map_or(true, |url| url.scheme() == "https" || !config::is_confidential(&url))
}

pub(crate) fn cookie_name(name: &str, base: &str) -> String {
    if is_secure(base) { format!("__Host-{name}") } else { name.to_owned() }
}

fn attempt_name(state: &str) -> String {
    let name = state.get(..STATE_NAME).unwrap_or_default();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    format!("{ATTEMPT_COOKIE}{}", if plain { name } else { "" })
}

fn attempt_cookies(headers: &HeaderMap) -> Vec<String> {
    CookieJar::from_headers(headers)
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .filter(|name| name.strip_prefix("__Host-").unwrap_or(name).starts_with(ATTEMPT_COOKIE))
        .collect()
}

pub(crate) fn set_cookie(
    name: String,
    value: String,
    lifetime: Duration,
    base: &str,
) -> HeaderValue {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure(base))
        .build();
    // Its own `Max-Age` would need another crate for a duration.
    let text = format!("{cookie}; Max-Age={seconds}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(crate) fn no_cookie(name: String, base: &str) -> HeaderValue {
    set_cookie(name, String::new(), Duration::ZERO, base)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_return_to_paths_of_this_server_only() {
        let base = "https://chat.example.com";
        for path in ["/", "/docs/a?b=c#d", "/docs/%2F%2Fevil.example", "/a//b", "/..//evil.example"]
        {
            assert_eq!(path_here(Some(path), base), path);
        }
        let elsewhere = [
            "",
            "docs",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            " /a",
            "/a b",
            "/é",
            "https:/evil.example",
            "///evil.example",
        ];
        for path in elsewhere {
            assert_eq!(path_here(Some(path), base), "/", "{path:?}");
        }
        assert_eq!(path_here(Some(&format!("/{}", "a".repeat(MAX_RETURN_TO))), base), "/");
        assert_eq!(path_here(None, "https://example.com/chat"), "/chat/");
    }

    #[test]
    fn people_return_to_pages_of_named_origins() {
        let base = "https://chat.example.com";
        let origins = ["https://www.example.com".to_owned(), "http://localhost:5173".to_owned()];
        for page in ["https://www.example.com/docs/?a=b#c", "http://localhost:5173/"] {
            assert_eq!(way_back(Some(page), base, &origins), page);
        }
        assert_eq!(way_back(Some("/docs/"), base, &origins), "/docs/");
        for page in [
            "https://www.example.com.evil.example/",
            "https://www.example.com@evil.example/",
            "https://ada:pw@www.example.com/",
            "https://www.example.com:8443/",
            "http://www.example.com/",
            "https://evil.example/https://www.example.com/",
            "https:\\\\www.example.com/",
            "javascript://www.example.com/%0aalert(1)",
            "data:text/html,https://www.example.com/",
            " https://www.example.com/",
        ] {
            assert_eq!(way_back(Some(page), base, &origins), "/", "{page:?}");
        }
        assert_eq!(way_back(Some("https://evil.example/"), base, &["*".to_owned()]), "/");
        let long = format!("https://www.example.com/{}", "a".repeat(MAX_RETURN_TO));
        assert_eq!(way_back(Some(&long), base, &origins), "/");
    }

    proptest! {
        #[test]
        fn wherever_people_return_to_has_a_known_origin(page in "(https?:)?[/\\\\a.:@?#% \t\n-]{0,12}(www[.]example[.]com)?[/\\\\a.:@?#%-]{0,8}") {
            let base = Url::parse("https://chat.example.com").unwrap();
            let origins = ["https://www.example.com".to_owned()];
            let to = way_back(Some(&page), base.as_str().trim_end_matches('/'), &origins);
            let there = base.join(&to).unwrap().origin();
            prop_assert!(there == base.origin() || there.ascii_serialization() == origins[0], "{page:?} leads to {to:?}");
        }

        #[test]
        fn wherever_people_return_to_is_here(path in "[/\\\\a.:@?#% \t\n-]{0,12}") {
            let base = Url::parse("https://chat.example.com").unwrap();
            let to = path_here(Some(&path), base.as_str().trim_end_matches('/'));
            prop_assert_eq!(base.join(&to).unwrap().origin(), base.origin());
        }
    }

    #[test]
    fn cookies_are_for_this_host_and_no_script() {
        let secure = "https://chat.example.com";
        let cookie =
            set_cookie(cookie_name("x", secure), "v".to_owned(), Duration::from_secs(5), secure);
        assert_eq!(cookie, "__Host-x=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=5");
        for local in ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"] {
            let cookie = set_cookie(cookie_name("x", local), "v".to_owned(), Duration::ZERO, local);
            assert_eq!(cookie, "x=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
        }
        assert!(is_secure("http://chat.example.com"), "rather no login than one in the clear");
    }
}
