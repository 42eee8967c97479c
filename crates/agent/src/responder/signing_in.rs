//! Servers that the user signs in to: asked for, looked after, left.

use std::sync::Arc;

use parlor_chatkit::protocol::{NoticeLevel, WidgetItem};
use parlor_chatkit::{ActionSender, Turn, TurnError};

use super::{AgentResponder, work::Work};
use crate::approval::{AskedToSignIn, Waiting};
use crate::sign_in_card::SignInCard;
use crate::tools::{CardPlace, SignIn, SignInUnavailable, ToolCallRequest, ToolContext};

impl AgentResponder {
    /// Begins a sign-in, if that is what this call is for.
    pub(super) async fn asked_to_sign_in(
        work: &Work,
        call: &ToolCallRequest,
        place: CardPlace,
        turn: &Turn,
    ) -> Result<Option<AskedToSignIn>, TurnError> {
        let Some(sign_in) = work.offer.sign_in(&call.name) else { return Ok(None) };
        let server = call.name.strip_suffix("_connect").unwrap_or(&call.name);
        let card = SignInCard {
            server: server.to_owned(),
            title: sign_in.title().to_owned(),
            host: sign_in.host().to_owned(),
        };
        let context = ToolContext::new(turn.context().clone());
        let url = sign_in.begin(&context, place).await.map_err(|error| unavailable(&error))?;
        Ok(Some(AskedToSignIn { card, url: url.into() }))
    }

    /// Whether the user has signed in to what this waits for. `None`: it waits for something else.
    pub(super) async fn has_signed_in(&self, turn: &Turn, waiting: &Waiting) -> Option<bool> {
        let asked = waiting.sign_in.as_ref()?;
        let Some(sign_in) = self.sign_in_to(&asked.card.server) else { return Some(false) };
        match sign_in.token(turn.context().owner()).await {
            Ok(token) => Some(token.is_some()),
            Err(error) => {
                tracing::warn!(server = asked.card.server, %error, "cannot tell who has signed in");
                Some(false)
            }
        }
    }

    /// The user has pressed the button by which they leave a server.
    pub(super) async fn disconnect(
        &self,
        turn: &mut Turn,
        sender: ActionSender,
    ) -> Result<(), TurnError> {
        let payload = sender.action.payload.unwrap_or_default();
        let server = payload["server"].as_str().unwrap_or_default();
        let Some(sign_in) = self.sign_in_to(server) else {
            return turn.notice(NoticeLevel::Info, "There is no such server any more.").await;
        };
        let owner = turn.context().owner();
        let ended = sign_in.end(owner).await.map_err(|error| unavailable(&error))?;
        tracing::info!(server, ended, "a user has disconnected a server of tools");
        let card = SignInCard {
            server: server.to_owned(),
            title: sign_in.title().to_owned(),
            host: sign_in.host().to_owned(),
        };
        match sender.widget {
            Some(widget) => {
                let widget = WidgetItem { widget: card.disconnected().into(), ..widget };
                turn.replace_item(widget).await
            }
            None => Ok(()),
        }
    }

    fn sign_in_to(&self, server: &str) -> Option<Arc<dyn SignIn>> {
        self.tool_sources.iter().find_map(|source| source.sign_in(server))
    }
}

fn unavailable(error: &SignInUnavailable) -> TurnError {
    tracing::warn!(%error, "signing in is not possible");
    TurnError::new("sign_in.unavailable", "This is not possible at the moment. Try again later.")
}
