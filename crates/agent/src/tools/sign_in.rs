//! Servers of tools that each user signs in to.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use futures::future::BoxFuture;
use parlor_chatkit::{
    Owner,
    protocol::{ItemId, ThreadId},
};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::{Tool, ToolCall, ToolContext, ToolFuture, ToolOutput, ToolSettings};
use crate::model::ToolSpec;

/// How users sign in to a server, and the access tokens that they have got there.
///
/// Where tokens are kept and how they are got is the implementation's matter. It is asked for an
/// [`Owner`] and must never give the token of another.
pub trait SignIn: Send + Sync + 'static {
    /// What people call the server.
    fn title(&self) -> &str;

    /// The host that people sign in to, as they are shown it.
    fn host(&self) -> &str;

    /// The user's access token. `None`: they have not signed in, or that is over.
    fn token<'a>(
        &'a self,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<Option<SecretString>, SignInUnavailable>>;

    /// The server has refused this token: another one, if that can be had without the user. `None`:
    /// the user has to sign in again.
    fn refused<'a>(
        &'a self,
        owner: &'a Owner,
        token: &'a SecretString,
    ) -> BoxFuture<'a, Result<Option<SecretString>, SignInUnavailable>>;

    /// A link by which this user, and nobody else, signs in. It is shown on this card.
    fn begin<'a>(
        &'a self,
        context: &'a ToolContext,
        card: CardPlace,
    ) -> BoxFuture<'a, Result<Url, SignInUnavailable>>;

    /// Forgets the user's tokens. `false`: there were none.
    fn end<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<bool, SignInUnavailable>>;
}

/// Where a card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPlace {
    /// Its thread.
    pub thread_id: ThreadId,
    /// The item that it is.
    pub item_id: ItemId,
}

/// Tokens cannot be had, or no sign-in begun, at the moment. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing in is not possible at the moment: {0}")]
pub struct SignInUnavailable(pub String);

/// The tool that a model is offered in the place of a server's own, while the user has not signed
/// in to it. When it is called the user is shown a card with the link.
pub(crate) struct Connect<S> {
    /// Weak: the server keeps what it offers, and must end when nobody wants it any more.
    server: Weak<S>,
    name: String,
    title: String,
    sign_in: Arc<dyn SignIn>,
}

impl<S> Connect<S> {
    pub(crate) fn new(server: &Arc<S>, name: &str, sign_in: &Arc<dyn SignIn>) -> Self {
        Self {
            server: Arc::downgrade(server),
            name: connect_tool(name),
            title: sign_in.title().to_owned(),
            sign_in: Arc::clone(sign_in),
        }
    }
}

/// What the tool is called by which users connect to a server of this name.
pub(crate) fn connect_tool(server: &str) -> String {
    format!("{server}_connect")
}

impl<S: Send + Sync + 'static> Tool for Connect<S> {
    fn spec(&self) -> ToolSpec {
        let title = &self.title;
        ToolSpec {
            name: self.name.clone(),
            description: format!(
                "The user is not connected to {title}, so its tools are not there. Call this when \
                 the user's request needs {title}: it shows them a card with which they sign in. \
                 Do not ask them for a password or a token."
            ),
            parameters: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        }
    }

    fn settings(&self) -> ToolSettings {
        ToolSettings { title: Some(format!("Connect {}", self.title)), ..ToolSettings::default() }
    }

    fn sign_in(&self) -> Option<Arc<dyn SignIn>> {
        self.server.upgrade().map(|_| Arc::clone(&self.sign_in))
    }

    /// Only where the card is shown already, by another call of the same round.
    fn call(&self, _call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async { Ok(ToolOutput::own("The user is shown the card already.")) })
    }
}

impl fmt::Debug for dyn SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({})", self.title())
    }
}
