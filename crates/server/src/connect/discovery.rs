//! What a server of tools says of who lets people in to it.

use std::{sync::Arc, time::Duration};

use parlor_chatkit::ErrorChain;
use rmcp::transport::auth::{AuthError, AuthorizationManager, AuthorizationMetadata};
use url::Url;

use super::{ConnectError, client::GuardedClient};
use crate::config::{McpEntry, SignInEntry, is_confidential};

/// How long a sign-in may take to begin or to end: several requests, one after the other.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a server says of who lets people in to it.
pub(super) struct Discovered {
    pub(super) manager: AuthorizationManager,
    pub(super) metadata: AuthorizationMetadata,
    pub(super) issuer: String,
}

impl Discovered {
    pub(super) fn says(&self, what: &str) -> bool {
        self.metadata.additional_fields.get(what).and_then(serde_json::Value::as_bool) == Some(true)
    }
}

/// A server of tools that is asked where users sign in.
pub(super) struct Remote {
    pub(super) name: String,
    url: Url,
    pub(super) settings: SignInEntry,
    client: Arc<GuardedClient>,
}

impl Remote {
    /// One of the configuration.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub(super) fn new(entry: &McpEntry, url: &Url, settings: &SignInEntry) -> Result<Self, String> {
        check(entry, url, settings)?;
        let client = GuardedClient::new(url, &settings.private_hosts);
        let client = client.map_err(|error| ErrorChain(&error).to_string())?;
        let (name, url, settings) = (entry.name.clone(), url.clone(), settings.clone());
        Ok(Self { name, url, settings, client: Arc::new(client) })
    }

    pub(super) fn failed(&self, error: &AuthError) -> ConnectError {
        // Strangers may have said a lot.
        let reason: String = ErrorChain(error).to_string();
        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300);
        self.unusable(reason.collect::<String>())
    }

    pub(super) fn unusable(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::Server { server: self.name.clone(), reason: reason.into() }
    }

    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| Err(self.unusable("it takes too long")))
    }

    /// Asks the server who lets people in to it, and that one what it can.
    pub(super) async fn discover(&self) -> Result<Discovered, ConnectError> {
        let client = Arc::clone(&self.client);
        let manager =
            AuthorizationManager::new_with_oauth_http_client(self.url.clone(), client as _).await;
        let mut manager = manager.map_err(|error| self.failed(&error))?;
        let found = manager.resolve_metadata().await.map_err(|error| self.failed(&error))?;
        if !found.source.is_discovered() {
            return Err(self.unusable("it does not say where users sign in"));
        }
        let metadata = found.metadata;
        let Some(issuer) = metadata.issuer.clone() else {
            return Err(self.unusable("its authorization server does not say who it is"));
        };
        for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint] {
            // Users are sent to one, and secrets to the other.
            if !Url::parse(endpoint).is_ok_and(|url| is_confidential(&url)) {
                let endpoint: String = endpoint.chars().take(100).collect();
                return Err(self.unusable(format!("{endpoint:?} is no https address")));
            }
        }
        manager.set_metadata(metadata.clone());
        Ok(Discovered { manager, metadata, issuer })
    }

    /// The same, of the authorization server that it was before: what one has given must not be
    /// shown to another.
    pub(super) async fn discover_again(
        &self,
        issuer: &str,
    ) -> Result<Option<Discovered>, ConnectError> {
        let discovered = self.discover().await?;
        Ok((discovered.issuer == issuer).then_some(discovered))
    }

    async fn look(&self) -> Result<(String, &'static str), ConnectError> {
        self.in_time(async {
                let discovered = self.discover().await?;
                let methods = &discovered.metadata.code_challenge_methods_supported;
                if methods.as_ref().is_some_and(|methods| !methods.iter().any(|m| m == "S256")) {
                    return Err(self.unusable("its authorization server has no PKCE (S256)"));
                }
                let known = if self.settings.client_id.is_some() {
                    "as the client of the configuration"
                } else if discovered.says("client_id_metadata_document_supported") {
                    "by its own document"
                } else if discovered.metadata.registration_endpoint.is_some() {
                    "registered by itself"
                } else {
                    return Err(self.unusable(
                        "its authorization server registers nobody; register Parlor there, with the redirect address …/connect/callback, and set sign_in.client_id",
                    ));
                };
                Ok((discovered.issuer, known))
            })
            .await
    }
}

/// Whether a server can be signed in to, for `parlor doctor`: where people do, and how Parlor is known
/// there.
///
/// # Errors
/// What is wrong.
pub(crate) async fn look(
    entry: &McpEntry,
    url: &Url,
    settings: &SignInEntry,
) -> Result<(String, &'static str), String> {
    let found = Remote::new(entry, url, settings)?.look().await;
    found.map_err(|error| ErrorChain(&error).to_string())
}

/// Whether the settings make sense.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn check(entry: &McpEntry, url: &Url, settings: &SignInEntry) -> Result<(), String> {
    let wrong = |message: &str| Err(message.to_owned());
    if !is_confidential(url) {
        return Err(format!(
            "users' tokens are sent to {url}, where others could read them; use an https address"
        ));
    }
    if entry.headers.values().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return wrong("with sign_in the header Authorization has the user's token; remove yours");
    }
    if settings.client_id.as_deref() == Some("") {
        return wrong("sign_in.client_id is empty; remove it to have Parlor register itself");
    }
    if settings.client_secret.is_some() && settings.client_id.is_none() {
        return wrong("sign_in.client_secret is of no use without sign_in.client_id; set it");
    }
    let is_scope = |scope: &String| {
        !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    if !settings.scopes.iter().all(is_scope) {
        return wrong("sign_in.scopes has one that is no scope; name each by itself");
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::{Json, Router, routing::get};
    use serde_json::{Value, json};

    use super::*;

    /// What is found at a server that says this of its authorization server, which is itself.
    async fn found(said: Option<Value>, settings: Value) -> Result<(String, &'static str), String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut router = Router::new();
        if let Some(mut said) = said {
            said["issuer"] = address.as_str().into();
            said["authorization_endpoint"] = format!("{address}/authorize").into();
            said["token_endpoint"] = format!("{address}/token").into();
            let path = "/.well-known/oauth-authorization-server";
            router = router.route(path, get(async || Json(said)));
        }
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let entry = json!({"name": "crm", "url": format!("{address}/mcp"), "sign_in": settings});
        let entry: McpEntry = serde_json::from_value(entry).unwrap();
        look(&entry, entry.url.as_ref().unwrap(), entry.sign_in.as_ref().unwrap()).await
    }

    #[tokio::test]
    async fn it_is_told_what_keeps_users_from_signing_in() {
        let mistake = |found: Result<_, String>| found.unwrap_err();
        assert!(mistake(found(None, json!({})).await).contains("does not say where users sign in"));
        let nobody = mistake(found(Some(json!({})), json!({})).await);
        assert!(nobody.contains("sign_in.client_id"), "{nobody}");
        let plain = json!({"code_challenge_methods_supported": ["plain"]});
        assert!(mistake(found(Some(plain), json!({})).await).contains("PKCE"));

        let registers = json!({"registration_endpoint": "https://a.example/register"});
        let (issuer, known) = found(Some(registers), json!({})).await.unwrap();
        assert!(issuer.starts_with("http://127.0.0.1:") && known == "registered by itself");
        let named = found(Some(json!({})), json!({"client_id": "parlor"})).await.unwrap();
        assert_eq!(named.1, "as the client of the configuration");
    }
}
