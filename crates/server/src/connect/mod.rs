//! Servers of tools that each user signs in to: OAuth 2.1, as MCP has it.
//!
//! What is said to authorization servers is the MCP library's matter. Here is what it is said for:
//! which user, in which browser; and what is kept, sealed, until it is used.

mod client;
mod discovery;
mod server;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::error::Unspecified;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_agent::{SignInCard, tools::CardPlace};
use parlor_chatkit::{
    Clock, Owner, Store, StoreError,
    protocol::{ItemId, ThreadId, Timestamp},
};
use parlor_store::{AttemptId, GrantAttempt, GrantServer, GrantStore};
use rmcp::transport::auth::{OAuthClientConfig, StoredAuthorizationState};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{
    auth::{Seal, random},
    late::Late,
};
pub(crate) use discovery::{check, look};
use server::Inner;
pub(crate) use server::ServerSignIn;

/// Name under which the store keeps the key that tokens are sealed with.
const SEAL_KEY: &str = "grant_tokens";
/// How long the link on a card works.
const LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long somebody may take to sign in at the authorization server.
pub(crate) const VISIT_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Longest code that is redeemed. Bytes.
const MAX_CODE: usize = 4_096;

/// Where users come back to, behind the server's address.
pub(crate) const CALLBACK: &str = "/connect/callback";
/// Where Parlor says of itself who it is, behind the server's address.
pub(crate) const CLIENT_DOCUMENT: &str = "/connect/client.json";

/// What links on cards need to know of a request, and goes along with it.
pub(crate) struct CameBy {
    /// The address that it came to.
    pub(crate) base: String,
    /// Who sent it, as authentication knows them: not a word of it is the browser's.
    pub(crate) account: String,
}

/// Whom authorization servers may send people back to.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    /// The server's address as browsers reach it.
    pub(crate) url: &'a str,
    /// Whether the configuration says it, and others can reach it there, too.
    pub(crate) is_public: bool,
}

/// Why somebody is not connected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It is not a sign-in that is under way here and now. The log says what is wrong.
    #[error("it is no sign-in that is under way in this browser: {0}")]
    Attempt(&'static str),
    /// They said no there, or it did.
    #[error("the authorization server sends the user back with an error")]
    Cancelled,
    /// The server of tools, or its authorization server, does not do as it should.
    #[error("“{server}” cannot be signed in to: {reason}")]
    Server {
        /// The server of tools.
        server: String,
        /// What went wrong. It holds words of strangers.
        reason: String,
    },
    /// The database.
    #[error("the sign-in cannot be kept")]
    Store(#[from] StoreError),
    /// The database has not been there yet.
    #[error("the database has not been there yet")]
    NotReady,
    /// The machine gives no randomness.
    #[error("there is no encryption on this machine")]
    Encryption,
}

impl From<Unspecified> for ConnectError {
    fn from(_: Unspecified) -> Self {
        Self::Encryption
    }
}

/// What all servers that are signed in to share.
pub(crate) struct SignIns {
    store: Arc<dyn GrantStore>,
    clock: Arc<dyn Clock>,
    seal: Late<Seal>,
    /// Those of the configuration in force, and of an earlier one as long as somebody uses it.
    known: Mutex<Vec<std::sync::Weak<Inner>>>,
}

/// A link on a card.
#[derive(Deserialize, Serialize)]
pub(crate) struct Link {
    server: [u8; 32],
    card: Place,
    /// Who the account is of, as people know it.
    pub(crate) account: String,
}

#[derive(Clone, Deserialize, Serialize)]
struct Place {
    thread_id: ThreadId,
    item_id: ItemId,
}

/// Somebody who is at an authorization server.
#[derive(Deserialize, Serialize)]
struct Visit {
    server: [u8; 32],
    card: Place,
    client: KnownAs,
    issuer: String,
    state: StoredAuthorizationState,
    /// Hash of what the browser has in its cookie.
    browser: [u8; 32],
}

/// Who Parlor is at an authorization server.
#[derive(Clone, Deserialize, Serialize)]
struct KnownAs {
    id: String,
    secret: Option<String>,
    redirect_uri: String,
}

impl KnownAs {
    fn config(&self) -> OAuthClientConfig {
        let config = OAuthClientConfig::new(&self.id, &self.redirect_uri);
        match &self.secret {
            Some(secret) => config.with_client_secret(secret),
            None => config,
        }
    }
}

/// A link that somebody has opened.
pub(crate) struct Opened {
    /// Who may.
    pub(crate) owner: Owner,
    /// The link.
    pub(crate) link: Link,
    /// What it leads to.
    pub(crate) server: ServerSignIn,
}

/// Somebody who comes back from an authorization server.
pub(crate) struct Returning {
    /// Who went there.
    pub(crate) owner: Owner,
    id: AttemptId,
    visit: Visit,
    server: ServerSignIn,
}

/// The query that an authorization server sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl BackQuery {
    /// What the sign-in is found by.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Somebody who is connected now.
pub(crate) struct Connected {
    /// The card that asked.
    pub(crate) place: CardPlace,
    /// What it shows.
    pub(crate) card: SignInCard,
}

impl SignIns {
    /// With the key of the configuration, if there is one.
    ///
    /// # Errors
    /// When there is no encryption on this machine.
    pub(crate) fn new(
        store: Arc<dyn GrantStore>,
        clock: Arc<dyn Clock>,
        key: Option<&SecretString>,
    ) -> Result<Arc<Self>, Unspecified> {
        let seal = match key {
            Some(key) => Late::from(Seal::new(key.expose_secret().as_bytes())?),
            None => Late::default(),
        };
        Ok(Arc::new(Self { store, clock, seal, known: Mutex::default() }))
    }

    /// Takes the key that this store keeps, unless there is one of the configuration.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.seal.value().is_none() {
            let failed = |error| StoreError::Failed(Box::new(error));
            let fresh = random().map_err(failed)?.to_vec();
            self.seal.set(Seal::new(&store.secret(SEAL_KEY, fresh).await?).map_err(failed)?);
        }
        Ok(())
    }

    /// Deletes at most so many sign-ins that are over. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sweep(&self, limit: u32) -> Result<u64, StoreError> {
        self.store.sweep_attempts(self.clock.now(), limit).await
    }

    /// A link that a card has.
    ///
    /// # Errors
    /// When there is no such link any more.
    pub(crate) async fn open(self: &Arc<Self>, link: &str) -> Result<Opened, ConnectError> {
        let unknown = ConnectError::Attempt("there is no such link");
        let Ok(secret) = URL_SAFE_NO_PAD.decode(link) else { return Err(unknown) };
        let id = AttemptId(Sha256::digest(secret).into());
        let Some(attempt) = self.store.attempt(&id, self.clock.now()).await? else {
            return Err(unknown);
        };
        let link: Link = self.opened(LINK, &attempt)?.ok_or(unknown)?;
        let server = self.server(link.server)?;
        Ok(Opened { owner: attempt.owner, link, server })
    }

    /// Somebody whom an authorization server sends back, in the browser with this secret. Nothing has
    /// happened yet.
    ///
    /// # Errors
    /// When no sign-in of this browser is under way.
    pub(crate) async fn returning(
        self: &Arc<Self>,
        state: &str,
        browser: &str,
    ) -> Result<Returning, ConnectError> {
        let unknown = ConnectError::Attempt("it is over, or was never begun");
        let id = AttemptId(Sha256::digest(state).into());
        let Some(attempt) = self.store.attempt(&id, self.clock.now()).await? else {
            return Err(unknown);
        };
        let visit: Visit = self.opened(VISIT, &attempt)?.ok_or(unknown)?;
        if Sha256::digest(browser)[..] != visit.browser {
            return Err(ConnectError::Attempt("another browser began it"));
        }
        let server = self.server(visit.server)?;
        Ok(Returning { owner: attempt.owner, id, visit, server })
    }

    /// Ends the sign-in, in one way or the other: once.
    ///
    /// # Errors
    /// When the user is not connected.
    pub(crate) async fn complete(
        &self,
        returning: Returning,
        query: &BackQuery,
    ) -> Result<Connected, ConnectError> {
        let Returning { owner, id, visit, server } = returning;
        if self.store.take_attempt(&id).await?.is_none() {
            return Err(ConnectError::Attempt("it was ended already"));
        }
        if let Some(error) = &query.error {
            let error: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
            tracing::debug!(error, "no sign-in");
            return Err(ConnectError::Cancelled);
        }
        let code = query.code.as_deref().filter(|code| code.len() <= MAX_CODE);
        let code = code.ok_or(ConnectError::Attempt("no code"))?;
        let card = visit.card.clone();
        server.0.redeem(owner, visit, code, query.iss.as_deref()).await?;
        Ok(Connected {
            place: CardPlace { thread_id: card.thread_id, item_id: card.item_id },
            card: server.0.card(),
        })
    }

    /// A server of the configuration.
    fn server(&self, id: [u8; 32]) -> Result<ServerSignIn, ConnectError> {
        let known = self.known();
        let mut living = known.iter().rev().filter_map(std::sync::Weak::upgrade);
        let found = living.find(|server| server.id == GrantServer(id)).map(ServerSignIn);
        found.ok_or(ConnectError::Attempt("the server is not configured any more"))
    }

    fn known(&self) -> MutexGuard<'_, Vec<std::sync::Weak<Inner>>> {
        // A panic while it was held leaves a whole list.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn later(&self, by: Duration) -> Timestamp {
        self.clock.now().saturating_add(by)
    }

    // ------------------------------------------------------------ under the seal

    async fn begin<T: Serialize>(
        &self,
        kind: &str,
        secret: &[u8],
        owner: &Owner,
        what: &T,
        lifetime: Duration,
    ) -> Result<(), ConnectError> {
        let id = AttemptId(Sha256::digest(secret).into());
        let attempt = GrantAttempt {
            id,
            owner: owner.clone(),
            sealed: self.sealed(&about_attempt(kind, &id, owner), what)?,
            good_until: self.later(lifetime),
        };
        Ok(self.store.begin_attempt(&attempt).await?)
    }

    fn opened<T: DeserializeOwned>(
        &self,
        kind: &str,
        attempt: &GrantAttempt,
    ) -> Result<Option<T>, ConnectError> {
        self.unsealed(&about_attempt(kind, &attempt.id, &attempt.owner), &attempt.sealed)
    }

    fn sealed<T: Serialize>(&self, about: &[u8], what: &T) -> Result<Vec<u8>, ConnectError> {
        let seal = self.seal.value().ok_or(ConnectError::NotReady)?;
        let plain = serde_json::to_vec(what).map_err(|_| ConnectError::Encryption)?;
        Ok(seal.seal(about, &plain)?)
    }

    /// `None`: it is not what it should be, or the key is another one now.
    fn unsealed<T: DeserializeOwned>(
        &self,
        about: &[u8],
        sealed: &[u8],
    ) -> Result<Option<T>, ConnectError> {
        let seal = self.seal.value().ok_or(ConnectError::NotReady)?;
        let plain = seal.open(about, sealed);
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }
}

/// Attempts that are links on cards.
const LINK: &str = "link";
/// Attempts that are visits of authorization servers.
const VISIT: &str = "visit";

/// What stands under the seal with something: the sealed bytes of one row are of no use in another.
fn about<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    let mut about = Vec::new();
    for part in parts {
        about.extend_from_slice(&(part.len() as u64).to_be_bytes());
        about.extend_from_slice(part);
    }
    about
}

fn about_attempt(kind: &str, id: &AttemptId, owner: &Owner) -> Vec<u8> {
    let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
    about([kind.as_bytes(), &id.0, tenant.as_bytes(), user.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_told_apart_by_all_that_it_is_about() {
        let all = [about([b"a", b"bc"]), about([b"ab", b"c"]), about([b"abc", b""])];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    }
}
