//! One server that users sign in to, and the tokens that they have got there.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use oauth2::TokenResponse as _;
use parlor_agent::{
    SignInCard,
    tools::{CardPlace, SignIn, SignInUnavailable, ToolContext},
};
use parlor_chatkit::{ErrorChain, Owner, protocol::Timestamp};
use parlor_store::{ClientId, Grant, GrantServer, RefreshedGrant, Revision};
use rmcp::transport::auth::{
    AuthError, CredentialStore as _, InMemoryCredentialStore, InMemoryStateStore,
    OAuthClientConfig, StateStore as _, StoredCredentials,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::Instrument as _;
use url::Url;

use super::{
    Base, CALLBACK, CLIENT_DOCUMENT, CameBy, ConnectError, KnownAs, LINK, LINK_LIFETIME, Link,
    Place, SignIns, VISIT, VISIT_LIFETIME, Visit, about,
    discovery::{Discovered, Remote},
};
use crate::{
    auth::random,
    config::{McpEntry, SignInEntry},
};

/// How long Parlor stays registered under one name. Authorization servers forget: then nobody can
/// sign in until this is over.
const REGISTERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// While one gets new tokens, or when that failed, nobody else does for this long.
const CLAIM: Duration = Duration::from_secs(20);
/// How long getting new tokens may take: less than others stand back.
const REFRESH: Duration = Duration::from_secs(15);
/// How long others wait for them, and how often they look.
const WAIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// What authorization servers call clients that they do not know any more (RFC 6749, section 5.2).
/// The library tells them as text only.
const UNKNOWN_CLIENT: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// How users sign in to one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ServerSignIn(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) id: GrantServer,
    remote: Remote,
    /// As people read it.
    host: String,
    title: String,
    shared: Arc<SignIns>,
    /// Locked while Parlor registers itself, so that this is done once.
    registering: tokio::sync::Mutex<()>,
}

/// What is kept of a grant.
#[derive(Deserialize, Serialize)]
struct Tokens {
    client: KnownAs,
    issuer: String,
    credentials: StoredCredentials,
    /// Seconds since 1970 after which the access token is of no more use.
    good_until: Option<i64>,
}

impl Tokens {
    fn new(
        client: KnownAs,
        issuer: String,
        credentials: StoredCredentials,
        now: Timestamp,
    ) -> Self {
        let good_for = credentials.token_response.as_ref().and_then(|tokens| tokens.expires_in());
        let good_until = good_for.map(|time| seconds(now.saturating_add(time)));
        Self { client, issuer, credentials, good_until }
    }

    fn access(&self) -> Option<SecretString> {
        let tokens = self.credentials.token_response.as_ref()?;
        Some(SecretString::from(tokens.access_token().secret().as_str()))
    }

    fn can_refresh(&self) -> bool {
        let tokens = self.credentials.token_response.as_ref();
        tokens.is_some_and(|tokens| tokens.refresh_token().is_some())
    }

    /// The access token, while it is good.
    fn usable(&self, now: Timestamp) -> Option<SecretString> {
        let good = self.good_until.is_none_or(|until| seconds(now) < until);
        if good { self.access() } else { None }
    }

    /// When new ones are needed: a little before these are over, so that calls under way end.
    fn refresh_at(&self, now: Timestamp) -> Option<Timestamp> {
        let good_for = u64::try_from(self.good_until? - seconds(now)).unwrap_or(0);
        let early = if self.can_refresh() { (good_for / 10).min(60) } else { 0 };
        Some(now.saturating_add(Duration::from_secs(good_for - early)))
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}

impl SignIns {
    /// How users sign in to a server of the configuration.
    ///
    /// # Errors
    /// What is wrong with the entry.
    pub(crate) fn sign_in(
        self: &Arc<Self>,
        entry: &McpEntry,
        url: &Url,
        settings: &SignInEntry,
    ) -> Result<ServerSignIn, String> {
        let remote = Remote::new(entry, url, settings)?;
        let client_id = settings.client_id.as_deref().unwrap_or_default();
        let scopes = settings.scopes.join(" ");
        // Who changes what is asked for or as whom has users sign in again.
        let id = about([
            entry.name.as_bytes(),
            url.as_str().as_bytes(),
            client_id.as_bytes(),
            scopes.as_bytes(),
        ]);
        let server = Arc::new(Inner {
            id: GrantServer(Sha256::digest(id).into()),
            remote,
            host: url.host_str().unwrap_or_default().to_owned(),
            title: settings.title.clone().unwrap_or_else(|| entry.name.clone()),
            shared: Arc::clone(self),
            registering: tokio::sync::Mutex::default(),
        });
        let mut known = self.known();
        known.retain(|server| server.strong_count() > 0);
        known.push(Arc::downgrade(&server));
        Ok(ServerSignIn(server))
    }
}

impl Inner {
    pub(super) fn card(&self) -> SignInCard {
        SignInCard {
            server: self.remote.name.clone(),
            title: self.title.clone(),
            host: self.host.clone(),
        }
    }

    // ------------------------------------------------------------ the authorization server

    /// Who Parlor is at the authorization server: as the configuration says, by a document that it
    /// offers, or registered.
    async fn known_as(
        &self,
        discovered: &mut Discovered,
        base: Base<'_>,
        scopes: &[&str],
    ) -> Result<KnownAs, ConnectError> {
        let redirect_uri = format!("{}{CALLBACK}", base.url);
        if let Some(id) = self.remote.settings.client_id.clone() {
            let secret = self.remote.settings.client_secret.as_ref();
            let secret = secret.map(|secret| secret.value().expose_secret().to_owned());
            return Ok(KnownAs { id, secret, redirect_uri });
        }
        let is_reached = base.is_public && base.url.starts_with("https:");
        if is_reached && discovered.says("client_id_metadata_document_supported") {
            let id = format!("{}{CLIENT_DOCUMENT}", base.url);
            return Ok(KnownAs { id, secret: None, redirect_uri });
        }
        let _once = self.registering.lock().await;
        let id =
            about([b"client", &self.id.0, discovered.issuer.as_bytes(), redirect_uri.as_bytes()]);
        let id = ClientId(Sha256::digest(id).into());
        let about = about([b"client", &id.0]);
        let shared = &self.shared;
        if let Some(sealed) = shared.store.client(&id, shared.clock.now()).await?
            && let Some(known) = shared.unsealed(&about, &sealed)?
        {
            return Ok(known);
        }
        let failed = |error| self.remote.failed(&error);
        let manager = &mut discovered.manager;
        // The library registers programs of people's own unless it has been told.
        let kind = if redirect_uri.starts_with("https:") { "web" } else { "native" };
        let kind = OAuthClientConfig::new("", &redirect_uri).with_application_type(kind);
        manager.configure_client(kind).map_err(failed)?;
        let registered = manager.register_client("Parlor", &redirect_uri, scopes).await;
        let registered = registered.map_err(failed)?;
        let known =
            KnownAs { id: registered.client_id, secret: registered.client_secret, redirect_uri };
        let good_until = shared.later(REGISTERED_FOR);
        shared.store.keep_client(&id, &shared.sealed(&about, &known)?, good_until).await?;
        tracing::info!(server = self.remote.name, "registered at the authorization server");
        Ok(known)
    }

    /// Sends somebody to the authorization server who has opened a link. The browser is to come back
    /// with this secret in a cookie.
    async fn leave(
        &self,
        owner: &Owner,
        link: &Link,
        base: Base<'_>,
        browser: &str,
    ) -> Result<(Url, String), ConnectError> {
        let failed = |error| self.remote.failed(&error);
        let mut discovered = self.remote.discover().await?;
        let mut scopes = self.remote.settings.scopes.clone();
        if scopes.is_empty() {
            scopes = discovered.manager.select_initial_scopes(&[]).await;
        }
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let client = self.known_as(&mut discovered, base, &scopes).await?;
        let Discovered { mut manager, issuer, .. } = discovered;
        manager.configure_client(client.config()).map_err(failed)?;
        let states = InMemoryStateStore::new();
        manager.set_state_store(states.clone());
        let url = manager.get_authorization_url(&scopes).await;
        let url = url.and_then(|url| Ok(Url::parse(&url)?)).map_err(failed)?;
        let state = url.query_pairs().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| state.into_owned()).unwrap_or_default();
        let kept = states.load(&state).await.map_err(failed)?;
        let visit = Visit {
            server: self.id.0,
            card: link.card.clone(),
            client,
            issuer,
            state: kept.ok_or_else(|| self.remote.unusable("its address cannot be added to"))?,
            browser: Sha256::digest(browser).into(),
        };
        self.shared.begin(VISIT, state.as_bytes(), owner, &visit, VISIT_LIFETIME).await?;
        Ok((url, state))
    }

    /// Takes in somebody who comes back with a code.
    pub(super) async fn redeem(
        &self,
        owner: Owner,
        visit: Visit,
        code: &str,
        issuer: Option<&str>,
    ) -> Result<(), ConnectError> {
        let (remote, failed) = (&self.remote, |error| self.remote.failed(&error));
        remote
            .in_time(async {
                let Some(discovered) = remote.discover_again(&visit.issuer).await? else {
                    return Err(remote.unusable("another authorization server lets people in now"));
                };
                let mut manager = discovered.manager;
                manager.configure_client(visit.client.config()).map_err(failed)?;
                let (states, got) = (InMemoryStateStore::new(), InMemoryCredentialStore::new());
                let state = visit.state.csrf_token.clone();
                states.save(&state, visit.state).await.map_err(failed)?;
                manager.set_state_store(states);
                manager.set_credential_store(got.clone());
                let redeemed =
                    manager.exchange_code_for_token_with_issuer(code, &state, issuer).await;
                redeemed.map_err(failed)?;
                let credentials = got.load().await.ok().flatten();
                let credentials = credentials.ok_or_else(|| remote.unusable("no tokens came"))?;
                let now = self.shared.clock.now();
                let tokens = Tokens::new(visit.client, visit.issuer, credentials, now);
                let grant = Grant {
                    sealed: self.shared.sealed(&self.about_grant(&owner), &tokens)?,
                    owner,
                    server: self.id,
                    name: self.remote.name.clone(),
                    revision: revision()?,
                    granted_at: now,
                    refresh_at: tokens.refresh_at(now),
                };
                self.shared.store.keep_grant(&grant).await?;
                tracing::info!(server = self.remote.name, "a user has connected a server of tools");
                Ok(())
            })
            .await
    }

    // ------------------------------------------------------------ tokens

    fn about_grant(&self, owner: &Owner) -> Vec<u8> {
        let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
        about([b"grant", &self.id.0, tenant.as_bytes(), user.as_bytes()])
    }

    /// A user's grant with its tokens. One that cannot be read ends.
    async fn grant(&self, owner: &Owner) -> Result<Option<(Grant, Tokens)>, ConnectError> {
        let Some(grant) = self.shared.store.grant(owner, &self.id).await? else { return Ok(None) };
        let tokens = self.shared.unsealed(&self.about_grant(owner), &grant.sealed)?;
        if let Some(tokens) = tokens {
            return Ok(Some((grant, tokens)));
        }
        tracing::warn!(
            server = self.remote.name,
            "the tokens of a user cannot be read, so they have to sign in again; has the encryption key changed?"
        );
        self.shared.store.end_grant(owner, &self.id, grant.revision).await?;
        Ok(None)
    }

    async fn token(self: &Arc<Self>, owner: &Owner) -> Result<Option<SecretString>, ConnectError> {
        let Some((grant, tokens)) = self.grant(owner).await? else { return Ok(None) };
        let now = self.shared.clock.now();
        match grant.refresh_at {
            Some(due) if due <= now => {
                let usable = tokens.usable(now);
                self.refreshed(grant, tokens, usable).await
            }
            _ => Ok(tokens.access()),
        }
    }

    async fn refused(
        self: &Arc<Self>,
        owner: &Owner,
        refused: &SecretString,
    ) -> Result<Option<SecretString>, ConnectError> {
        let Some((grant, tokens)) = self.grant(owner).await? else { return Ok(None) };
        match tokens.access() {
            // Others are there by now.
            Some(token) if token.expose_secret() != refused.expose_secret() => Ok(Some(token)),
            _ => self.refreshed(grant, tokens, None).await,
        }
    }

    /// New tokens, got by one of many. Where that fails or takes long, and as long as there is one,
    /// a token that is still good.
    async fn refreshed(
        self: &Arc<Self>,
        grant: Grant,
        tokens: Tokens,
        usable: Option<SecretString>,
    ) -> Result<Option<SecretString>, ConnectError> {
        let (owner, revision) = (grant.owner.clone(), grant.revision);
        let shared = &self.shared;
        let since = Instant::now();
        loop {
            let (now, until) = (shared.clock.now(), shared.later(CLAIM));
            if shared.store.claim_grant(&owner, &self.id, revision, now, until).await? {
                let server = Arc::clone(self);
                // In a task of its own: refresh tokens are good once, and the new one must be kept
                // also when nobody waits for it any more.
                let work = async move { server.refresh(grant, tokens).await };
                let done = tokio::spawn(work.in_current_span()).await;
                let lost = |_| Err(self.remote.unusable("getting new tokens was broken off"));
                return match (done.unwrap_or_else(lost), usable) {
                    (Err(error), Some(token)) => {
                        let error = ErrorChain(&error).to_string();
                        tracing::warn!(
                            server = self.remote.name,
                            error,
                            "no new tokens yet; the old ones are still good"
                        );
                        Ok(Some(token))
                    }
                    (done, _) => done,
                };
            }
            if usable.is_some() {
                return Ok(usable);
            }
            if since.elapsed() > WAIT {
                return Err(self.remote.unusable("new tokens are long in coming"));
            }
            tokio::time::sleep(LOOK).await;
            match self.grant(&owner).await? {
                None => return Ok(None),
                Some((newer, tokens)) if newer.revision != revision => return Ok(tokens.access()),
                Some(_) => {}
            }
        }
    }

    /// Asks for new tokens. `None`: the user has to sign in again.
    async fn refresh(
        &self,
        grant: Grant,
        tokens: Tokens,
    ) -> Result<Option<SecretString>, ConnectError> {
        let failed = |error| self.remote.failed(&error);
        let work = async {
            if !tokens.can_refresh() {
                return Ok(None);
            }
            let Some(discovered) = self.remote.discover_again(&tokens.issuer).await? else {
                tracing::info!(
                    server = self.remote.name,
                    "another authorization server lets people in now"
                );
                return Ok(None);
            };
            let mut manager = discovered.manager;
            let client = self.client_of(tokens.client);
            manager.configure_client(client.config()).map_err(failed)?;
            let got = InMemoryCredentialStore::new();
            got.save(tokens.credentials).await.map_err(failed)?;
            manager.set_credential_store(got.clone());
            match manager.refresh_token().await {
                Ok(_) => {}
                Err(AuthError::TokenRefreshRejected(_) | AuthError::AuthorizationRequired) => {
                    return Ok(None);
                }
                Err(AuthError::TokenRefreshFailed(why))
                    if UNKNOWN_CLIENT.iter().any(|error| why.contains(error)) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(failed(error)),
            }
            let credentials = got.load().await.ok().flatten();
            let credentials = credentials.ok_or_else(|| self.remote.unusable("no tokens came"))?;
            let now = self.shared.clock.now();
            Ok(Some(Tokens::new(client, tokens.issuer, credentials, now)))
        };
        let done = tokio::time::timeout(REFRESH, work).await;
        let store = &self.shared.store;
        match done.unwrap_or_else(|_| Err(self.remote.unusable("it takes too long")))? {
            Some(tokens) => {
                let refreshed = RefreshedGrant {
                    sealed: self.shared.sealed(&self.about_grant(&grant.owner), &tokens)?,
                    revision: revision()?,
                    refresh_at: tokens.refresh_at(self.shared.clock.now()),
                };
                let kept =
                    store.refresh_grant(&grant.owner, &self.id, grant.revision, &refreshed).await?;
                // Otherwise the user has disconnected, or signed in again.
                Ok(if kept { tokens.access() } else { None })
            }
            None => {
                tracing::info!(server = self.remote.name, "a user's access has ended");
                store.end_grant(&grant.owner, &self.id, grant.revision).await?;
                Ok(None)
            }
        }
    }

    /// The client that tokens were given to, with the secret of the configuration where it is that.
    fn client_of(&self, client: KnownAs) -> KnownAs {
        if self.remote.settings.client_id.as_deref() != Some(&client.id) {
            return client;
        }
        let secret = self.remote.settings.client_secret.as_ref();
        let secret = secret.map(|secret| secret.value().expose_secret().to_owned());
        KnownAs { secret, ..client }
    }

    async fn begin(&self, context: &ToolContext, card: CardPlace) -> Result<Url, ConnectError> {
        let request = context.request();
        let Some(CameBy { base, account }) = request.extension() else {
            return Err(self.remote.unusable("the request did not come over HTTP"));
        };
        let secret = random()?;
        let link = Link {
            server: self.id.0,
            card: Place { thread_id: card.thread_id, item_id: card.item_id },
            account: account.clone(),
        };
        self.shared.begin(LINK, &secret, request.owner(), &link, LINK_LIFETIME).await?;
        let link = format!("{base}/connect?link={}", URL_SAFE_NO_PAD.encode(secret));
        Url::parse(&link).map_err(|_| self.remote.unusable("the server's own address is none"))
    }

    async fn end(&self, owner: &Owner) -> Result<bool, ConnectError> {
        let store = &self.shared.store;
        // Again where new tokens have come just now.
        while let Some(grant) = store.grant(owner, &self.id).await? {
            if store.end_grant(owner, &self.id, grant.revision).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn revision() -> Result<Revision, ConnectError> {
    let mut revision = [0; 16];
    revision.copy_from_slice(&random()?[..16]);
    Ok(Revision(revision))
}

impl ServerSignIn {
    /// What people call the server.
    pub(crate) fn name(&self) -> &str {
        &self.0.title
    }

    /// Sends somebody to the authorization server: where to, and by what they are known when they
    /// come back, besides the secret in the browser's cookie.
    ///
    /// # Errors
    /// When the server cannot be signed in to.
    pub(crate) async fn leave(
        &self,
        owner: &Owner,
        link: &Link,
        base: Base<'_>,
        browser: &str,
    ) -> Result<(Url, String), ConnectError> {
        self.0.remote.in_time(self.0.leave(owner, link, base, browser)).await
    }
}

impl SignIn for ServerSignIn {
    fn title(&self) -> &str {
        &self.0.title
    }

    fn host(&self) -> &str {
        &self.0.host
    }

    fn token<'a>(
        &'a self,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<Option<SecretString>, SignInUnavailable>> {
        Box::pin(async { self.0.token(owner).await.map_err(unavailable) })
    }

    fn refused<'a>(
        &'a self,
        owner: &'a Owner,
        token: &'a SecretString,
    ) -> BoxFuture<'a, Result<Option<SecretString>, SignInUnavailable>> {
        Box::pin(async { self.0.refused(owner, token).await.map_err(unavailable) })
    }

    fn begin<'a>(
        &'a self,
        context: &'a ToolContext,
        card: CardPlace,
    ) -> BoxFuture<'a, Result<Url, SignInUnavailable>> {
        Box::pin(async { self.0.begin(context, card).await.map_err(unavailable) })
    }

    fn end<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<bool, SignInUnavailable>> {
        Box::pin(async { self.0.end(owner).await.map_err(unavailable) })
    }
}

fn unavailable(error: ConnectError) -> SignInUnavailable {
    SignInUnavailable(ErrorChain(&error).to_string())
}
