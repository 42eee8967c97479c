//! Stored widgets that change in their place. After a reload they are as they were left.

use parlor_chatkit::protocol::{
    ActionConfig,
    widgets::{
        Button, ButtonStyle, Caption, Card, Col, Color, FlexBox, Icon, ListView, ListViewItem,
        Radius, Row, Spacer, Text, Title, TitleSize, WidgetComponent, WidgetRoot, WidgetStatus,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Packs a thing, or unpacks it: a streaming action.
pub const PACK: &str = "packing.toggle";
/// Votes: a sync action.
pub const VOTE: &str = "poll.vote";

const THINGS: [&str; 3] = ["Passport", "Charger", "Rain jacket"];
const DISHES: [&str; 3] = ["Noodles", "Pizza", "Salad"];

/// What is packed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PackingList {
    /// The things that are in the bag, by their places in the list.
    pub packed: Vec<usize>,
}

impl PackingList {
    /// The list.
    pub fn widget(&self) -> WidgetRoot {
        let things = THINGS.iter().enumerate().map(|(at, thing)| {
            let is_in = self.packed.contains(&at);
            let mut after = self.packed.clone();
            if is_in {
                after.retain(|&packed| packed != at);
            } else {
                after.push(at);
            }
            let (icon, color) = if is_in {
                ("check-circle-filled", "green-600")
            } else {
                ("empty-circle", "tertiary")
            };
            let mut text = Text::new(*thing);
            if is_in {
                text = text.line_through(true).color("tertiary");
            }
            ListViewItem::new([Icon::new(icon).color(color).into(), text.into()])
                .key(*thing)
                .gap(3)
                .align("center")
                .on_click_action(ActionConfig::new(PACK).payload(json!(Self { packed: after })))
        });
        let status = format!("{} of {} packed", self.packed.len(), THINGS.len());
        ListView::new(things).status(WidgetStatus::new(status).icon("suitcase")).into()
    }
}

/// Votes for dishes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Poll {
    /// The votes so far.
    #[serde(default)]
    pub votes: [u32; DISHES.len()],
    /// The dish that is voted for.
    #[serde(default)]
    pub dish: Option<usize>,
}

impl Poll {
    /// The poll, with the vote counted.
    pub fn widget(&self) -> WidgetRoot {
        let mut votes = self.votes;
        if let Some(vote) = self.dish.and_then(|dish| votes.get_mut(dish)) {
            *vote = vote.saturating_add(1);
        }
        let all: u32 = votes.iter().fold(0, |all, vote| all.saturating_add(*vote));
        let mut rows: Vec<WidgetComponent> = vec![
            Title::new("What shall we eat?").size(TitleSize::Sm).into(),
            Caption::new(match all {
                1 => "1 vote".to_owned(),
                _ => format!("{all} votes"),
            })
            .into(),
        ];
        rows.extend(DISHES.iter().enumerate().map(|(at, dish)| {
            let share = f64::from(votes[at]) / f64::from(all.max(1)) * 100.0;
            let vote = ActionConfig::sync(VOTE).payload(json!(Self { votes, dish: Some(at) }));
            Row::new([
                Col::new([
                    Row::new([
                        Text::new(*dish).size("sm").into(),
                        Spacer::new().into(),
                        Caption::new(votes[at].to_string()).into(),
                    ])
                    .into(),
                    bar(share),
                ])
                .gap(1)
                .flex(1)
                .into(),
                Button::new("Vote")
                    .size("sm")
                    .style(ButtonStyle::Secondary)
                    .on_click_action(vote)
                    .into(),
            ])
            .gap(4)
            .align("center")
            .key(*dish)
            .into()
        }));
        Card::new(rows).into()
    }
}

/// A bar of boxes.
fn bar(percent: f64) -> WidgetComponent {
    let full = FlexBox::new([])
        .height(6)
        .width(format!("{percent:.0}%"))
        .radius(Radius::Full)
        .background("blue-500");
    FlexBox::new([full.into()])
        .height(6)
        .width("100%")
        .radius(Radius::Full)
        .background(Color::themed("gray-100", "gray-800"))
        .into()
}
