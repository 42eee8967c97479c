//! The card with which users connect to a server of tools.

use parlor_chatkit::protocol::{
    ActionConfig, LoadingBehavior, WidgetItem,
    widgets::{
        Badge, BadgeColor, BadgeVariant, Card, CardSize, Markdown, Row, Spacer, Text, Title,
        TitleSize, WidgetComponent,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::approval::{ACTION, Decision};

/// The action of the button that disconnects a user from a server again. Its payload is an object
/// with `server`, the server's name.
pub const DISCONNECT: &str = "parlor.disconnect";

/// What is shown of a server that the user signs in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInCard {
    /// The name of the server.
    pub server: String,
    /// What people call it.
    pub title: String,
    /// The host that they sign in to.
    pub host: String,
}

impl SignInCard {
    /// The card of somebody who has just signed in. With the button by which the answer goes on, if
    /// the card that is there waits for that.
    pub fn connected(&self, there: &WidgetItem) -> Card {
        let waits = serde_json::to_value(&there.widget)
            .is_ok_and(|card| card["confirm"]["action"]["type"] == ACTION);
        let card = self.with_badge("Connected", BadgeColor::Success);
        match waits {
            true => self.with_continue(card),
            false => self.with_disconnect(card),
        }
    }

    /// The card of somebody who is not connected any more.
    pub fn disconnected(&self) -> Card {
        self.with_badge("Disconnected", BadgeColor::Secondary)
    }

    pub(crate) fn of_decision(&self, decision: Decision, url: &str) -> Card {
        match decision {
            Decision::Pending => self.waiting(url),
            Decision::Approved => {
                self.with_disconnect(self.with_badge("Connected", BadgeColor::Success))
            }
            Decision::Denied => self.with_badge("Not connected", BadgeColor::Secondary),
            Decision::Expired => self.with_badge("Expired", BadgeColor::Secondary),
            Decision::PassedOver => self.with_badge("Not answered", BadgeColor::Secondary),
        }
    }

    fn waiting(&self, url: &str) -> Card {
        let host = escaped(&self.host);
        let text = format!(
            "To go on, sign in to **{host}**. What the assistant does there, it does with your own \
             account and its rights; it never sees your password."
        );
        let link = format!("[**Sign in to {} ↗**]({url})", escaped(&self.title));
        let card = Card::new([
            self.header(format!("Connect {}", self.title), "Waiting for you", BadgeColor::Warning),
            Markdown::new(text).into(),
            Markdown::new(link).into(),
            Text::new("Come back here when you have signed in.")
                .size("sm")
                .color("secondary")
                .into(),
        ]);
        let card = card.size(CardSize::Sm).confirm("Continue", decision(true));
        card.cancel("Not now", decision(false))
    }

    fn header(&self, title: String, label: &str, color: BadgeColor) -> WidgetComponent {
        Row::new([
            Title::new(title).size(TitleSize::Sm).into(),
            Spacer::new().into(),
            Badge::new(label).color(color).variant(BadgeVariant::Soft).into(),
        ])
        .gap(3)
        .align("center")
        .into()
    }

    fn with_badge(&self, label: &str, color: BadgeColor) -> Card {
        let host = Text::new(self.host.clone()).size("sm").color("secondary");
        let header = self.header(self.title.clone(), label, color);
        Card::new([header, host.into()]).size(CardSize::Sm)
    }

    fn with_continue(&self, card: Card) -> Card {
        card.confirm("Continue", decision(true))
    }

    fn with_disconnect(&self, card: Card) -> Card {
        let action = ActionConfig::new(DISCONNECT)
            .payload(json!({ "server": self.server }))
            .loading_behavior(LoadingBehavior::Container);
        card.cancel("Disconnect", action)
    }
}

fn decision(approve: bool) -> ActionConfig {
    ActionConfig::new(ACTION)
        .payload(json!({ "approve": approve }))
        .loading_behavior(LoadingBehavior::Container)
}

/// As Markdown that is read as these letters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if char.is_ascii_punctuation() && !matches!(char, '.' | ',' | ':' | '-') {
            escaped.push('\\');
        }
        escaped.push(if char.is_control() { ' ' } else { char });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_is_called_is_no_markdown() {
        assert_eq!(
            escaped("a](https://evil.example) *b*"),
            "a\\]\\(https:\\/\\/evil.example\\) \\*b\\*"
        );
    }
}
