//! Calls that wait for the user's consent.
//!
//! What is known of them is an item of the thread that clients don't see, and each is shown as a card
//! with two buttons. So they outlive a reload, a restart and this server, and every answer is made by
//! a turn of its own, of which a thread has one at a time: nothing is decided twice.

use parlor_chatkit::protocol::{
    ActionConfig, HiddenContextItem, ItemId, LoadingBehavior, ThreadItem, Timestamp,
    widgets::{
        Badge, BadgeColor, BadgeVariant, Card, CardSize, Col, Row, Spacer, Text, Title, TitleSize,
    },
};
use parlor_search::Passage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::InputItem;
use crate::prompt::line;
use crate::sign_in_card::SignInCard;
use crate::tools::ToolCallRequest;

/// The action of the buttons on cards that ask for consent to a call. Its payload is an object with
/// `approve`, a boolean.
pub const ACTION: &str = "parlor.approval";

/// The key under which a hidden item holds what is known of calls that wait.
const KEY: &str = "parlor.held_calls";

/// Arguments that are shown of a call, at most.
const MAX_SHOWN: usize = 12;

/// Calls of one round that may wait, at most.
pub(crate) const MAX_WAITING: usize = 8;

/// How far back an answer's calls are looked for, in items.
pub(crate) const RECENT_ITEMS: u32 = 60;

/// An answer that goes on when the user has decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// What the model said and was told in this answer so far, the calls that wait included.
    exchanged: Vec<Exchanged>,
    /// What searches found, as it is numbered in the results.
    pub(crate) found: Vec<Passage>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) expires_at: Timestamp,
    /// Which agent asked, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    /// The call that waits for the user's page, if that is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<PageCall>,
    /// Whether the model was told of all decisions.
    finished: bool,
}

/// A call that the user's page makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PageCall {
    pub(crate) call: ToolCallRequest,
    /// How much of what it sends the model is given.
    pub(crate) max_chars: usize,
    /// What the answer has taken so far.
    pub(crate) spending: Spending,
}

/// What an answer has taken of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spending {
    pub(crate) rounds: u32,
    pub(crate) calls: usize,
    pub(crate) tokens: u64,
    pub(crate) cost: u64,
    pub(crate) hand_offs: u32,
    pub(crate) millis: u64,
}

/// A call that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) call: ToolCallRequest,
    pub(crate) title: String,
    pub(crate) widget: ItemId,
    pub(crate) decision: Decision,
    /// What the user is asked to sign in to, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sign_in: Option<AskedToSignIn>,
}

/// A server that the user is asked to sign in to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskedToSignIn {
    pub(crate) card: SignInCard,
    /// The link by which they do.
    pub(crate) url: String,
}

/// What became of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Pending,
    Approved,
    Denied,
    /// The answer came too late.
    Expired,
    /// The user wrote something else instead.
    PassedOver,
}

/// The kinds of [`InputItem`] that an answer is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Exchanged {
    Said(String),
    Called(ToolCallRequest),
    Told { call_id: String, output: String },
}

impl Held {
    pub(crate) fn new(
        exchanged: &[InputItem],
        found: &[Passage],
        waiting: Vec<Waiting>,
        expires_at: Timestamp,
    ) -> Self {
        let exchanged = exchanged.iter().filter_map(|item| match item {
            InputItem::Assistant(text) => Some(Exchanged::Said(text.clone())),
            InputItem::ToolCall { call_id, name, arguments } => {
                Some(Exchanged::Called(ToolCallRequest {
                    call_id: call_id.clone(),
                    name: name.clone(),
                    arguments: arguments.clone(),
                }))
            }
            InputItem::ToolResult { call_id, output } => {
                Some(Exchanged::Told { call_id: call_id.clone(), output: output.clone() })
            }
            InputItem::User(_) | InputItem::UserWithFiles { .. } => None,
        });
        Self {
            exchanged: exchanged.collect(),
            found: found.to_vec(),
            waiting,
            expires_at,
            agent: None,
            page: None,
            finished: false,
        }
    }

    /// The record of an item that has one.
    pub(crate) fn of(item: &ThreadItem) -> Option<(HiddenContextItem, Self)> {
        let ThreadItem::HiddenContext(item) = item else { return None };
        let held = serde_json::from_value(item.content.get(KEY)?.clone()).ok()?;
        Some((item.clone(), held))
    }

    /// The latest of these items' records, if it waits for something.
    pub(crate) fn unfinished(items: &[ThreadItem]) -> Option<(HiddenContextItem, Self)> {
        items.iter().rev().find_map(Self::of).filter(|(_, held)| !held.finished)
    }

    /// What a hidden item holds of it.
    pub(crate) fn content(&self) -> Value {
        json!({ KEY: self })
    }

    /// The model has been told, or is about to be: only what is worth remembering stays.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        self.exchanged.clear();
        self.found.clear();
    }

    /// What the model said and was told so far.
    pub(crate) fn exchanged(&self) -> Vec<InputItem> {
        let items = self.exchanged.iter().cloned().map(|item| match item {
            Exchanged::Said(text) => InputItem::Assistant(text),
            Exchanged::Called(ToolCallRequest { call_id, name, arguments }) => {
                InputItem::ToolCall { call_id, name, arguments }
            }
            Exchanged::Told { call_id, output } => InputItem::ToolResult { call_id, output },
        });
        items.collect()
    }

    /// What a model is told later.
    pub(crate) fn note(&self) -> Option<String> {
        if !self.finished {
            return None;
        }
        let notes = self.waiting.iter().map(|waiting| {
            let name = &waiting.call.name;
            if let Some(asked) = &waiting.sign_in {
                return match waiting.decision {
                    Decision::Approved => format!("The user connected {}.", asked.card.title),
                    _ => format!("The user was asked to connect {} and did not.", asked.card.title),
                };
            }
            let what = match waiting.decision {
                Decision::Approved => "the user approved it, and it was called",
                Decision::Denied => "the user denied it, and it was not called",
                Decision::Expired | Decision::PassedOver | Decision::Pending => {
                    "the user did not answer, and it was not called"
                }
            };
            format!(
                "The tool “{name}” needed consent for {}: {what}.",
                line(&waiting.call.arguments, 300)
            )
        });
        Some(notes.collect::<Vec<_>>().join(" "))
    }
}

impl Waiting {
    /// The result that the model is told of a call that was not made.
    pub(crate) fn refusal(&self) -> InputItem {
        if let Some(asked) = &self.sign_in {
            let title = &asked.card.title;
            let output = match self.decision {
                Decision::Approved => {
                    format!("The user is connected to {title} now. Its tools are there: go on.")
                }
                Decision::Denied => format!(
                    "The user does not want to connect {title} now. Go on without it, and do not \
                     ask again unless the user does."
                ),
                Decision::Expired | Decision::PassedOver | Decision::Pending => {
                    format!("The user has not connected {title}.")
                }
            };
            return InputItem::ToolResult { call_id: self.call.call_id.clone(), output };
        }
        let output = match self.decision {
            Decision::Denied => {
                "Error: the user denied this call, and it was not made. Do not make it again unless \
                 the user asks for it."
            }
            Decision::Expired => {
                "Error: the user's consent came too late, and the call was not made. Ask whether it \
                 is still wanted."
            }
            // It was approved and the server went down before the result was known.
            Decision::Approved => {
                "Error: the user approved this call, but it is not known whether it was made. Find \
                 out, or say so, before it is made again."
            }
            Decision::PassedOver | Decision::Pending => {
                "Error: the user did not consent to this call but wrote another message, and it was \
                 not made."
            }
        };
        InputItem::ToolResult { call_id: self.call.call_id.clone(), output: output.to_owned() }
    }

    /// The card that asks, or says what was decided.
    pub(crate) fn card(&self) -> Card {
        if let Some(asked) = &self.sign_in {
            return asked.card.of_decision(self.decision, &asked.url);
        }
        let mut shown = vec![
            Row::new([
                Title::new(self.title.clone()).size(TitleSize::Sm).into(),
                Spacer::new().into(),
                self.badge().into(),
            ])
            .gap(3)
            .align("center")
            .into(),
        ];
        let arguments = serde_json::from_str::<Value>(&self.call.arguments).unwrap_or_default();
        let lines =
            arguments.as_object().into_iter().flatten().take(MAX_SHOWN).map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // Plain text: what a model writes is no Markdown here.
                Text::new(format!("{}: {}", shown_line(name, 60), shown_line(&value, 400)))
                    .size("sm")
                    .color("secondary")
                    .into()
            });
        let lines: Vec<_> = lines.collect();
        if !lines.is_empty() {
            shown.push(Col::new(lines).gap(1).into());
        }
        let card = Card::new(shown).size(CardSize::Sm);
        if self.decision != Decision::Pending {
            return card;
        }
        let action = |approve: bool| {
            ActionConfig::new(ACTION)
                .payload(json!({ "approve": approve }))
                .loading_behavior(LoadingBehavior::Container)
        };
        card.confirm("Approve", action(true)).cancel("Deny", action(false))
    }

    fn badge(&self) -> Badge {
        let (label, color) = match self.decision {
            Decision::Pending => ("Needs your consent", BadgeColor::Warning),
            Decision::Approved => ("Approved", BadgeColor::Success),
            Decision::Denied => ("Denied", BadgeColor::Danger),
            Decision::Expired => ("Expired", BadgeColor::Secondary),
            Decision::PassedOver => ("Not answered", BadgeColor::Secondary),
        };
        Badge::new(label).color(color).variant(BadgeVariant::Soft)
    }
}

/// On one line, and as it is: this is shown and not told to a model.
fn shown_line(text: &str, max_chars: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_is_made_of_is_kept_whole() {
        let exchanged = vec![
            InputItem::Assistant("Let me see.".into()),
            InputItem::ToolCall {
                call_id: "c1".into(),
                name: "cancel".into(),
                arguments: "{\"number\":\"A-1\"}".into(),
            },
            InputItem::ToolResult { call_id: "c0".into(), output: "fine".into() },
        ];
        let now = Timestamp::from_micros(1_000_000).unwrap();
        let held = Held::new(&exchanged, &[], Vec::new(), now);
        let read: Held = serde_json::from_value(held.content()[KEY].clone()).unwrap();
        assert_eq!(read, held);
        assert_eq!(read.exchanged(), exchanged);
        assert_eq!(read.note(), None);
    }
}
