//! Who handles an action, and what shows that it runs.

use parlor_chatkit::protocol::{
    ActionConfig, LoadingBehavior,
    widgets::{Button, ButtonStyle, Caption, Card, Row, Text, Title, TitleSize, WidgetRoot},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Takes a while: handled by the server, with a stream.
pub const WORK: &str = "gallery.work";
/// Counts: answered by the server with the changed widget.
pub const COUNT: &str = "gallery.count";
/// Handled by the page's `widgets.onAction`.
pub const THEME: &str = "gallery.theme";

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    let work = |label: &str, loading| {
        Button::new(label)
            .style(ButtonStyle::Secondary)
            .on_click_action(ActionConfig::new(WORK).loading_behavior(loading))
            .into()
    };
    let server = Card::new([
        Title::new("By the server").size(TitleSize::Sm).into(),
        Caption::new("A turn like a message’s. Each shows in its own way that it runs.").into(),
        Row::new([
            work("Auto", LoadingBehavior::Auto),
            work("The button", LoadingBehavior::Component),
            work("The widget", LoadingBehavior::Container),
            work("Nothing", LoadingBehavior::None),
        ])
        .gap(2)
        .wrap("wrap")
        .into(),
    ]);
    let client = Card::new([
        Title::new("By the page").size(TitleSize::Sm).into(),
        Caption::new("The server hears nothing of it.").into(),
        Row::new([Button::new("Change the theme")
            .icon_start("lucide:moon")
            .on_click_action(ActionConfig::client(THEME))
            .into()])
        .into(),
    ]);
    vec![server.into(), Counter { count: 0, by: 0 }.widget(), client.into()]
}

/// A widget whose state travels in its actions: the server keeps nothing but the widget.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counter {
    /// The count before the action.
    pub count: i64,
    /// What the action adds.
    pub by: i64,
}

impl Counter {
    /// The widget, after the action.
    pub fn widget(&self) -> WidgetRoot {
        let count = self.count.saturating_add(self.by);
        let button = |label: &str, by: i64| {
            Button::new(label)
                .style(ButtonStyle::Secondary)
                .on_click_action(ActionConfig::sync(COUNT).payload(json!(Self { count, by })))
                .into()
        };
        Card::new([
            Title::new("At once").size(TitleSize::Sm).into(),
            Caption::new("A sync action: the answer is the changed widget, without a turn.").into(),
            Row::new([
                button("Less", -1),
                Text::new(count.to_string()).size("lg").weight("semibold").into(),
                button("More", 1),
            ])
            .gap(4)
            .align("center")
            .into(),
        ])
        .into()
    }
}
