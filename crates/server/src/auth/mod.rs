//! Who is calling. The only place where an [`Owner`] is made.

mod jwks;
mod jwt;
mod provider;
mod seal;
mod session;
mod visitors;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::ConnectInfo,
    http::{HeaderValue, header, request::Parts},
};
use axum_extra::extract::cookie::Key;
use parlor_chatkit::{Identity, Owner, Store, StoreError, TenantId, UserId};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

pub use jwt::JwtConfigError;
pub use provider::ProviderConfigError;
pub(crate) use seal::{Seal, random};
pub(crate) use session::{
    CallbackQuery, Redirection, SESSION_COOKIE, SessionParts, Sessions, SignInError, cookie_name,
    no_cookie, set_cookie,
};
pub(crate) use visitors::{VISITOR_COOKIE, Visitors};

use crate::{audit::Subjects, config, error::ApiError, late::Late};
use jwt::Jwt;
use visitors::is_visitor;

/// How callers are known.
pub(crate) enum Authenticator {
    /// A proxy in front has authenticated them and says so in a header.
    TrustedHeader(config::TrustedHeader),
    /// An identity provider has signed a token that says who they are.
    Jwt(Box<Jwt>),
    /// They have signed in with Parlor itself.
    Session(Arc<Sessions>),
    /// A signed cookie tells visitors apart.
    Anonymous {
        /// Signs the cookies. Kept in the database, and so there once that is.
        key: Late<Key>,
        /// Whether the demo page may play several users.
        personas: bool,
    },
}

/// Somebody who may ask.
pub(crate) struct Caller {
    /// Whose data they may touch.
    pub owner: Owner,
    /// What is known of them.
    pub identity: Identity,
    /// A cookie to set on the response: a visitor was seen for the first time.
    pub new_cookie: Option<HeaderValue>,
}

/// Who has opened a page in a browser, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenedBy {
    /// The user whose page it is.
    Themselves,
    /// Somebody else.
    SomebodyElse,
    /// Nobody who has signed in.
    Nobody,
    /// Browsers do not say: tokens come with the requests of scripts only.
    Untold,
}

/// Header by which the demo page plays several users. It divides a visitor's own threads and
/// gives access to nobody else's.
const PERSONA_HEADER: &str = "x-parlor-persona";

/// Name under which the store keeps the key that signs visitor cookies.
const VISITOR_KEY: &str = "visitor_cookie";
/// Name under which the store keeps the key that tokens of an identity provider are sealed with.
const SEAL_KEY: &str = "login_tokens";

/// Longest user id that is believed.
const MAX_USER_ID: usize = 256;

impl Authenticator {
    /// Who is calling.
    ///
    /// # Errors
    /// 401 when the caller is not known, 403 when a user is claimed that the token is not of or the
    /// page of another site sends the request, 503 when nobody can be told apart at the moment.
    pub(crate) async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        match self {
            Self::TrustedHeader(settings) => trusted_header(settings, parts),
            Self::Jwt(jwt) => jwt.authenticate(parts).await,
            Self::Session(sessions) => sessions.authenticate(parts).await,
            Self::Anonymous { key, personas } => anonymous(key.get()?, *personas, parts),
        }
    }

    /// Whether it is this user who has opened a page.
    ///
    /// # Errors
    /// 503 when nobody can be told apart at the moment.
    pub(crate) async fn opened_by(
        &self,
        owner: &Owner,
        parts: &Parts,
    ) -> Result<OpenedBy, ApiError> {
        let caller = match self {
            Self::Jwt(_) if !parts.headers.contains_key(header::AUTHORIZATION) => {
                match is_visitor(owner) && self.visitors().is_some_and(Visitors::may_ask) {
                    true => self.authenticate(parts).await,
                    false => return Ok(OpenedBy::Untold),
                }
            }
            Self::Session(sessions) => match sessions.current(parts).await? {
                Some(login) => return Ok(OpenedBy::of(login.owner == *owner)),
                None if is_visitor(owner) => self.authenticate(parts).await,
                None => return Ok(OpenedBy::Nobody),
            },
            _ => self.authenticate(parts).await,
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) if error.is_unauthorized() => return Ok(OpenedBy::Nobody),
            Err(error) => return Err(error),
        };
        let (theirs, id) = (owner.user().as_str(), caller.owner.user().as_str());
        // Whoever plays several users on the demo page is one browser.
        let plays = matches!(self, Self::Anonymous { personas: true, .. })
            && theirs.strip_prefix(id).is_some_and(|persona| persona.starts_with(':'));
        Ok(OpenedBy::of(caller.owner == *owner || plays))
    }

    /// Whether it has what it needs of the database.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::TrustedHeader(_) => true,
            Self::Jwt(jwt) => !jwt.visitors().may_ask() || jwt.visitors().are_ready(),
            Self::Session(sessions) => {
                sessions.seal().value().is_some() && sessions.visitors().are_ready()
            }
            Self::Anonymous { key, .. } => key.value().is_some(),
        }
    }

    /// What signs people in, in the mode that does.
    pub(crate) fn sessions(&self) -> Option<&Arc<Sessions>> {
        match self {
            Self::Session(sessions) => Some(sessions),
            Self::TrustedHeader(_) | Self::Jwt(_) | Self::Anonymous { .. } => None,
        }
    }

    /// Visitors, in the modes in which they may become accounts.
    pub(crate) fn visitors(&self) -> Option<&Visitors> {
        match self {
            Self::Jwt(jwt) => Some(jwt.visitors()),
            Self::Session(sessions) => Some(sessions.visitors()),
            Self::TrustedHeader(_) | Self::Anonymous { .. } => None,
        }
    }

    /// The keys that it needs of the database.
    pub(crate) fn keys(&self) -> AuthKeys {
        match self {
            Self::TrustedHeader(_) => AuthKeys::default(),
            Self::Jwt(jwt) => AuthKeys::of(jwt.visitors()),
            Self::Session(sessions) => AuthKeys {
                seal: Some(sessions.seal().clone()),
                ..AuthKeys::of(sessions.visitors())
            },
            Self::Anonymous { key, .. } => {
                AuthKeys { visitors: Some(key.clone()), ..AuthKeys::default() }
            }
        }
    }

    /// A cookie for a visitor who has none yet, so that a page's first requests share one.
    pub(crate) fn welcome(&self, parts: &Parts) -> Option<HeaderValue> {
        match self {
            Self::TrustedHeader(_) => None,
            Self::Jwt(jwt) => jwt.visitors().welcome(parts),
            // Who has signed in is no visitor, though the login may have ended.
            Self::Session(sessions) if sessions.has_cookie(parts) => None,
            Self::Session(sessions) => sessions.visitors().welcome(parts),
            Self::Anonymous { key, personas } => {
                anonymous(key.value()?, *personas, parts).ok()?.new_cookie
            }
        }
    }

    /// Mode `jwt`.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub(crate) fn jwt(settings: &config::Jwt, visitors: Visitors) -> Result<Self, JwtConfigError> {
        Ok(Self::Jwt(Box::new(Jwt::new(settings, visitors)?)))
    }

    /// Mode `session`.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub(crate) fn session(
        settings: &config::Session,
        parts: SessionParts,
    ) -> Result<Self, ProviderConfigError> {
        Ok(Self::Session(Arc::new(Sessions::new(settings, parts)?)))
    }
}

impl OpenedBy {
    fn of(themselves: bool) -> Self {
        if themselves { Self::Themselves } else { Self::SomebodyElse }
    }
}

/// Keys that the server makes at its first start and keeps in the database.
#[derive(Clone, Default)]
pub(crate) struct AuthKeys {
    visitors: Option<Late<Key>>,
    subjects: Option<Late<Subjects>>,
    seal: Option<Late<Seal>>,
}

impl AuthKeys {
    fn of(visitors: &Visitors) -> Self {
        let (key, subjects) = visitors.keys();
        Self { visitors: Some(key), subjects: Some(subjects), seal: None }
    }

    /// Takes those that this store keeps.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        if let Some(late) = &self.visitors {
            let fresh = (0..4).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
            let key = store.secret(VISITOR_KEY, fresh).await?;
            let key =
                Key::try_from(&key[..]).map_err(|error| StoreError::Failed(Box::new(error)))?;
            late.set(key);
        }
        if let Some(late) = &self.subjects {
            late.set(Subjects::load(store).await?);
        }
        // One of the configuration is there already.
        if let Some(late) = self.seal.as_ref().filter(|late| late.value().is_none()) {
            let failed = |error| StoreError::Failed(Box::new(error));
            let fresh = seal::random().map_err(failed)?.to_vec();
            late.set(Seal::new(&store.secret(SEAL_KEY, fresh).await?).map_err(failed)?);
        }
        Ok(())
    }
}

fn trusted_header(settings: &config::TrustedHeader, parts: &Parts) -> Result<Caller, ApiError> {
    // Always the same words: nothing to learn from. The log says which it was.
    let refuse = |reason: &str| {
        tracing::info!(reason, "a request was refused: it does not come through the proxy");
        ApiError::unauthorized(
            "sign in first: the request does not say, by the authenticating proxy, who is asking",
        )
    };
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let believed = peer.is_some_and(|peer| {
        let peer = peer.to_canonical();
        if settings.peers.is_empty() {
            settings.secret.is_some() || peer.is_loopback()
        } else {
            settings.peers.iter().map(IpAddr::to_canonical).any(|trusted| trusted == peer)
        }
    });
    if !believed {
        return Err(refuse("its address is not in auth.trusted_header.peers"));
    }
    if let Some(secret) = &settings.secret {
        let sent =
            parts.headers.get(&settings.secret_header).map_or(&[][..], HeaderValue::as_bytes);
        // In constant time: how much of a guess is right must not show.
        if verify_slices_are_equal(sent, secret.expose_secret().as_bytes()).is_err() {
            return Err(refuse("it has not the secret of auth.trusted_header.secret"));
        }
    }
    let header = |name: &str| {
        let value = parts.headers.get(name)?.as_bytes();
        // Proxies send UTF-8; what is not text is no name.
        let text = std::str::from_utf8(value).ok()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let id = |name: &str| {
        header(name).filter(|id| id.len() <= MAX_USER_ID && !id.chars().any(char::is_control))
    };
    let user = id(&settings.user)
        .map(UserId::new)
        .ok_or_else(|| refuse("the header with the user's id is missing"))?;
    let owner = match &settings.tenant {
        Some(name) => {
            let tenant =
                id(name).ok_or_else(|| refuse("the header with the tenant's id is missing"))?;
            Owner::authenticated(TenantId::new(tenant), user)
        }
        None => Owner::single_tenant(user),
    };
    Ok(Caller {
        owner,
        identity: Identity {
            name: header(&settings.name),
            email: header(&settings.email),
            ..Identity::default()
        },
        new_cookie: None,
    })
}

fn anonymous(key: &Key, personas: bool, parts: &Parts) -> Result<Caller, ApiError> {
    let (visitor, new_cookie) = visitors::visitor(key, &parts.headers)?;
    let mut user = visitors::user_id(visitor);
    if personas
        && let Some(persona) = parts.headers.get(PERSONA_HEADER).and_then(|v| v.to_str().ok())
        && !persona.is_empty()
        && persona.len() <= 32
        && persona.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        user.push(':');
        user.push_str(persona);
    }
    Ok(Caller {
        owner: Owner::single_tenant(UserId::new(user)),
        identity: Identity::default(),
        new_cookie,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(headers: &[(&str, &str)], peer: &str) -> Parts {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = peer.parse().unwrap();
        request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts().0
    }

    #[tokio::test]
    async fn a_trusted_header_is_believed_from_loopback_only() {
        let auth = Authenticator::TrustedHeader(config::TrustedHeader::default());
        let headers = [("X-User-ID", "ada"), ("X-User-Name", "Ada Lovelace")];
        let caller = auth.authenticate(&request(&headers, "127.0.0.1:5")).await.unwrap();
        assert_eq!(caller.owner.user().as_str(), "ada");
        assert_eq!(caller.identity.name.as_deref(), Some("Ada Lovelace"));
        assert!(auth.authenticate(&request(&headers, "[::ffff:127.0.0.1]:5")).await.is_ok());
        assert!(auth.authenticate(&request(&headers, "192.0.2.7:5")).await.is_err());
        assert!(auth.authenticate(&request(&[], "127.0.0.1:5")).await.is_err());
        assert!(auth.authenticate(&request(&[("X-User-ID", "  ")], "127.0.0.1:5")).await.is_err());
    }

    #[tokio::test]
    async fn a_proxy_that_names_tenants_names_one_each_time() {
        let settings = config::TrustedHeader {
            tenant: Some("X-Tenant-ID".to_owned()),
            ..config::TrustedHeader::default()
        };
        let auth = Authenticator::TrustedHeader(settings);
        let of = |tenant| [("X-User-ID", "ada"), ("X-Tenant-ID", tenant)];
        let acme = auth.authenticate(&request(&of("acme"), "127.0.0.1:5")).await.unwrap();
        let other = auth.authenticate(&request(&of("ACME"), "127.0.0.1:5")).await.unwrap();
        assert_eq!(acme.owner.tenant().as_str(), "acme");
        assert_ne!(acme.owner, other.owner, "ids are taken to the letter");
        let long = "x".repeat(MAX_USER_ID + 1);
        for bad in [&of("")[..], &of(" "), &of(&long), &[("X-User-ID", "ada")]] {
            assert!(auth.authenticate(&request(bad, "127.0.0.1:5")).await.is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn named_peers_replace_loopback() {
        let peers = vec!["192.0.2.7".parse().unwrap()];
        let auth = Authenticator::TrustedHeader(config::TrustedHeader {
            peers,
            ..config::TrustedHeader::default()
        });
        let headers = [("X-User-ID", "ada")];
        assert!(auth.authenticate(&request(&headers, "192.0.2.7:5")).await.is_ok());
        assert!(auth.authenticate(&request(&headers, "127.0.0.1:5")).await.is_err());
    }

    #[tokio::test]
    async fn a_proxy_with_the_secret_is_believed_wherever_it_is() {
        let secret = "a shared secret of enough length, or more";
        let settings = config::TrustedHeader {
            secret: Some(secret.into()),
            ..config::TrustedHeader::default()
        };
        let auth = Authenticator::TrustedHeader(settings.clone());
        let with = |secret| [("X-User-ID", "ada"), ("X-Parlor-Proxy-Secret", secret)];
        let good = with(secret);
        assert!(auth.authenticate(&request(&good, "192.0.2.7:5")).await.is_ok());
        let cut = &secret[..secret.len() - 1];
        for bad in [&with("")[..], &with(cut), &with("another"), &[("X-User-ID", "ada")]] {
            for peer in ["192.0.2.7:5", "127.0.0.1:5"] {
                assert!(auth.authenticate(&request(bad, peer)).await.is_err(), "{bad:?} {peer}");
            }
        }
        let peers = vec!["192.0.2.7".parse().unwrap()];
        let auth = Authenticator::TrustedHeader(config::TrustedHeader { peers, ..settings });
        assert!(auth.authenticate(&request(&good, "192.0.2.7:5")).await.is_ok());
        assert!(
            auth.authenticate(&request(&good, "192.0.2.8:5")).await.is_err(),
            "both are needed"
        );
    }

    #[tokio::test]
    async fn a_visitor_is_known_by_the_cookie_and_a_forged_one_is_somebody_new() {
        let auth = Authenticator::Anonymous { key: Late::from(Key::generate()), personas: false };
        let first = auth.authenticate(&request(&[], "127.0.0.1:5")).await.unwrap();
        let cookie = first.new_cookie.unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        let again =
            auth.authenticate(&request(&[("cookie", cookie)], "127.0.0.1:5")).await.unwrap();
        assert_eq!(again.owner, first.owner);
        assert!(again.new_cookie.is_none());

        let other = Authenticator::Anonymous { key: Late::from(Key::generate()), personas: false };
        let forged =
            other.authenticate(&request(&[("cookie", cookie)], "127.0.0.1:5")).await.unwrap();
        assert_ne!(forged.owner, first.owner);
        assert!(forged.new_cookie.is_some());
    }

    #[tokio::test]
    async fn personas_divide_a_visitor_and_nobody_else() {
        let key = Key::generate();
        let auth = Authenticator::Anonymous { key: Late::from(key.clone()), personas: true };
        let first = auth.authenticate(&request(&[], "127.0.0.1:5")).await.unwrap();
        let cookie = first.new_cookie.unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let ada = [("cookie", cookie.as_str()), (PERSONA_HEADER, "ada")];
        let ada = auth.authenticate(&request(&ada, "127.0.0.1:5")).await.unwrap();
        assert_ne!(ada.owner, first.owner);
        assert!(ada.owner.user().as_str().starts_with(first.owner.user().as_str()));
        let odd = [("cookie", cookie.as_str()), (PERSONA_HEADER, "a:b")];
        let odd = auth.authenticate(&request(&odd, "127.0.0.1:5")).await.unwrap();
        assert_eq!(odd.owner, first.owner);
    }
}
